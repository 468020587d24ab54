//! `sekisho doctor` before an nginx that says what a test wants it to say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const SIGNATURE: &str = "8,4,8,0011111111010111001111111111111111";
const GOOD: &str = "\
user root;
load_module modules/ngx_http_sekisho_module.so;
http {
    set_real_ip_from 192.0.2.0/24;
    real_ip_header X-Real-IP;
    sekisho_zone $binary_remote_addr zone=clients:1m;
    sekisho_samples %DIR%/samples.jsonl;
    log_format w '$remote_addr $sekisho_status';
    access_log /var/log/w.log w;
    sekisho zone=clients ban=10m ban_max=1d;
    server { location /sekisho { sekisho_api; allow 127.0.0.1; deny all; } }
}
";
const BAD: &str = "\
load_module modules/ngx_http_sekisho_module.so;
http {
    set_real_ip_from 0.0.0.0/0;
    sekisho_zone $binary_remote_addr zone=clients:32k;
    sekisho_zone $http_x_bot zone=\"\x1b[31mred\":1m state=%DIR%/none/a.state;
    sekisho_samples %DIR%;
    sekisho_model %DIR%/none.onnx;
    sekisho zone=clients ban=9d;
    sekisho_dry_run off;
    server { location /sekisho { sekisho_api; } }
}
";

/// A directory with a program that answers as nginx does.
struct Bench {
    dir: TempDir,
}

impl Bench {
    /// `refusal`: what nginx says instead of its configuration.
    fn new(version: &str, configuration: &str, refusal: Option<&str>) -> Bench {
        let bench = Bench {
            dir: TempDir::new().unwrap(),
        };
        let folder = bench.dir.path().display().to_string();
        let configuration = configuration.replace("%DIR%", &folder);
        fs::write(bench.path("nginx.conf"), &configuration).unwrap();
        fs::write(
            bench.path("dump"),
            format!("# configuration file {folder}/nginx.conf:\n{configuration}"),
        )
        .unwrap();
        fs::write(bench.path("refusal"), refusal.unwrap_or_default()).unwrap();
        let script = format!(
            "#!/bin/sh\n# {SIGNATURE}\ncase $1 in\n-V) echo 'nginx version: nginx/{version}' >&2\n\
             echo 'configure arguments: --prefix={folder} --conf-path={folder}/nginx.conf --modules-path={folder}/modules' >&2 ;;\n\
             -T) [ -s {folder}/refusal ] && cat {folder}/refusal >&2 && exit 1; cat {folder}/dump ;;\nesac\n"
        );
        let program = bench.path("nginx");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(bench.path("modules")).unwrap();
        // The beginning of a module's table: two unset indices, no name, two spare words, the version.
        let mut module = [[0xff; 16].as_slice(), &[0; 24], &1_022_001_u64.to_le_bytes()].concat();
        module.extend(format!("\0{SIGNATURE}\0").bytes());
        fs::write(bench.path("modules/ngx_http_sekisho_module.so"), module).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        let mut command = Command::cargo_bin("sekisho").unwrap();
        command
            .current_dir(self.dir.path())
            .args(["doctor", "--nginx", "./nginx"])
            .args(arguments);
        command.output().unwrap()
    }

    /// What is printed, with the directory as `%DIR%`.
    fn told(&self, arguments: &[&str], code: i32) -> String {
        let output = self.doctor(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}{error}");
        // Which model is built in, and how large a record is, are not the matter here.
        let lines = text.split_inclusive('\n').map(|line| {
            if let Some((head, _)) = line.split_once("the built-in model (") {
                return format!("{head}the built-in model (...\n");
            }
            match line.split_once(" holds ") {
                Some((head, tail)) => {
                    let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
                    format!("{head} holds N{tail}")
                }
                None => line.to_owned(),
            }
        });
        lines
            .collect::<String>()
            .replace(&self.dir.path().display().to_string(), "%DIR%")
    }

    /// Writes a log of so many lines, from addresses that `client` makes of their numbers, ten lines a second.
    fn log(&self, lines: u32, client: impl Fn(u32) -> String) {
        let text: String = (0..lines)
            .map(|line| {
                let (minute, second) = (line / 600, line / 10 % 60);
                let client = client(line);
                format!("{client} - - [20/Feb/2026:05:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n")
            })
            .collect();
        fs::write(self.path("access.log"), text).unwrap();
    }
}

#[test]
fn all_is_well() {
    let bench = Bench::new("1.22.1", GOOD, None);
    bench.log(2_000, |line| format!("198.51.100.{}", line % 250));
    insta::assert_snapshot!(bench.told(&["--log", "access.log"], 0));
    bench.told(&["--log", "access.log", "--strict"], 0);
}

#[test]
fn nothing_is_well() {
    let bench = Bench::new("1.22.1", BAD, None);
    bench.log(3_000, |line| format!("10.0.{}.{}", line % 7, line % 250));
    insta::assert_snapshot!(bench.told(&["--log", "access.log", "--api", "http://127.0.0.1:1"], 1));
}

#[test]
fn a_module_for_another_nginx_is_told_though_nginx_refuses_everything() {
    let refusal =
        "nginx: [emerg] module \"modules/ngx_http_sekisho_module.so\" version 1022001 instead of 1028003";
    let bench = Bench::new("1.28.3", GOOD, Some(refusal));
    insta::assert_snapshot!(bench.told(&[], 1));
}

#[test]
fn programs_get_a_document() {
    let bench = Bench::new("1.22.1", BAD, None);
    let text = bench.told(&["--format", "json"], 1);
    assert!(!text.contains('\u{1b}'), "hostile bytes: {text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let problems = findings
        .iter()
        .filter(|finding| finding["level"] == "problem")
        .count();
    assert_eq!(document["problems"], problems);
    for finding in findings {
        let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
        let advised = finding["level"] != "ok";
        assert_eq!(keys.iter().any(|key| *key == "advice"), advised, "{finding}");
    }
}

#[test]
fn warnings_fail_only_when_asked_to() {
    let quiet = GOOD.replace("access_log /var/log/w.log w;", "");
    let bench = Bench::new("1.22.1", &quiet, None);
    assert!(bench.told(&[], 0).contains("nobody sees the verdicts"));
    bench.told(&["--strict"], 1);
    bench.told(&["--no-such-option"], 2);
    bench.told(&["--log", "none.log"], 1);
}

#[test]
fn an_nginx_that_is_not_there_is_told() {
    let bench = Bench::new("1.22.1", GOOD, None);
    let told = bench.told(&["--nginx", "./none"], 2);
    assert_eq!(told, "", "--nginx twice is wrong usage");
    fs::remove_file(bench.path("nginx")).unwrap();
    assert!(bench.told(&[], 1).contains("./nginx cannot be run: No such file"));
}
