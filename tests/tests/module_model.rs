//! Models that change while requests go on.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use sekisho_core::model::{Card, Limits, Model};
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::simple_model::{card, file, file_of};
use sekisho_tests::visitors::{COUNTERS, WORKERS, checked, counters, crawl, site, visit, workers};

/// First digits of a model's digest, as the error log shows it.
fn digest(bytes: &[u8]) -> String {
    let model = Model::load(bytes, &Limits::DEFAULT).expect("a model");
    model.digest()[..12].to_owned()
}

fn http(more: &str) -> String {
    let locations = format!("{COUNTERS} {WORKERS}");
    checked(&format!("sekisho_dry_run off; {more}"), &locations)
}

/// Waits until every row of the board shows `text`; returns the rows.
fn all_show(nginx: &Nginx, text: &str) -> Vec<String> {
    let shown = || {
        let rows = workers(nginx);
        (rows.len() == 2 && rows.iter().all(|row| row.contains(text))).then_some(rows)
    };
    wait_for(shown).unwrap_or_else(|| panic!("{text}: {:#?}\n{}", workers(nginx), nginx.error_log()))
}

fn said(nginx: &Nginx, level: &str, text: &str) -> usize {
    let log = nginx.error_log();
    let lines = log
        .lines()
        .filter(|line| line.contains(level) && line.contains(text))
        // Who is rejected is said at that level, too.
        .filter(|line| !line.contains("rejecting client"));
    lines.count()
}

/// Puts a file in place as careful people do.
fn rename_over(nginx: &Nginx, name: &str, content: &[u8]) {
    let (new, place) = (nginx.path().join("new"), nginx.path().join(name));
    fs::write(&new, content).expect("own directory");
    fs::rename(new, place).expect("own directory");
}

#[test]
fn a_model_is_swapped_under_requests_however_its_file_is_replaced() {
    let nginx = site(Module::TestClock).start(&http(""));
    let models = [3.0, 1.0, 0.5, 2.5].map(|crawler| file_of(&card(), crawler));
    let digests = models.each_ref().map(|model| digest(model));
    all_show(&nginx, &format!("champion: Some({})", digests[0]));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 10)[9], 429);
    let going_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            let mut answers = Vec::new();
            while going_on.load(Ordering::Relaxed) {
                answers.push(visit(&nginx, "198.51.100.1", 0, "/style.css", &[("Referer", "/a")]).status);
            }
            answers
        });
        let (plain, linked) = (nginx.path().join("model.onnx"), nginx.path().join("linked"));
        for (number, expected) in [(1, 200), (2, 200), (3, 429)] {
            match number {
                1 => rename_over(&nginx, "model.onnx", &models[1]),
                2 => fs::write(&plain, &models[2]).expect("own file"),
                _ => {
                    fs::write(&linked, &models[3]).expect("own directory");
                    symlink(&linked, nginx.path().join("link")).expect("own directory");
                    fs::rename(nginx.path().join("link"), &plain).expect("own directory");
                }
            }
            let rows = all_show(&nginx, &format!("champion: Some({})", digests[number]));
            let swaps = format!("swaps: {number}, refusals: 0");
            assert!(rows.iter().all(|row| row.contains(&swaps)), "{rows:#?}");
            let client = format!("192.0.2.{}", 10 + number);
            assert_eq!(crawl(&nginx, &client, 0, 10)[9], expected, "model {number}");
        }
        going_on.store(false, Ordering::Relaxed);
        let answers = visitor.join().expect("it visits");
        let other: Vec<_> = answers.iter().filter(|&&status| status != 200).collect();
        assert!(
            answers.len() > 100 && other.is_empty(),
            "{other:?} of {}",
            answers.len()
        );
    });
    let swap = format!("model.onnx\" is now {}, it was {}", digests[3], digests[2]);
    assert_eq!(said(&nginx, "[notice]", &swap), 2, "each worker says so");
    assert_eq!(counters(&nginx)["model_swaps"], 6);
    assert!(!nginx.error_log().contains("[crit]") && said(&nginx, "[error]", "sekisho") == 0);
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_once() {
    let site = site(Module::TestClock);
    let good = file(&card());
    let http = http("").replace("sekisho zone=clients;", "sekisho zone=clients suspect=0.8;");
    let nginx = site.start(&http);
    let digest = digest(&good);
    let foreign = Card {
        schema: "0123456789abcdef".to_owned(),
        ..card()
    };
    let mut lenient = card();
    (lenient.thresholds.suspect, lenient.thresholds.reject) = (0.6, 0.7);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let bad: [(&str, &[u8]); 6] = [
        ("not an ONNX model, or cut short", &good[..good.len() / 2]),
        (
            "the model is for feature schema 0123456789abcdef",
            &file(&foreign),
        ),
        (
            "suspect 0.8 is above threshold 0.7 of the model in ",
            &file(&lenient),
        ),
        ("the limit is 4194304", &vec![0; 5 << 20]),
        (": ", &flipped),
        ("the model file cannot be read: No such file or directory", b""),
    ];
    for (number, (reason, content)) in bad.into_iter().enumerate() {
        if content.is_empty() {
            fs::remove_file(nginx.path().join("model.onnx")).expect("own file");
        } else {
            rename_over(&nginx, "model.onnx", content);
        }
        let rows = all_show(&nginx, &format!("refusals: {}", number + 1));
        let champion = format!("champion: Some({digest})");
        assert!(rows.iter().all(|row| row.contains(&champion)), "{rows:#?}");
        let told = format!("model.onnx\" is refused, {digest} stays: ");
        // The board knows before the log does.
        wait_for(|| (said(&nginx, "[error]", &told) >= 2 * (number + 1)).then_some(()));
        assert_eq!(
            said(&nginx, "[error]", &told),
            2 * (number + 1),
            "{reason}:\n{}",
            nginx.error_log()
        );
        assert_eq!(
            said(&nginx, "[error]", reason).min(2),
            2,
            "{reason}:\n{}",
            nginx.error_log()
        );
        assert_eq!(crawl(&nginx, &format!("192.0.2.{number}"), 0, 10)[9], 429);
    }
    // A pipe must not keep anybody waiting.
    let pipe = std::process::Command::new("mkfifo")
        .arg(nginx.path().join("model.onnx"))
        .status();
    assert!(pipe.expect("coreutils").success());
    all_show(&nginx, "refusals: 7");
    assert_eq!(said(&nginx, "[error]", "it is no regular file"), 2);

    rename_over(&nginx, "model.onnx", &good);
    wait_for(|| (said(&nginx, "[notice]", "is again the one that was loaded") == 2).then_some(()))
        .expect("the file is good again");
    let other = file_of(&card(), 2.5);
    rename_over(&nginx, "model.onnx", &other);
    all_show(&nginx, &format!("champion: Some({})", self::digest(&other)));
    let numbers = counters(&nginx);
    assert_eq!(
        (
            numbers["models_refused"],
            numbers["model_swaps"],
            numbers["panics_elsewhere"]
        ),
        (14, 2, 0)
    );
    assert_eq!(said(&nginx, "[error]", "sekisho"), 14, "each file once a worker");
}

#[test]
fn a_challenger_scores_beside_and_decides_nothing() {
    let site = site(Module::TestClock);
    let (meek, strict) = (file_of(&card(), 1.0), file_of(&card(), 4.0));
    site.write("challenger.onnx", &meek);
    site.write("broken.onnx", &meek[..40]);
    let (accepted, told) = site.test(&http("").replace("model.onnx;", "model.onnx challenger=broken.onnx;"));
    assert!(
        !accepted && told.contains("sekisho_model \"challenger=%DIR%/broken.onnx\": not an ONNX model"),
        "{told}"
    );
    let with = |text: String| text.replace("model.onnx;", "model.onnx challenger=challenger.onnx;");
    let nginx = site.start(&with(http("sekisho_samples %DIR%/samples contrast=100%;")));
    all_show(&nginx, &format!("challenger: Some({})", digest(&meek)));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 10)[8..], [200, 429]);
    let numbers = counters(&nginx);
    let told = ["challenger_scores", "challenger_alone", "champion_alone"].map(|name| numbers[name]);
    assert_eq!(
        told,
        [1, 0, 1],
        "a score at the tenth, where a verdict is possible"
    );
    let samples = nginx.lines("samples", 1);
    let scores = format!("\"challenger\":{{\"model\":\"{}", digest(&meek));
    assert!(samples.iter().all(|line| line.contains(&scores)), "{samples:#?}");
    assert!(
        samples.iter().all(|line| line.contains(",\"score\":0.731")),
        "{samples:#?}"
    );

    rename_over(&nginx, "model.onnx", &meek);
    rename_over(&nginx, "challenger.onnx", &strict);
    all_show(&nginx, &format!("challenger: Some({})", digest(&strict)));
    all_show(&nginx, &format!("champion: Some({})", digest(&meek)));
    assert_eq!(crawl(&nginx, "192.0.2.2", 0, 10)[9], 200, "the champion decides");
    assert_eq!(counters(&nginx)["challenger_alone"], 1);

    rename_over(&nginx, "challenger.onnx", b"no model");
    let rows = all_show(&nginx, "refusals: 1");
    let kept = format!("challenger: Some({})", digest(&strict));
    assert!(rows.iter().all(|row| row.contains(&kept)), "{rows:#?}");
}

#[test]
fn the_challenger_can_stand_beside_the_model_that_is_built_in() {
    let site = site(Module::TestClock);
    let http = http("").replace(
        "sekisho_model %DIR%/model.onnx;",
        "sekisho_model challenger=%DIR%/model.onnx;",
    );
    let nginx = site.start(&http);
    let expected = digest(&file(&card()));
    all_show(&nginx, &format!("challenger: Some({expected})"));
}

#[test]
fn the_board_shows_the_living() {
    let nginx = site(Module::TestClock).start(&http(""));
    let pids = |rows: &[String]| {
        let pid = |row: &String| {
            row.split(['{', ','])
                .nth(1)?
                .trim()
                .strip_prefix("pid: ")?
                .parse()
                .ok()
        };
        rows.iter()
            .filter_map(pid)
            .collect::<std::collections::BTreeSet<u32>>()
    };
    let rows = all_show(&nginx, "generation: 1,");
    assert_eq!(pids(&rows), nginx.workers());
    let victim = *nginx.workers().first().expect("a worker");
    nginx.kill_worker(victim);
    let now = || (pids(&workers(&nginx)) == nginx.workers()).then_some(());
    wait_for(now).expect("the dead one's row is gone, its successor has one");
    assert!(nginx.reload(&http("sekisho_status 403;")));
    let rows = all_show(&nginx, "generation: 2,");
    wait_for(now).expect("old workers leave the board");
    assert_eq!(rows.len(), 2);
}
