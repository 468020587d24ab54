//! What the doctor found, and how it is told.

use std::io::{self, Write};

use serde::Serialize;

use crate::visible::escaped;

/// Longest text of a finding, in characters: what nginx or a log says may be of any length.
const LONGEST: usize = 600;
/// Columns of a level and of a check's name.
const COLUMNS: (usize, usize) = (8, 14);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Could not be looked at.
    Skipped,
    /// It works, but somebody should look.
    Warning,
    /// It does not work, or does harm.
    Problem,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Skipped => "skipped",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Level::Ok => "32",
            Level::Skipped => "2",
            Level::Warning => "33",
            Level::Problem => "31",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    check: &'static str,
    level: Level,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn new(check: &'static str, level: Level, found: &str, advice: Option<&str>) -> Finding {
        // Configuration, logs and answers are somebody else's text.
        let shown = |text: &str| escaped(text.as_bytes(), LONGEST);
        Finding {
            check,
            level,
            found: shown(found),
            advice: advice.map(shown),
        }
    }

    /// Nothing to do.
    pub fn ok(check: &'static str, found: impl AsRef<str>) -> Finding {
        Finding::new(check, Level::Ok, found.as_ref(), None)
    }

    /// Not looked at, and what would help.
    pub fn skipped(check: &'static str, found: impl AsRef<str>, advice: impl AsRef<str>) -> Finding {
        Finding::new(check, Level::Skipped, found.as_ref(), Some(advice.as_ref()))
    }

    /// Worth a look, and what to do.
    pub fn warning(check: &'static str, found: impl AsRef<str>, advice: impl AsRef<str>) -> Finding {
        Finding::new(check, Level::Warning, found.as_ref(), Some(advice.as_ref()))
    }

    /// Broken, and what to do.
    pub fn problem(check: &'static str, found: impl AsRef<str>, advice: impl AsRef<str>) -> Finding {
        Finding::new(check, Level::Problem, found.as_ref(), Some(advice.as_ref()))
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        self.level
    }
}

/// All findings, in the order of the checks.
#[derive(Serialize)]
struct Document<'a> {
    problems: usize,
    warnings: usize,
    findings: &'a [Finding],
}

fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}

/// One line a finding, one more for what to do.
pub fn write_text(findings: &[Finding], color: bool, out: &mut impl Write) -> io::Result<()> {
    let (first, second) = COLUMNS;
    for finding in findings {
        let word = format!("{:first$}", finding.level.as_str());
        let word = match color {
            true => format!("\x1b[{}m{word}\x1b[0m", finding.level.color()),
            false => word,
        };
        writeln!(out, "{word} {:second$} {}", finding.check, finding.found)?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:first$} {:second$} -> {advice}", "", "")?;
        }
    }
    let number = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    writeln!(
        out,
        "{}, {}",
        number(count(findings, Level::Problem), "problem"),
        number(count(findings, Level::Warning), "warning")
    )
}

/// One JSON document.
pub fn write_json(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    let document = Document {
        problems: count(findings, Level::Problem),
        warnings: count(findings, Level::Warning),
        findings,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("nginx", "1.22.1"),
            Finding::problem("module", "built for \x1b[2J\n1.28.3", "build it anew"),
            Finding::warning("zones", "\"a\u{202e}\" is small", "sekisho_zone ... zone=a:20m"),
            Finding::skipped("realip", "no log", "give --log"),
        ]
    }

    #[test]
    fn text_for_people() {
        let mut out = Vec::new();
        write_text(&findings(), false, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn a_document_for_programs() {
        let mut out = Vec::new();
        write_json(&findings(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn colour_marks_the_level_only() {
        let mut out = Vec::new();
        write_text(&findings()[..1], true, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("\x1b[32mok      \x1b[0m nginx"), "{text:?}");
    }
}
