//! A real Prometheus on a free loopback port, in a directory of its own; it ends when it is dropped.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::nginx::{free_port, wait_for};

/// Longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is scraped, as what.
pub struct Job<'a> {
    /// Its name.
    pub name: &'a str,
    /// Host and port.
    pub target: &'a str,
    /// Path of the metrics.
    pub path: &'a str,
}

/// A running Prometheus.
pub struct Prometheus {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes these jobs and evaluates these rules every second.
    ///
    /// # Panics
    /// When there is no `prometheus`, or it refuses.
    pub fn start(jobs: &[Job<'_>], rules: &[PathBuf]) -> Prometheus {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut text = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n".to_owned();
        for rule in rules {
            let _ = writeln!(text, "  - {}", rule.display());
        }
        text += "scrape_configs:\n";
        for job in jobs {
            let _ = write!(
                text,
                "  - job_name: {}\n    metrics_path: {}\n    static_configs:\n      - targets: [\"{}\"]\n",
                job.name, job.path, job.target
            );
        }
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, text).expect("own directory");
        let (port, log) = (free_port(), directory.path().join("log"));
        let stderr = fs::File::create(&log).expect("own directory");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("prometheus is installed: contrib/install-tools.sh test");
        let prometheus = Prometheus {
            child,
            port,
            directory,
        };
        let ready = || (prometheus.exchange("GET", "/-/ready", "")?.0 == 200).then_some(());
        wait_for(ready).unwrap_or_else(|| panic!("prometheus did not start:\n{}", prometheus.log()));
        prometheus
    }

    /// What it wrote on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What an expression gives now: the series, or why there are none.
    ///
    /// # Errors
    /// In Prometheus' words.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let body = format!("query={}", encoded(expression));
        let (_, text) = self.exchange("POST", "/api/v1/query", &body).expect("it answers");
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// A document of its API, below `/api/v1/`.
    ///
    /// # Panics
    /// When it does not answer, or refuses.
    pub fn get(&self, path: &str) -> Value {
        let (_, text) = self
            .exchange("GET", &format!("/api/v1/{path}"), "")
            .expect("it answers");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["status"], "success", "{text}");
        answer["data"].clone()
    }

    /// Status and body. HTTP 1.0, so that the body comes in one piece.
    fn exchange(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `promtool` with these arguments: whether it agrees, and what it says.
///
/// # Panics
/// When it is not installed.
pub fn promtool(arguments: &[&str], input: &str, directory: &Path) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: contrib/install-tools.sh test");
    let mut pipe = child.stdin.take().expect("piped");
    // It may have refused its arguments, and be gone.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("own child");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// An alert's expression without what makes it an alert: every comparison with a number is taken out. What is left
/// gives data when the series are there that the alert is built on.
pub fn without_comparisons(expression: &str) -> String {
    let mut bare = String::new();
    let (mut rest, mut depth, mut quoted) = (expression, 0_u32, false);
    while let Some(character) = rest.chars().next() {
        match character {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            '>' | '<' | '=' | '!' if !quoted && depth == 0 => {
                let behind = rest.trim_start_matches(['>', '<', '=', '!']).trim_start();
                let number = behind
                    .find(|other: char| !(other.is_ascii_digit() || matches!(other, '.' | 'e' | '-' | '+')))
                    .unwrap_or(behind.len());
                if number > 0 {
                    rest = &behind[number..];
                    bare.truncate(bare.trim_end().len());
                    continue;
                }
            }
            _ => {}
        }
        bare.push(character);
        rest = &rest[character.len_utf8()..];
    }
    bare
}

/// As a form carries it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_taken_out() {
        #[track_caller]
        fn check(expression: &str, expected: &str) {
            assert_eq!(without_comparisons(expression), expected);
        }
        check("up{job=\"sekisho\"} == 0", "up{job=\"sekisho\"}");
        check(
            "a{b!=\"> 1\",c=~\"x\"} > 0.3 and d < 1e+06",
            "a{b!=\"> 1\",c=~\"x\"} and d",
        );
        check("count by (instance) (a > 0) > 1", "count by (instance) (a)");
        check("time() - max(a) >= 900", "time() - max(a)");
        check("a > b", "a > b");
        check("rate(a[5m]) * 100", "rate(a[5m]) * 100");
    }

    #[test]
    fn a_form_carries_everything() {
        assert_eq!(encoded("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
    }
}
