//! The command tree. Each subcommand keeps its arguments and its `run` in its own module.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::io;
use std::process::ExitCode;

use crate::{
    analyse, ask, calibrate, config, decisions, doctor, drift, evaluate, explain, export, forget, label, llm,
    notify, registry, replay, report, retrain, runbooks, scan, serve, simulate, train, user,
};

/// Watches how clients behave and says which are automated, from access logs, offline.
#[derive(Parser)]
#[command(name = "sekisho", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Scan(scan::Args),
    Ask(ask::Args),
    Calibrate(calibrate::Args),
    Train(train::Args),
    Evaluate(evaluate::Args),
    Drift(drift::Args),
    Replay(replay::Args),
    Simulate(simulate::Args),
    Doctor(doctor::Args),
    Model(registry::Args),
    Retrain(retrain::Args),
    Serve(serve::Args),
    User(user::Args),
    Label(label::Args),
    Decisions(decisions::Args),
    Explain(explain::Args),
    Feedback(explain::feedback::Args),
    Runbooks(runbooks::Args),
    Llm(llm::Args),
    Notify(notify::Args),
    Report(report::Args),
    Analyse(analyse::Args),
    Export(export::Args),
    Forget(forget::Args),
    Config(config::Args),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  sekisho completions bash > /etc/bash_completion.d/sekisho")]
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Scan(args) => match scan::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("scan", &error),
                result => result?,
            },
            Command::Ask(args) => ask::run(&args)?,
            Command::Calibrate(args) => match calibrate::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("calibrate", &error),
                result => result?,
            },
            Command::Train(args) => train::run(&args)?,
            Command::Evaluate(args) => match evaluate::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("evaluate", &error),
                result => result?,
            },
            Command::Drift(args) if drift::run(&args)? => {}
            Command::Drift(_) => return Ok(ExitCode::FAILURE),
            Command::Replay(args) => replay::run(&args)?,
            Command::Simulate(args) => simulate::run(&args)?,
            Command::Doctor(args) if doctor::run(&args)? => {}
            Command::Model(args) if registry::run(&args)? => {}
            Command::Doctor(_) | Command::Model(_) => return Ok(ExitCode::FAILURE),
            Command::Retrain(args) => retrain::run(&args)?,
            Command::Serve(args) => serve::run(&args)?,
            Command::User(args) => user::run(&args)?,
            Command::Label(args) => return Ok(label::run(&args)?),
            Command::Decisions(args) => decisions::run(&args)?,
            Command::Explain(args) => explain::run(&args)?,
            Command::Feedback(args) => match explain::feedback::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("feedback", &error),
                result => result?,
            },
            Command::Runbooks(args) => runbooks::run(&args)?,
            Command::Llm(args) => llm::run(&args)?,
            Command::Notify(args) => return Ok(notify::run(&args)?),
            Command::Export(args) => match export::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("export", &error),
                result => result?,
            },
            Command::Report(args) => report::run(&args)?,
            Command::Analyse(args) => match analyse::run(&args) {
                Err(error) if error.is_usage() => wrong_usage("analyse", &error),
                result => result?,
            },
            Command::Forget(args) => forget::run(&args)?,
            Command::Config(args) => return Ok(config::run(&args)?),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "sekisho", &mut script);
                io::Write::write_all(&mut io::stdout().lock(), &script)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends as clap does when arguments contradict each other.
fn wrong_usage(subcommand: &str, error: &dyn std::error::Error) -> ! {
    let mut command = Cli::command();
    command.build();
    let found = command.find_subcommand_mut(subcommand);
    let error = match found {
        Some(found) => found.error(ErrorKind::ArgumentConflict, error),
        None => command.error(ErrorKind::ArgumentConflict, error),
    };
    error.exit()
}

/// Whether the reader of our output went away (`sekisho scan ... | head`), which is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
