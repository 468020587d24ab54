//! `sekisho serve` over a running nginx, and `sekisho` beside it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;

use crate::nginx::{Nginx, wait_for};
use crate::source::root;

/// The location that the daemon asks.
pub const API: &str = "location /sekisho/ { sekisho_api; allow 127.0.0.1; deny all; }";

/// A daemon that watches an nginx and collects its `samples`, in the site's directory; it ends when it is dropped.
pub struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    /// With these lines more in the configuration; `%DIR%` stands for the site's directory.
    ///
    /// # Panics
    /// When it does not come up; what it said is in the message.
    pub fn start(nginx: &Nginx, more: &str) -> Daemon {
        let path = |name: &str| nginx.path().join(name).display().to_string();
        let text = format!(
            "[[samples]]\npath = \"{}\"\n[store]\npath = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n{more}
             [[nginx]]\nname = \"shop\"\napi = \"http://127.0.0.1:{}/sekisho/\"\npoll_seconds = 1\nallow_file = \"{}\"\n",
            path("samples"),
            path("store.db"),
            nginx.port(),
            path("allow"),
        );
        let text = text.replace("%DIR%", &nginx.path().display().to_string());
        fs::write(path("sekisho.toml"), text).expect("own directory");
        let mut child = sekisho(nginx, &["serve"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it is built");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = String::new();
        while !lines.contains("listening on http://") {
            assert_ne!(said.read_line(&mut lines).expect("text"), 0, "it ended: {lines}");
        }
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let address = lines.rsplit("http://").next().expect("an address").trim();
        let daemon = Daemon {
            address: address.to_owned(),
            child,
        };
        wait_for(|| daemon.status()["nginx"][0]["status"].is_object().then_some(()))
            .expect("nginx is watched");
        daemon
    }

    /// Where it listens: an address and a port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `GET /v1/status`.
    pub fn status(&self) -> Value {
        self.get("/v1/status", "").1
    }

    /// Status and JSON of an answer to GET with these header lines.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&self, target: &str, headers: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (
            status.expect("a status"),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sekisho` with the configuration of the daemon, as ana.
pub fn sekisho(nginx: &Nginx, arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("target/release/sekisho"));
    command.args(arguments);
    command.arg("--config").arg(nginx.path().join("sekisho.toml"));
    command.env("USER", "ana").env_remove("SUDO_USER");
    command
}

/// Standard output of a run that succeeds.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn output(nginx: &Nginx, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = sekisho(nginx, arguments).output().expect("it is built");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{arguments:?}: {said}");
    String::from_utf8(stdout).expect("UTF-8")
}

/// Columns of the rows that a statement has in the daemon's store, as Python writes them, with `|` between.
pub fn told(nginx: &Nginx, sql: &str) -> String {
    let script = "import sqlite3,sys
print('|'.join(str(c) for r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]) for c in r))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(nginx.path().join("store.db"))
        .arg(sql)
        .output()
        .expect("python3 is installed");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until a statement has these rows.
///
/// # Panics
/// When it never has.
#[track_caller]
pub fn until_told(nginx: &Nginx, sql: &str, expected: &str) {
    let is_so = || (told(nginx, sql) == expected).then_some(());
    let found = || {
        format!(
            "{sql}: {}, not {expected}\n{}",
            told(nginx, sql),
            nginx.error_log()
        )
    };
    wait_for(is_so).unwrap_or_else(|| panic!("{}", found()));
}
