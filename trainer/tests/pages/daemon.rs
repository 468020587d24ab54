//! The daemon over a store, asked as a browser does.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a configuration, and a daemon on it, killed when it is dropped.
pub struct Daemon {
    child: Child,
    pub address: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub took: Duration,
}

/// Writes a configuration whose store is in `directory`; an empty sample file is beside it. It watches an nginx of each
/// of these names, none of which answers.
pub fn configure(directory: &Path, watched: &[&str]) -> PathBuf {
    fs::create_dir_all(directory).expect("a directory");
    let file = directory.join("sekisho.toml");
    let mut text = format!(
        "[[samples]]\npath = \"{0}/samples\"\nname = \"nginx\"\n[store]\npath = \"{0}/store.db\"\nmax_bytes = \"32g\"\n\
         [api]\nlisten = \"127.0.0.1:0\"\n",
        directory.display()
    );
    for (port, name) in (1..).zip(watched) {
        text += &format!("[[nginx]]\nname = \"{name}\"\napi = \"http://127.0.0.1:{port}/sekisho/\"\n");
    }
    fs::write(&file, text).expect("written");
    fs::write(directory.join("samples"), "").expect("written");
    file
}

/// Makes the store, empty.
pub fn make(configuration: &Path) {
    let status = command(configuration, &["serve", "--once"])
        .stderr(Stdio::null())
        .status()
        .expect("it runs");
    assert!(status.success());
}

fn command(configuration: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.args(arguments).arg("--config").arg(configuration);
    command
}

impl Daemon {
    pub fn start(configuration: &Path) -> Daemon {
        let mut child = command(configuration, &["serve"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let found = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("listening on http://")?;
            Some(address.trim().to_owned())
        });
        let address = found.expect("it listens");
        // Whoever writes to a pipe that nobody reads waits for ever.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Daemon { child, address }
    }

    /// Asks for a path on a connection of its own; packed where the daemon packs.
    pub fn get(&self, path: &str) -> Answer {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("answered");
        let took = begun.elapsed();
        let end = bytes
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status");
        Answer {
            status,
            body: bytes.split_off(end + 4),
            head,
            took,
        }
    }

    /// The most memory that it had, MB.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .expect("a peak");
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok())
            .expect("a number");
        kib / 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
