//! A real language model on a loopback port, as `contrib/llm-fixture.sh` installs and starts it. It knows nothing but
//! the standard library, so that tests of any crate may include it by its path.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

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
        let mut lines = BufReader::new(output).lines();
        let url = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://")));
        LocalModel {
            child,
            input,
            url: url.expect("contrib/llm-fixture.sh serve prints an address: run it by hand to see why not"),
        }
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
