//! `sekisho model diff`: what two models have in common, and on whom they differ.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sekisho_core::model::{Limits, Model};
use sekisho_core::sample::{MAX_LINE, Sample};
use serde::Serialize;

use super::Format;
use super::anatomy::{Anatomy, dissect};
use super::error::{RegistryError, quoted};
use super::settings::Settings;
use super::shelf::{Shelf, Summary, hex, load, read_bounded, short};
use super::view::{print, table};
use crate::dataset::{UserAgents, read_site};
use crate::learn::highest;
use crate::train::row_counts;

/// Most clients whose scores are kept side by side; the rest of the samples is left out, and counted.
const MAX_CLIENTS: usize = 1_000_000;
/// Clients named in the result.
const NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  sekisho model diff champion 3f2a
      cards, thresholds and trees of the champion and of the model whose digest begins so
  sekisho model diff champion challenger.onnx --log access.log.gz
      also how many clients of a log get another verdict, and who

A model is named by its role (champion, challenger), by the first digits of its digest, or by its file.";

/// Compare two models, and their verdicts on a log or on samples
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The one
    #[arg(value_name = "A")]
    left: String,

    /// The other
    #[arg(value_name = "B")]
    right: String,

    /// An access log whose clients both score
    #[arg(long, value_name = "LOG")]
    log: Vec<PathBuf>,

    /// A sample file whose samples both score
    #[arg(long, value_name = "FILE")]
    samples: Vec<PathBuf>,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// A model that was named somehow.
pub struct Named {
    /// As people read it.
    name: String,
    digest: Option<String>,
    bytes: Vec<u8>,
}

impl Named {
    /// The digest of a model that the registry keeps.
    pub fn kept(self) -> Result<String, RegistryError> {
        self.digest.ok_or(RegistryError::NotKept(self.name))
    }
}

/// Finds a model by role, digest or file.
pub fn resolve(settings: &Settings, shelf: &Shelf, id: &str) -> Result<Named, RegistryError> {
    let most = Limits::DEFAULT.max_bytes as u64;
    let of_file = |path: &Path| {
        let bytes = read_bounded(path, most)?;
        let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
        let known = shelf.path(&digest, "json").exists();
        Ok(Named {
            name: quoted(id),
            digest: known.then_some(digest),
            bytes,
        })
    };
    match (id, &settings.champion, &settings.challenger) {
        ("champion", Some(path), _) | ("challenger", _, Some(path)) => of_file(path),
        _ => match shelf.find(id) {
            Err(RegistryError::Unknown(_)) if Path::new(id).is_file() => of_file(Path::new(id)),
            found => {
                let digest = found?;
                Ok(Named {
                    name: short(&digest).to_owned(),
                    bytes: shelf.read(&digest)?,
                    digest: Some(digest),
                })
            }
        },
    }
}

/// One of the two.
#[derive(Debug, Serialize)]
struct Side {
    name: String,
    digest: String,
    card: Summary,
    anatomy: Anatomy,
}

/// Verdicts as counted per client, the worst of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Passed,
    Suspect,
    Rejected,
}

/// On how many clients they differ.
#[derive(Debug, Default, Serialize)]
struct Verdicts {
    clients: u64,
    different: u64,
    newly_stopped: u64,
    released: u64,
    unreadable: u64,
    /// Some of them: client, score and verdict of each.
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    client: String,
    scores: [f64; 2],
    verdicts: [Fate; 2],
}

#[derive(Debug, Serialize)]
struct Difference {
    models: [Side; 2],
    same_typical_person: bool,
    same_score_stats: bool,
    verdicts: Option<Verdicts>,
}

/// Runs the command.
pub fn run(settings: &Settings, args: &Args) -> Result<(), RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let mut sides = Vec::new();
    for id in [&args.left, &args.right] {
        let named = resolve(settings, &shelf, id)?;
        let model = load(&named.bytes, &named.name)?;
        sides.push((
            Side {
                digest: model.digest().to_owned(),
                card: Summary::from(model.card()),
                anatomy: dissect(&named.bytes, &named.name)?,
                name: named.name,
            },
            model,
        ));
    }
    let [(left, a), (right, b)] =
        <[(Side, Model); 2]>::try_from(sides).map_err(|_| RegistryError::Unknown(String::new()))?;
    let models = [&a, &b];
    let verdicts = match args.log.is_empty() && args.samples.is_empty() {
        true => None,
        false => Some(compare(models, &args.log, &args.samples)?),
    };
    let difference = Difference {
        same_typical_person: a.baseline() == b.baseline(),
        same_score_stats: a.card().score_stats == b.card().score_stats,
        models: [left, right],
        verdicts,
    };
    print(args.format, &difference, || text(&difference))
}

/// A client's highest score by each model.
type Scores = BTreeMap<String, [f64; 2]>;

fn compare(models: [&Model; 2], logs: &[PathBuf], samples: &[PathBuf]) -> Result<Verdicts, RegistryError> {
    let (mut scores, mut unreadable) = (Scores::new(), 0);
    if !logs.is_empty() {
        let (mut agents, counts) = (UserAgents::bundled()?, row_counts());
        for log in logs {
            for client in read_site(log, &mut agents, &counts)?.clients {
                let by = |model: &Model| {
                    let scores: Vec<f64> = client
                        .rows
                        .iter()
                        .map(|row| f64::from(model.score(&row.features)))
                        .collect();
                    highest(&client, &scores)
                };
                if let [Some(a), Some(b)] = models.map(by) {
                    unreadable += u64::from(!note(&mut scores, &client.name, [a, b]));
                }
            }
        }
    }
    for path in samples {
        unreadable += read_samples(path, models, &mut scores)?;
    }
    let mut verdicts = Verdicts {
        unreadable,
        ..Verdicts::default()
    };
    for (client, scores) in scores {
        let fates = [0, 1].map(|at| fate(models[at], scores[at]));
        verdicts.clients += 1;
        verdicts.different += u64::from(fates[0] != fates[1]);
        verdicts.newly_stopped += u64::from(fates[0] < Fate::Rejected && fates[1] == Fate::Rejected);
        verdicts.released += u64::from(fates[0] == Fate::Rejected && fates[1] < Fate::Rejected);
        if fates[0] != fates[1] && verdicts.examples.len() < NAMED {
            verdicts.examples.push(Example {
                client,
                scores,
                verdicts: fates,
            });
        }
    }
    Ok(verdicts)
}

/// Keeps the highest scores; false when there are too many clients.
fn note(scores: &mut Scores, client: &str, new: [f64; 2]) -> bool {
    if let Some(old) = scores.get_mut(client) {
        *old = [old[0].max(new[0]), old[1].max(new[1])];
        return true;
    }
    let room = scores.len() < MAX_CLIENTS;
    if room {
        scores.insert(client.to_owned(), new);
    }
    room
}

/// Scores what can be read of a sample file; how many lines cannot.
fn read_samples(path: &Path, models: [&Model; 2], scores: &mut Scores) -> Result<u64, RegistryError> {
    let failed = |source| RegistryError::file("read", path, source);
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let (mut unreadable, mut line) = (0, Vec::new());
    loop {
        line.clear();
        // A line that is longer comes in pieces, none of which is a sample.
        let most = MAX_LINE as u64 + 1;
        let read = Read::by_ref(&mut lines)
            .take(most)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 {
            return Ok(unreadable);
        }
        let sample = Sample::parse(line.trim_ascii_end()).ok();
        let features = sample.as_ref().and_then(Sample::features);
        let kept = sample.zip(features).is_some_and(|(sample, features)| {
            note(
                scores,
                &sample.client,
                models.map(|model| f64::from(model.score(&features))),
            )
        });
        unreadable += u64::from(!kept);
    }
}

fn fate(model: &Model, score: f64) -> Fate {
    let thresholds = model.thresholds();
    if score >= f64::from(thresholds.reject) {
        Fate::Rejected
    } else if score >= f64::from(thresholds.suspect) {
        Fate::Suspect
    } else {
        Fate::Passed
    }
}

fn text(difference: &Difference) -> String {
    let [a, b] = &difference.models;
    let mut table = table(&["", &a.name, &b.name, ""]);
    let mut row = |name: &str, of: &dyn Fn(&Side) -> String| {
        let (left, right) = (of(a), of(b));
        let mark = if left == right { "" } else { "*" };
        table.add_row([name, &left, &right, mark]);
    };
    row("digest", &|side| short(&side.digest).to_owned());
    row("schema", &|side| quoted(&side.card.schema));
    row("data", &|side| quoted(&side.card.data));
    row("suspect from", &|side| side.card.suspect.to_string());
    row("of people", &|side| {
        format!("{:.2} %", side.card.suspect_fpr * 100.0)
    });
    row("reject from", &|side| side.card.reject.to_string());
    row("of people", &|side| {
        format!("{:.2} %", side.card.reject_fpr * 100.0)
    });
    row("kind", &|side| side.anatomy.kind.to_owned());
    row("trees", &|side| side.anatomy.trees.to_string());
    row("depth", &|side| side.anatomy.depth.to_string());
    row("leaves", &|side| side.anatomy.leaves.to_string());
    row("looks most at", &|side| {
        let first = side
            .anatomy
            .importances
            .iter()
            .take(3)
            .map(|importance| importance.feature);
        first.collect::<Vec<_>>().join(", ")
    });
    let mut text = table.trim_fmt();
    if !difference.same_typical_person {
        text.push_str("\nthe typical person differs, and so may the reasons given");
    }
    let Some(verdicts) = &difference.verdicts else {
        return text;
    };
    let Verdicts {
        clients,
        different,
        newly_stopped,
        released,
        unreadable,
        examples,
    } = verdicts;
    text.push_str(&format!(
        "\n{different} of {clients} clients get another verdict: {newly_stopped} newly stopped, {released} released"
    ));
    if *unreadable > 0 {
        text.push_str(&format!("; {unreadable} lines or clients left out"));
    }
    for example in examples {
        let [a, b] = example.scores;
        let [before, after] = example.verdicts;
        let client = quoted(&example.client);
        text.push_str(&format!(
            "\n  {client}: {before:?} ({a:.3}) -> {after:?} ({b:.3})"
        ));
    }
    text
}
