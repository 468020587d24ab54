//! The command tree. Each subcommand keeps its arguments and its `run` in its own module.

use clap::{CommandFactory, Parser, Subcommand};
use std::io;

use crate::{evaluate, replay, scan, train};

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
    Train(train::Args),
    Evaluate(evaluate::Args),
    Replay(replay::Args),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  sekisho completions bash > /etc/bash_completion.d/sekisho")]
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Scan(args) => Ok(scan::run(&args)?),
            Command::Train(args) => Ok(train::run(&args)?),
            Command::Evaluate(args) => Ok(evaluate::run(&args)?),
            Command::Replay(args) => replay::run(&args),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "sekisho", &mut script);
                io::Write::write_all(&mut io::stdout().lock(), &script)?;
                Ok(())
            }
        }
    }
}

/// Whether the reader of our output went away (`sekisho scan ... | head`), which is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
