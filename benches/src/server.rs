//! nginx under callgrind, with the module as operators run it, and a client for it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sekisho_core::url::Method;

use crate::callgrind::Profile;
use crate::traffic::Request;

/// Longest that anything is waited for: valgrind makes everything fifty times slower.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(20);
const NGINX: &str = "/usr/sbin/nginx";
const MODULE: &str = "ngx_http_sekisho_module.so";
/// A function of nginx that runs on SIGUSR1 only: entering it writes a dump and sets all counters to zero.
const MARK: &str = "ngx_reopen_files";

/// What the configuration says of the module.
#[derive(Clone, Debug)]
pub struct Setup {
    /// At `http` level: the zones.
    pub http: String,
    /// In the location.
    pub location: String,
}

impl Setup {
    /// A zone for each of these keys, all checked in one location.
    pub fn zones(keys: &[impl AsRef<str>]) -> Setup {
        let mut setup = Setup {
            http: "sekisho_dry_run on;".to_owned(),
            location: String::new(),
        };
        for (number, key) in keys.iter().enumerate() {
            setup.http += &format!(" sekisho_zone \"{}\" zone=zone{number}:16m;", key.as_ref());
            setup.location += &format!("sekisho zone=zone{number}; ");
        }
        setup
    }

    /// A zone of clients, and one of the networks that they are in.
    pub fn with_group() -> Setup {
        let mut setup = Setup::default();
        setup.http += " sekisho_zone $binary_remote_addr zone=group:16m prefix4=24 prefix6=48;";
        setup.location += "sekisho zone=group; ";
        setup
    }
}

impl Default for Setup {
    fn default() -> Setup {
        Setup::zones(&["$binary_remote_addr"])
    }
}

/// A running nginx; it is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    directory: PathBuf,
    connection: BufReader<TcpStream>,
    dumps: u32,
}

impl Server {
    /// Starts it in `directory`, which is made, with the module of `root`'s last build.
    ///
    /// # Errors
    /// When it does not come up; the error has what it said.
    pub fn start(root: &Path, directory: &Path, setup: &Setup) -> Result<Server> {
        let module = root.join("target/module").join(MODULE);
        if !module.exists() {
            bail!("{} is missing: run contrib/build-module.sh", module.display());
        }
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let conf = directory.join("nginx.conf");
        fs::write(&conf, configuration(&module, directory, port, setup))?;
        let said = fs::File::create(directory.join("valgrind.log"))?;
        let mut process = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet", &format!("--dump-before={MARK}")])
            .arg(format!(
                "--callgrind-out-file={}",
                directory.join("dump").display()
            ))
            .args([NGINX, "-e", "stderr", "-p"])
            .arg(directory)
            .arg("-c")
            .arg(&conf)
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("cannot start valgrind")?;
        match connect(&mut process, port) {
            Some(connection) => Ok(Server {
                process,
                directory: directory.to_owned(),
                connection,
                dumps: 0,
            }),
            None => {
                process.kill()?;
                process.wait()?;
                bail!(
                    "nginx did not come up: {}",
                    fs::read_to_string(directory.join("valgrind.log"))?
                );
            }
        }
    }

    /// Sends one request for `client` and reads the response.
    ///
    /// # Errors
    /// When the answer is none, or not the one that the configuration gives.
    pub fn send(&mut self, request: &Request, client: &str) -> Result<()> {
        let method = if request.method == Method::Head {
            "HEAD"
        } else {
            "GET"
        };
        let mut head = format!("{method} ").into_bytes();
        head.extend(&request.target);
        head.extend(format!(" HTTP/1.1\r\nHost: a\r\nX-Real-IP: {client}\r\n").into_bytes());
        if let Some(referer) = &request.referer {
            head.extend([b"Referer: ", referer.as_slice(), b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        self.connection.get_mut().write_all(&head)?;

        let mut length = 0;
        let mut line = String::new();
        self.connection.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200 ") {
            bail!(
                "nginx answered {line:?} to {:?}",
                String::from_utf8_lossy(&request.target)
            );
        }
        loop {
            line.clear();
            self.connection.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().context("a content length")?;
            }
        }
        if method == "GET" {
            let mut body = vec![0; length];
            self.connection.read_exact(&mut body)?;
        }
        Ok(())
    }

    /// What was spent since the last mark, or since the start.
    ///
    /// # Errors
    /// When callgrind writes no dump.
    pub fn mark(&mut self) -> Result<Profile> {
        self.dumps += 1;
        let signal = Command::new("kill")
            .args(["-USR1", &self.process.id().to_string()])
            .status()?;
        if !signal.success() {
            bail!(
                "nginx is gone: {}",
                fs::read_to_string(self.directory.join("valgrind.log"))?
            );
        }
        let path = self.directory.join(format!("dump.{}", self.dumps));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let dump = fs::read(&path).unwrap_or_default();
            let dump = String::from_utf8_lossy(&dump);
            if dump.contains("\ntotals:") {
                return Ok(Profile::read(&dump, MODULE));
            }
            std::thread::sleep(GLANCE);
        }
        bail!("callgrind wrote no {}", path.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(process: &mut Child, port: u16) -> Option<BufReader<TcpStream>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            return Some(BufReader::new(stream));
        }
        std::thread::sleep(GLANCE);
    }
    None
}

fn configuration(module: &Path, directory: &Path, port: u16, setup: &Setup) -> String {
    let Setup { http, location } = setup;
    let (module, directory) = (module.display(), directory.display());
    format!(
        "load_module {module};\n\
         daemon off;\n\
         master_process off;\n\
         pid {directory}/nginx.pid;\n\
         error_log stderr error;\n\
         events {{ worker_connections 16; }}\n\
         http {{\n\
             access_log off;\n\
             client_body_temp_path {directory}/body;\n\
             proxy_temp_path {directory}/proxy;\n\
             fastcgi_temp_path {directory}/fastcgi;\n\
             uwsgi_temp_path {directory}/uwsgi;\n\
             scgi_temp_path {directory}/scgi;\n\
             keepalive_requests 1000000;\n\
             keepalive_timeout 600s;\n\
             large_client_header_buffers 4 64k;\n\
             merge_slashes off;\n\
             set_real_ip_from 127.0.0.1;\n\
             real_ip_header X-Real-IP;\n\
             {http}\n\
             server {{\n\
                 listen 127.0.0.1:{port};\n\
                 location / {{ {location} empty_gif; }}\n\
             }}\n\
         }}\n"
    )
}
