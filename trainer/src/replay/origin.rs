//! The server behind nginx: answers replayed requests as the log says, and everybody else with a small shop.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::head::Head;
use super::loopback::Loopback;
use super::shop;

/// Connections served at a time; more are closed.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(75);
/// Longest body that is answered with, in bytes, whatever the log says.
const MAX_BODY: u64 = 16 * 1024 * 1024;
/// Longest body of a request that is read over, in bytes.
const MAX_REQUEST_BODY: u64 = 1024 * 1024;
/// What bodies are made of.
static FILLER: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// Why the origin cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The address is not to be had.
    #[error("cannot serve the origin on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the origin's thread")]
    Thread(#[source] io::Error),
}

/// A bound origin.
pub struct Origin {
    listener: Arc<TcpListener>,
    address: SocketAddr,
}

impl Origin {
    /// Binds the address; port 0 is any free one.
    pub fn bind(wanted: &Loopback) -> Result<Origin, OriginError> {
        let failed = |source| OriginError::Bind {
            address: wanted.address(),
            source,
        };
        let listener = TcpListener::bind(wanted.address()).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Origin {
            listener: Arc::new(listener),
            address,
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to serve, on threads of its own, until the process ends.
    pub fn serve(&self) -> Result<(), OriginError> {
        let listener = Arc::clone(&self.listener);
        let thread = thread::Builder::new().name("origin".to_owned());
        thread
            .spawn(move || accept(&listener))
            .map(|_| ())
            .map_err(OriginError::Thread)
    }

    /// Never returns.
    pub fn wait(&self) -> ! {
        loop {
            thread::park();
        }
    }
}

fn accept(listener: &TcpListener) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if busy.fetch_add(1, Relaxed) >= MAX_CONNECTIONS {
            busy.fetch_sub(1, Relaxed);
            continue;
        }
        let count = Arc::clone(&busy);
        let spawned = thread::Builder::new()
            .name("origin connection".to_owned())
            .spawn(move || {
                // A peer that breaks the protocol or goes away loses its connection, that is all.
                let _ = converse(stream);
                count.fetch_sub(1, Relaxed);
            });
        if spawned.is_err() {
            busy.fetch_sub(1, Relaxed);
        }
    }
}

/// Answers requests until the peer has no more.
fn converse(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut head = Head::default();
    while head.read(&mut reader)? {
        let length = head.number("Content-Length").unwrap_or(0);
        if length > MAX_REQUEST_BODY || head.field("Transfer-Encoding").is_some() {
            return Ok(());
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        answer(&head, &mut writer)?;
        if head.says("Connection", "close") {
            return Ok(());
        }
    }
    Ok(())
}

fn answer(head: &Head, writer: &mut impl Write) -> io::Result<()> {
    let mut words = head.first_line();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let silent = method == b"HEAD";
    match head.number("X-Replay-Status") {
        Some(status) => {
            let bytes = head.number("X-Replay-Bytes").unwrap_or(0);
            replayed(status, bytes, silent, writer)
        }
        None => {
            let page = shop::page(target);
            write_head(
                writer,
                page.status,
                page.content_type,
                Some(page.body.len() as u64),
            )?;
            writer.write_all(if silent { b"" } else { page.body.as_bytes() })
        }
    }
}

/// A response of the status and size that the log has. What no server can send as a final status is 200.
fn replayed(status: u16, bytes: u64, silent: bool, writer: &mut impl Write) -> io::Result<()> {
    let status = if (200..600).contains(&status) { status } else { 200 };
    let empty = matches!(status, 204 | 304);
    let bytes = bytes.min(MAX_BODY);
    write_head(writer, status, "text/html", (!empty).then_some(bytes))?;
    let mut left = if empty || silent { 0 } else { bytes };
    while left > 0 {
        let now = left.min(FILLER.len() as u64);
        writer.write_all(&FILLER[..now as usize])?;
        left -= now;
    }
    Ok(())
}

fn write_head(writer: &mut impl Write, status: u16, kind: &str, length: Option<u64>) -> io::Result<()> {
    let length = length
        .map(|length| format!("Content-Length: {length}\r\n"))
        .unwrap_or_default();
    let head = format!("HTTP/1.1 {status} Origin\r\nContent-Type: {kind}\r\n{length}\r\n");
    writer.write_all(head.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(request: &str) -> String {
        let mut head = Head::default();
        assert!(head.read(&mut request.as_bytes()).unwrap());
        let mut response = Vec::new();
        answer(&head, &mut response).unwrap();
        String::from_utf8(response).unwrap()
    }

    #[test]
    fn replayed_requests_get_the_logged_answer() {
        #[track_caller]
        fn check(method: &str, status: u16, bytes: u64, start: &str, body: usize) {
            let headers = format!("X-Replay-Status: {status}\r\nX-Replay-Bytes: {bytes}\r\n\r\n");
            let response = answered(&format!("{method} /x HTTP/1.1\r\n{headers}"));
            let (head, rest) = response.split_once("\r\n\r\n").unwrap();
            assert_eq!((head, rest.len()), (start, body));
        }
        let length = |status, bytes| {
            format!("HTTP/1.1 {status} Origin\r\nContent-Type: text/html\r\nContent-Length: {bytes}")
        };
        check("GET", 404, 512, &length(404, 512), 512);
        check("GET", 200, 70_000, &length(200, 70_000), 70_000);
        check("HEAD", 200, 512, &length(200, 512), 0);
        check(
            "GET",
            304,
            512,
            "HTTP/1.1 304 Origin\r\nContent-Type: text/html",
            0,
        );
        check("GET", 0, 5, &length(200, 5), 5);
        check("GET", 101, 5, &length(200, 5), 5);
        check("GET", 200, u64::MAX, &length(200, MAX_BODY), MAX_BODY as usize);
    }

    #[test]
    fn browsers_get_the_shop() {
        assert!(
            answered("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 Origin\r\nContent-Type: text/html")
        );
        assert!(answered("GET /nothing HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(answered("HEAD / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    }
}
