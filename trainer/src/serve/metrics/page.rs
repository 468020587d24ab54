//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use crate::visible::masked;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Names and values of a series' labels.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The page, family by family.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family; what follows belongs to it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        self.family = name;
        let _ = write!(
            self.text,
            "# HELP {name} {help}\n# TYPE {name} {}\n",
            kind.as_str()
        );
    }

    /// One value of the family.
    pub fn value(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, value);
    }

    /// A family of one value without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &'static str, value: impl Display) {
        self.family(name, kind, help);
        self.value(&[], value);
    }

    /// One value of a family's part, such as `_bucket`.
    pub fn line(&mut self, part: &str, labels: Labels<'_>, value: impl Display) {
        let _ = write!(self.text, "{}{part}", self.family);
        for (place, (name, value)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{name}=\"{}\"", quoted(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    /// The whole of it.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A label's value with what the format gives a meaning escaped, and nothing hidden in it.
fn quoted(value: &str) -> String {
    let shown = masked(value);
    shown.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "All of it.");
        page.value(&[("x", "\"\\\n\u{202e}")], 3);
        page.value(&[("x", "b"), ("y", "c")], 0.5);
        page.single("b", Kind::Gauge, "One.", 1);
        assert_eq!(
            page.into_text(),
            "# HELP a_total All of it.\n# TYPE a_total counter\na_total{x=\"\\\"\\\\??\"} 3\na_total{x=\"b\",y=\"c\"} 0.5\n\
             # HELP b One.\n# TYPE b gauge\nb 1\n"
        );
    }
}
