//! `sekisho`: the offline half. Scans logs, trains models, measures them.
#![forbid(unsafe_code)]

mod analyse;
mod ask;
mod calibrate;
mod causes;
mod cli;
mod config;
mod dataset;
mod decisions;
mod doctor;
mod drift;
mod evaluate;
mod explain;
mod export;
mod figures;
mod forget;
mod label;
mod learn;
mod llm;
mod logs;
mod nginx;
mod notify;
mod onnx;
mod picture;
mod plot;
mod registry;
mod replay;
mod report;
mod retrain;
mod runbooks;
mod scan;
mod serve;
mod shape;
mod simulate;
mod store;
mod tail;
mod train;
mod turns;
mod user;
mod visible;
mod watch;

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
