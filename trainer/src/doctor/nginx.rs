//! The installed nginx, asked: `nginx -V` and `nginx -T`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest that nginx may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks whether it has.
const GLANCE: Duration = Duration::from_millis(10);
/// Most bytes of an answer that are read.
const MAX_OUTPUT: u64 = 16 << 20;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// Whether it was content.
    pub success: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub error: String,
}

/// Runs a program to its end, or to the end of our patience.
pub fn ask(program: &Path, arguments: &[&str]) -> io::Result<Answer> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().map(|pipe| thread::spawn(move || all(pipe)));
    let error = child.stderr.take().map(|pipe| thread::spawn(move || all(pipe)));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill()?;
                child.wait()?;
                let reason = format!("no answer within {} s", PATIENCE.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            None => thread::sleep(GLANCE),
        }
    };
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    Ok(Answer {
        success: status.success(),
        out: text(out),
        error: text(error),
    })
}

fn all(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is still worth reading.
    let _ = pipe.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
    // A writer that has more to say must not wait for us.
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How nginx was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// `nginx/1.22.1`, or another name of a descendant.
    pub name: String,
    /// `1.22.1`.
    pub version: String,
    arguments: Vec<String>,
}

impl Build {
    /// Reads the answer to `nginx -V`.
    pub fn parse(text: &str) -> Option<Build> {
        let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
        let name = line("nginx version: ")?.split_whitespace().next()?.to_owned();
        let version = name.rsplit('/').next().unwrap_or_default().to_owned();
        let arguments = line("configure arguments:").map(words).unwrap_or_default();
        Some(Build {
            name,
            version,
            arguments,
        })
    }

    /// Value of a configure option such as `--prefix`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
    }

    /// A path as nginx reads one: relative to its prefix.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new(self.option("--prefix").unwrap_or("/usr/local/nginx")).join(path)
    }

    /// Where nginx looks for its configuration.
    pub fn configuration(&self) -> PathBuf {
        self.path(self.option("--conf-path").unwrap_or("conf/nginx.conf"))
    }
}

/// Splits at blanks outside of single quotes, as a shell does with what `nginx -V` prints.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match (character, words.last_mut()) {
            ('\'', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            (_, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The last thing that nginx complained of.
pub fn complaint(error: &str) -> &str {
    let marked = ["[emerg]", "[alert]", "[crit]", "[error]"];
    let lines = || error.lines().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| marked.iter().any(|mark| line.contains(mark)))
        .or_else(|| lines().next_back())
        .unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<(&str, &str, &str)>) {
            let build = Build::parse(text);
            let found = build.as_ref().map(|build| {
                let prefix = build.option("--prefix").unwrap_or_default();
                (build.name.as_str(), build.version.as_str(), prefix)
            });
            assert_eq!(found, expected, "{text}");
        }
        check(
            "nginx version: nginx/1.22.1\n",
            Some(("nginx/1.22.1", "1.22.1", "")),
        );
        check(
            "nginx version: nginx/1.24.0 (Ubuntu)\nbuilt by gcc\nconfigure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx",
            Some(("nginx/1.24.0", "1.24.0", "/usr/share/nginx")),
        );
        check(
            "nginx version: openresty/1.21.4.1",
            Some(("openresty/1.21.4.1", "1.21.4.1", "")),
        );
        check("apache", None);
        check("", None);
    }

    #[test]
    fn paths_are_relative_to_the_prefix() {
        let text =
            "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/p --conf-path=/etc/nginx/nginx.conf";
        let build = Build::parse(text).unwrap();
        assert_eq!(build.path("modules/a.so"), Path::new("/p/modules/a.so"));
        assert_eq!(build.path("/x/a.so"), Path::new("/x/a.so"));
        assert_eq!(build.configuration(), Path::new("/etc/nginx/nginx.conf"));
    }

    #[test]
    fn the_complaint_is_found() {
        let text =
            "nginx: [warn] a\nnginx: [emerg] b in /etc/nginx.conf:3\nnginx: configuration file test failed\n";
        assert_eq!(complaint(text), "nginx: [emerg] b in /etc/nginx.conf:3");
        assert_eq!(complaint("cannot\n\n"), "cannot");
        assert_eq!(complaint(""), "it does not say why");
    }

    #[test]
    fn programs_are_asked() {
        let answer = ask(Path::new("/bin/sh"), &["-c", "echo out; echo error >&2; exit 3"]).unwrap();
        assert_eq!(
            (answer.success, answer.out.as_str(), answer.error.as_str()),
            (false, "out\n", "error\n")
        );
        assert!(ask(Path::new("/no/such/nginx"), &[]).is_err());
    }
}
