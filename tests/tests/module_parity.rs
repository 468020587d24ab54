//! A real log through a live nginx, and through the core alone: the same scores, request by request, bit for bit.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::AtomicU16;

use flate2::read::MultiGzDecoder;
use sekisho_core::checkpoint::{self, Arrival, Policy, Standing};
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::{Entry, Format};
use sekisho_core::model::{Limits, Model, top_reasons};
use sekisho_core::sketch::popularity::{Popularity, PopularityState};
use sekisho_core::table::{Geometry, Set, set_index};
use sekisho_core::url::{Method, Visit};
use sekisho_tests::nginx::{Module, Nginx, Site};

/// Lines that are replayed.
const LINES: usize = 8_000;

/// Answers with the status of the log through a backend, so that `return` does not answer before the checkpoint.
const HTTP: &str = "
    sekisho_zone $binary_remote_addr zone=clients:16m;
    sekisho_model %DIR%/model.onnx;
    sekisho zone=clients;
    sekisho_log_level info;
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
    keepalive_requests 1000000; keepalive_timeout 60s;
    log_format parity '$sekisho_id $status $body_bytes_sent $sekisho_score $sekisho_status';
    map $http_x_status $answer { default 200; ~^(301|302|304|403|404|500|503)$ $http_x_status; }
    server { listen unix:%DIR%/backend.sock; access_log off; error_log %DIR%/backend.log crit;
        if ($http_x_status ~ ^30[12]$) { return 302 /elsewhere; }
        if ($http_x_status = 304) { return 304; }
        if ($http_x_status ~ ^40[0-9]$) { return 404; }
        if ($http_x_status ~ ^5) { return 503; }
        location / { return 200 $request_uri; } }
    server { listen 127.0.0.1:%PORT%; access_log %DIR%/parity.log parity;
        location / { proxy_pass http://unix:%DIR%/backend.sock; } }";

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn log_lines(name: &str) -> Vec<Vec<u8>> {
    let file = std::fs::File::open(repository("models/data").join(name)).expect("a log of the repository");
    let lines = BufReader::new(MultiGzDecoder::new(file)).split(b'\n');
    lines.map_while(Result::ok).take(LINES).collect()
}

/// Whether a client can send this request as it stands.
fn replayable(entry: &Entry<'_>) -> bool {
    entry.well_formed
        && entry.target.starts_with(b"/")
        && entry.target.iter().all(u8::is_ascii_graphic)
        && entry
            .referer
            .as_ref()
            .is_none_or(|referer| referer.iter().all(|byte| (b' '..127).contains(byte)))
        && str::from_utf8(entry.client).is_ok_and(|client| client.parse::<std::net::IpAddr>().is_ok())
}

fn request(entry: &Entry<'_>) -> Vec<u8> {
    let method = match entry.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Other => "OPTIONS",
    };
    let mut bytes = format!("{method} ").into_bytes();
    bytes.extend_from_slice(&entry.target);
    let client = String::from_utf8_lossy(entry.client);
    let (at, status) = (entry.at, entry.status);
    let headers = format!(
        " HTTP/1.1\r\nHost: replay.test\r\nX-Real-IP: {client}\r\nX-Sekisho-Time: {at}\r\nX-Status: {status}\r\n"
    );
    bytes.extend_from_slice(headers.as_bytes());
    if let Some(referer) = &entry.referer {
        bytes.extend_from_slice(b"Referer: ");
        bytes.extend_from_slice(referer);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Reads one response; false when nginx closes the connection after it.
fn drain(stream: &mut BufReader<TcpStream>, head: bool) -> bool {
    let (mut length, mut open, mut status) = (0, true, 0);
    for number in 0.. {
        let mut line = String::new();
        if stream.read_line(&mut line).expect("an answer") == 0 {
            return false;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if number == 0 {
            status = line
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0);
        }
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a number"),
            Some(("connection", "close")) => open = false,
            None if line.is_empty() => break,
            _ => {}
        }
    }
    let body = if head || status == 304 { 0 } else { length };
    stream.read_exact(&mut vec![0; body]).expect("the whole body");
    open
}

fn replay(nginx: &Nginx, entries: &[Entry<'_>]) {
    let mut stream = BufReader::new(nginx.connect());
    for entry in entries {
        stream.get_mut().write_all(&request(entry)).expect("nginx reads");
        if !drain(&mut stream, entry.method == Method::Head) {
            stream = BufReader::new(nginx.connect());
        }
    }
}

/// The core, driven as the module drives it.
struct Core {
    model: Model,
    policy: Policy,
    sets: Vec<Set>,
    state: PopularityState,
    cells: Vec<AtomicU16>,
}

impl Core {
    fn new(model: Model) -> Core {
        let geometry = Geometry::for_bytes(15 << 20).expect("large enough");
        let thresholds = model.thresholds();
        let mut cells = Vec::new();
        cells.resize_with(geometry.cells(), AtomicU16::default);
        Core {
            policy: Policy::new(thresholds.suspect, thresholds.reject),
            model,
            sets: vec![Set::default(); geometry.sets as usize],
            state: PopularityState::default(),
            cells,
        }
    }

    fn pass(&mut self, entry: &Entry<'_>, status: u16, bytes: u64) -> Standing {
        let client = str::from_utf8(entry.client).expect("replayable");
        let hash = key_hash(Seed::FIXED, client_key(client).as_bytes());
        let visit = Visit::new(Seed::FIXED, entry.method, &entry.target, entry.referer.as_deref());
        let rating = Popularity::new(&self.state, &self.cells).visit(visit.url());
        let index = set_index(hash, self.sets.len() as u32) as usize;
        let set = &mut self.sets[index];
        let (way, _) = set.admit(hash, entry.at);
        let record = set.record_mut(way);
        let standing = match checkpoint::arrive(record, entry.at, &visit, rating, &self.policy) {
            Arrival::Settled(standing) => standing,
            Arrival::Score => {
                let features = record.features();
                let score = self.model.score(&features);
                let mut standing = checkpoint::settle(record, entry.at, score, &self.policy);
                if standing.turned {
                    standing.reasons = top_reasons(&self.model, &features);
                    checkpoint::explain(record, standing.reasons);
                }
                standing
            }
        };
        checkpoint::depart(record, status, bytes);
        standing
    }
}

#[test]
fn the_live_module_scores_as_the_core_does() {
    let bytes = std::fs::read(repository("models/default.onnx")).expect("the bundled model");
    let site = Site::new(Module::TestClock).workers(1);
    site.write("model.onnx", &bytes);
    let nginx = site.start(HTTP);
    let lines = log_lines("airis.log.gz");
    let parsed = lines.iter().filter_map(|line| Format::Auto.read(line).ok());
    let entries: Vec<Entry<'_>> = parsed.filter(replayable).collect();
    assert!(
        entries.len() > LINES * 9 / 10,
        "{} of {LINES} lines can be replayed",
        entries.len()
    );
    replay(&nginx, &entries);
    let logged = nginx.lines("parity.log", entries.len());
    assert_eq!(logged.len(), entries.len());

    let mut core = Core::new(Model::load(&bytes, &Limits::DEFAULT).expect("the bundled model is valid"));
    let (mut scored, mut flagged) = (0, 0);
    for (number, (entry, line)) in entries.iter().zip(&logged).enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, status, sent, score, verdict] = words[..] else {
            panic!("five words: {line}")
        };
        if id == "-" {
            assert_eq!(status, "400", "only what nginx refuses is not accounted: {line}");
            continue;
        }
        let standing = core.pass(
            entry,
            status.parse().expect("a status"),
            sent.parse().expect("bytes"),
        );
        let expected = standing.score.map_or("-".to_owned(), |score| score.to_string());
        let target = String::from_utf8_lossy(&entry.target);
        assert_eq!(score, expected, "line {number}, {target}, {line}");
        let verdict = verdict.strip_suffix("_DRY_RUN").unwrap_or(verdict);
        assert_eq!(verdict, standing.verdict.as_str(), "line {number}, {line}");
        scored += usize::from(standing.score.is_some());
        flagged += usize::from(verdict != "PASSED");
    }
    assert!(
        scored > LINES / 4 && flagged > 20,
        "{scored} requests with a score, {flagged} flagged"
    );
}
