//! What one key that all workers ask for costs more than many keys: two nginx workers on one zone, the same requests
//! as one client and as many, in turns.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use sekisho_tests::nginx::{Module, Nginx, Site};

use crate::table_cost::run_time;

/// Keys that count as many: their records and locks stay in the processor's caches, as the one key's do.
const KEYS: u32 = 256;
const WORKERS: usize = 2;
/// Connections, each with its own thread, that keep the workers busy.
const CONNECTIONS: usize = 4;
/// Requests that a connection sends at once, and how often it does so in a round.
const BATCH: u32 = 64;
const BATCHES: u32 = 60;
/// Rounds of each kind; they take turns, and the median of the ratios counts.
const ROUNDS: usize = 9;
/// What each answer begins with.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// The outcome.
#[derive(Clone, Copy, Debug)]
pub struct HotKey {
    /// CPU time of nginx with one key, nanoseconds a request, median.
    pub one: f64,
    /// The same with many keys.
    pub many: f64,
    /// Median of the rounds' ratios.
    pub ratio: f64,
}

/// Measures.
///
/// # Errors
/// When nginx does not answer, or the kernel does not say how much CPU time its workers used.
pub fn measure() -> Result<HotKey> {
    let nginx = Site::new(Module::Production).workers(WORKERS).start(
        "sekisho_zone $binary_remote_addr zone=clients:4m; sekisho_dry_run on; access_log off;\n\
         keepalive_requests 100000000; set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;\n\
         server { listen 127.0.0.1:%PORT%; location / { sekisho zone=clients; empty_gif; } }",
    );
    // Every key past its first requests, at which scores are frequent.
    for _ in 0..2 {
        round(&nginx, KEYS)?;
        round(&nginx, 1)?;
    }
    let (mut one, mut many, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let costs = (round(&nginx, 1)?, round(&nginx, KEYS)?);
        one.push(costs.0);
        many.push(costs.1);
        ratios.push(costs.0 / costs.1);
    }
    Ok(HotKey {
        one: median(&mut one),
        many: median(&mut many),
        ratio: median(&mut ratios),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// CPU time that the workers spend on a request when this many keys take turns.
fn round(nginx: &Nginx, keys: u32) -> Result<f64> {
    let before = worker_time(nginx)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let mut stream = nginx.connect();
                scope.spawn(move || send(&mut stream, connection as u32, keys))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(sent) => sent,
            Err(_) => bail!("a client gave up"),
        })
    })?;
    let spent = worker_time(nginx)? - before;
    Ok(spent as f64 / f64::from(CONNECTIONS as u32 * BATCH * BATCHES))
}

fn send(stream: &mut TcpStream, connection: u32, keys: u32) -> Result<()> {
    for batch in 0..BATCHES {
        let mut requests = String::new();
        for number in 0..BATCH {
            let key = (connection * 61 + batch * BATCH + number) % keys;
            requests += &format!(
                "GET /item/{} HTTP/1.1\r\nHost: a\r\nX-Real-IP: 10.1.{}.{}\r\n\r\n",
                (batch + number) % 50,
                key / 256,
                key % 256
            );
        }
        stream.write_all(requests.as_bytes())?;
        let (mut answers, mut buffer, mut tail) = (0, [0; 64 * 1024], Vec::new());
        while answers < BATCH {
            let read = stream.read(&mut buffer).context("no answer")?;
            if read == 0 {
                bail!("nginx closed the connection");
            }
            tail.extend_from_slice(&buffer[..read]);
            let mut from = 0;
            while let Some(at) = tail[from..]
                .windows(ANSWER.len())
                .position(|window| window == ANSWER)
            {
                answers += 1;
                from += at + ANSWER.len();
            }
            // An answer's beginning may come in two parts.
            tail.drain(..from.max(tail.len().saturating_sub(ANSWER.len() - 1)));
        }
    }
    Ok(())
}

fn worker_time(nginx: &Nginx) -> Result<u64> {
    let times = nginx
        .workers()
        .into_iter()
        .map(|pid| run_time(&format!("/proc/{pid}/schedstat")));
    Ok(times.sum::<std::io::Result<u64>>()?)
}
