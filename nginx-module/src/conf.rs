//! What the directives' arguments mean, and how they are refused.
//!
//! Bytes in, values out; only a path is compared with what is there. nginx appends `in FILE:LINE` to each message.

use std::path::{Path, PathBuf};

pub use sekisho_core::checkpoint::Overrides;
use sekisho_core::checkpoint::{LONGEST_BAN, MAX_MIN_REQUESTS};
use sekisho_core::guard;
use sekisho_core::key::Prefixes;
use sekisho_core::table::parse_size;

use crate::reaction::{MAX_DELAY_MS, Reaction};
use crate::scorer::Thresholds;

/// Zones that one location asks at most.
pub const MAX_ZONES: usize = 4;
/// Keys that are addresses, and so have prefixes.
const ADDRESS_KEYS: [&[u8]; 2] = [b"$binary_remote_addr", b"$remote_addr"];
/// How long a trap bans, unless configured otherwise, in seconds.
pub const DEFAULT_TRAP_BAN: u32 = 86_400;
/// How long a completion makes immune, unless configured otherwise, in seconds.
pub const DEFAULT_IMMUNITY: u32 = 3600;
/// Most bytes of a zone: 240 million clients.
pub const MAX_ZONE_BYTES: usize = 64 << 30;

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
    /// The zone is larger than any machine this was made for; nginx would touch every page of it.
    #[error("zone \"{name}\" is too large: {size} bytes, the maximum is {}m", MAX_ZONE_BYTES >> 20)]
    ZoneTooLarge { name: String, size: usize },
    /// The directory of `state=` is not there.
    #[error("state \"{path}\": its directory cannot be used: {reason}")]
    StateDirectory { path: String, reason: String },
    /// `state=` names no file.
    #[error("state \"{0}\" is no file name")]
    StateName(String),
    /// Two zones would overwrite each other's state.
    #[error("state \"{path}\" is already used by sekisho_zone \"{zone}\"")]
    StateTaken { path: String, zone: String },
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
    /// `prefix4=` or `prefix6=` is out of its range.
    #[error("invalid value \"{0}\": a number of bits from 1 to {1} is expected")]
    Prefix(String, u8),
    /// A prefix for a key that is no address.
    #[error("\"{0}\" needs the key \"$binary_remote_addr\" or \"$remote_addr\"")]
    PrefixWithoutAddress(String),
    /// No time, or one that is out of its range.
    #[error("invalid value \"{0}\": a time from 1s to {1} is expected")]
    Time(String, &'static str),
    /// A first ban longer than the longest.
    #[error("ban {ban} s is longer than ban_max {ban_max} s")]
    BanAboveMaximum { ban: u32, ban_max: u32 },
    /// A status that no stopped request can have.
    #[error("invalid value \"{0}\": a status from 400 to 599 is expected")]
    Status(String),
    /// Actions that cannot be combined.
    #[error("\"{0}\" cannot be combined with \"{1}\"")]
    Combined(String, &'static str),
    /// A share that is none.
    #[error("invalid value \"{0}\": a share from 1% to 100% is expected")]
    Share(String),
    /// More zones than one location asks.
    #[error("a location asks at most {MAX_ZONES} zones")]
    TooManyZones,
    /// A group before its members.
    #[error("zone \"{wide}\" has wider prefixes than zone \"{narrow}\": name the narrowest first")]
    WideBeforeNarrow { wide: String, narrow: String },
}

/// `sekisho_zone KEY zone=NAME:SIZE [state=FILE]`, without the key.
#[derive(Debug, PartialEq)]
pub struct ZoneArguments<'a> {
    /// Name of the zone, not empty.
    pub name: &'a [u8],
    /// Bytes of shared memory.
    pub size: usize,
    /// Bits of an address that name a client; `None` for a key that is no address.
    pub prefixes: Option<Prefixes>,
    /// File that the zone is saved to, as it is written.
    pub state: Option<&'a [u8]>,
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

/// Refuses a zone without room for one set, and one that would take all memory there is.
pub fn check_size(name: &str, size: usize, minimum_kb: usize) -> Result<(), ConfError> {
    let name = name.to_owned();
    if size < minimum_kb * 1024 {
        Err(ConfError::ZoneTooSmall {
            name,
            size,
            minimum_kb,
        })
    } else if size > MAX_ZONE_BYTES {
        Err(ConfError::ZoneTooLarge { name, size })
    } else {
        Ok(())
    }
}

/// The path of a file that need not be there, by its directory, which must: one spelling for one file.
pub fn settle_path(path: &Path) -> Result<PathBuf, ConfError> {
    let shown = || path.display().to_string();
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ConfError::StateName(shown()));
    };
    let unusable = |error: std::io::Error| ConfError::StateDirectory {
        path: shown(),
        reason: error.to_string(),
    };
    let directory = directory.canonicalize().map_err(unusable)?;
    if !directory.is_dir() {
        return Err(unusable(std::io::ErrorKind::NotADirectory.into()));
    }
    let path = directory.join(name);
    if path.is_dir() {
        return Err(ConfError::StateName(shown()));
    }
    Ok(path)
}

/// Reads the arguments of `sekisho_zone`.
pub fn zone_arguments<'a>(key: &[u8], arguments: &[&'a [u8]]) -> Result<ZoneArguments<'a>, ConfError> {
    let (mut zone, mut state) = (None, None);
    let (mut v4, mut v6) = (None, None);
    let is_address = ADDRESS_KEYS.contains(&key);
    for argument in arguments {
        let seen = if let Some(value) = argument.strip_prefix(b"zone=") {
            zone.replace(name_and_size(argument, value)?).is_some()
        } else if let Some(value) = argument.strip_prefix(b"prefix4=") {
            v4.replace(prefix(argument, value, 32, is_address)?).is_some()
        } else if let Some(value) = argument.strip_prefix(b"prefix6=") {
            v6.replace(prefix(argument, value, 128, is_address)?).is_some()
        } else if let Some(path) = argument.strip_prefix(b"state=") {
            state.replace(path).is_some()
        } else {
            return Err(ConfError::Parameter(text(argument)));
        };
        if seen {
            return Err(ConfError::DuplicateParameter(text(argument)));
        }
    }
    let (name, size) = zone
        .filter(|(name, _)| !name.is_empty())
        .ok_or(ConfError::MissingZone("sekisho_zone"))?;
    let prefixes = Prefixes {
        v4: v4.unwrap_or(Prefixes::CLIENT.v4),
        v6: v6.unwrap_or(Prefixes::CLIENT.v6),
    };
    Ok(ZoneArguments {
        name,
        size,
        prefixes: is_address.then_some(prefixes),
        state,
    })
}

fn name_and_size<'a>(argument: &[u8], value: &'a [u8]) -> Result<(&'a [u8], usize), ConfError> {
    let invalid = || ConfError::ZoneSize(text(argument));
    let colon = value.iter().position(|&byte| byte == b':').ok_or_else(invalid)?;
    let size = parse_size(&value[colon + 1..]).ok_or_else(invalid)?;
    Ok((&value[..colon], size))
}

fn prefix(argument: &[u8], value: &[u8], most: u8, is_address: bool) -> Result<u8, ConfError> {
    if !is_address {
        return Err(ConfError::PrefixWithoutAddress(text(argument)));
    }
    let bits = number(value).and_then(|bits| u8::try_from(bits).ok());
    bits.filter(|bits| (1..=most).contains(bits))
        .ok_or_else(|| ConfError::Prefix(text(argument), most))
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
        } else if let Some(value) = argument.strip_prefix(b"ban=") {
            limits.ban_seconds.replace(ban(argument, value)?).is_some()
        } else if let Some(value) = argument.strip_prefix(b"ban_max=") {
            limits.ban_max.replace(ban(argument, value)?).is_some()
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
    match (check.limits.ban_seconds, check.limits.ban_max) {
        (Some(ban), Some(ban_max)) if ban > ban_max => Err(ConfError::BanAboveMaximum { ban, ban_max }),
        _ => Ok(check),
    }
}

/// Reads the arguments of `sekisho_suspect` and `sekisho_rejected`: `log`, or `status=`, `delay=` and `tag`.
pub fn reaction(arguments: &[&[u8]]) -> Result<Reaction, ConfError> {
    let mut reaction = Reaction::default();
    for argument in arguments {
        let seen = if *argument == b"log" {
            match arguments.len() {
                1 => false,
                _ => return Err(ConfError::Combined("log".to_owned(), "other actions")),
            }
        } else if *argument == b"tag" {
            std::mem::replace(&mut reaction.tag, true)
        } else if let Some(value) = argument.strip_prefix(b"status=") {
            let status = number(value).and_then(|status| u16::try_from(status).ok());
            let status = status.filter(|status| (400..=599).contains(status));
            let status = status.ok_or_else(|| ConfError::Status(text(argument)))?;
            reaction.status.replace(status).is_some()
        } else if let Some(value) = argument.strip_prefix(b"delay=") {
            let delay = parse_milliseconds(value).filter(|delay| (1..=MAX_DELAY_MS).contains(delay));
            let delay = delay.ok_or_else(|| ConfError::Time(text(argument), "60s"))?;
            std::mem::replace(&mut reaction.delay_ms, delay) != 0
        } else {
            return Err(ConfError::Parameter(text(argument)));
        };
        if seen {
            return Err(ConfError::DuplicateParameter(text(argument)));
        }
    }
    if reaction.status.is_some() && (reaction.delay_ms != 0 || reaction.tag) {
        return Err(ConfError::Combined("status".to_owned(), "delay or tag"));
    }
    Ok(reaction)
}

/// Reads the one optional argument of `sekisho_trap` (`ban=`) or `sekisho_human` (`for=`): seconds.
pub fn lasting(arguments: &[&[u8]], name: &str, default: u32) -> Result<u32, ConfError> {
    match arguments {
        [] => Ok(default),
        [argument] => match argument.strip_prefix(name.as_bytes()) {
            Some(value) => ban(argument, value),
            None => Err(ConfError::Parameter(text(argument))),
        },
        [_, second, ..] => Err(ConfError::Parameter(text(second))),
    }
}

/// Reads the arguments of `sekisho_breaker`: `off`, or `clients=`, `requests=` and `hold=`; `None` is off.
pub fn breaker(arguments: &[&[u8]]) -> Result<Option<guard::Limits>, ConfError> {
    if arguments == [b"off"] {
        return Ok(None);
    }
    let mut limits = guard::Limits::DEFAULT;
    for argument in arguments {
        if let Some(value) = argument.strip_prefix(b"clients=") {
            limits.clients = share(argument, value)?;
        } else if let Some(value) = argument.strip_prefix(b"requests=") {
            limits.requests = share(argument, value)?;
        } else if let Some(value) = argument.strip_prefix(b"hold=") {
            limits.hold = ban(argument, value)?;
        } else {
            return Err(ConfError::Parameter(text(argument)));
        }
    }
    Ok(Some(limits))
}

fn share(argument: &[u8], value: &[u8]) -> Result<u32, ConfError> {
    let share = value.strip_suffix(b"%").and_then(number);
    share
        .filter(|share| (1..=100).contains(share))
        .ok_or_else(|| ConfError::Share(text(argument)))
}

fn ban(argument: &[u8], value: &[u8]) -> Result<u32, ConfError> {
    let seconds = parse_milliseconds(value)
        .filter(|time| time % 1000 == 0)
        .map(|time| time / 1000);
    seconds
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|seconds| (1..=LONGEST_BAN).contains(seconds))
        .ok_or_else(|| ConfError::Time(text(argument), "30d"))
}

/// Reads a time as nginx writes it (`ngx_parse_time`): numbers with the units `w d h m s ms`, each at most once and
/// in this order; seconds when there is no unit.
fn parse_milliseconds(value: &[u8]) -> Option<u64> {
    const UNITS: [(&[u8], u64); 6] = [
        (b"w", 7 * 86_400_000),
        (b"d", 86_400_000),
        (b"h", 3_600_000),
        (b"m", 60_000),
        (b"s", 1000),
        (b"ms", 1),
    ];
    let (mut rest, mut total, mut units) = (value, 0u64, &UNITS[..]);
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let letters = rest[digits..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (amount, unit) = (number(&rest[..digits])?, &rest[digits..digits + letters]);
        let unit = if unit.is_empty() { b"s" } else { unit };
        let place = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(u64::from(amount).checked_mul(units[place].1)?)?;
        units = &units[place + 1..];
        rest = &rest[digits + letters..];
    }
    (!value.is_empty()).then_some(total)
}

fn probability(argument: &[u8], value: &[u8]) -> Result<f32, ConfError> {
    let plain = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let number = plain.then(|| text(value).parse::<f32>().ok()).flatten();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| ConfError::Probability(text(argument)))
}

fn number(value: &[u8]) -> Option<u32> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    plain.then(|| text(value).parse().ok()).flatten()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
