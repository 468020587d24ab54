//! `make run`: what a newcomer sees first, and that it leaves the machine as it was.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use sekisho_tests::nginx::{Module, Nginx, Site, wait_for};
use sekisho_tests::running::naming;
use sekisho_tests::source::root;
use tempfile::TempDir;

/// Lines that are replayed: enough for crawlers to be stopped.
const LINES: u32 = 6_000;

/// Another server on this machine, and a demo that first looks for a port where that one already is.
struct Scene {
    other: Nginx,
    before: BTreeSet<u32>,
    demo: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let other = Site::new(Module::Absent).start("server { listen 127.0.0.1:%PORT%; }");
        let both = wait_for(|| Some(other.workers()).filter(|workers| workers.len() == 2));
        let before = both.expect("two workers");
        Scene {
            other,
            before,
            demo: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(root().join("contrib/demo/run.sh"));
        command
            .env("BUILD", "no")
            .env("DEMO", self.demo.path())
            .env("PORT", self.other.port().to_string())
            .env("LIMIT", LINES.to_string())
            .env_remove("ONCE")
            .env_remove("LOG")
            .stdin(Stdio::null());
        command
    }

    /// The other nginx is the same as before, and of the demo nothing runs.
    fn assert_left_alone(&self) {
        assert!(
            wait_for(|| naming(self.demo.path()).is_empty().then_some(())).is_some(),
            "something is left"
        );
        assert_eq!(self.other.workers(), self.before);
        assert_eq!(self.other.get("/index.html", &[]).status, 200);
    }
}

/// A demo that stays up.
struct Up {
    child: Child,
    rest: BufReader<ChildStdout>,
    shop: String,
    dashboard: String,
}

impl Up {
    fn start(scene: &Scene) -> Up {
        let mut child = scene
            .command()
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let mut rest = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        while !said.contains("Up until Ctrl-C") {
            assert_ne!(rest.read_line(&mut said).expect("text"), 0, "it ended:\n{said}");
        }
        let address = |name: &str| {
            let rest = said.split_once(&format!("{name}: http://")).expect(name).1;
            rest.split('/').next().expect("an address").to_owned()
        };
        Up {
            shop: address("the shop"),
            dashboard: address("the dashboard"),
            child,
            rest,
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is installed").success());
    }

    /// What the shop answers to one request, whole.
    fn get(&self, target: &str, headers: &str) -> String {
        get(&self.shop, target, headers)
    }
}

fn get(address: &str, target: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nAccept-Language: en\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("text");
    response
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn once_it_tells_what_was_stopped_and_leaves_nothing_behind() {
    let scene = Scene::new();
    let output = scene
        .command()
        .env("ONCE", "1")
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    scene.assert_left_alone();

    for part in [
        "enforcement is ON",
        "Replayed 6,000 requests",
        "Stopped most often",
        "likely people",
        "sekisho scan",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "colours without a terminal");
    let crawlers = said
        .lines()
        .find(|line| line.contains("declared crawlers"))
        .expect("a row");
    let numbers: Vec<u32> = crawlers
        .split_whitespace()
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect();
    let [clients, judged, stopped, ..] = numbers[..] else {
        panic!("{crawlers}")
    };
    assert!(
        clients >= judged && stopped * 2 >= judged && stopped > 0,
        "most judged crawlers are stopped: {crawlers}"
    );

    let decisions =
        fs::read_to_string(scene.demo.path().join("logs/decisions.log")).expect("the decision log");
    assert_eq!(decisions.lines().count(), LINES as usize);
    let stopped: Vec<&str> = decisions
        .lines()
        .filter(|line| line.contains(r#""verdict":"REJECTED""#))
        .collect();
    assert!(stopped.len() > 100, "{} requests were stopped", stopped.len());
    assert!(
        stopped.iter().all(|line| line.contains(r#""status":"403""#)),
        "enforcement is on"
    );
    let unexplained = stopped
        .iter()
        .filter(|line| line.contains(r#""reasons":"""#))
        .count();
    assert_eq!(unexplained, 0, "every stop says why");
}

#[test]
fn it_stays_up_until_it_is_interrupted() {
    let scene = Scene::new();
    let mut demo = Up::start(&scene);
    let home = demo.get("/", "");
    assert!(
        home.starts_with("HTTP/1.1 200 ") && home.contains("Fifty-Three Stations"),
        "{home}"
    );
    assert!(
        !home.contains("http://") && !home.contains("https://"),
        "nothing comes from elsewhere: {home}"
    );

    let crawl = |number| demo.get(&format!("/item/{number}"), "X-Real-IP: 203.0.113.9\r\n");
    let answers: Vec<String> = (1..=40).map(crawl).collect();
    let last = answers.last().expect("40 answers");
    assert!(
        last.starts_with("HTTP/1.1 403 ") && last.contains("Stopped at the checkpoint"),
        "{last}"
    );
    assert!(
        demo.get("/", "").starts_with("HTTP/1.1 200 "),
        "somebody else shops on"
    );

    let listed = || {
        get(&demo.dashboard, "/clients?order=score", "")
            .contains(">203.0.113.9<")
            .then_some(())
    };
    wait_for(listed).expect("the dashboard lists who was stopped");
    let now = get(&demo.dashboard, "/", "");
    assert!(
        now.starts_with("HTTP/1.1 200 ") && now.contains("Requests by verdict"),
        "{now}"
    );

    demo.signal("INT");
    let mut said = String::new();
    demo.rest.read_to_string(&mut said).expect("text");
    assert!(demo.child.wait().expect("own child").success(), "{said}");
    assert!(said.contains("Stopped."), "{said}");
    scene.assert_left_alone();
}

#[test]
fn killed_it_takes_its_nginx_along() {
    let scene = Scene::new();
    let demo = Up::start(&scene);
    assert!(!naming(scene.demo.path()).is_empty(), "nginx runs");
    demo.signal("KILL");
    scene.assert_left_alone();
}
