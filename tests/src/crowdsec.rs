//! CrowdSec's local API, as Debian packs it, in a directory of its own: no agent, no central API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::nginx::{free_port, wait_for};
use crate::source::root;

/// A program of its packages, which `contrib/install-tools.sh test` unpacks.
///
/// # Panics
/// When it is not there.
pub fn program(name: &str) -> PathBuf {
    let path = root().join("target/tools/usr/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run contrib/install-tools.sh test",
        path.display()
    );
    path
}

/// A running local API, which ends when it is dropped.
pub struct LocalApi {
    directory: TempDir,
    port: u16,
    child: Child,
    key: String,
}

impl LocalApi {
    /// With one bouncer.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> LocalApi {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        configure(directory.path(), port);
        let cscli = |arguments: &[&str]| run(directory.path(), arguments);
        cscli(&["machines", "add", "test", "--password", "not a secret", "--force"]);
        let key = cscli(&["bouncers", "add", "sekisho", "-o", "raw"]);
        let child = Command::new(program("crowdsec"))
            .args(["-no-cs", "-no-capi", "-c"])
            .arg(directory.path().join("config.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is there");
        let up = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        wait_for(up).expect("it listens");
        LocalApi {
            key: key.trim().to_owned(),
            directory,
            port,
            child,
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bouncer's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its command line.
    ///
    /// # Panics
    /// When that fails.
    pub fn cscli(&self, arguments: &[&str]) -> String {
        run(self.directory.path(), arguments)
    }
}

impl Drop for LocalApi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program("cscli"))
        .arg("-c")
        .arg(directory.join("config.yaml"))
        .args(arguments)
        .output()
        .expect("it is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cscli {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn configure(directory: &Path, port: u16) {
    for folder in ["data", "hub", "notifications", "plugins"] {
        fs::create_dir(directory.join(folder)).expect("own directory");
    }
    let profile =
        "name: bans\nfilters:\n - Alert.Remediation == true\ndecisions:\n - type: ban\n   duration: 4h\n";
    let config = format!(
        "common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: .}}
config_paths: {{config_dir: DIR/, data_dir: DIR/data/, simulation_path: DIR/simulation.yaml, hub_dir: DIR/hub/,
    index_path: DIR/hub/.index.json, notification_dir: DIR/notifications/, plugin_dir: DIR/plugins/}}
crowdsec_service: {{acquisition_path: DIR/acquis.yaml, parser_routines: 1}}
cscli: {{output: human}}
db_config: {{log_level: info, type: sqlite, db_path: DIR/data/crowdsec.db, use_wal: true}}
plugin_config: {{user: nobody, group: nogroup}}
api:
  client: {{insecure_skip_verify: false, credentials_path: DIR/credentials.yaml}}
  server: {{log_level: info, listen_uri: \"127.0.0.1:{port}\", profiles_path: DIR/profiles.yaml}}
prometheus: {{enabled: false}}
"
    );
    let config = config.replace("DIR", &directory.display().to_string());
    let files = [
        ("config.yaml", config.as_str()),
        ("profiles.yaml", profile),
        ("simulation.yaml", "simulation: off\n"),
        ("credentials.yaml", ""),
        ("hub/.index.json", "{}"),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text).expect("own directory");
    }
}
