//! An nginx that runs as a daemon, as in production: it can be reloaded, upgraded and have its workers killed.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::nginx::Module;

/// Workers of each server.
pub const WORKERS: usize = 2;
/// Longest that a server may take for anything; then it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(5);
/// Bytes of the disk that is full.
const SMALL_DISK: &str = "size=8k";

/// A location whose worker dies in its log phase: its log is as large as a file may be, and the system ends who writes on.
pub const FATAL: &str = "location = /fatal { access_log %DIR%/fatal.log; try_files /page.html =404; }";
/// A request for [`FATAL`].
pub const FATAL_TARGET: &str = "/fatal";
/// Largest file that a server may write, in KiB.
const LARGEST_FILE: u64 = 1 << 20;
/// Starts what follows under that limit.
const LIMITED: &str = r#"ulimit -f "$1" && shift && exec "$@""#;

/// A running daemon in a directory of its own.
pub struct Daemon {
    directory: TempDir,
    /// Port on 127.0.0.1.
    pub port: u16,
    mounted: bool,
}

impl Daemon {
    /// Starts one. In `http`, `%DIR%` is its directory, `%PORT%` its port; `%DIR%/full` is a disk that is soon full.
    ///
    /// # Panics
    /// When nginx refuses the configuration.
    pub fn start(module: Module, http: &str, files: &[(&str, Vec<u8>)]) -> Daemon {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("own directory");
        for name in ["html", "tmp", "full", "state"] {
            fs::create_dir(path.join(name)).expect("own directory");
        }
        for name in ["full", "state"] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o777)).expect("own directory");
        }
        fs::write(path.join("html/page.html"), "<html>page</html>\n").expect("own directory");
        fs::write(path.join("html/style.css"), "body { color: black }\n").expect("own directory");
        for (name, content) in files {
            fs::write(path.join(name), content).expect("own directory");
        }
        let fatal = fs::File::create(path.join("fatal.log")).expect("own directory");
        fatal.set_len(LARGEST_FILE << 10).expect("a sparse file");
        let port = crate::nginx::free_port();
        let mut daemon = Daemon {
            directory,
            port,
            mounted: false,
        };
        daemon.mounted = daemon.fill_disk();
        daemon.configure(module, http);
        let output = daemon.nginx().output().expect("nginx is installed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        daemon
            .wait("start", |daemon| daemon.workers().len() == WORKERS)
            .expect("a server that starts");
        daemon
    }

    fn configure(&self, module: Module, http: &str) {
        let load = module
            .library()
            .map(|path| format!("load_module {};\n", path.display()));
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let user = if root { "user www-data;\n" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path %DIR%/tmp/{kind};\n"))
            .concat();
        let text = format!(
            "{}{user}worker_processes {WORKERS};\nworker_rlimit_core 0;\npid %DIR%/nginx.pid;\nerror_log %DIR%/error.log notice;\n\
             events {{ worker_connections 512; }}\nhttp {{\n{temporary}access_log off;\nroot %DIR%/html;\n{http}\n}}\n",
            load.unwrap_or_default(),
        );
        let text = text.replace("%DIR%", &self.path().display().to_string());
        let text = text.replace("%PORT%", &self.port.to_string());
        fs::write(self.path().join("nginx.conf"), text).expect("own directory");
    }

    fn nginx(&self) -> Command {
        let mut command = Command::new("bash");
        let limit = LARGEST_FILE.to_string();
        command
            .args(["-c", LIMITED, "bash", &limit, "/usr/sbin/nginx", "-p"])
            .arg(self.path())
            .arg("-e")
            .arg(self.path().join("error.log"));
        command.arg("-c").arg(self.path().join("nginx.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Whether nginx accepts this at `http` level.
    pub fn accepts(module: Module, http: &str) -> bool {
        let site = crate::visitors::site(module);
        site.test(http).0
    }

    /// Makes `full` a small disk; where nothing may be mounted, a file that takes nothing.
    fn fill_disk(&self) -> bool {
        let full = self.path().join("full");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs"])
            .arg(&full)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if mounted {
            fs::set_permissions(&full, fs::Permissions::from_mode(0o777)).expect("own directory");
        } else {
            std::os::unix::fs::symlink("/dev/full", full.join("samples.jsonl")).expect("own directory");
        }
        mounted
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Process id of the master in force.
    pub fn master(&self) -> u32 {
        fs::read_to_string(self.path().join("nginx.pid"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    /// The workers that take connections.
    pub fn workers(&self) -> BTreeSet<u32> {
        workers_of(self.master(), "nginx: worker process\0")
    }

    /// How many workers have still to end.
    pub fn retiring(&self) -> usize {
        workers_of(self.master(), "nginx: worker process is shutting down\0").len()
    }

    /// A connection, bounded in time.
    pub fn connect(&self, patience: Duration) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Looks again and again; how long it took, or what hangs.
    pub fn wait(&self, what: &str, mut look: impl FnMut(&Daemon) -> bool) -> Result<Duration, String> {
        let start = Instant::now();
        while !look(self) {
            if start.elapsed() > PATIENCE {
                return Err(format!("{what} did not end within {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(start.elapsed())
    }

    /// Reloads, and waits until all workers are new.
    pub fn reload(&self) -> Result<Duration, String> {
        let old = self.workers();
        signal(self.master(), "HUP");
        self.wait("a reload", |daemon| {
            let now = daemon.workers();
            now.len() == WORKERS && now.is_disjoint(&old)
        })
    }

    /// Replaces the running binary by itself: USR2, WINCH, QUIT, as nginx's manual says.
    pub fn upgrade(&self) -> Result<Duration, String> {
        let start = Instant::now();
        let old = self.master();
        signal(old, "USR2");
        self.wait("the start of the new binary", |daemon| {
            daemon.master() != old && daemon.workers().len() == WORKERS
        })?;
        signal(old, "WINCH");
        self.wait("the end of the old workers", |_| {
            workers_of(old, "nginx: worker process").is_empty()
        })?;
        signal(old, "QUIT");
        self.wait("the end of the old master", |_| !is_alive(old))?;
        Ok(start.elapsed())
    }

    /// Kills a worker; [`Daemon::wait_for_all`] waits for its successor.
    pub fn kill(&self, worker: u32) {
        signal(worker, "KILL");
    }

    /// Waits until there are as many workers as there should be, without `gone`.
    pub fn wait_for_all(&self, gone: u32) -> Result<Duration, String> {
        self.wait("a worker's successor", |daemon| {
            let now = daemon.workers();
            now.len() == WORKERS && !now.contains(&gone)
        })
    }

    /// Memory of master and workers in KiB, shared pages divided among those that share them.
    pub fn memory(&self) -> Option<u64> {
        let mut sum = 0;
        for pid in self.workers().into_iter().chain([self.master()]) {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            sum += line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
        }
        Some(sum)
    }

    /// A file in its directory.
    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path().join(name)).unwrap_or_default()).into_owned()
    }

    /// Replaces a file at once, as an operator's deploy does.
    pub fn replace(&self, name: &str, content: &[u8]) {
        let new: PathBuf = self.path().join(format!("{name}.new"));
        fs::write(&new, content).expect("own directory");
        fs::rename(new, self.path().join(name)).expect("own directory");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let master = self.master();
        if master != 0 {
            signal(master, "TERM");
            let _ = self.wait("the end", |_| !is_alive(master));
        }
        if self.mounted {
            let _ = Command::new("umount")
                .arg("-l")
                .arg(self.path().join("full"))
                .status();
        }
    }
}

/// Sends a signal; a process that has just ended needs none.
fn signal(pid: u32, name: &str) {
    let mut kill = Command::new("kill");
    let _ = kill
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
}

fn workers_of(master: u32, title: &str) -> BTreeSet<u32> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|word| word.parse().ok());
    children.filter(|pid| has_title(*pid, title)).collect()
}

fn has_title(pid: u32, title: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|bytes| bytes.starts_with(title.as_bytes()))
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}
