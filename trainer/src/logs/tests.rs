//! Logs on disk: order, archives, what is broken.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

fn line(client: u8, minute: u8) -> String {
    format!("192.0.2.{client} - - [20/Feb/2016:05:{minute:02}:00 +0000] \"GET / HTTP/1.1\" 200 1\n")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Every line with its log's index, and the troubles.
fn read(paths: &[PathBuf]) -> (Vec<(usize, String)>, Vec<Trouble>) {
    let mut lines = Vec::new();
    let logs = Logs::open(paths, &Format::Auto).unwrap();
    let troubles = logs
        .for_each(&AtomicU64::new(0), |batch| {
            for index in 0..batch.spans.len() {
                lines.push((
                    batch.source,
                    String::from_utf8_lossy(batch.line(index)).into_owned() + "\n",
                ));
            }
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    (lines, troubles)
}

#[test]
fn logs_come_in_the_order_of_their_times() {
    let dir = TempDir::new().unwrap();
    let newest = write(&dir, "access.log", line(3, 30).as_bytes());
    let nothing = write(&dir, "empty.log", b"");
    let older = write(
        &dir,
        "access.log.2.gz",
        &gzip(format!("rubbish\n{}", line(1, 10)).as_bytes()),
    );
    let old = write(&dir, "access.log.1", line(2, 20).as_bytes());
    let (lines, troubles) = read(&[newest, nothing, older, old]);
    let expected = [
        (0, "rubbish\n".to_owned()),
        (0, line(1, 10)),
        (1, line(2, 20)),
        (2, line(3, 30)),
    ];
    assert_eq!(lines, expected);
    assert_eq!(troubles, []);
}

#[test]
fn an_archive_of_several_members_is_read_to_its_end() {
    let dir = TempDir::new().unwrap();
    let bytes = [gzip(line(1, 1).as_bytes()), gzip(line(2, 2).as_bytes())].concat();
    let (lines, troubles) = read(&[write(&dir, "two.gz", &bytes)]);
    assert_eq!(lines, [(0, line(1, 1)), (0, line(2, 2))]);
    assert_eq!(troubles, []);
}

#[test]
fn a_truncated_archive_gives_what_it_has() {
    let dir = TempDir::new().unwrap();
    let text: String = (0..20_000u32)
        .map(|n| line((n * n % 251) as u8, (n * 7 % 60) as u8))
        .collect();
    let packed = gzip(text.as_bytes());
    let path = write(&dir, "cut.gz", &packed[..packed.len() / 2]);
    let (lines, troubles) = read(std::slice::from_ref(&path));
    assert!(lines.len() > 1000 && lines.len() < 20_000, "{}", lines.len());
    let together: String = lines.iter().map(|(_, line)| line.as_str()).collect();
    assert!(text.starts_with(&together));
    let reason = "the gzip archive ends early".to_owned();
    assert_eq!(
        troubles,
        [Trouble {
            name: path.display().to_string(),
            lines: lines.len() as u64,
            reason
        }]
    );
}

#[test]
fn what_cannot_be_opened_is_named() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("none.log");
    let error = Logs::open(std::slice::from_ref(&missing), &Format::Auto)
        .err()
        .unwrap();
    assert_eq!(error.to_string(), format!("cannot read {}", missing.display()));
    assert!(matches!(
        Logs::open(&[dir.path().to_owned()], &Format::Auto),
        Err(LogError::Open { .. })
    ));
    let twice = [PathBuf::from("-"), PathBuf::from("-")];
    assert!(matches!(
        Logs::open(&twice, &Format::Auto),
        Err(LogError::StdinTwice)
    ));
}

#[test]
fn a_consumer_may_stop_early() {
    let dir = TempDir::new().unwrap();
    let text = line(1, 1).repeat(300_000);
    let logs = Logs::open(&[write(&dir, "a.log", text.as_bytes())], &Format::Auto).unwrap();
    assert_eq!(
        logs.for_each(&AtomicU64::new(0), |_| Err("enough")),
        Err("enough")
    );
}
