//! What `sekisho scan` can be told.

use std::path::PathBuf;

use clap::{ColorChoice, ValueEnum};
use sekisho_core::checkpoint::MAX_MIN_REQUESTS;
use sekisho_core::logline::{Format, FormatError};
use sekisho_core::table::parse_size;

const EXAMPLES: &str = "\
Examples:
  sekisho scan /var/log/nginx/access.log
      yesterday's log: who would have been stopped, and why
  sekisho scan /var/log/nginx/access.log*
      all rotated files, .gz too, in any order
  zcat old.gz | sekisho scan - --format jsonl | jq 'select(.verdict == \"rejected\") | .client'
      the clients that would have been stopped, one a line
  sekisho scan access.log --allow 192.0.2.0/24 --allow monitors.txt
      never hold anything against these networks
  sekisho scan access.log --log-format '$remote_addr [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\"'
      a log_format of your own; put $remote_addr where the client's address stands

Exit status: 0 done, 1 the logs or the model could not be used, 2 wrong usage.";

/// Most clients a table can be made for: 128 million take some 60 GiB.
const MAX_CLIENTS: u64 = 1 << 27;

/// Score every client of an access log and say who would have been stopped, and why
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Access logs, plain or gzip, in any order; - is standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// What to print: a table for people, one JSON document, or one JSON object per client and line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,

    /// How the log is written: auto, combined, json, or an nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = log_format)]
    pub log_format: Format,

    /// The model [default: the one built in]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,

    /// Reject from this score on, 0 to 1 [default: the model's]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub threshold: Option<f32>,

    /// Suspect from this score on, 0 to 1 [default: the model's]
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub suspect: Option<f32>,

    /// Hold nothing against a client before this many requests [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MIN_REQUESTS)))]
    pub min_requests: Option<u32>,

    /// Clients to remember at a time; each takes about half a kilobyte of memory
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    pub clients: u64,

    /// Remember what a sekisho_zone of this size would, such as 10m, instead of --clients
    #[arg(long, value_name = "SIZE", conflicts_with = "clients", value_parser = size)]
    pub zone: Option<usize>,

    /// Learn from the responses to rejected clients too, as nginx does under sekisho_dry_run
    #[arg(long)]
    pub dry_run: bool,

    /// Never hold anything against this network or the networks in this file (one a line, # comments)
    #[arg(long, value_name = "CIDR|FILE")]
    pub allow: Vec<String>,

    /// Hold the result against the ground truth of a simulated log, as `sekisho simulate --truth` writes it
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,

    /// Clients to show in the table
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,

    /// Colours in the table
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,

    /// No progress bar, no notes on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Shapes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Table,
    /// One document: summary and clients
    Json,
    /// One object per client
    Jsonl,
}

fn log_format(text: &str) -> Result<Format, FormatError> {
    Format::parse(text)
}

/// What `threshold=` and `suspect=` of the `sekisho` directive take, no more and no less.
fn score(text: &str) -> Result<f32, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = plain.then(|| text.parse::<f32>().ok()).flatten();
    number
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| "a score is at least 0 and at most 1, such as 0.9".to_owned())
}

/// nginx's sizes (`ngx_parse_size`): a number with an optional `k` or `m`; `g` is for offsets only.
fn size(text: &str) -> Result<usize, String> {
    parse_size(text.as_bytes()).ok_or_else(|| "a size is a number with k or m, such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_nginx_sizes() {
        #[track_caller]
        fn check(text: &str, expected: Option<usize>) {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
        check("4096", Some(4096));
        check("64k", Some(65_536));
        check("10M", Some(10 << 20));
        check("2048m", Some(2 << 30));
        check("2g", None);
        check("", None);
        check("m", None);
        check("+1", None);
        check("10mb", None);
        check("-1", None);
        check("99999999999999999999m", None);
        check("18446744073709551615k", None);
    }

    #[test]
    fn scores_are_probabilities() {
        for bad in ["-1", "-0", "+1", "1.1", "1e-1", "NaN", "inf", ".", "x", ""] {
            assert!(score(bad).is_err(), "{bad}");
        }
        for (text, expected) in [("0", 0.0), ("0.9", 0.9), (".5", 0.5), ("1", 1.0)] {
            assert_eq!(score(text), Ok(expected));
        }
    }
}
