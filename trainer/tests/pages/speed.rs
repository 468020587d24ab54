//! How long pages take, how heavy they are, and how much memory the daemon has, over a store of some size.
//!
//! `make dashboard-bench` runs it over 10 million samples of 200,000 clients; without `DASHBOARD_BENCH_SAMPLES` it is a
//! test over a fiftieth of that, with room for a machine that is busy.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::daemon::{Daemon, configure, make};
use super::population::{Size, fill};

/// Samples of the test.
const FEW: u64 = 200_000;
/// Samples a client.
const EACH: u64 = 50;
/// Times that each page is asked for.
const TIMES: usize = 20;
/// Median of a page's time on an unoptimised, busy machine.
const TEST_LIMIT: Duration = Duration::from_millis(500);
/// Median of a page's time.
const LIMIT: Duration = Duration::from_millis(100);
/// Bytes of a page with its files.
const WEIGHT: usize = 200_000;
/// Milliseconds until Chromium has painted a page.
const PAINTED: f64 = 1000.0;
/// Memory of the daemon, MB: four readers and the collector have 64 MiB of pages each.
const MEMORY: u64 = 600;

/// Each page, under its name.
const PAGES: [(&str, &str); 15] = [
    ("clients", "/clients"),
    ("by score", "/clients?order=score"),
    ("by requests", "/clients?order=requests"),
    ("trapped", "/clients?worst=TRAPPED&order=score"),
    ("labelled human", "/clients?label=human"),
    ("conflicts, by requests", "/clients?conflicts=1&order=requests"),
    ("of a zone", "/clients?zone=login"),
    ("of a network", "/clients?network=10.0.7.0%2F24"),
    ("found by name", "/clients?q=12."),
    ("nothing found", "/clients?q=nobody"),
    ("a busy client", "/clients/BUSY"),
    ("a quiet client", "/clients/QUIET"),
    ("groups, whole store", "/groups?range=all"),
    ("look-up", "/look-up?id=REFERENCE"),
    ("explanations", "/explanations"),
];

struct Figure {
    name: &'static str,
    median: Duration,
    late: Duration,
    bytes: usize,
}

#[test]
fn pages_are_quick_and_light() {
    let wanted = env::var("DASHBOARD_BENCH_SAMPLES").ok();
    let samples = wanted
        .as_deref()
        .map_or(FEW, |text| text.parse().expect("a number"));
    let dir = TempDir::new().expect("a directory");
    let directory = match &wanted {
        Some(_) => PathBuf::from(env::var("DASHBOARD_BENCH_DIR").expect("DASHBOARD_BENCH_DIR")),
        None => dir.path().to_owned(),
    };
    let configuration = populated(&directory, samples);
    let daemon = Daemon::start(&configuration);
    let places = places(&directory.join("store.db"));
    let figures: Vec<Figure> = PAGES
        .iter()
        .map(|(name, path)| measured(&daemon, name, &filled(path, &places)))
        .collect();
    let files = files(&daemon);
    let painted = painted(&daemon, &places);
    let told = told(samples, &figures, files, &painted, daemon.peak());
    println!("{told}");
    if wanted.is_some() {
        fs::write(directory.join("report.md"), &told).expect("written");
    }
    let limit = if wanted.is_some() { LIMIT } else { TEST_LIMIT };
    for figure in &figures {
        assert!(figure.median < limit, "{} takes {:?}", figure.name, figure.median);
        assert!(
            figure.bytes + files < WEIGHT,
            "{} weighs {}",
            figure.name,
            figure.bytes + files
        );
    }
    for (page, milliseconds) in &painted {
        assert!(
            *milliseconds < PAINTED,
            "{page} is painted after {milliseconds} ms"
        );
    }
    assert!(daemon.peak() < MEMORY, "{} MB", daemon.peak());
}

/// A store of this size in a directory; one that is there already is taken, if it is of today.
fn populated(directory: &Path, samples: u64) -> PathBuf {
    let configuration = configure(directory);
    let (store, note) = (directory.join("store.db"), directory.join("size"));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let size = Size {
        clients: samples / EACH,
        samples,
        until: now as u32,
    };
    let mark = format!("{} of day {}", samples, now / 86_400);
    if fs::read_to_string(&note).is_ok_and(|text| text == mark) {
        make(&configuration);
        return configuration;
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", store.display()));
    }
    make(&configuration);
    let begun = Instant::now();
    fill(&store, size);
    println!(
        "{samples} samples of {} clients were made in {:.0?}",
        size.clients,
        begun.elapsed()
    );
    fs::write(note, mark).expect("written");
    configuration
}

/// What stands for a number in the paths above.
fn places(store: &Path) -> BTreeMap<&'static str, String> {
    let connection = rusqlite::Connection::open(store).expect("opened");
    let one = |sql: &str| -> String {
        connection
            .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .expect("a row")
    };
    BTreeMap::from([
        (
            "BUSY",
            one("SELECT id FROM client WHERE severity >= 2 ORDER BY requests DESC LIMIT 1"),
        ),
        (
            "QUIET",
            one("SELECT id FROM client WHERE severity = 1 ORDER BY last DESC LIMIT 1 OFFSET 100"),
        ),
        (
            "REFERENCE",
            one("SELECT id FROM sample ORDER BY seq DESC LIMIT 1 OFFSET 1000"),
        ),
    ])
}

fn filled(path: &str, places: &BTreeMap<&'static str, String>) -> String {
    places
        .iter()
        .fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

fn measured(daemon: &Daemon, name: &'static str, path: &str) -> Figure {
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..TIMES {
        let answer = daemon.get(path);
        assert_eq!(
            answer.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        bytes = answer.body.len() + answer.head.len();
        times.push(answer.took);
    }
    times.sort();
    Figure {
        name,
        median: times[TIMES / 2],
        late: times[TIMES * 95 / 100],
        bytes,
    }
}

/// Bytes of the files that the heaviest page names, packed.
fn files(daemon: &Daemon) -> usize {
    let page = daemon.get("/clients");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let mut paths: Vec<&str> = text
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    assert!(paths.len() >= 3, "{paths:?}");
    paths.iter().map(|path| daemon.get(path).body.len()).sum()
}

/// Milliseconds until Chromium had painted some pages; nothing where the packages of the browser's tests are not there.
fn painted(daemon: &Daemon, places: &BTreeMap<&'static str, String>) -> Vec<(String, f64)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
    if !folder.join("node_modules/playwright-core").exists() {
        println!("tests/browser has no packages: the browser is not measured");
        return Vec::new();
    }
    let paths: Vec<String> = ["/clients", "/clients/BUSY", "/groups?range=all"]
        .iter()
        .map(|path| filled(path, places))
        .collect();
    let settings = serde_json::json!({
        "base": format!("http://{}", daemon.address), "passwords": {}, "more": {"paths": paths},
    });
    let output = Command::new("node")
        .args(["run.mjs", "speed"])
        .current_dir(folder)
        .env("SEKISHO_BROWSER", settings.to_string())
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = text.lines().filter_map(|line| line.strip_prefix("# painted "));
    lines
        .filter_map(|line| {
            let (path, milliseconds) = line.rsplit_once(' ')?;
            Some((path.to_owned(), milliseconds.parse().ok()?))
        })
        .collect()
}

fn told(samples: u64, figures: &[Figure], files: usize, painted: &[(String, f64)], peak: u64) -> String {
    let mut text = format!(
        "Pages over {samples} samples of {} clients\n\n| page | median | 95 % | bytes with files |\n|---|---|---|---|\n",
        samples / EACH
    );
    for figure in figures {
        let (median, late) = (figure.median.as_secs_f64() * 1e3, figure.late.as_secs_f64() * 1e3);
        text += &format!(
            "| {} | {median:.1} ms | {late:.1} ms | {} |\n",
            figure.name,
            figure.bytes + files
        );
    }
    text += "\n";
    for (page, milliseconds) in painted {
        text += &format!("Chromium has painted {page} after {milliseconds:.0} ms.\n");
    }
    text + &format!("Peak memory of the daemon: {peak} MB.\n")
}
