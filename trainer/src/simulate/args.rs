//! What `sekisho simulate` can be told.

use std::path::PathBuf;

use jiff::Timestamp;

use super::cast::{Crawlers, Preset};
use super::line::LineFormat;
use super::profile;

const EXAMPLES: &str = "\
Examples:
  sekisho simulate --out shop.log --truth truth.csv
      a day of a shop, and who is who in it
  sekisho scan shop.log --truth truth.csv
      what the model makes of each kind of client
  sekisho simulate --preset attack --people 200 --crawlers swarm=5000,scan=3 --seed 7 | sekisho scan -
      less of an attack
  sekisho simulate --people 0 --crawlers walker=40 --duration 4h --out walkers.log
      one kind of crawler only, such as for `sekisho train --automated walkers.log`
  sekisho simulate --measure access.log.gz > shop.toml && sekisho simulate --profile shop.toml
      people as they behave on a site of your own

The same arguments give the same log. docs/simulate.md tells about actors, parameters and presets.";

/// Longest run, in seconds.
const LONGEST: u64 = 60 * 86_400;
/// Shortest run, in seconds.
const SHORTEST: u64 = 60;
/// When runs begin unless told otherwise: a Monday, early.
const START: &str = "2026-01-05T06:00:00Z";
/// Most people of a run.
const MOST_PEOPLE: i64 = 120_000;
/// Most addresses to pass over: beyond the largest range they come again.
const MOST_SKIPPED: i64 = 10_000_000;

/// Write the access log of a simulated shop, and who is who in it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A ready-made mix of clients
    #[arg(long, value_enum, default_value_t = Preset::Day)]
    pub preset: Preset,

    /// People [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=MOST_PEOPLE))]
    pub people: Option<u32>,

    /// Crawlers by name and number of addresses: googlebot, bingbot, naive, polite, headless, walker, prices,
    /// facets, swarm, stuffing, scan, uptime [default: the preset's]
    #[arg(long, value_name = "NAME=N", value_delimiter = ',')]
    pub crawlers: Option<Vec<Crawlers>>,

    /// How long, in s, m, h or d [default: the preset's]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<u32>,

    /// When it begins
    #[arg(long, value_name = "TIME", default_value = START, value_parser = start)]
    pub start: u32,

    /// Seed of whatever is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Pass over the first N addresses of each range: other clients than those of a run without
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=MOST_SKIPPED))]
    pub skip: u32,

    /// How people behave: airis, srhegde, semicomplete, or a file that --measure printed
    #[arg(long, value_name = "NAME|FILE", default_value = profile::DEFAULT)]
    pub profile: String,

    /// How lines are written
    #[arg(short, long, value_enum, default_value_t = LineFormat::Combined)]
    pub format: LineFormat,

    /// Where to write the log; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,

    /// Where to write the ground truth (CSV): client, actor, class, disguised, first, last, requests, notes
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,

    /// End after so many lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub lines: Option<u64>,

    /// Instead of simulating, measure how people behave in this log and print it as a profile (TOML)
    #[arg(
        long,
        value_name = "LOG",
        conflicts_with_all = ["preset", "people", "crawlers", "duration", "start", "seed", "skip", "profile", "format", "truth", "lines"]
    )]
    pub measure: Option<PathBuf>,

    /// No progress bar, no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// `90s`, `30m`, `2h`, `7d`, in seconds.
fn duration(text: &str) -> Result<u32, String> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| number.parse::<u64>().ok()).flatten();
    seconds
        .and_then(|seconds| seconds.checked_mul(unit))
        .filter(|seconds| (SHORTEST..=LONGEST).contains(seconds))
        .map(|seconds| seconds as u32)
        .ok_or_else(|| "a duration is a number with s, m, h or d, from 60s to 60d, such as 90m".to_owned())
}

/// RFC 3339, as unix seconds; late enough that the longest run ends before 32 bits do.
fn start(text: &str) -> Result<u32, String> {
    let seconds = text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    seconds
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|&seconds| seconds < u32::MAX - LONGEST as u32)
        .ok_or_else(|| format!("a time is from 1970 to 2105 and has its zone, such as {START}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
        check("60s", Some(60));
        check("90m", Some(5400));
        check("24h", Some(86_400));
        check("60d", Some(5_184_000));
        check("61d", None);
        check("59s", None);
        check("5", None);
        check("", None);
        check("h", None);
        check("-1h", None);
        check("1h30m", None);
        check("99999999999999999999d", None);
        check("213503982334602d", None);
        check("5\u{fc}", None);
    }

    #[test]
    fn starts() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(start(text).ok(), expected, "{text}");
        }
        check("2026-01-05T06:00:00Z", Some(1_767_592_800));
        check("2026-01-05T06:00:00+09:00", Some(1_767_560_400));
        check("2026-01-05", None);
        check("1969-12-31T23:59:59Z", None);
        check("2106-01-01T00:00:00Z", None);
        check("now", None);
    }
}
