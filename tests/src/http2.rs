//! Just enough HTTP/2 to send many requests at once on one connection, in the clear: RFC 9113, RFC 7541.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// What every connection begins with, and settings that change nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
/// The error code of a stream that is no longer wanted.
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method GET`, `:scheme http` of HPACK's static table.
const GET_HTTP: [u8; 2] = [0x82, 0x86];
/// Literals that are not indexed, with the static table's names `:authority` and `:path`.
const AUTHORITY: u8 = 1;
const PATH: u8 = 4;

/// Sends a GET for each target, all in one write, and reads until every stream has ended. Statuses in the order of the
/// targets.
///
/// # Errors
/// When the connection ends before all streams have.
pub fn get_at_once(connection: TcpStream, targets: &[String]) -> io::Result<Vec<u16>> {
    let mut client = Client::open(connection)?;
    client.ask(targets)?;
    client.read_all()
}

/// One connection with many streams.
pub struct Client {
    connection: TcpStream,
    asked: usize,
    open: usize,
}

impl Client {
    /// Begins a connection.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn open(mut connection: TcpStream) -> io::Result<Client> {
        connection.write_all(PREFACE)?;
        Ok(Client {
            connection,
            asked: 0,
            open: 0,
        })
    }

    /// Sends a GET for each target, all in one write.
    ///
    /// # Errors
    /// When the connection cannot be written to.
    pub fn ask(&mut self, targets: &[String]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for target in targets {
            let mut block = GET_HTTP.to_vec();
            literal(&mut block, AUTHORITY, "shop.test");
            literal(&mut block, PATH, target);
            let flags = END_STREAM | END_HEADERS;
            frame(&mut bytes, HEADERS, flags, stream(self.asked), &block);
            self.asked += 1;
        }
        self.open += targets.len();
        self.connection.write_all(&bytes)
    }

    /// Cancels every stream that was ever opened; those that have ended already do not mind.
    ///
    /// # Errors
    /// When the connection cannot be written to.
    pub fn cancel_all(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        for number in 0..self.asked {
            frame(&mut bytes, RST_STREAM, 0, stream(number), &CANCEL);
        }
        self.open = 0;
        self.connection.write_all(&bytes)
    }

    /// Reads until every stream has ended. Statuses in the order of their streams.
    ///
    /// # Errors
    /// When the connection ends before.
    pub fn read_all(&mut self) -> io::Result<Vec<u16>> {
        let mut statuses = BTreeMap::new();
        while self.open > 0 {
            let mut head = [0; 9];
            self.connection.read_exact(&mut head)?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.connection.read_exact(&mut payload)?;
            let (kind, flags) = (head[3], head[4]);
            if kind == HEADERS {
                let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                statuses.insert(number, status(&payload));
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                self.open -= 1;
            }
        }
        Ok(statuses.into_values().collect())
    }
}

fn stream(number: usize) -> u32 {
    number as u32 * 2 + 1
}

fn literal(block: &mut Vec<u8>, name: u8, value: &str) {
    assert!(value.len() < 127, "a length in one byte");
    block.extend([name, value.len() as u8]);
    block.extend(value.as_bytes());
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// `:status` of a header block as nginx writes it, first of all: indexed, or a literal of three digits. 0 when it is not there.
fn status(block: &[u8]) -> u16 {
    // A new table size may come before it.
    let start = block.iter().take_while(|&&byte| byte & 0xe0 == 0x20).count();
    match &block[start..] {
        [0x88, ..] => 200,
        [0x8d, ..] => 404,
        [0x48 | 0x08, 3, a, b, c, ..] => [a, b, c]
            .iter()
            .fold(0, |sum, &&digit| sum * 10 + u16::from(digit - b'0')),
        _ => 0,
    }
}
