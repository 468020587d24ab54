//! `sekisho replay`: walks a real log's visitors into an nginx on this machine, in the log's own time.
//!
//! Requests go one after the other over one connection, so that nginx sees them in the order of the log.
//! The time of each travels in `X-Sekisho-Time`, which only the module's test build believes, and its client
//! in `X-Real-IP`, for nginx's realip module. A small origin can stand behind nginx and answer every request
//! with the status and the size that the log has. Nothing but loopback addresses is accepted: a replay is
//! an experiment on one's own machine, never traffic for somebody else's.

mod client;
mod decisions;
mod digest;
mod head;
mod loopback;
mod origin;
mod pace;
mod reasons;
mod report;
mod request;
mod send;
mod shop;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use sekisho_core::logline::Format;

use loopback::Loopback;
use origin::Origin;
use pace::Speed;
use report::Report;
use send::Sending;

use crate::config::now;

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Send a log's requests to an nginx on this machine, in the log's own time
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  sekisho replay access.log --to http://127.0.0.1:8080 --origin 127.0.0.1:8081
  sekisho replay access.log.1.gz --to http://127.0.0.1:8080 --limit 10000 --format json
  sekisho replay --decisions decisions.log
  sekisho replay --origin 127.0.0.1:8081

contrib/demo/nginx.conf shows how nginx takes client and time from a replay.")]
#[command(group(clap::ArgGroup::new("work").args(["logs", "origin", "decisions"]).required(true).multiple(true)))]
pub struct Args {
    /// Access logs, plain or .gz; - is standard input
    #[arg(value_name = "LOG", requires = "to")]
    logs: Vec<PathBuf>,

    /// The nginx that gets the requests, on this machine
    #[arg(long, value_name = "URL", requires = "logs")]
    to: Option<Loopback>,

    /// Serve an origin here: logged answers for replayed requests, a small shop for browsers.
    /// Without LOG it serves until interrupted
    #[arg(long, value_name = "ADDRESS")]
    origin: Option<Loopback>,

    /// Send no more than the first N lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// `max`, or how many times faster than the log: 1, 60, 3600
    #[arg(long, value_name = "SPEED", default_value = "max")]
    speed: Speed,

    /// Move all times, so that the last request is now: what is stored and shown is of these days
    #[arg(long, requires = "logs")]
    end_now: bool,

    /// Afterwards tell what was stopped, from nginx's decision log (`sekisho_json` in contrib/demo/nginx.conf)
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,

    /// `combined`, `json`, an nginx log_format string, or `auto`
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = Format::parse)]
    log_format: Format,

    /// How to write the report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

/// Runs `sekisho replay`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let origin = args.origin.as_ref().map(Origin::bind).transpose()?;
    if let Some(origin) = &origin {
        origin.serve()?;
    }
    let sent = match &args.to {
        Some(to) => {
            let sending = Sending {
                logs: &args.logs,
                format: &args.log_format,
                limit: args.limit,
                speed: args.speed,
                end: args.end_now.then(now),
            };
            Some(send::send(&sending, to)?)
        }
        None => None,
    };
    let decisions = args.decisions.as_deref().map(digest::read).transpose()?;
    let only_serving = sent.is_none() && decisions.is_none();
    let mut out = io::stdout().lock();
    match &origin {
        Some(origin) if only_serving => {
            writeln!(out, "origin http://{}", origin.address())?;
            out.flush()?;
            origin.wait()
        }
        _ => {
            let report = Report {
                replay: sent,
                decisions,
            };
            match args.format {
                Output::Json => {
                    serde_json::to_writer_pretty(&mut out, &report)?;
                    writeln!(out)?;
                }
                Output::Text => write!(out, "{report}")?,
            }
            Ok(())
        }
    }
}
