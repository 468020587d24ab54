//! `sekisho doctor`: whether the module fits the nginx that is installed, whether it is set up well, and what
//! to do.

mod binary;
mod config;
mod files;
mod finding;
mod fit;
mod nginx;
mod realip;
mod setup;
pub mod status;
mod traffic;
mod words;
mod zones;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{ColorChoice, ValueEnum};
use sekisho_core::logline::Format;

use crate::causes::with_causes;
use crate::logs::LogError;
use finding::{Finding, Level};
use status::Status;
use traffic::Traffic;

const EXAMPLES: &str = "\
Examples:
  sekisho doctor
      the nginx that is installed, with the configuration that it would start with
  sekisho doctor --log /var/log/nginx/access.log
      also whether nginx sees its visitors, and whether the zones have room for them
  sekisho doctor --module target/module/ngx_http_sekisho_module.so
      whether a module fits before it is installed
  sekisho doctor --api http://127.0.0.1:8081/sekisho --format json
      also what the running module counts, for a program
  sekisho doctor --strict && systemctl reload nginx
      no reload while there is anything to look at

Run it as root: nginx opens its logs and keys when it checks its configuration.

Exit status: 0 no problem, 1 a problem (with --strict a warning too), 2 wrong usage.";

/// Say whether the module fits the nginx that is installed, whether it is set up well, and what to do
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The module's file [default: the one that the configuration loads]
    #[arg(long, value_name = "FILE.so")]
    module: Option<PathBuf>,

    /// The nginx that is to load it
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,

    /// nginx's configuration [default: the one that nginx starts with]
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,

    /// Access logs of this nginx, plain or gzip: a usual day, or better a busy one
    #[arg(long, value_name = "LOG", num_args = 1..)]
    log: Vec<PathBuf>,

    /// How the log is written: auto, combined, json, or an nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = Format::parse)]
    log_format: Format,

    /// Where the running module's API is: the address of the location with sekisho_api
    #[arg(long, value_name = "URL")]
    api: Option<String>,

    /// What to print: lines for people, or one JSON document
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,

    /// Count warnings as problems
    #[arg(long)]
    strict: bool,

    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// Shapes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people
    Text,
    /// One document
    Json,
}

/// Why there is no diagnosis. What is wrong with nginx is a finding, not an error.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// Looks, prints, and returns whether all is well.
pub fn run(args: &Args) -> Result<bool, DoctorError> {
    let traffic = match args.log.as_slice() {
        [] => None,
        logs => Some(traffic::read(logs, &args.log_format)?),
    };
    let findings = diagnose(args, traffic.as_ref());
    let mut out = io::stdout().lock();
    match args.format {
        OutputFormat::Text => finding::write_text(&findings, colored(args.color), &mut out)?,
        OutputFormat::Json => finding::write_json(&findings, &mut out)?,
    }
    out.flush()?;
    let tolerable = match args.strict {
        true => Level::Skipped,
        false => Level::Warning,
    };
    Ok(findings.iter().all(|finding| finding.level() <= tolerable))
}

/// Every check, in the order in which an operator would mend.
fn diagnose(args: &Args, traffic: Option<&Traffic>) -> Vec<Finding> {
    let build = match fit::build(&args.nginx) {
        Ok(build) => build,
        Err(finding) => return vec![finding],
    };
    let conf = args.conf.as_deref();
    let mut findings = vec![Finding::ok(
        "nginx",
        format!("{} at {}", build.name, args.nginx.display()),
    )];
    let (config, accepted) = fit::configuration(&args.nginx, conf, &build);
    findings.push(fit::module(args.module.as_deref(), &config, &build, &args.nginx));
    findings.push(fit::load_module(args.module.is_some(), &config, &build));
    findings.push(accepted);
    let status = args.api.as_deref().map(status::ask);
    let (status, unanswered) = match status {
        Some(Ok(status)) => (Some(status), None),
        Some(Err(error)) => (None, Some(silent(error))),
        None => (None, None),
    };
    findings.push(realip::check(&config, traffic));
    findings.extend(traffic.filter(|traffic| traffic.requests == 0).map(|_| unread()));
    findings.extend(zones::check(&config, traffic, status.as_ref()));
    findings.extend(setup::dry_run(&config));
    findings.extend(setup::bans(&config));
    findings.extend(setup::visible(&config));
    let folder = files::folder(conf, &build);
    findings.extend(files::models(&config, &folder));
    findings.extend(files::written(&config, &build));
    findings.extend(setup::api(&config));
    findings.extend(status.as_ref().map(answered));
    findings.extend(unanswered);
    findings
}

fn unread() -> Finding {
    Finding::warning(
        "traffic",
        "no line of the log names a client by its address",
        "say how the log is written with --log-format, with $remote_addr where the client's address stands",
    )
}

fn answered(status: &Status) -> Finding {
    let requests: u64 = status.zones.iter().map(|zone| zone.counters.requests).sum();
    let zones = status.zones.len();
    Finding::ok(
        "status",
        format!("the running module answers: {zones} zones, {requests} requests counted"),
    )
}

fn silent(error: status::StatusError) -> Finding {
    let advice = "give the address of the location with sekisho_api, and ask from an address that it allows";
    Finding::warning("status", with_causes(&error), advice)
}

fn colored(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let unset = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            io::stdout().is_terminal() && unset
        }
    }
}
