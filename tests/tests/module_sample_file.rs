//! What happens to the sample file itself: rotated, full, filled again, left by its last worker.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sekisho_core::sample::{Kind, Sample};
use sekisho_tests::nginx::{Module, wait_for};
use sekisho_tests::visitors::{COUNTERS, browse, checked, counters, crawl, site, visit};

/// A directory that outlives nginx, open to its workers.
fn shelf() -> tempfile::TempDir {
    let shelf = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(shelf.path(), fs::Permissions::from_mode(0o777)).expect("own directory");
    shelf
}

/// All samples of the files in a directory.
fn all(directory: &Path) -> Vec<Sample> {
    let files = fs::read_dir(directory).expect("own directory");
    let text = files.map(|file| fs::read_to_string(file.expect("own file").path()).expect("text"));
    let text: String = text.collect();
    let lines = text.lines();
    lines
        .map(|line| Sample::parse(line.as_bytes()).expect("a sample"))
        .collect()
}

fn ids(samples: &[Sample]) -> BTreeSet<&str> {
    samples.iter().map(|sample| sample.id.as_str()).collect()
}

/// The directive, and a server whose workers share the load.
fn http(file: &Path, contrast: &str) -> String {
    let more = format!("sekisho_samples {} contrast={contrast};", file.display());
    checked(&more, COUNTERS).replace("%PORT%;", "%PORT% reuseport;")
}

#[test]
fn rotation_under_load_loses_nothing_and_the_last_worker_leaves_nothing() {
    let shelf = shelf();
    let file = shelf.path().join("samples");
    let nginx = site(Module::TestClock).workers(4).start(&http(&file, "0%"));
    let crawling = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let crawlers: Vec<_> = (0..4)
            .map(|thread| {
                let nginx = &nginx;
                scope.spawn(move || {
                    for client in 0..40 {
                        crawl(nginx, &format!("198.51.{thread}.{client}"), 0, 16);
                    }
                })
            })
            .collect();
        let (nginx, crawling, file) = (&nginx, &crawling, &file);
        scope.spawn(move || {
            for number in 0.. {
                if !crawling.load(Ordering::Relaxed) {
                    break;
                }
                fs::rename(file, file.with_extension(number.to_string())).expect("nginx made it");
                nginx.signal(nginx.master(), libc::SIGUSR1);
                wait_for(|| file.exists().then_some(())).expect("nginx opens the file again");
            }
        });
        crawlers
            .into_iter()
            .for_each(|crawler| crawler.join().expect("it crawls"));
        crawling.store(false, Ordering::Relaxed);
    });
    // No tick is waited for: what the workers still hold is written when they end.
    drop(nginx);
    let samples = all(shelf.path());
    assert_eq!((samples.len(), ids(&samples).len()), (320, 320));
    let files = fs::read_dir(shelf.path()).expect("own directory").count();
    assert!(files > 2, "it was rotated");
}

#[test]
fn a_full_disk_costs_the_samples_that_find_no_room_and_nothing_else() {
    let shelf = shelf();
    let file = shelf.path().join("samples");
    symlink("/dev/full", &file).expect("own directory");
    let more = format!(
        "sekisho_samples {} contrast=0%; sekisho_dry_run off;",
        file.display()
    );
    let nginx = site(Module::TestClock)
        .workers(1)
        .start(&checked(&more, COUNTERS));
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 0, 12),
        [200, 200, 200, 200, 200, 200, 200, 200, 200, 429, 429, 429]
    );
    wait_for(|| (counters(&nginx)["sample_failures"] == 1).then_some(())).expect("the failure is counted");
    // Long targets fill the buffer sooner.
    let long = format!("/{}", "\"".repeat(2000));
    let mut flagged = 1;
    for client in 0.. {
        if counters(&nginx)["samples_dropped"] >= 10 {
            break;
        }
        assert!(client < 200, "the buffer is bounded");
        for number in 0..10 {
            let answer = visit(&nginx, &format!("198.51.100.{client}"), number, &long, &[]).status;
            assert_eq!(answer, if number < 9 { 404 } else { 429 });
        }
        flagged += 1;
    }
    let said = |level: &str, text: &str| {
        let log = nginx.error_log();
        let lines = log
            .lines()
            .filter(|line| line.contains(level) && line.contains(text));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = said("[error]", "takes no samples: ");
    assert_eq!(refused.len(), 1, "one line an episode: {refused:?}");
    assert!(refused[0].contains("No space left on device"), "{refused:?}");

    fs::remove_file(&file).expect("own file");
    nginx.signal(nginx.master(), libc::SIGUSR1);
    let all_told = || {
        let numbers = counters(&nginx);
        assert_eq!(numbers["sample_failures"], 1);
        let (written, dropped) = (numbers["samples_written"], numbers["samples_dropped"]);
        (written > 0).then_some((written, dropped))
    };
    let (written, dropped) = wait_for(all_told).expect("the file takes them again");
    assert_eq!(written + dropped, flagged, "each is in the file or counted");
    let samples = all(shelf.path());
    assert_eq!(ids(&samples).len() as u64, written);
    assert_eq!(
        said(
            "[notice]",
            &format!("takes samples again, {dropped} were dropped")
        )
        .len(),
        1
    );
}

#[test]
fn a_share_of_those_who_passed_is_the_contrast() {
    #[track_caller]
    fn check(contrast: &str, expected: std::ops::RangeInclusive<usize>) {
        let shelf = shelf();
        let file = shelf.path().join("samples");
        let nginx = site(Module::TestClock).start(&http(&file, contrast));
        for client in 0..60 {
            browse(&nginx, &format!("192.0.2.{client}"), 0, 16);
        }
        crawl(&nginx, "198.51.100.1", 0, 10);
        drop(nginx);
        let samples = all(shelf.path());
        let of = |kind| samples.iter().filter(move |sample| sample.kind == kind);
        let clients: BTreeSet<_> = of(Kind::Contrast)
            .filter(|sample| sample.verdict == "PASSED" && sample.score.is_some_and(|score| score < 0.1))
            .map(|sample| sample.client.as_str())
            .collect();
        assert!(
            expected.contains(&clients.len()),
            "{contrast}: {} clients",
            clients.len()
        );
        assert_eq!(
            of(Kind::Contrast)
                .filter(|sample| clients.contains(sample.client.as_str()))
                .count(),
            clients.len() * 2,
            "who is in the contrast is in it with every score"
        );
        let flagged: Vec<_> = of(Kind::Flagged).map(|sample| sample.client.as_str()).collect();
        assert_eq!(flagged, ["198.51.100.1"]);
    }
    check("0%", 0..=0);
    check("100%", 60..=60);
    check("25%", 7..=24);
}

#[test]
fn bad_arguments_fail_the_test_with_a_clear_text() {
    let site = site(Module::TestClock);
    site.write("twice.onnx", b"");
    let check = |directive: &str, expected: &str| {
        let (accepted, said) = site.test(directive);
        assert!(
            !accepted && said.contains(expected),
            "{directive}\n  expected: {expected}\n  said: {said}"
        );
    };
    for value in [
        "",
        "%",
        "1",
        "101%",
        "100.0001%",
        "-1%",
        "1.%",
        ".5%",
        "0.00001%",
        "nan%",
        "1e1%",
    ] {
        check(
            &format!("sekisho_samples s contrast={value};"),
            &format!("invalid value \"contrast={value}\": a percentage from 0% to 100% is expected"),
        );
    }
    check(
        "sekisho_samples contrast=1%;",
        "\"sekisho_samples\" must have a file in",
    );
    check("sekisho_samples a b;", "invalid parameter \"b\" in");
    check(
        "sekisho_samples a contrast=1% contrast=2%;",
        "duplicate parameter \"contrast=2%\" in",
    );
    check(
        "sekisho_samples html;",
        "open() \"%DIR%/html\" failed (21: Is a directory)",
    );
    check(
        "sekisho_samples a; sekisho_samples b;",
        "\"sekisho_samples\" directive is duplicate",
    );
    check("sekisho_model a b;", "invalid parameter \"b\" in");
    check(
        "sekisho_model challenger=a challenger=b;",
        "duplicate parameter \"challenger=b\" in",
    );
    check(
        "sekisho_model challenger=;",
        "\"challenger=\" must have a file in",
    );
    check(
        "sekisho_model;",
        "invalid number of arguments in \"sekisho_model\" directive",
    );
    for value in ["0%", "100%", "0.5%", "100.0000%", "0.0001%"] {
        let (accepted, said) = site.test(&format!("sekisho_samples s contrast={value};"));
        assert!(accepted, "{value}: {said}");
    }
}
