//! What people and programs are shown of kept models.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use rusqlite::Connection;
use serde::Serialize;

use super::Format;
use super::anatomy::{Anatomy, dissect};
use super::error::{RegistryError, quoted};
use super::evaluation::{Evaluation, Interval};
use super::history::{Change, History};
use super::settings::Settings;
use super::shelf::{Entry, Shelf, digest_of, short};
use super::signature::{self, Signed};

/// Widest table when the terminal does not say.
const WIDTH: u16 = 110;
/// Features shown to people; JSON has all.
const SHOWN_FEATURES: usize = 10;

/// One line of the list.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    entry: Entry,
    roles: Vec<&'static str>,
    signed: bool,
}

/// The list of kept models.
#[derive(Debug, Serialize)]
struct Listing {
    models: Vec<Line>,
    champion: Option<String>,
    challenger: Option<String>,
    warnings: Vec<String>,
}

/// Prints as a table or as JSON.
pub fn print(
    format: Format,
    document: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), RegistryError> {
    let text = match format {
        Format::Table => text(),
        Format::Json => serde_json::to_string_pretty(document).map_err(io::Error::from)?,
    };
    Ok(writeln!(io::stdout().lock(), "{}", text.trim_end())?)
}

/// A plain table with these headings.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(header);
    table
}

/// A second as people read it.
pub fn when(second: i64) -> String {
    jiff::Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// Prints every kept model, and what is wrong with the champion.
pub fn list(settings: &Settings, connection: &Connection, format: Format) -> Result<(), RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let place =
        |path: &Option<std::path::PathBuf>| path.as_deref().map(digest_of).transpose().map(Option::flatten);
    let (champion, challenger) = (place(&settings.champion)?, place(&settings.challenger)?);
    let changes = History::of(connection)
        .changes()
        .map_err(|source| RegistryError::store(&settings.store, source))?;
    let trusted = signature::trusted(&settings.trusted_keys)?;
    let mut models = Vec::new();
    for entry in shelf.entries()? {
        let is = |role: &Option<String>| role.as_ref() == Some(&entry.digest);
        let roles = [("champion", is(&champion)), ("challenger", is(&challenger))];
        let signatures = signature::signatures(&shelf, &entry.digest, &trusted)?;
        models.push(Line {
            roles: roles
                .into_iter()
                .filter(|(_, is)| *is)
                .map(|(role, _)| role)
                .collect(),
            signed: signatures
                .iter()
                .any(|signed| signed.valid && (trusted.is_empty() || signed.trusted)),
            entry,
        });
    }
    let warnings = warnings(settings, champion.as_deref(), changes.last(), &models);
    let listing = Listing {
        models,
        champion,
        challenger,
        warnings,
    };
    print(format, &listing, || listing_text(&listing))
}

fn listing_text(listing: &Listing) -> String {
    let mut table = table(&[
        "MODEL", "ROLE", "KEPT", "ORIGIN", "SUSPECT", "REJECT", "AUC", "SIGNED", "NOTE",
    ]);
    for line in &listing.models {
        let (entry, auc) = (&line.entry, auc(&line.entry));
        table.add_row([
            short(&entry.digest).to_owned(),
            line.roles.join(", "),
            when(entry.created),
            entry.origin.as_str().to_owned(),
            entry.card.suspect.to_string(),
            entry.card.reject.to_string(),
            auc,
            if line.signed { "yes" } else { "no" }.to_owned(),
            quoted(&entry.note),
        ]);
    }
    let mut text = match listing.models.is_empty() {
        true => "no model is kept yet: `sekisho model add FILE`".to_owned(),
        false => table.trim_fmt(),
    };
    for warning in &listing.warnings {
        text.push_str(&format!("\n! {warning}"));
    }
    text
}

fn auc(entry: &Entry) -> String {
    let evaluation = entry
        .evaluation
        .as_ref()
        .and_then(|document| Evaluation::read(document).ok());
    let auc = evaluation.and_then(|evaluation| evaluation.challenger.auc);
    auc.map_or("-".to_owned(), |auc| format!("{:.4}", auc.value))
}

/// What does not fit together, and what to do about it.
fn warnings(
    settings: &Settings,
    champion: Option<&str>,
    last: Option<&Change>,
    models: &[Line],
) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(place) = &settings.champion else {
        warnings.push("which file nginx loads is not known: set champion in [models]".to_owned());
        return warnings;
    };
    let place = place.display();
    match (champion, last) {
        (None, _) => warnings.push(format!("{place} is not there: nginx keeps what it has until it is reloaded")),
        (Some(file), Some(last)) if last.digest != file => warnings.push(format!(
            "{place} holds {}, but the history says {} since {}: a promotion was cut off, or somebody replaced the \
             file. `sekisho model rollback --by NAME` puts {} back; `sekisho model promote {}` makes the other official",
            short(file),
            short(&last.digest),
            when(last.at),
            short(&last.digest),
            short(file)
        )),
        (Some(file), _) if !models.iter().any(|line| line.entry.digest == file) => {
            warnings.push(format!("the champion {} is not kept here: `sekisho model add {place}`", short(file)));
        }
        _ => {}
    }
    warnings
}

/// All that is known of one model.
#[derive(Debug, Serialize)]
pub struct Inspection {
    #[serde(flatten)]
    entry: Entry,
    bytes: usize,
    score_stats: String,
    features: Vec<String>,
    baseline: Vec<f32>,
    anatomy: Anatomy,
    signatures: Vec<Signed>,
    /// When it became or ceased to be the champion.
    changes: Vec<Change>,
}

/// Prints all that is known of a kept model.
pub fn inspect(
    settings: &Settings,
    connection: &Connection,
    id: &str,
    format: Format,
) -> Result<(), RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let digest = super::diff::resolve(settings, &shelf, id)?.kept()?;
    let bytes = shelf.read(&digest)?;
    let model = super::shelf::load(&bytes, short(&digest))?;
    let history = History::of(connection);
    let failed = |source| RegistryError::store(&settings.store, source);
    let mut changes = history.changes().map_err(failed)?;
    changes.retain(|change| change.digest == digest || change.previous.as_deref() == Some(&digest));
    let mut entry = shelf.entry(&digest)?;
    if entry.evaluation.is_none() {
        let recorded = history.evaluation_of(&digest).map_err(failed)?;
        entry.evaluation = recorded.and_then(|text| serde_json::from_str(&text).ok());
    }
    let inspection = Inspection {
        bytes: bytes.len(),
        score_stats: model.card().score_stats.clone(),
        features: model.card().features.clone(),
        baseline: model.card().baseline.clone(),
        anatomy: dissect(&bytes, short(&digest))?,
        signatures: signature::signatures(&shelf, &digest, &signature::trusted(&settings.trusted_keys)?)?,
        entry,
        changes,
    };
    print(format, &inspection, || inspection_text(&inspection))
}

fn inspection_text(inspection: &Inspection) -> String {
    let Inspection { entry, anatomy, .. } = inspection;
    let card = &entry.card;
    let mut rows: Vec<(&str, String)> = vec![
        ("model", entry.digest.clone()),
        (
            "size",
            format!("{} bytes", crate::figures::grouped(inspection.bytes as u64)),
        ),
        ("kept", when(entry.created)),
        ("origin", entry.origin.as_str().to_owned()),
        ("parent", entry.parent.as_deref().map_or("-", short).to_owned()),
        ("note", quoted(&entry.note)),
        ("schema", quoted(&card.schema)),
        ("data", quoted(&card.data)),
        (
            "suspect from",
            format!(
                "{} ({:.2} % of likely people)",
                card.suspect,
                card.suspect_fpr * 100.0
            ),
        ),
        (
            "reject from",
            format!(
                "{} ({:.2} % of likely people)",
                card.reject,
                card.reject_fpr * 100.0
            ),
        ),
    ];
    rows.push(match anatomy.kind {
        "trees" => {
            let Anatomy {
                trees, depth, leaves, ..
            } = anatomy;
            ("kind", format!("{trees} trees, depth {depth}, {leaves} leaves"))
        }
        kind => ("kind", kind.to_owned()),
    });
    for signed in &inspection.signatures {
        let state = match (signed.valid, signed.trusted) {
            (false, _) => "NOT VALID",
            (true, true) => "trusted",
            (true, false) => "valid, not in trusted_keys",
        };
        rows.push(("signed by", format!("{} ({state})", signed.key)));
    }
    rows.extend(inspection.changes.iter().map(history_row));
    rows.extend(evaluation_rows(entry));
    let mut text: String = rows
        .iter()
        .map(|(name, value)| format!("{name:<14} {value}\n"))
        .collect();
    text.push_str("\nWhat it looks at, share of all:\n");
    for importance in anatomy.importances.iter().take(SHOWN_FEATURES) {
        text.push_str(&format!(
            "  {:<22} {:>5.1} %\n",
            importance.feature,
            importance.share * 100.0
        ));
    }
    text
}

fn history_row(change: &Change) -> (&'static str, String) {
    let what = format!(
        "{} {} by {}",
        when(change.at),
        change.action.as_str(),
        quoted(&change.actor)
    );
    let before = change.previous.as_deref().map_or("none", short);
    (
        "history",
        format!("{what}: {} after {before}", short(&change.digest)),
    )
}

fn evaluation_rows(entry: &Entry) -> Vec<(&'static str, String)> {
    let Some(evaluation) = entry
        .evaluation
        .as_ref()
        .and_then(|document| Evaluation::read(document).ok())
    else {
        return vec![("evaluation", "none".to_owned())];
    };
    let challenger = &evaluation.challenger;
    let interval = |figure: Option<Interval>| {
        figure.map_or("not measured".to_owned(), |f| {
            format!("{:.4} ({:.4} to {:.4})", f.value, f.low, f.high)
        })
    };
    let count = |count: Option<f64>| count.map_or("?".to_owned(), |count| count.to_string());
    vec![
        ("AUC", interval(challenger.auc)),
        ("recall", interval(challenger.recall_at_budget)),
        ("people stopped", interval(challenger.false_positive_rate)),
        (
            "evaluation",
            format!(
                "newly stopped {}, of which completed {}; released {}; canaries flipped {}",
                count(evaluation.newly_stopped),
                count(evaluation.completed_among_newly_stopped),
                count(evaluation.released),
                count(evaluation.canaries_flipped)
            ),
        ),
    ]
}
