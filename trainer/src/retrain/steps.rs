//! The steps of a run. Each does its work, then writes where the run stands; done again after a crash, it comes to the
//! same: what is learnt ends at the second in which the run began, files are named by what is in them, and a row that
//! moved on meanwhile is not written.

use sekisho_core::model::{Limits, Model};

use super::account::{Account, Gate, Learnt};
use super::error::RetrainError;
use super::evidence::{self, Parts};
use super::runs::{self, Run, State};
use super::{decide, drifting, report, shadow, thresholds};
use crate::calibrate::split;
use crate::config::Config;
use crate::dataset::Site;
use crate::evaluate::{Contender, Terms, compare};
use crate::learn::{FitError, doubt_conversions};
use crate::onnx;
use crate::registry::evaluation::Evaluation;
use crate::registry::gates;
use crate::registry::promote::POLICY;
use crate::registry::settings::Settings;
use crate::registry::shelf::{Origin, Provenance, Shelf, digest_of, load, replace, short};
use crate::scan::load_model;
use crate::store::Store;
use crate::train::{self, CanaryError, TrainError};

/// Seed of the intervals of a comparison: the same data give the same figures.
const SEED: u64 = 1;

/// What a step came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It is done, and the run stands here now.
    Went(State),
    /// Nothing can be done now, for this reason.
    Waits(String),
}

/// A store and what is configured for it.
pub struct Retrain<'a> {
    /// Samples, labels, runs.
    pub store: &'a Store,
    /// What holds.
    pub config: &'a Config,
}

impl Retrain<'_> {
    /// The next step, at this time in unix seconds.
    ///
    /// # Errors
    /// What a later try may get over; the run stands where it stood.
    pub fn step(&self, now: u32) -> Result<Progress, RetrainError> {
        let Some(mut run) = runs::open(self.store)? else {
            return self.begin(now);
        };
        let from = run.state;
        let champion = self.champion_digest()?;
        if let Some(by) = decide::promoted_by(self, &run, champion.as_deref())? {
            runs::decide(self.store, &mut run, State::Promoted, &by, "", now)?;
            return Ok(Progress::Went(State::Promoted));
        }
        if from > State::Evaluating && champion != run.champion && champion != run.challenger {
            let why = "the champion changed since it was compared";
            return self.refuse(&mut run, why, now);
        }
        let outcome = match from {
            State::Training => self.train(&mut run)?,
            State::Calibrating => self.calibrate(&mut run)?,
            State::Evaluating => self.evaluate(&mut run, champion)?,
            State::Registering => self.register(&mut run, now)?,
            State::Shadowing => match shadow::look(self, &mut run, now)? {
                Some(wait) => return Ok(Progress::Waits(wait)),
                None => Outcome::Next(State::Reporting),
            },
            State::Reporting => {
                run.account.drift = drifting::look(self.store, self.config, now)?;
                run.report = report::markdown(&run);
                Outcome::Next(State::Waiting)
            }
            _ => return decide::wait(self, &mut run, now),
        };
        match outcome {
            Outcome::Next(state) => {
                run.state = state;
                runs::advance(self.store, &run, from)?;
                tracing::info!("run {} is {}", run.id, state.as_str());
                Ok(Progress::Went(state))
            }
            Outcome::Refuse(why) => self.refuse(&mut run, &why, now),
        }
    }

    /// The registry's places and rules.
    pub fn settings(&self) -> Settings {
        Settings::of(self.config.clone())
    }

    /// Digest of the champion's file; `None` when there is no such file.
    pub fn champion_digest(&self) -> Result<Option<String>, RetrainError> {
        let path = self.config.models.champion.as_deref();
        Ok(path.map(digest_of).transpose()?.flatten())
    }

    fn begin(&self, now: u32) -> Result<Progress, RetrainError> {
        let parts = Parts::read(self.store, &self.config.retrain, now)?;
        let missing = parts.missing(&self.config.retrain);
        if !missing.is_empty() {
            let text = format!("too little evidence to learn from: {}", missing.join("; "));
            return Ok(Progress::Waits(text));
        }
        let account = Account {
            cut: parts.cut,
            ..Account::default()
        };
        Ok(match runs::begin(self.store, now, &account)? {
            Some(run) => Progress::Went(run.state),
            None => Progress::Waits("another run has just begun".to_owned()),
        })
    }

    fn train(&self, run: &mut Run) -> Result<Outcome, RetrainError> {
        let mut earlier = self.earlier(run)?;
        let (crawlers, people) = evidence::labelled(&earlier);
        let made = match train::make(&mut earlier) {
            Err(TrainError::Fit(error @ (FitError::OneClass { .. } | FitError::Booster(_)))) => {
                return Ok(Outcome::Refuse(error.to_string()));
            }
            made => made?,
        };
        run.account.learnt = Some(Learnt::of(&made, people, crawlers));
        if made.guess {
            let note = "too few families are labelled to set thresholds from: they are a guess unless they are calibrated";
            run.account.notes.push(note.to_owned());
        }
        run.model = Some(made.model);
        Ok(Outcome::Next(State::Calibrating))
    }

    fn calibrate(&self, run: &mut Run) -> Result<Outcome, RetrainError> {
        let model = model_of(run)?;
        let found = match thresholds::set(&self.later(run)?, &model, self.config) {
            Ok(found) => found,
            Err(refusal) => return Ok(Outcome::Refuse(refusal.to_string())),
        };
        run.account.thresholds = Some(found.cuts);
        run.account.notes.extend(found.notes);
        let (bytes, _) = onnx::with_thresholds(run.model.as_deref().unwrap_or_default(), found.thresholds)?;
        if let Some(path) = &self.config.retrain.canaries {
            let canaries = train::read_canaries(path)?;
            match train::check_canaries(&canaries, &load(&bytes, "the challenger")?) {
                Err(CanaryError::Flipped { flipped, all, named }) => {
                    // Names stay out of the store, where they could not be forgotten.
                    tracing::error!("canaries flip: {}", named.join("; "));
                    return Ok(Outcome::Refuse(format!("{flipped} of {all} canaries flip")));
                }
                result => result?,
            }
            run.account.canaries = canaries.len();
        }
        run.model = Some(bytes);
        Ok(Outcome::Next(State::Evaluating))
    }

    fn evaluate(&self, run: &mut Run, champion: Option<String>) -> Result<Outcome, RetrainError> {
        let challenger = model_of(run)?;
        let path = self
            .config
            .models
            .champion
            .as_deref()
            .filter(|_| champion.is_some());
        if path.is_none() {
            let note = "no champion is in force, so the built-in model was the measure";
            run.account.notes.push(note.to_owned());
        }
        let digest = challenger.digest().to_owned();
        if champion.as_ref() == Some(&digest) {
            return Ok(Outcome::Refuse("it is the champion already".to_owned()));
        }
        let terms = Terms {
            budget: self.config.calibrate.budget,
            min_requests: self.config.retrain.min_requests,
            seed: SEED,
        };
        let now = Contender::of("champion".to_owned(), load_model(path)?, None);
        let then = Contender::of("challenger".to_owned(), challenger, None);
        let comparison = match compare(&now, &then, &self.latest(run)?, terms) {
            Ok(comparison) => comparison,
            Err(error) => return Ok(Outcome::Refuse(error.to_string())),
        };
        let mut document = serde_json::to_value(&comparison)?;
        if self.config.retrain.canaries.is_some() {
            document["canaries_flipped"] = 0.into();
        }
        let results = gates::check(&self.config.gates, &Evaluation::read(&document)?);
        run.account.gates = results.iter().map(Gate::from).collect();
        run.account.sentence = comparison.sentence;
        run.account.notes.extend(comparison.notes);
        run.account.evaluation = Some(document);
        run.champion = champion;
        run.challenger = Some(digest);
        Ok(Outcome::Next(State::Registering))
    }

    /// Keeps the challenger, whatever the gates say: a person may want to look at it, or know better.
    fn register(&self, run: &mut Run, now: u32) -> Result<Outcome, RetrainError> {
        let shelf = Shelf::open(&self.config.models.directory)?;
        let bytes = run.model.take().ok_or(RetrainError::Damaged(run.id))?;
        let parent = run.champion.clone();
        let from = Provenance {
            origin: Origin::Trained,
            parent: parent.filter(|digest| shelf.entry(digest).is_ok()),
            note: format!("run {} of sekisho retrain", run.id),
            evaluation: run.account.evaluation.clone(),
        };
        shelf.add(&bytes, "the challenger", from, i64::from(run.started))?;
        if !run.account.passes() {
            return Ok(Outcome::Refuse("a gate is closed".to_owned()));
        }
        match &self.config.models.challenger {
            Some(path) => replace(path, &bytes)?,
            None => {
                let note = "nothing scored beside the champion, as [models] challenger names no file";
                run.account.notes.push(note.to_owned());
                return Ok(Outcome::Next(State::Reporting));
            }
        }
        run.account.shadow_since = Some(now);
        Ok(Outcome::Next(State::Shadowing))
    }

    fn refuse(&self, run: &mut Run, why: &str, now: u32) -> Result<Progress, RetrainError> {
        // The report is of the end, which is written below.
        let mut shown = run.clone();
        shown.state = State::Refused;
        why.clone_into(&mut shown.why);
        run.report = report::markdown(&shown);
        runs::decide(self.store, run, State::Refused, POLICY, why, now)?;
        let model = run.challenger.as_deref().map_or("its model", short);
        tracing::warn!("run {}: {model} cannot become the champion: {why}", run.id);
        Ok(Progress::Went(State::Refused))
    }

    /// What is learnt from.
    fn earlier(&self, run: &Run) -> Result<Vec<Site>, RetrainError> {
        let cut = run.account.cut;
        let part = |site: Site| site.until(cut);
        Ok(evidence::sites(
            self.store,
            &self.config.retrain,
            run.started,
            part,
        )?)
    }

    /// What is held out.
    fn later(&self, run: &Run) -> Result<Vec<Site>, RetrainError> {
        let cut = run.account.cut;
        // Who is not believed when a model is learnt must not move its thresholds either. Training does it by itself.
        let part = |mut site: Site| {
            doubt_conversions(&mut site);
            site.since(cut)
        };
        Ok(evidence::sites(
            self.store,
            &self.config.retrain,
            run.started,
            part,
        )?)
    }

    /// Of what is held out, the half that thresholds do not come from: nobody in it, nor a neighbour, had a say in them.
    fn latest(&self, run: &Run) -> Result<Vec<Site>, RetrainError> {
        let least = self.config.retrain.min_requests;
        let held_out = self.later(run)?;
        Ok(held_out.iter().map(|site| split(site, least).1).collect())
    }
}

/// What a step asks for.
enum Outcome {
    Next(State),
    Refuse(String),
}

fn model_of(run: &Run) -> Result<Model, RetrainError> {
    let bytes = run.model.as_deref().ok_or(RetrainError::Damaged(run.id))?;
    Model::load(bytes, &Limits::DEFAULT).map_err(|_| RetrainError::Damaged(run.id))
}
