//! A real language model on a loopback port, as `contrib/llm-fixture.sh` installs and starts it. It knows nothing but
//! the standard library, so that tests of any crate may include it by its path.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Installing on a slow line, and loading; the tests' own limit is longer.
const LONGEST_START: Duration = Duration::from_secs(300);

/// llama.cpp's server; it ends when this is dropped, and with the test's process.
pub struct LocalModel {
    child: Child,
    /// The server lives while this is open.
    input: Option<ChildStdin>,
    url: String,
}

impl LocalModel {
    /// The name of the model.
    pub const MODEL: &str = "smollm2-135m";

    /// Installs what is missing, starts the server and waits until the model is loaded: seconds, and a minute the
    /// first time.
    ///
    /// # Panics
    /// When it cannot be installed or does not start.
    pub fn start(root: &Path) -> LocalModel {
        let mut child = Command::new(root.join("contrib/llm-fixture.sh"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the script starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe");
        let (say, hear) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // Nobody may be listening any more.
            lines
                .filter(|line| line.starts_with("http://"))
                .for_each(|line| say.send(line).unwrap_or_default());
        });
        let mut model = LocalModel {
            child,
            input,
            url: String::new(),
        };
        let url = hear.recv_timeout(LONGEST_START);
        model.url =
            url.expect("contrib/llm-fixture.sh serve prints an address: run it by hand to see why not");
        model
    }

    /// What a target's `base_url` is.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url)
    }
}

impl Drop for LocalModel {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
