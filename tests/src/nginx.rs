//! A real nginx on a free loopback port, with our module or without, in a directory of its own.
//!
//! It never touches an nginx that is already running: own prefix, own pid file, own temporary directories. It
//! stops when it is dropped.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lifecycle::{is_running, kill};
pub use crate::response::Response;
use crate::valgrind;

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Environment variable: another nginx than Debian's.
const PROGRAM: &str = "SEKISHO_TEST_NGINX";
/// Environment variable: where `module` and `module-test` are, when not in the target directory.
const MODULES: &str = "SEKISHO_TEST_MODULES";

/// Which build of the module nginx loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// None: the server that ours is compared with.
    Absent,
    /// What operators run.
    Production,
    /// Takes its time from the `X-Sekisho-Time` header, fixes the seed, obeys `X-Sekisho-Fault`.
    TestClock,
}

impl Module {
    /// The built library, if there is one to load.
    ///
    /// # Panics
    /// When it is not built.
    pub fn library(self) -> Option<PathBuf> {
        let directory = match self {
            Module::Absent => return None,
            Module::Production => "module",
            Module::TestClock => "module-test",
        };
        let built = std::env::var_os(MODULES).map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
            PathBuf::from,
        );
        let path = built.join(directory).join("ngx_http_sekisho_module.so");
        assert!(
            path.exists(),
            "{} is missing: run contrib/build-module.sh",
            path.display()
        );
        Some(path.canonicalize().expect("the path exists"))
    }
}

/// A directory with everything nginx needs, not yet running.
///
/// In configuration text `%DIR%` stands for the directory and `%PORT%` for the port.
pub struct Site {
    directory: TempDir,
    module: Module,
    workers: usize,
}

impl Site {
    /// An empty site: `%DIR%/html` with a few files.
    pub fn new(module: Module) -> Site {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Workers run as another user.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("own directory");
        let html = directory.path().join("html");
        fs::create_dir_all(html.join("sub")).expect("own directory");
        fs::create_dir_all(directory.path().join("tmp")).expect("own directory");
        let files: [(&str, &[u8]); 5] = [
            ("index.html", b"<html>home</html>\n"),
            ("page.html", b"<html>page</html>\n"),
            ("style.css", b"body { color: black }\n"),
            ("gone.html", b"<html>nothing here</html>\n"),
            ("sub/index.html", b"<html>sub</html>\n"),
        ];
        for (name, content) in files {
            fs::write(html.join(name), content).expect("own directory");
        }
        Site {
            directory,
            module,
            workers: 2,
        }
    }

    /// So many workers instead of two.
    pub fn workers(mut self, count: usize) -> Site {
        self.workers = count;
        self
    }

    /// The site's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path().join(name), content).expect("own directory");
    }

    fn configure(&self, http: &str, port: u16) -> PathBuf {
        let directory = self.path().display();
        let load = self
            .module
            .library()
            .map(|path| format!("load_module {};\n", path.display()));
        // Only root may choose the workers' user.
        let user = if fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) {
            "user www-data;\n"
        } else {
            "\n"
        };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path %DIR%/tmp/{kind};\n"))
            .concat();
        let text = format!(
            "{}{user}worker_processes {};\ndaemon off;\npid %DIR%/nginx.pid;\nerror_log %DIR%/error.log info;\n\
             events {{ worker_connections 256; }}\nhttp {{\n{temporary}access_log %DIR%/combined.log;\nroot %DIR%/html;\n{http}\n}}\n",
            load.unwrap_or_default(),
            self.workers,
        );
        let text = text
            .replace("%DIR%", &directory.to_string())
            .replace("%PORT%", &port.to_string());
        let path = self.path().join("nginx.conf");
        fs::write(&path, text).expect("own directory");
        path
    }

    fn command(&self, configuration: &Path) -> Command {
        let mut command = valgrind::command(&program(), self.path());
        let log = self.path().join("error.log");
        command
            .arg("-p")
            .arg(self.path())
            .arg("-e")
            .arg(log)
            .arg("-c")
            .arg(configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// `nginx -t`: whether it accepts the configuration, and what it says, with the directory as `%DIR%`.
    pub fn test(&self, http: &str) -> (bool, String) {
        let configuration = self.configure(http, free_port());
        let output = self
            .command(&configuration)
            .arg("-t")
            .output()
            .expect("nginx is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        (
            output.status.success(),
            said.replace(&self.path().display().to_string(), "%DIR%"),
        )
    }

    /// Starts nginx and waits until it answers.
    ///
    /// # Panics
    /// When nginx refuses the configuration; its error log is in the message.
    pub fn start(self, http: &str) -> Nginx {
        for _ in 0..5 {
            let port = free_port();
            let configuration = self.configure(http, port);
            let mut child = self
                .command(&configuration)
                .stderr(Stdio::null())
                .spawn()
                .expect("nginx is installed");
            let up = wait_for(|| {
                let ended = child.try_wait().expect("own child").is_some();
                ended
                    .then_some(false)
                    .or_else(|| TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true))
            });
            if up == Some(true) {
                let nginx = Nginx {
                    site: self,
                    master: child.id(),
                    child,
                    port,
                };
                // The master listens before all of its workers are there.
                wait_for(|| (nginx.workers().len() == nginx.site.workers).then_some(()))
                    .expect("all workers start");
                return nginx;
            }
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(self.path().join("error.log")).unwrap_or_default();
            assert!(
                log.contains("Address already in use"),
                "nginx did not start:\n{log}"
            );
        }
        panic!("no free port");
    }
}

/// The nginx that is tested: Debian's, or the one that `SEKISHO_TEST_NGINX` names.
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| PathBuf::from("/usr/sbin/nginx"), PathBuf::from)
}

fn is_root(own: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}

/// A port on 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// State and parent of a process.
pub(crate) fn state_and_parent(pid: u32) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in parentheses: state, parent, ...
    let mut words = stat.rsplit(')').next()?.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?))
}

/// Processes with this parent, without those that ended and are not yet reaped.
pub(crate) fn children(parent: u32) -> BTreeSet<u32> {
    let parent = parent.to_string();
    let processes = fs::read_dir("/proc")
        .expect("Linux has /proc")
        .filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child =
        |pid: &u32| state_and_parent(*pid).is_some_and(|(state, found)| state != "Z" && found == parent);
    pids.filter(is_child).collect()
}

/// Looks again and again until there is something, at most 20 s.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        match look() {
            None if start.elapsed() < valgrind::patience(PATIENCE) => std::thread::sleep(GLANCE),
            found => return found,
        }
    }
}

/// A running nginx.
pub struct Nginx {
    site: Site,
    child: Child,
    master: u32,
    port: u16,
}

impl Nginx {
    /// Workers that it is configured to have.
    pub(crate) fn size(&self) -> usize {
        self.site.workers
    }

    /// Another process is its master from now on.
    pub(crate) fn adopt(&mut self, master: u32) {
        self.master = master;
    }

    pub(crate) fn wait_until_gone(&mut self, pid: u32) {
        wait_for(|| {
            if pid == self.child.id() {
                self.child.try_wait().expect("own child").map(|_| ())
            } else {
                (!is_running(pid)).then_some(())
            }
        })
        .unwrap_or_else(|| panic!("process {pid} does not end:\n{}", self.error_log()));
    }

    /// Starts it again, after its end, on the same port.
    pub(crate) fn launch(&mut self, http: &str) {
        let configuration = self.site.configure(http, self.port);
        let mut command = self.site.command(&configuration);
        self.child = command.stderr(Stdio::null()).spawn().expect("nginx is installed");
        self.master = self.child.id();
        self.wait_until_up();
    }

    /// The same, in the background and of its own.
    pub(crate) fn launch_daemon(&mut self, http: &str) {
        let configuration = self.site.configure(http, self.port);
        let text = self.read("nginx.conf").replace("daemon off;", "daemon on;");
        self.site.write("nginx.conf", text.as_bytes());
        let mut command = self.site.command(&configuration);
        self.child = command.stderr(Stdio::null()).spawn().expect("nginx is installed");
        assert!(
            self.child.wait().expect("own child").success(),
            "{}",
            self.error_log()
        );
        self.master = wait_for(|| self.noted_master()).expect("a daemon writes its pid");
        self.wait_until_up();
    }

    fn wait_until_up(&self) {
        let up = || {
            let ready = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            (ready && self.workers().len() == self.site.workers).then_some(())
        };
        wait_for(up).unwrap_or_else(|| panic!("nginx did not start again:\n{}", self.error_log()));
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.site.path()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection of its own.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("nginx listens");
        stream
            .set_read_timeout(Some(valgrind::patience(PATIENCE)))
            .expect("a timeout");
        stream
    }

    /// Sends bytes, returns all that comes back until nginx closes. The request must ask to close.
    pub fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request).expect("nginx reads");
        let mut response = Vec::new();
        // A worker that dies resets the connection; then there is no response.
        let _ = stream.read_to_end(&mut response);
        response
    }

    /// A GET request with more headers, on a connection of its own.
    pub fn get(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        Response::parse(&self.exchange(request.as_bytes()))
    }

    /// Process ids of the workers: the master's children that are no cache manager.
    pub fn workers(&self) -> BTreeSet<u32> {
        let is_cache = |pid: &u32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|title| title.starts_with(b"nginx: cache"))
        };
        children(self.master)
            .into_iter()
            .filter(|pid| !is_cache(pid))
            .collect()
    }

    /// Whether SIGSTOP has stopped a process.
    pub fn is_stopped(&self, pid: u32) -> bool {
        state_and_parent(pid).is_some_and(|(state, _)| state == "T")
    }

    /// Sends a signal to a process of this nginx.
    pub fn signal(&self, pid: u32, signal: i32) {
        let own = || (pid == self.master || self.workers().contains(&pid)).then_some(());
        wait_for(own).expect("a process of this nginx");
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(pid.to_string())
            .status();
        assert!(sent.expect("kill is installed").success());
    }

    /// Process id of the master.
    pub fn master(&self) -> u32 {
        self.master
    }

    /// Writes a new configuration, reloads, and waits until all workers are new. False when nginx refuses it.
    pub fn reload(&self, http: &str) -> bool {
        self.site.configure(http, self.port);
        let old = self.workers();
        let refusals = || self.error_log().matches("[emerg]").count();
        let before = refusals();
        self.signal(self.master, libc::SIGHUP);
        let replaced = || {
            let now = self.workers();
            (now.len() == self.site.workers && now.is_disjoint(&old)).then_some(true)
        };
        let refused = || (refusals() > before).then_some(false);
        wait_for(|| replaced().or_else(refused)).expect("the reload ends")
    }

    /// Kills a worker and waits until the master has made another.
    pub fn kill_worker(&self, pid: u32) {
        self.signal(pid, libc::SIGKILL);
        self.wait_for_successor(pid);
    }

    /// Waits until worker `pid` is gone and all workers are there again.
    pub fn wait_for_successor(&self, pid: u32) {
        let replaced = wait_for(|| {
            let now = self.workers();
            (now.len() == self.site.workers && !now.contains(&pid)).then_some(())
        });
        replaced.unwrap_or_else(|| panic!("worker {pid} was not replaced:\n{}", self.error_log()));
    }

    /// Content of a file in its directory; empty when there is none.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// nginx's error log.
    pub fn error_log(&self) -> String {
        self.read("error.log")
    }

    /// Waits until a file in its directory has this many lines; returns them.
    pub fn lines(&self, name: &str, count: usize) -> Vec<String> {
        let lines = wait_for(|| {
            let text = self.read(name);
            (text.ends_with('\n') && text.lines().count() >= count)
                .then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
        });
        lines.unwrap_or_else(|| panic!("{name} has not {count} lines:\n{}", self.read(name)))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let masters = [Some(self.master), self.noted_master()];
        // A daemon that was asked to go may be replaced by a new one meanwhile.
        for master in masters.into_iter().flatten().filter(|pid| is_running(*pid)) {
            kill(master, libc::SIGTERM);
            if master != self.child.id() {
                wait_for(|| (!is_running(master)).then_some(()));
            }
        }
        if wait_for(|| self.child.try_wait().ok().flatten()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let found = valgrind::findings(self.path());
        assert!(
            found.is_empty() || std::thread::panicking(),
            "valgrind found:\n{found}"
        );
    }
}
