//! An explanation as a page shows it: of a client as it is known now, or one that was kept.

use serde_json::Value;

use super::background::Labelled;
use super::category::{Category, RULES};
use super::confidence::{Confidence, History, Parts, margin};
use super::explanation::explain;
use super::report::Report;
use super::show;
use super::snapshot::{Evidence, Snapshot};
use super::words::{self, Labels, Lang, Text};

/// Every category with its name.
pub fn kinds(lang: Lang) -> [(Category, &'static str); RULES.len()] {
    RULES.map(|(category, _)| (category, words::category(lang, category)))
}

/// One line of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Id, what, this client, median, usual range, passes from, weight.
    pub cells: [String; 7],
    /// Whether it speaks against the client.
    pub against: bool,
}

/// An explanation in one language. Only `paths` have a visitor's text in them, made visible.
#[derive(Clone, Debug)]
pub struct View {
    /// Digest of the snapshot.
    pub id: String,
    /// The category's name.
    pub category: &'static str,
    /// Headline, sentences, suggestion, confidence.
    pub text: Text,
    /// Words around it.
    pub labels: &'static Labels,
    /// The evidence.
    pub evidence: Vec<EvidenceRow>,
    /// How often which path template was asked for.
    pub paths: Vec<(u64, String)>,
    /// Clients that behave alike.
    pub alike: u64,
    /// Score, and the thresholds of suspicion and of rejection.
    pub scores: [f64; 3],
    /// How many visitors it was compared with, unless they were too few.
    pub visitors: Option<u64>,
    /// Who was asked, and how much of the answer holds.
    pub asked: Option<String>,
    /// The claims of a language model that hold, as sentences.
    pub claims: Vec<String>,
    /// Past cases and runbooks.
    pub sources: Vec<SourceLine>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// `S1` and so on.
    pub id: String,
    /// What it is, in our words.
    pub line: String,
    /// Somebody else's text, made visible.
    pub quoted: Vec<String>,
}

impl View {
    /// Of a report.
    pub fn of(report: &Report, lang: Lang) -> View {
        let mut view = View::told(
            &report.snapshot,
            report.category(),
            &report.confidence,
            &report.id,
            lang,
        );
        view.sources = sources(&report.sources, lang);
        view.asked = show::asked(report, lang);
        view.claims = show::claims(report, lang)
            .into_iter()
            .map(str::to_owned)
            .collect();
        view
    }

    /// Of a snapshot and what was made of it, as they were kept; nothing when a newer program wrote them.
    pub fn kept(id: &str, snapshot: &str, made: &str, lang: Lang) -> Option<View> {
        let snapshot: Snapshot = serde_json::from_str(snapshot).ok()?;
        let made: Value = serde_json::from_str(made).ok()?;
        let verified = &made["verified"];
        let named = verified
            .get("category")
            .unwrap_or(&made["explanation"]["category"]);
        let category: Category = serde_json::from_value(named.clone()).ok()?;
        // What was kept by an older program has neither.
        let confidence = serde_json::from_value(made["confidence"].clone()).unwrap_or_else(|_| {
            History::default().confidence(Parts {
                margin: margin(&snapshot),
                ..Parts::default()
            })
        });
        let mut view = View::told(&snapshot, category, &confidence, id, lang);
        let kept: Vec<Labelled> = serde_json::from_value(made["sources"].clone()).unwrap_or_default();
        view.sources = sources(&kept, lang);
        let words = if lang == Lang::Ja { "ja" } else { "en" };
        let claims = verified["kept"].as_array().into_iter().flatten();
        view.claims = claims
            .filter_map(|claim| Some(claim[words].as_str()?.to_owned()))
            .collect();
        Some(view)
    }

    fn told(snapshot: &Snapshot, category: Category, confidence: &Confidence, id: &str, lang: Lang) -> View {
        let row = |item: &Evidence| EvidenceRow {
            cells: show::row(item, lang),
            against: item.attribution > 0.0,
        };
        let paths = snapshot.paths.top.iter();
        View {
            id: id.to_owned(),
            category: words::category(lang, category),
            text: words::text(lang, snapshot, category, &explain(snapshot), confidence),
            labels: words::labels(lang),
            evidence: snapshot.evidence.iter().map(row).collect(),
            paths: paths.map(|path| (path.count, path.template.clone())).collect(),
            alike: snapshot.alike.clients.total,
            scores: [snapshot.score, snapshot.policy.suspect, snapshot.policy.reject],
            visitors: (snapshot.site.baseline == "site").then_some(snapshot.site.clients),
            asked: None,
            claims: Vec::new(),
            sources: Vec::new(),
        }
    }
}

fn sources(all: &[Labelled], lang: Lang) -> Vec<SourceLine> {
    let each = all.iter().map(|source| {
        let (line, quoted) = show::told_source(source, lang);
        SourceLine {
            id: source.id.clone(),
            line,
            quoted,
        }
    });
    each.collect()
}
