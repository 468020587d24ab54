//! What the access log can say about a request.

use std::ffi::CStr;
use std::fmt::Write;

use sekisho_core::checkpoint::Verdict;
use sekisho_core::sample::reason_names;

use crate::ffi::request::Request;
use crate::handler::Conclusion;

/// Longest value: three feature names; in a test build all counters, or all workers.
const VALUE_BYTES: usize = if cfg!(feature = "test-clock") { 2048 } else { 512 };

/// The variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Variable {
    /// `$sekisho_status`: the verdict.
    Status,
    /// `$sekisho_score`: the last score, in the shortest digits that read back as the same number.
    Score,
    /// `$sekisho_reason`: the features that speak most for the score of a flagged client.
    Reason,
    /// `$sekisho_id`: the reference id; a sample of the same evidence carries the same.
    Id,
    /// `$sekisho_zone`: name of the zone that decided.
    Zone,
    /// `$sekisho_counters`: numbers of the zone, for tests.
    #[cfg(feature = "test-clock")]
    Counters,
    /// `$sekisho_workers`: who runs which model, for tests.
    #[cfg(feature = "test-clock")]
    Workers,
}

impl Variable {
    /// All of them.
    pub const ALL: [Variable; if cfg!(feature = "test-clock") { 7 } else { 5 }] = [
        Variable::Status,
        Variable::Score,
        Variable::Reason,
        Variable::Id,
        Variable::Zone,
        #[cfg(feature = "test-clock")]
        Variable::Counters,
        #[cfg(feature = "test-clock")]
        Variable::Workers,
    ];

    /// Its name, without `$`.
    pub fn name(self) -> &'static CStr {
        match self {
            Variable::Status => c"sekisho_status",
            Variable::Score => c"sekisho_score",
            Variable::Reason => c"sekisho_reason",
            Variable::Id => c"sekisho_id",
            Variable::Zone => c"sekisho_zone",
            #[cfg(feature = "test-clock")]
            Variable::Counters => c"sekisho_counters",
            #[cfg(feature = "test-clock")]
            Variable::Workers => c"sekisho_workers",
        }
    }

    /// The variable whose `as usize` is `index`.
    pub fn from_index(index: usize) -> Option<Variable> {
        Variable::ALL.get(index).copied()
    }

    /// Its value for a request; `None` when there is none to tell.
    pub fn value(self, request: &Request<'_>) -> Option<Text> {
        #[cfg(feature = "test-clock")]
        match self {
            Variable::Counters => return counters(request),
            Variable::Workers => return Some(workers(request)),
            _ => {}
        }
        self.of(request.conclusion()?)
    }

    fn of(self, conclusion: &Conclusion) -> Option<Text> {
        let mut text = Text::default();
        // A Text that is full cuts the rest and never fails.
        let _ = match self {
            Variable::Status => text.write_str(conclusion.verdict.as_str()),
            Variable::Score => write!(text, "{}", conclusion.standing.score?),
            Variable::Reason if matches!(conclusion.verdict, Verdict::Passed | Verdict::Allowed) => {
                return None;
            }
            Variable::Reason => write_reasons(&mut text, conclusion.standing.reasons),
            Variable::Id => write!(text, "{:016x}", conclusion.id()),
            Variable::Zone => text.write_str(conclusion.zone()?),
            #[cfg(feature = "test-clock")]
            Variable::Counters | Variable::Workers => Ok(()),
        };
        Some(text)
    }
}

/// Names of the reasons, separated by commas.
pub fn write_reasons(text: &mut impl Write, reasons: [u8; 3]) -> std::fmt::Result {
    for (index, name) in reason_names(reasons).enumerate() {
        text.write_str(if index == 0 { "" } else { "," })?;
        text.write_str(name)?;
    }
    Ok(())
}

#[cfg(feature = "test-clock")]
fn counters(request: &Request<'_>) -> Option<Text> {
    let zone = request.location().checks().first()?.zone()?.zone()?;
    let mut text = Text::default();
    let totals = request.main_conf().board().map(|board| board.totals.all());
    for (name, value) in zone
        .counters()
        .all()
        .into_iter()
        .chain(totals.into_iter().flatten())
    {
        let _ = write!(text, "{name}={value} ");
    }
    Some(text)
}

#[cfg(feature = "test-clock")]
fn workers(request: &Request<'_>) -> Text {
    let mut text = Text::default();
    for worker in request.main_conf().workers() {
        let _ = writeln!(text, "{worker:?}");
    }
    text
}

/// A value on the stack; what does not fit is cut.
pub struct Text {
    bytes: [u8; VALUE_BYTES],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            bytes: [0; VALUE_BYTES],
            len: 0,
        }
    }
}

impl Text {
    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let start = self.len;
        for (place, byte) in self.bytes.iter_mut().skip(start).zip(text.bytes()) {
            *place = byte;
            self.len += 1;
        }
        Ok(())
    }
}
