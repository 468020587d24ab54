//! A directory with a configuration, a sample file and a store, and `sekisho` run on them.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sekisho_core::feature::{COUNT, schema_hash};
use sekisho_core::sample::{Kind, Sample, VERSION};
use tempfile::TempDir;

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// 15 January 2027; whatever the clock of the machine says, samples of this time are plausible to it or replaced.
pub const AT: u32 = 1_800_000_000;

pub struct Bench {
    dir: TempDir,
    written: u64,
}

impl Bench {
    /// With these lines more in the configuration.
    pub fn new(more: &str) -> Bench {
        let bench = Bench {
            dir: TempDir::new().expect("a directory"),
            written: 0,
        };
        let text = format!(
            "[[samples]]\npath = \"{}\"\nname = \"nginx\"\n[store]\npath = \"{}\"\n{more}",
            bench.path("samples").display(),
            bench.path("store.db").display(),
        );
        fs::write(bench.path("sekisho.toml"), text).expect("written");
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `sekisho` with these arguments and this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("sekisho.toml"));
        command.env("USER", "ana").env_remove("SUDO_USER");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Standard output of a run that succeeds.
    #[track_caller]
    pub fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Standard error of a run that ends with this code.
    #[track_caller]
    pub fn refusal(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }

    /// Bytes of the next sample's line.
    pub fn line(&mut self) -> Vec<u8> {
        let id = self.written;
        self.written += 1;
        let mut line = sample(id).to_line().expect("a line");
        line.push(b'\n');
        line
    }

    pub fn append(&self, bytes: &[u8]) {
        let path = self.path("samples");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("opened");
        file.write_all(bytes).expect("written");
    }

    pub fn write(&mut self, count: u64) {
        let lines: Vec<u8> = (0..count).flat_map(|_| self.line()).collect();
        self.append(&lines);
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.path("store.db")).expect("opened")
    }

    /// A number from the store; nothing while it is not there yet.
    pub fn number(&self, sql: &str) -> Option<u64> {
        let number: i64 = self.database().query_row(sql, [], |row| row.get(0)).ok()?;
        Some(number.unsigned_abs())
    }

    pub fn stored(&self) -> u64 {
        self.number("SELECT COUNT(*) FROM sample").unwrap_or_default()
    }
}

pub fn sample(id: u64) -> Sample {
    Sample {
        version: VERSION,
        kind: Kind::Flagged,
        id: format!("{id:016x}"),
        at: AT,
        zone: "clients".into(),
        client: format!("192.0.2.{}", id % 250),
        requests: 12,
        score: Some(0.5),
        challenger: None,
        label: None,
        verdict: "SUSPECT".into(),
        reasons: vec!["pace".into()],
        schema: schema_hash().into(),
        features: vec![0.25; COUNT],
        model: "ab".repeat(32),
        method: "GET".into(),
        target: format!("/page/{id}"),
    }
}

/// A daemon that is killed when it is dropped.
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Daemon {
    pub fn start(mut command: Command) -> Daemon {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Daemon {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line of its log with this text.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => self.said.push(line),
                Err(_) => panic!("it never said {text:?}, but: {:#?}", self.said),
            }
        }
    }

    /// The address that it listens on.
    pub fn address(&mut self) -> String {
        let line = self.says("listening on http://");
        let address = line.rsplit("http://").next().expect("an address");
        address.trim().to_owned()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }

    /// Asks it to end, and waits for that; its exit code.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success());
        let mut code = None;
        until("it ends", || {
            let status = self.child.try_wait().expect("waited for");
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        code
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Copies a file and empties it, as logrotate's copytruncate does.
pub fn copy_and_truncate(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
    let file = File::options().write(true).open(from).expect("opened");
    file.set_len(0).expect("emptied");
}
