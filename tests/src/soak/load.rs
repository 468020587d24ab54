//! Visitors without end: people, crawlers, and crowds that come once, on kept connections, asking both servers the same.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::daemon::Daemon;

/// Longest that a request may take; then the server hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Largest answer that is read.
const MAX_ANSWER: usize = 1 << 20;
/// Of so many requests, one is a person's, two a crawler's, and one of somebody who comes once.
const PERSONAS: u64 = 4;

/// What came of the requests to one server.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    stopped: AtomicU64,
    errors: AtomicU64,
    strange: AtomicU64,
    lost: AtomicU64,
    stale: AtomicU64,
    hung: AtomicU64,
    slowest: AtomicU64,
}

/// A [`Tally`] at one time, or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Requests made.
    pub requests: u64,
    /// Answered 429.
    pub stopped: u64,
    /// Answered 5xx.
    pub errors: u64,
    /// Answered by another status than 200 and those.
    pub strange: u64,
    /// Fresh connections that gave no answer.
    pub lost: u64,
    /// Kept connections that were closed before a request, and made anew.
    pub stale: u64,
    /// Requests without an answer in [`PATIENCE`].
    pub hung: u64,
    /// Longest answer, in milliseconds, since the start.
    pub slowest: u64,
}

impl Tally {
    /// The numbers now.
    pub fn figures(&self) -> Figures {
        Figures {
            requests: self.requests.load(Relaxed),
            stopped: self.stopped.load(Relaxed),
            errors: self.errors.load(Relaxed),
            strange: self.strange.load(Relaxed),
            lost: self.lost.load(Relaxed),
            stale: self.stale.load(Relaxed),
            hung: self.hung.load(Relaxed),
            slowest: self.slowest.load(Relaxed),
        }
    }

    fn book(&self, outcome: &io::Result<Answer>, elapsed: Duration) {
        self.requests.fetch_add(1, Relaxed);
        self.slowest.fetch_max(elapsed.as_millis() as u64, Relaxed);
        let counter = match outcome {
            Ok(answer) => match answer.status {
                200 => return,
                429 => &self.stopped,
                500..=599 => &self.errors,
                _ => &self.strange,
            },
            Err(error) if is_timeout(error) => &self.hung,
            Err(_) => &self.lost,
        };
        counter.fetch_add(1, Relaxed);
    }
}

impl Figures {
    /// What happened since `earlier`; the slowest answer stays.
    pub fn since(&self, earlier: &Figures) -> Figures {
        Figures {
            requests: self.requests - earlier.requests,
            stopped: self.stopped - earlier.stopped,
            errors: self.errors - earlier.errors,
            strange: self.strange - earlier.strange,
            lost: self.lost - earlier.lost,
            stale: self.stale - earlier.stale,
            hung: self.hung - earlier.hung,
            slowest: self.slowest,
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub head: String,
    /// Its body.
    pub body: String,
    closes: bool,
}

/// One visitor's kept connection to one server.
pub struct Visitor<'a> {
    daemon: &'a Daemon,
    tally: &'a Tally,
    connection: Option<TcpStream>,
}

impl<'a> Visitor<'a> {
    /// Not yet connected.
    pub fn new(daemon: &'a Daemon, tally: &'a Tally) -> Visitor<'a> {
        Visitor {
            daemon,
            tally,
            connection: None,
        }
    }

    /// Another visitor to the same server, not yet connected.
    pub fn alike(&self) -> Visitor<'a> {
        Visitor::new(self.daemon, self.tally)
    }

    /// Asks, and books what comes of it. A kept connection that the server has closed meanwhile is made anew once, as
    /// browsers do.
    pub fn ask(&mut self, request: &[u8]) -> Option<Answer> {
        let start = Instant::now();
        let outcome = match self.connection.take().map(|kept| exchange(kept, request)) {
            Some(Err(error)) if !is_timeout(&error) => {
                self.tally.stale.fetch_add(1, Relaxed);
                self.fresh(request)
            }
            Some(outcome) => outcome,
            None => self.fresh(request),
        };
        let outcome = outcome.map(|(answer, connection)| {
            self.connection = Some(connection).filter(|_| !answer.closes);
            answer
        });
        self.tally.book(&outcome, start.elapsed());
        outcome.ok()
    }

    fn fresh(&self, request: &[u8]) -> io::Result<(Answer, TcpStream)> {
        exchange(self.daemon.connect(PATIENCE)?, request)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn exchange(mut connection: TcpStream, request: &[u8]) -> io::Result<(Answer, TcpStream)> {
    connection.write_all(request)?;
    let mut bytes = Vec::with_capacity(1024);
    let mut part = [0; 4096];
    loop {
        let count = connection.read(&mut part)?;
        if count == 0 || bytes.len() > MAX_ANSWER {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(&part[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = header(&head, "content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            let status = head
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0);
            let closes = header(&head, "connection") == Some("close");
            let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
            if closes {
                // The server closes after its log phase: whatever the request does to it is done by then.
                let _ = connection.read(&mut part);
            }
            return Ok((
                Answer {
                    status,
                    head,
                    body,
                    closes,
                },
                connection,
            ));
        }
    }
}

/// Value of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A request for `target` from `address`, with more header lines.
pub fn request(address: &str, target: &str, more: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\nX-Real-IP: {address}\r\n{more}\r\n").into_bytes()
}

/// The load on two servers.
#[derive(Default)]
pub struct Load {
    /// The server without the module.
    pub bare: Tally,
    /// The server with it.
    pub ours: Tally,
    /// People's requests that were stopped: a mistake of ours.
    pub people_stopped: AtomicU64,
    /// While set, only people who come once.
    pub flood: AtomicBool,
    /// How many of those came.
    pub strangers: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Asks both servers until [`Load::stop`].
    pub fn drive(&self, bare: &Daemon, ours: &Daemon, thread: u64, pause: Duration) {
        let mut bare = Visitor::new(bare, &self.bare);
        let mut ours = Visitor::new(ours, &self.ours);
        let (mut leaving_bare, mut leaving_ours) = (bare.alike(), ours.alike());
        let mut number = 0;
        while !self.stop.load(Relaxed) {
            number += 1;
            let flood = self.flood.load(Relaxed);
            let (bytes, person) = self.next(thread, number, flood);
            let answer = if !flood && number.is_multiple_of(PERSONAS) {
                leaving_bare.ask(&bytes);
                leaving_ours.ask(&bytes)
            } else {
                bare.ask(&bytes);
                ours.ask(&bytes)
            };
            if person && answer.is_some_and(|answer| answer.status == 429) {
                self.people_stopped.fetch_add(1, Relaxed);
            }
            if !flood {
                std::thread::sleep(pause);
            }
        }
    }

    /// Ends all threads of load.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// The next request of a thread, and whether it is a person's.
    fn next(&self, thread: u64, number: u64, flood: bool) -> (Vec<u8>, bool) {
        let persona = if flood { 0 } else { number % PERSONAS };
        let turn = number / PERSONAS;
        match persona {
            0 => {
                let stranger = self.strangers.fetch_add(1, Relaxed);
                let [_, a, b, c] = (stranger as u32).to_be_bytes();
                // Who comes once leaves; in a flood that would cost more ports than there are.
                let leave = if flood { "" } else { "Connection: close\r\n" };
                let more = format!("Referer: http://shop.test/\r\n{leave}");
                (request(&format!("10.{a}.{b}.{c}"), "/page.html", &more), true)
            }
            1 => {
                let address = format!("198.51.100.{}", thread * 20 + turn % 20);
                let target = if turn.is_multiple_of(3) {
                    "/page.html"
                } else {
                    "/style.css"
                };
                (
                    request(&address, target, "Referer: http://shop.test/page.html\r\n"),
                    true,
                )
            }
            _ => {
                let address = format!("192.0.2.{}", thread * 10 + turn % 10);
                (
                    request(&address, &format!("/page.html?item={thread}-{number}"), ""),
                    false,
                )
            }
        }
    }
}
