//! What the directives' arguments mean, and how they are refused.
//!
//! Pure: bytes in, values out. nginx appends `in FILE:LINE` to each message.

use sekisho_core::checkpoint::MAX_MIN_REQUESTS;
pub use sekisho_core::checkpoint::Overrides;
use sekisho_core::table::parse_size;

use crate::scorer::Thresholds;

/// Why a directive was refused, in nginx's voice.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfError {
    /// `zone=NAME:SIZE` has no size, or one that nginx cannot read.
    #[error("invalid zone size \"{0}\"")]
    ZoneSize(String),
    /// The zone cannot hold a single set of records.
    #[error("zone \"{name}\" is too small: {size} bytes, the minimum is {minimum_kb}k")]
    ZoneTooSmall {
        name: String,
        size: usize,
        minimum_kb: usize,
    },
    /// An argument that the directive does not know.
    #[error("invalid parameter \"{0}\"")]
    Parameter(String),
    /// One argument given twice.
    #[error("duplicate parameter \"{0}\"")]
    DuplicateParameter(String),
    /// The argument that says which zone is missing.
    #[error("\"{0}\" must have \"zone\" parameter")]
    MissingZone(&'static str),
    /// The key is the same for everybody.
    #[error("the key \"{0}\" has no variable: all clients would be one")]
    ConstantKey(String),
    /// `threshold=` or `suspect=` is no probability.
    #[error("invalid value \"{0}\": a number from 0 to 1 is expected")]
    Probability(String),
    /// `min_requests=` is out of its range.
    #[error("invalid value \"{0}\": a number from 1 to {MAX_MIN_REQUESTS} is expected")]
    MinRequests(String),
    /// A client would be rejected before it is suspect.
    #[error("suspect {suspect} is above threshold {threshold}")]
    SuspectAboveThreshold { suspect: f32, threshold: f32 },
}

/// `sekisho_zone KEY zone=NAME:SIZE`, without the key.
#[derive(Debug, PartialEq)]
pub struct ZoneArguments<'a> {
    /// Name of the zone, not empty.
    pub name: &'a [u8],
    /// Bytes of shared memory.
    pub size: usize,
}

/// `sekisho zone=NAME [threshold=] [suspect=] [min_requests=]`; `None` where nothing was said.
#[derive(Debug, Default, PartialEq)]
pub struct CheckArguments<'a> {
    /// Name of the zone, not empty.
    pub name: &'a [u8],
    /// How clients are judged.
    pub limits: Overrides,
}

/// Refuses limits that contradict each other or, where one is left to the model, the model.
pub fn check_limits(limits: &Overrides, model: Option<Thresholds>) -> Result<(), ConfError> {
    let threshold = limits.threshold.or(model.map(|model| model.reject));
    match (limits.suspect, threshold) {
        (Some(suspect), Some(threshold)) if suspect > threshold => {
            Err(ConfError::SuspectAboveThreshold { suspect, threshold })
        }
        _ => Ok(()),
    }
}

/// Refuses a key without a variable: with one record for everybody, everybody would be stopped at once.
pub fn check_key(key: &[u8]) -> Result<(), ConfError> {
    if key.contains(&b'$') {
        Ok(())
    } else {
        Err(ConfError::ConstantKey(text(key)))
    }
}

/// Reads the arguments of `sekisho_zone` after the key.
pub fn zone_arguments<'a>(arguments: &[&'a [u8]]) -> Result<ZoneArguments<'a>, ConfError> {
    let mut zone = None;
    for argument in arguments {
        let Some(value) = argument.strip_prefix(b"zone=") else {
            return Err(ConfError::Parameter(text(argument)));
        };
        let Some(colon) = value.iter().position(|&byte| byte == b':') else {
            return Err(ConfError::ZoneSize(text(argument)));
        };
        let (name, size) = (&value[..colon], &value[colon + 1..]);
        let size = parse_size(size).ok_or_else(|| ConfError::ZoneSize(text(argument)))?;
        if zone.replace(ZoneArguments { name, size }).is_some() {
            return Err(ConfError::DuplicateParameter(text(argument)));
        }
    }
    zone.filter(|zone| !zone.name.is_empty())
        .ok_or(ConfError::MissingZone("sekisho_zone"))
}

/// Reads the arguments of `sekisho`, other than `off`.
pub fn check_arguments<'a>(arguments: &[&'a [u8]]) -> Result<CheckArguments<'a>, ConfError> {
    let mut check = CheckArguments::default();
    let limits = &mut check.limits;
    for argument in arguments {
        let seen = if let Some(name) = argument.strip_prefix(b"zone=") {
            !std::mem::replace(&mut check.name, name).is_empty()
        } else if let Some(value) = argument.strip_prefix(b"threshold=") {
            limits.threshold.replace(probability(argument, value)?).is_some()
        } else if let Some(value) = argument.strip_prefix(b"suspect=") {
            limits.suspect.replace(probability(argument, value)?).is_some()
        } else if let Some(value) = argument.strip_prefix(b"min_requests=") {
            let requests = number(value).filter(|requests| (1..=MAX_MIN_REQUESTS).contains(requests));
            let requests = requests.ok_or_else(|| ConfError::MinRequests(text(argument)))?;
            limits.min_requests.replace(requests).is_some()
        } else {
            return Err(ConfError::Parameter(text(argument)));
        };
        if seen {
            return Err(ConfError::DuplicateParameter(text(argument)));
        }
    }
    if check.name.is_empty() {
        return Err(ConfError::MissingZone("sekisho"));
    }
    check_limits(&check.limits, None)?;
    Ok(check)
}

fn probability(argument: &[u8], value: &[u8]) -> Result<f32, ConfError> {
    let plain = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let number = plain.then(|| text(value).parse::<f32>().ok()).flatten();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| ConfError::Probability(text(argument)))
}

fn number(value: &[u8]) -> Option<u32> {
    let plain = value.iter().all(u8::is_ascii_digit);
    plain.then(|| text(value).parse().ok()).flatten()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
