//! Categories, suggestions and counterfactuals.

use sekisho_core::feature::{FEATURES, Features, index};
use sekisho_core::model::{Limits, Model};

use super::super::category::{Category, by_rule};
use super::super::explanation::{Action, Level, explain};
use super::super::measure::Measure;
use super::super::snapshot::{Counterfactual, Snapshot};
use super::{RECORDED, recorded};
use crate::scan::DEFAULT_MODEL;

#[test]
fn recorded_crawlers_have_their_category() {
    for (name, _) in RECORDED {
        let expected = match name {
            "passed" => Category::Unclear,
            "model_baseline" => Category::CatalogueScrape,
            other => Category::from_word(other).unwrap(),
        };
        assert_eq!(by_rule(&recorded(name)), expected, "{name}");
    }
}

#[test]
fn suggestions_follow_category_label_and_grounds() {
    #[track_caller]
    fn check(name: &str, change: impl Fn(&mut Snapshot), expected: (Action, Level)) {
        let mut snapshot = recorded(name);
        change(&mut snapshot);
        let explanation = explain(&snapshot);
        assert_eq!(
            (explanation.action, explanation.grounds.level),
            expected,
            "{name}"
        );
    }
    let label = |class: &str, origin: &str| Some((class.to_owned(), origin.to_owned()));
    let bot = label("crawler", "verified_bot");
    let person = label("human", "conversion");
    check("credential_stuffing", |_| (), (Action::Ban, Level::Strong));
    check(
        "credential_stuffing",
        |it| it.score = 0.96,
        (Action::Delay, Level::Fair),
    );
    check(
        "credential_stuffing",
        |it| it.requests = 12,
        (Action::Watch, Level::Weak),
    );
    check(
        "credential_stuffing",
        |it| it.flagged = 3,
        (Action::Watch, Level::Weak),
    );
    check("vulnerability_scan", |_| (), (Action::Ban, Level::Strong));
    check("monitoring", |_| (), (Action::AskOperator, Level::Strong));
    check("price_watch", |_| (), (Action::Tag, Level::Strong));
    check("faceted_crawl", |_| (), (Action::Delay, Level::Strong));
    check("swarm_member", |_| (), (Action::Delay, Level::Strong));
    check(
        "catalogue_scrape",
        |it| it.label = bot.clone(),
        (Action::AllowVerifiedBot, Level::Strong),
    );
    check(
        "catalogue_scrape",
        |it| it.label = person.clone(),
        (Action::AskOperator, Level::Strong),
    );
    check(
        "catalogue_scrape",
        |it| it.verdict = "ALLOWED".into(),
        (Action::Nothing, Level::Strong),
    );
    check("passed", |it| it.requests = 64, (Action::Nothing, Level::Strong));
    check(
        "passed",
        |it| it.marks = vec!["trap".into()],
        (Action::AskOperator, Level::Strong),
    );
}

fn features(snapshot: &Snapshot) -> Features {
    FEATURES.map(|feature| snapshot.features[feature.name] as f32)
}

#[test]
fn what_would_have_passed_passes() {
    let model = Model::load(DEFAULT_MODEL, &Limits::DEFAULT).unwrap();
    let (mut thresholds, mut joint) = (0, 0);
    for (name, _) in RECORDED {
        let snapshot = recorded(name);
        let own = features(&snapshot);
        let suspect = model.thresholds().suspect;
        for item in &snapshot.evidence {
            let Some(bound) = item.threshold else { continue };
            let mut changed = own;
            changed[index(&item.feature).unwrap()] = Measure::named(&item.feature).raw(bound) as f32;
            assert!(model.score(&changed) < suspect, "{name} {}", item.feature);
            thresholds += 1;
        }
        let with = |left_out: Option<&String>, ids: &[String]| {
            let mut changed = own;
            for item in ids
                .iter()
                .filter(|id| Some(*id) != left_out)
                .filter_map(|id| snapshot.item(id))
            {
                let measure = Measure::named(&item.feature);
                changed[index(&item.feature).unwrap()] = measure.raw(item.baseline.median) as f32;
            }
            model.score(&changed)
        };
        if let Counterfactual::Joint { evidence } = &snapshot.counterfactual {
            joint += 1;
            assert!(with(None, evidence) < suspect, "{name}");
            for id in evidence {
                assert!(with(Some(id), evidence) >= suspect, "{name} needs {id}");
            }
        }
    }
    assert!(thresholds > 0 && joint > 3, "{thresholds} {joint}");
}
