//! Notices from event to target, with a real receiver and times that are told.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::deliver::Courier;
use super::event::{Event, Fact, News, Page};
use super::message::body;
use super::outbox::{Notice, Outbox, Suppressed, Tally};
use super::post::{SIGNATURE, signature};
use crate::config::{NotifyKind, NotifySection, Topic};
use crate::store::{Names, Store};

const NOW: u32 = 1_800_000_000;
const KEY: &str = "0123456789abcdef";
/// What a visitor may call himself, and where he may go.
const HOSTILE: &str = "<!channel> `code` @here &amp; <https://evil.example|click> \u{202e}\u{1b}[31m";

/// What the receiver does with a request; the last goes on.
#[derive(Clone, Copy)]
enum Act {
    Answer(&'static str),
    Hang,
    Close,
}

/// Head and body of what came.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

fn receiver(script: &'static [Act]) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a/secret/path", listener.local_addr().unwrap());
    let requests = Requests::default();
    let all = requests.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = all.clone();
            thread::spawn(move || serve(stream, &all, script));
        }
    });
    (url, requests)
}

fn serve(mut stream: TcpStream, all: &Requests, script: &[Act]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).unwrap_or_default() > 2 {
            head += &line;
            line.clear();
        }
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let Some(length) = length else { return };
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let act = {
            let mut all = all.lock().unwrap();
            all.push((head, String::from_utf8(body).unwrap()));
            script[(all.len() - 1).min(script.len() - 1)]
        };
        match act {
            Act::Answer(head) => write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").unwrap(),
            Act::Hang => drop(reader.read(&mut [0])),
            Act::Close => return,
        }
    }
}

struct Bench {
    dir: TempDir,
    store: Store,
    target: NotifySection,
    courier: Courier,
}

impl Bench {
    fn new(url: &str) -> Bench {
        let dir = TempDir::new().unwrap();
        let target = target(&dir, url);
        Bench {
            store: Store::open(&dir.path().join("s.db")).unwrap(),
            courier: Courier::new(
                Some("https://sekisho.example/".into()),
                Duration::from_millis(400),
            )
            .unwrap(),
            target,
            dir,
        }
    }

    /// As after a restart.
    fn again(self) -> Bench {
        Bench {
            store: Store::open(&self.dir.path().join("s.db")).unwrap(),
            ..self
        }
    }

    fn take(&self, news: &[News], now: u32) -> u64 {
        let targets = [self.target.clone()];
        Outbox(&self.store).take(news, &targets, &[], now).unwrap()
    }

    fn round(&mut self, now: u32) -> Tally {
        let targets = [self.target.clone()];
        self.courier.round(&self.store, &targets, now).unwrap();
        self.tally()
    }

    fn tally(&self) -> Tally {
        super::tallies(&self.store, std::slice::from_ref(&self.target))
            .unwrap()
            .remove(0)
    }
}

fn target(dir: &TempDir, url: &str) -> NotifySection {
    fs::write(dir.path().join("url"), format!("{url}\n")).unwrap();
    fs::write(dir.path().join("key"), KEY).unwrap();
    NotifySection {
        name: "hook".into(),
        kind: NotifyKind::Webhook,
        url_file: dir.path().join("url"),
        key_file: Some(dir.path().join("key")),
        events: Topic::ALL.to_vec(),
        min_interval: 60,
        group_window: 30,
    }
}

fn news(key: &str, kind: Topic, at: u32) -> News {
    News {
        key: key.to_owned(),
        event: Event {
            kind,
            at,
            title: format!("Something happened: {key}"),
            facts: vec![Fact::naming("By", ["somebody"])],
            pages: vec![Page::Models],
        },
        mark: String::new(),
        clients: vec![7],
    }
}

#[test]
fn what_comes_within_the_window_is_one_message_and_comes_once() {
    let (url, requests) = receiver(&[Act::Answer("200 OK")]);
    let mut bench = Bench::new(&url);
    assert_eq!(
        bench.take(
            &[news("a", Topic::Cluster, NOW), news("b", Topic::Guard, NOW)],
            NOW
        ),
        2
    );
    assert_eq!(bench.round(NOW + 29).waiting, 2);
    assert_eq!(
        bench.take(&[news("a", Topic::Cluster, NOW + 29)], NOW + 29),
        0,
        "the same is told once"
    );
    let mut bench = bench.again();
    assert_eq!(bench.round(NOW + 30).sent, 1);
    let mut bench = bench.again();
    assert_eq!(bench.round(NOW + 31).sent, 1);
    assert_eq!(bench.take(&[news("b", Topic::Guard, NOW + 40)], NOW + 40), 0);
    bench.round(NOW + 100);

    let requests = requests.lock().unwrap();
    let [(head, body)] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let document: Value = serde_json::from_str(body).unwrap();
    let kinds: Vec<&Value> = document["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert_eq!(kinds, ["guard", "cluster"], "what cannot wait comes first");
    assert_eq!(document["title"], "Sekisho: 1 guard trip, 1 new cluster");
    assert_eq!(
        document["events"][0]["links"][0],
        "https://sekisho.example/models"
    );
    let signed = signature(KEY.as_bytes(), u64::from(NOW + 30), body.as_bytes()).unwrap();
    let header = format!("{}: {signed}", SIGNATURE.to_lowercase());
    assert!(head.lines().any(|line| line == header), "{header}\n{head}");
    assert!(
        head.contains(&format!("x-sekisho-id: {}-1\r\n", NOW + 30)),
        "{head}"
    );
}

#[test]
fn a_flood_is_counted_and_told_in_the_next_message() {
    let (url, requests) = receiver(&[Act::Answer("204 No Content")]);
    let mut bench = Bench::new(&url);
    bench.target.group_window = 0;
    for number in 0..3 {
        bench.take(&[news(&format!("early{number}"), Topic::Guard, NOW)], NOW);
        assert_eq!(
            bench.round(NOW + number).sent,
            u64::from(number) + 1,
            "a burst goes at once"
        );
    }
    let flood: Vec<News> = (0..130)
        .map(|number| news(&format!("flood{number}"), Topic::Cluster, NOW + 3))
        .collect();
    bench.take(&flood, NOW + 3);
    bench.take(&[news("late", Topic::Guard, NOW + 3)], NOW + 3);
    assert_eq!(bench.round(NOW + 4).sent, 3, "three messages were the burst");
    let tally = bench.again().round(NOW + 63);
    // 100 wait, ten of them are told; the guard came when there was no room.
    assert_eq!((tally.sent, tally.suppressed, tally.waiting), (4, 121, 0));
    let requests = requests.lock().unwrap();
    let document: Value = serde_json::from_str(&requests[3].1).unwrap();
    assert_eq!(document["events"].as_array().map(Vec::len), Some(10));
    assert_eq!(
        document["suppressed"],
        serde_json::json!({"cluster": 120, "guard": 1})
    );
}

#[test]
fn a_target_that_fails_is_tried_again_and_given_up() {
    #[track_caller]
    fn check(script: &'static [Act], dues: &[u32], sent: u64, error: &str) {
        let (url, requests) = receiver(script);
        let mut bench = Bench::new(&url);
        bench.target.group_window = 0;
        bench.take(&[news("a", Topic::Guard, NOW)], NOW);
        let mut now = NOW;
        let mut tally = bench.round(now);
        for due in dues {
            assert_eq!(tally.due, Some(now + due), "{tally:?}");
            assert!(
                tally.error.as_deref().is_some_and(|said| said.contains(error)),
                "{tally:?}"
            );
            assert_eq!(bench.round(now + due - 1).due, tally.due, "not before its time");
            now += due;
            bench = bench.again();
            tally = bench.round(now);
        }
        assert_eq!(
            (tally.sent, tally.failed, tally.waiting),
            (sent, 1 - sent, 0),
            "{tally:?}"
        );
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), dues.len() + 1);
        let ids: Vec<Value> = (requests.iter())
            .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["id"].clone())
            .collect();
        assert!(
            ids.iter().all(|id| *id == ids[0]),
            "a receiver can tell that it is the same"
        );
    }
    const OK: Act = Act::Answer("200 OK");
    check(&[OK], &[], 1, "");
    check(
        &[Act::Answer("429 Slow down\r\nRetry-After: 77"), OK],
        &[77],
        1,
        "it answered 429",
    );
    check(
        &[Act::Answer("500 Oops"), Act::Answer("503 Later"), OK],
        &[5, 10],
        1,
        "it answered 50",
    );
    check(&[Act::Close, OK], &[5], 1, "the connection ended");
    check(&[Act::Hang, OK], &[5], 1, "did not answer in time");
    check(&[Act::Answer("404 Not Found")], &[], 0, "");
    check(
        &[Act::Answer("302 Found\r\nLocation: http://127.0.0.1:1/")],
        &[],
        0,
        "",
    );
    let waits = [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900];
    check(&[Act::Answer("500 Oops")], &waits, 0, "it answered 500");
}

#[test]
fn a_target_that_is_not_there_or_has_no_address_keeps_nobody_waiting() {
    let mut bench = Bench::new("http://127.0.0.1:1/secret");
    bench.target.group_window = 0;
    bench.take(&[news("a", Topic::Guard, NOW)], NOW);
    let tally = bench.round(NOW);
    assert_eq!(tally.error.as_deref(), Some("it does not take connections"));
    for (minutes, address, expected) in [
        (15, "ftp://a.example/0123456789", "holds no address"),
        (30, "short", "16 are the least"),
    ] {
        fs::write(&bench.target.url_file, address).unwrap();
        let said = bench.round(NOW + minutes * 60).error.unwrap();
        assert!(said.contains(expected) && !said.contains("a.example"), "{said}");
    }
}

#[test]
fn what_is_told_of_a_client_goes_with_it() {
    let mut bench = Bench::new("http://127.0.0.1:1/secret");
    bench.target.group_window = 0;
    bench.take(&[news("a", Topic::Cluster, NOW)], NOW);
    assert_eq!(bench.round(NOW).waiting, 1);
    let insert = "INSERT INTO client (id, zone, name, first, last) VALUES (7, 'clients', '192.0.2.7', 1, 2)";
    bench.store.connection().execute(insert, []).unwrap();
    let forgotten = bench
        .store
        .forget(None, "192.0.2.7", &Names::Plain, (NOW, "ana"))
        .unwrap();
    assert_eq!(forgotten.clients, 1);
    let tally = bench.round(NOW + 900);
    assert_eq!((tally.waiting, tally.sent, tally.failed), (0, 0, 0));
    let left: i64 = (bench.store.connection())
        .query_row("SELECT COUNT(*) FROM notice_event", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

/// What both kinds of targets get of the same, with names that want to be more than names.
fn hostile() -> Notice {
    let event = |kind, title: &str, pages| Event {
        kind,
        at: NOW,
        title: title.to_owned(),
        facts: vec![
            Fact::new("6 clients with at least 5,196 requests since 2027-01-15T08:00:00Z"),
            Fact::naming("Networks", ["192.0.2.0/24 (6 clients)", HOSTILE]),
            Fact::naming("They asked for", vec!["x".repeat(200); 9]),
        ],
        pages,
    };
    Notice {
        id: 3,
        made: NOW,
        attempts: 0,
        events: vec![
            event(Topic::Guard, "The breaker tripped", vec![Page::Now]),
            event(
                Topic::Cluster,
                "New crawlers: 6 clients",
                vec![Page::Groups, Page::Client(42)],
            ),
        ],
        suppressed: Suppressed::from([(Topic::Cluster, 4), (Topic::Guard, 1)]),
    }
}

#[test]
fn messages_say_what_happened_and_mention_nobody() {
    let notice = hostile();
    for (name, kind) in [
        ("notice_webhook", NotifyKind::Webhook),
        ("notice_slack", NotifyKind::Slack),
    ] {
        let body = body(kind, &notice, Some("https://sekisho.example"));
        insta::assert_snapshot!(name, format!("{body:#}"));
        let text = body.to_string();
        assert!(!text.contains('\u{202e}') && !text.contains("\\u001b"), "{text}");
        if kind == NotifyKind::Slack {
            let opened: Vec<&str> = text.split('<').skip(1).collect();
            assert!(
                opened
                    .iter()
                    .all(|rest| rest.starts_with("https://sekisho.example/")),
                "{text}"
            );
            assert!(!text.contains("@here"), "{text}");
        }
    }
    let bare = body(NotifyKind::Slack, &notice, None).to_string();
    assert!(!bare.contains('<'), "no dashboard, no links: {bare}");
}
