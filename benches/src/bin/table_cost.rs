//! What an operation of the table costs from a thousand clients to four million, and what one hot key costs more than
//! many. Prints Markdown and writes the picture to the file that is named.

#![forbid(unsafe_code)]

use std::env;

use anyhow::{Context, Result};
use sekisho_benches::gauge::traffic;
use sekisho_benches::{hot_key, table_cost};

fn main() -> Result<()> {
    let traffic = traffic()?;
    let costs = table_cost::CLIENTS
        .iter()
        .map(|&clients| table_cost::measure(clients, &traffic))
        .collect::<Result<Vec<_>, _>>()
        .context("the kernel does not say how much CPU time was used")?;
    print!("{}", table_cost::markdown(&costs));
    if let Some(path) = env::args_os().nth(1) {
        std::fs::write(&path, table_cost::svg(&costs))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let hot = hot_key::measure()?;
    println!("\n| requests, two workers on one zone | CPU of nginx, ns a request |\n|---|---|");
    println!(
        "| of many keys | {:.0} |\n| of one key | {:.0} |",
        hot.many, hot.one
    );
    println!(
        "\nOne hot key costs {:.2} times as much as many keys (median of the rounds).",
        hot.ratio
    );
    Ok(())
}
