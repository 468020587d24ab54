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
use super::population::{Size, WATCHED, fill};

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

/// The front page where no nginx is watched.
const ALONE: (&str, &str) = ("now, without nginx", "/");
/// Each page beside it, under its name.
const PAGES: [(&str, &str); 23] = [
    ("now", "/"),
    ("now, a day", "/?span=day"),
    ("now, a week", "/?span=week"),
    ("clients", "/clients"),
    ("by score", "/clients?order=score"),
    ("by requests", "/clients?order=requests"),
    ("trapped", "/clients?worst=TRAPPED&order=score"),
    ("labelled human", "/clients?label=human"),
    ("conflicts, by requests", "/clients?conflicts=1&order=requests"),
    ("of a zone", "/clients?zone=login"),
    ("of a network", "/clients?network=10.0.7.0%2F24"),
    ("found by name", "/clients?q=12."),
    ("found and filtered", "/clients?q=1&worst=TRAPPED&conflicts=1"),
    ("nothing found", "/clients?q=nobody"),
    ("a busy client", "/clients/BUSY"),
    ("a quiet client", "/clients/QUIET"),
    ("groups, whole store", "/groups?range=all"),
    ("look-up", "/look-up?id=REFERENCE"),
    ("explanations", "/explanations"),
    ("reports", "/reports"),
    ("models", "/models"),
    ("audit", "/audit"),
    ("metrics", "/metrics"),
];
/// What Chromium paints.
const PAINTS: [&str; 5] = [
    "/",
    "/?span=week",
    "/clients",
    "/clients/BUSY",
    "/groups?range=all",
];
/// How the store is populated: another number fills it anew.
const POPULATION: u32 = 2;

struct Figure {
    name: &'static str,
    median: Duration,
    late: Duration,
    /// With the files that it names.
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
    let mut figures = {
        let daemon = Daemon::start(&configuration);
        vec![measured(&daemon, ALONE.0, ALONE.1)]
    };
    let configuration = configure(&directory, &WATCHED);
    let daemon = Daemon::start(&configuration);
    let places = places(&directory.join("store.db"));
    figures.extend(
        PAGES
            .iter()
            .map(|(name, path)| measured(&daemon, name, &filled(path, &places))),
    );
    let painted = painted(&daemon, &places);
    // A benchmark that measures nothing says nothing.
    assert!(
        painted.is_some() || wanted.is_none(),
        "tests/browser has no packages: `npm ci` there"
    );
    let painted = painted.unwrap_or_default();
    let told = told(samples, &figures, &painted, daemon.peak());
    println!("{told}");
    if wanted.is_some() {
        fs::write(directory.join("report.md"), &told).expect("written");
    }
    let limit = if wanted.is_some() { LIMIT } else { TEST_LIMIT };
    for figure in &figures {
        assert!(figure.median < limit, "{} takes {:?}", figure.name, figure.median);
        assert!(figure.bytes < WEIGHT, "{} weighs {}", figure.name, figure.bytes);
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
    let configuration = configure(directory, &[]);
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
    let mark = format!("{samples} of day {}, as {POPULATION}", now / 86_400);
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
    let mut page = None;
    for _ in 0..TIMES {
        let answer = daemon.get(path);
        assert_eq!(
            answer.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        times.push(answer.took);
        page = Some(answer);
    }
    let bytes = page.map_or(0, |page| {
        page.body.len() + page.head.len() + files(daemon, &page.body)
    });
    times.sort();
    Figure {
        name,
        median: times[TIMES / 2],
        late: times[TIMES * 95 / 100],
        bytes,
    }
}

/// Bytes of the files that a page names, packed.
fn files(daemon: &Daemon, page: &[u8]) -> usize {
    let text = String::from_utf8_lossy(page);
    if !text.starts_with("<!doctype html>") {
        return 0;
    }
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
fn painted(daemon: &Daemon, places: &BTreeMap<&'static str, String>) -> Option<Vec<(String, f64)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
    if !folder.join("node_modules/playwright-core").exists() {
        println!("tests/browser has no packages: the browser is not measured");
        return None;
    }
    let paths: Vec<String> = PAINTS.iter().map(|path| filled(path, places)).collect();
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
    let read = |line: &str| {
        let (path, milliseconds) = line.rsplit_once(' ')?;
        Some((path.to_owned(), milliseconds.parse().ok()?))
    };
    let painted: Vec<(String, f64)> = lines.filter_map(read).collect();
    assert_eq!(painted.len(), PAINTS.len(), "{text}");
    Some(painted)
}

fn told(samples: u64, figures: &[Figure], painted: &[(String, f64)], peak: u64) -> String {
    let mut text = format!(
        "Pages over {samples} samples of {} clients\n\n| page | median | 95 % | bytes with files |\n|---|---|---|---|\n",
        samples / EACH
    );
    for figure in figures {
        let (median, late) = (figure.median.as_secs_f64() * 1e3, figure.late.as_secs_f64() * 1e3);
        text += &format!(
            "| {} | {median:.1} ms | {late:.1} ms | {} |\n",
            figure.name, figure.bytes
        );
    }
    text += "\n";
    for (page, milliseconds) in painted {
        text += &format!("Chromium has painted {page} after {milliseconds:.0} ms.\n");
    }
    text + &format!("Peak memory of the daemon: {peak} MB.\n")
}
