//! A dashboard that runs: `sekisho serve` on a store of its own, and Chromium over it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::source::root;

/// The password of every user of a test.
pub const PASSWORD: &str = "a horse and a battery";

/// A directory with a configuration, before the daemon runs on it.
pub struct Bench {
    dir: TempDir,
    users: Vec<String>,
}

/// A daemon, killed when it is dropped.
pub struct Dashboard {
    bench: Bench,
    daemon: Child,
    address: String,
}

impl Bench {
    /// With these sections more in the configuration; `DIR` in them stands for the directory.
    pub fn new(more: &str) -> Bench {
        let dir = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[[samples]]\npath = \"DIR/samples\"\nname = \"nginx\"\n[store]\npath = \"DIR/store.db\"\n\
             [api]\nlisten = \"127.0.0.1:0\"\n{more}"
        );
        let text = text.replace("DIR", &dir.path().display().to_string());
        fs::write(dir.path().join("sekisho.toml"), text).expect("own directory");
        Bench {
            dir,
            users: Vec::new(),
        }
    }

    /// A file of the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `sekisho` with these arguments and this configuration.
    pub fn sekisho(&self, args: &[&str]) -> Command {
        let mut command = Command::new(root().join("target/release/sekisho"));
        command.args(args).arg("--config").arg(self.path("sekisho.toml"));
        command
    }

    /// Runs it to its end, with this on its standard input; what it says.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, args: &[&str], input: &str) -> String {
        let mut child = self
            .sekisho(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        // Whoever reads nothing has closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts the daemon and waits until it listens.
    pub fn start(self) -> Dashboard {
        let mut daemon = self
            .sekisho(&["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(daemon.stderr.take().expect("piped")).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line
                .split("listening on http://")
                .nth(1)
                .map(|text| text.trim().to_owned());
            said.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("it never listened: {said:#?}"));
        let mut log = File::create(self.path("log")).expect("own directory");
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
            }
        });
        Dashboard {
            bench: self,
            daemon,
            address,
        }
    }
}

impl Dashboard {
    /// Its directory.
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Adds a user with [`PASSWORD`].
    pub fn user(&mut self, name: &str, role: &str) {
        self.bench.run(&["user", "add", name, "--role", role], PASSWORD);
        self.bench.users.push(name.to_owned());
    }

    /// Drives Chromium over it, as `tests/browser/topics/TOPIC.mjs` says; `more` is what the topic gets as `t.more`.
    ///
    /// # Panics
    /// When a claim of the topic does not hold, with what the script said.
    #[track_caller]
    pub fn browse(&self, topic: &str, mut more: Value) {
        let folder = packages();
        more["password"] = PASSWORD.into();
        let passwords: Value = self
            .bench
            .users
            .iter()
            .map(|name| (name.clone(), Value::from(PASSWORD)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let settings =
            json!({"base": format!("http://{}", self.address), "passwords": passwords, "more": more});
        let output = Command::new("node")
            .args(["run.mjs", topic])
            .current_dir(folder)
            .env("SEKISHO_BROWSER", settings.to_string())
            .output()
            .expect("node runs: contrib/install-tools.sh test");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let log = fs::read_to_string(self.bench.path("log")).unwrap_or_default();
        println!("{}", text(&output.stdout));
        assert!(
            output.status.success(),
            "{}{}\nlog of the daemon:\n{log}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The folder of the scripts, with the packages of its lock file; one test at a time looks whether they are there.
fn packages() -> PathBuf {
    let folder = root().join("tests/browser");
    let guard = File::create(root().join("target/browser-packages.lock")).expect("target/ can be written");
    guard.lock().expect("locked");
    if !is_installed(&folder) {
        let status = Command::new("npm")
            .args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status()
            .expect("npm runs: contrib/install-tools.sh test");
        assert!(status.success(), "npm ci failed in {}", folder.display());
    }
    folder
}

/// npm notes what it installed in a file of its own; an older one is of another lock file.
fn is_installed(folder: &Path) -> bool {
    let changed = |name: &str| {
        fs::metadata(folder.join(name))
            .and_then(|about| about.modified())
            .ok()
    };
    match (
        changed("node_modules/.package-lock.json"),
        changed("package-lock.json"),
    ) {
        (Some(installed), Some(wanted)) => installed >= wanted,
        _ => false,
    }
}
