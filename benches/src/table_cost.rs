//! What one operation of the table costs, by the number of clients in it.
//!
//! An operation is what a request does to its record: the lock of its set, the search or the eviction, what is
//! learnt from the request and its response. Clients come in no order, the worst that a cache can be given.

use std::fmt::Write;
use std::io;
use std::sync::atomic::AtomicU64;

use sekisho_core::checkpoint::{self, Arrival, Policy};
use sekisho_core::key::Seed;
use sekisho_core::sketch::popularity::Rating;
use sekisho_core::table::{Geometry, Set, set_index};
use sekisho_core::url::Visit;

use crate::lock;
use crate::traffic::Request;

/// Clients in the table.
pub const CLIENTS: [usize; 8] = [
    1_000, 4_000, 16_000, 64_000, 250_000, 1_000_000, 2_000_000, 4_000_000,
];
/// Operations that are measured at each size.
const OPERATIONS: u32 = 2_000_000;
/// Visits that they bring, over and over.
const VISITS: usize = 4_096;
/// Times each client is seen before that.
const WARM_UP: usize = 2;
const START: u32 = 1_455_944_445;
/// The process that locks; any but 0.
const OWNER: u32 = 1;

/// CPU time of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Clients in the table.
    pub clients: usize,
    /// Nanoseconds of CPU time an operation.
    pub nanoseconds: f64,
}

struct Table {
    locks: Vec<AtomicU64>,
    sets: Vec<Set>,
    policy: Policy,
}

impl Table {
    fn new(clients: usize) -> Table {
        let sets = Geometry::for_clients(clients).sets as usize;
        let mut locks = Vec::new();
        locks.resize_with(sets, AtomicU64::default);
        Table {
            locks,
            sets: vec![Set::default(); sets],
            policy: Policy::new(0.95, 0.995),
        }
    }

    fn operate(&mut self, client: usize, at: u32, visit: &Visit) {
        let hash = (client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = set_index(hash, self.sets.len() as u32) as usize;
        let (word, set) = (&self.locks[index], &mut self.sets[index]);
        if lock::acquire(word, OWNER, |_| false).is_none() {
            return;
        }
        let way = set.victim(hash, at);
        lock::announce(word, OWNER, way);
        set.admit_at(way, hash, at);
        let record = set.record_mut(way);
        if let Arrival::Score = checkpoint::arrive(record, at, visit, Rating::Popular, &self.policy) {
            checkpoint::settle(record, at, 0.0, &self.policy);
        }
        checkpoint::depart(record, 200, 4_096);
        lock::release(word);
    }
}

/// Measures a table that holds this many clients.
///
/// # Errors
/// When the kernel does not say how much CPU time was used.
pub fn measure(clients: usize, traffic: &[Request]) -> io::Result<Cost> {
    let visit = |request: &Request| {
        Visit::new(
            Seed::FIXED,
            request.method,
            &request.target,
            request.referer.as_deref(),
        )
    };
    let visits: Vec<Visit> = traffic.iter().take(VISITS).map(visit).collect();
    let mut table = Table::new(clients);
    for round in 0..WARM_UP {
        for client in 0..clients {
            table.operate(client, START + round as u32, &visits[client % visits.len()]);
        }
    }
    let mut state = 1u64;
    let before = cpu_time()?;
    for number in 0..OPERATIONS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let client = (state >> 33) as usize % clients;
        table.operate(
            client,
            START + 10 + number / 1_000,
            &visits[number as usize % visits.len()],
        );
    }
    Ok(Cost {
        clients,
        nanoseconds: (cpu_time()? - before) as f64 / f64::from(OPERATIONS),
    })
}

/// Nanoseconds that this thread has run.
fn cpu_time() -> io::Result<u64> {
    run_time("/proc/thread-self/schedstat")
}

/// The first number of a `schedstat` file: nanoseconds on a processor.
pub fn run_time(path: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let number = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {text:?}")))
}

/// The costs as a Markdown table.
pub fn markdown(costs: &[Cost]) -> String {
    let mut text = String::from("| clients | CPU, ns an operation |\n|---|---|\n");
    for cost in costs {
        let _ = writeln!(text, "| {} | {:.0} |", cost.clients, cost.nanoseconds);
    }
    text
}

/// The costs as a picture: clients on a logarithmic scale, nanoseconds from 0.
pub fn svg(costs: &[Cost]) -> String {
    const LEFT: f64 = 60.0;
    const TOP: f64 = 30.0;
    const WIDTH: f64 = 540.0;
    const HEIGHT: f64 = 260.0;
    let highest = costs.iter().map(|cost| cost.nanoseconds).fold(1.0, f64::max);
    let step = [50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0]
        .into_iter()
        .find(|step| highest / step <= 8.0)
        .unwrap_or(highest);
    let top = (highest / step).ceil() * step;
    let (from, to) = (3.0, (4_000_000f64).log10());
    let x = |clients: usize| LEFT + WIDTH * ((clients as f64).log10() - from) / (to - from);
    let y = |nanoseconds: f64| TOP + HEIGHT * (1.0 - nanoseconds / top);
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 350\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>CPU time of a table operation by clients in the table</title>\n\
         <rect width=\"640\" height=\"350\" fill=\"#fff\"/>\n",
    );
    for line in 0..=(top / step) as u32 {
        let value = f64::from(line) * step;
        let at = y(value);
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {at:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"54\" y=\"{:.1}\" \
             text-anchor=\"end\">{value}</text>",
            at + 4.0
        );
    }
    for cost in costs {
        let label = match cost.clients {
            million if million >= 1_000_000 => format!("{}m", million / 1_000_000),
            thousand => format!("{}k", thousand / 1_000),
        };
        let _ = writeln!(
            text,
            "<circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#2a6f97\"/><text x=\"{at:.1}\" y=\"310\" \
             text-anchor=\"middle\">{label}</text>",
            y(cost.nanoseconds),
            at = x(cost.clients),
        );
    }
    let points: Vec<String> = costs
        .iter()
        .map(|cost| format!("{:.1},{:.1}", x(cost.clients), y(cost.nanoseconds)))
        .collect();
    let _ = writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2a6f97\" stroke-width=\"2\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">CPU time of an operation, ns</text>\n\
         <text x=\"600\" y=\"335\" text-anchor=\"end\">clients in the table</text>\n</svg>",
        points.join(" ")
    );
    text
}
