//! A provider of language models that fails on demand: a real server on a loopback port. It knows nothing but the
//! standard library, so that tests of any crate may include it by its path.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Nothing goes on for longer than this, should a client never close.
const LONGEST: Duration = Duration::from_secs(30);
/// Between two bytes of a slow answer.
const DRIP: Duration = Duration::from_millis(20);

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// A whole answer: status, headers, body.
    Reply(u16, Vec<(&'static str, String)>, String),
    /// Nothing is said until the client gives up.
    Hang,
    /// Headers, and nothing behind them.
    HangInBody,
    /// The connection is closed before a word.
    CloseAtOnce,
    /// The connection is closed inside the body.
    Cut,
    /// A byte now and then.
    Drip,
    /// Words that are not HTTP.
    Garbage,
    /// A body that does not end.
    Endless,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method and path.
    pub line: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The server. Its threads end with the clients' connections.
pub struct Gateway {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Gateway {
    /// Starts one that does `script[0]` with the first request, and so on; the last act goes on.
    ///
    /// # Panics
    /// When no port can be had, or the script is empty.
    pub fn start(script: Vec<Act>) -> Gateway {
        assert!(!script.is_empty(), "a script has an act");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, script) = (Arc::clone(&seen), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, script) = (Arc::clone(&all), Arc::clone(&script));
                thread::spawn(move || serve(stream, &all, &script));
            }
        });
        Gateway { address, seen }
    }

    /// Its address with a scheme: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An address at which nobody listens.
///
/// # Panics
/// When no port can be had.
pub fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// An answer of a chat completion that ended well.
pub fn chat(served: &str, content: &str) -> Act {
    chat_ending(served, content, "stop")
}

/// An answer of a chat completion, with the reason for its end.
pub fn chat_ending(served: &str, content: &str, finish: &str) -> Act {
    let (content, finish) = (quoted(content), quoted(finish));
    let usage = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}"#;
    let choice = format!(
        r#"{{"index":0,"message":{{"role":"assistant","content":{content}}},"finish_reason":{finish}}}"#
    );
    let served = quoted(served);
    Act::Reply(
        200,
        Vec::new(),
        format!(r#"{{"model":{served},"choices":[{choice}],"usage":{usage}}}"#),
    )
}

/// JSON of a text without control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn serve(stream: TcpStream, all: &Mutex<Vec<Seen>>, script: &[Act]) {
    // A client that breaks off is what these tests are about.
    let _ = stream.set_read_timeout(Some(LONGEST));
    let Ok(copy) = stream.try_clone() else {
        return;
    };
    let (mut reader, mut stream) = (BufReader::new(copy), stream);
    while let Some(request) = read(&mut reader) {
        let act = {
            let mut seen = all.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request);
            script[(seen.len() - 1).min(script.len() - 1)].clone()
        };
        if perform(&act, &mut stream, &mut reader).is_err() || !matches!(act, Act::Reply(..)) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body,
    })
}

fn perform(act: &Act, stream: &mut TcpStream, reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n";
    match act {
        Act::Reply(status, headers, body) => {
            write!(
                stream,
                "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
                body.len()
            )?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            write!(stream, "\r\n{body}")
        }
        Act::Hang => wait(reader),
        Act::HangInBody => {
            stream.write_all(HEAD)?;
            wait(reader)
        }
        Act::CloseAtOnce => Ok(()),
        Act::Cut => {
            stream.write_all(HEAD)?;
            stream.write_all(b"{\"model\": \"m\", \"choices\": [")
        }
        Act::Drip => {
            stream.write_all(HEAD)?;
            for _ in 0..LONGEST.as_millis() / DRIP.as_millis() {
                stream.write_all(b" ")?;
                thread::sleep(DRIP);
            }
            Ok(())
        }
        Act::Garbage => stream.write_all(b"220 mail.example ESMTP\r\n\r\n"),
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")?;
            while stream.write_all(&[b' '; 65536]).is_ok() {}
            Ok(())
        }
    }
}

/// Until the client closes.
fn wait(reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    reader.read_exact(&mut [0])
}
