//! The connection to nginx: one request, one response, over and over.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::head::Head;

/// Longest that nginx may keep us waiting for the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a response is read at once, in bytes.
const READ_BYTES: usize = 256 * 1024;

/// A connection that is made anew when nginx closes it.
pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    head: Head,
    connections: u64,
}

/// Whether an exchange reached its end.
enum Exchanged {
    Status(u16),
    /// nginx had closed the connection before it read the request.
    Stale,
}

impl Client {
    /// A client of the nginx at `address`; connects with the first request.
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            stream: None,
            head: Head::default(),
            connections: 0,
        }
    }

    /// The address of that nginx.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections made so far.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Sends a request and reads its response to the end. Returns the status.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let reused = self.stream.is_some();
        match self.try_exchange(request)? {
            Exchanged::Status(status) => return Ok(status),
            Exchanged::Stale if reused => {}
            Exchanged::Stale => return Err(closed()),
        }
        match self.try_exchange(request)? {
            Exchanged::Status(status) => Ok(status),
            Exchanged::Stale => Err(closed()),
        }
    }

    /// Says goodbye and waits until nginx has too: then it has also written its log lines.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.stream.take() {
            Some(mut stream) => {
                stream.get_ref().shutdown(std::net::Shutdown::Write)?;
                drain(&mut stream)
            }
            None => Ok(()),
        }
    }

    fn try_exchange(&mut self, request: &[u8]) -> io::Result<Exchanged> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.connections += 1;
                connect(self.address)?
            }
        };
        if let Err(error) = stream.get_mut().write_all(request) {
            return if is_gone(&error) {
                Ok(Exchanged::Stale)
            } else {
                Err(error)
            };
        }
        match self.head.read(&mut stream) {
            Ok(true) => {}
            Ok(false) => return Ok(Exchanged::Stale),
            Err(error) if is_gone(&error) => return Ok(Exchanged::Stale),
            Err(error) => return Err(error),
        }
        let status = status(&self.head)?;
        let open = skip_body(&mut stream, &self.head, status, request.starts_with(b"HEAD "))?;
        if open && !self.head.says("Connection", "close") {
            self.stream = Some(stream);
        } else {
            // nginx writes its log line before it closes: without waiting, another worker could be earlier.
            drain(&mut stream)?;
        }
        Ok(Exchanged::Status(status))
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::with_capacity(READ_BYTES, stream))
}

fn status(head: &Head) -> io::Result<u16> {
    let word = head
        .first_line()
        .nth(1)
        .and_then(|word| str::from_utf8(word).ok());
    let status = word
        .and_then(|word| word.parse().ok())
        .filter(|status| (200..1000).contains(status));
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response has no final status"))
}

/// Reads over a response's body. False when the end of the body was the end of the connection.
fn skip_body(stream: &mut BufReader<TcpStream>, head: &Head, status: u16, to_head: bool) -> io::Result<bool> {
    if to_head || matches!(status, 204 | 304) {
        return Ok(true);
    }
    if head.says("Transfer-Encoding", "chunked") {
        return skip_chunks(stream).map(|()| true);
    }
    match head.number("Content-Length") {
        Some(length) => skip(stream, length).map(|()| true),
        None => drain(stream).map(|()| false),
    }
}

fn skip_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        stream.by_ref().take(64).read_until(b'\n', &mut line)?;
        let digits = str::from_utf8(&line).unwrap_or_default().trim();
        let length = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk has no length"))?;
        skip(stream, length.saturating_add(2))?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn skip(stream: &mut BufReader<TcpStream>, length: u64) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let here = stream.fill_buf()?.len();
        if here == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let used = here.min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.consume(used);
        left -= used as u64;
    }
    Ok(())
}

/// Reads to the end of the connection.
fn drain(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    loop {
        match stream.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => {
                let used = bytes.len();
                stream.consume(used);
            }
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the connection was closed without a response",
    )
}
