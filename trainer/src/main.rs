//! `sekisho`: the offline half. Scans logs, trains models, measures them.
#![forbid(unsafe_code)]

mod cli;
mod dataset;
mod doctor;
mod evaluate;
mod figures;
mod learn;
mod logs;
mod onnx;
mod replay;
mod scan;
mod simulate;
mod train;
mod visible;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) if cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekisho: {error:#}");
            ExitCode::FAILURE
        }
    }
}
