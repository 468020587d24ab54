//! `make loop`: the whole loop with the real nginx, module, daemon and command line, and that it leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use sekisho_tests::nginx::wait_for;
use sekisho_tests::running::naming;
use sekisho_tests::source::root;
use serde_json::Value;
use tempfile::TempDir;

/// What must hold, in the order in which it happens.
const CLAIMS: [&str; 14] = [
    "the_crawler_passes",
    "nobody_else_is_stopped",
    "samples_are_stored",
    "a_shadow_stops_nobody",
    "shadow_scores_are_in_samples",
    "the_operator_finds_the_rest",
    "no_promotion_without_evaluation",
    "workers_take_it_up",
    "the_crawler_is_stopped",
    "most_of_it_is_stopped",
    "no_person_is_stopped",
    "no_good_bot_is_stopped",
    "rollback_works",
    "no_reload",
];

/// Where temporary files go, which nginx's workers can enter.
fn place() -> TempDir {
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("own directory");
    place
}

fn script(place: &TempDir) -> Command {
    let mut command = Command::new(root().join("contrib/loop/run.sh"));
    command
        .env("BUILD", "no")
        .env("TMPDIR", place.path())
        .env_remove("LOOP")
        .env_remove("JSON")
        .env_remove("PORT")
        .stdin(Stdio::null());
    command
}

/// Nothing runs there, and nothing lies there but these files.
fn assert_left(place: &TempDir, files: &[&str]) {
    let gone = wait_for(|| naming(place.path()).is_empty().then_some(()));
    assert!(gone.is_some(), "something runs: {:?}", naming(place.path()));
    let entries = fs::read_dir(place.path()).expect("own directory").flatten();
    let left: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, files);
}

/// Over 20 s: three hours of a shop go through one nginx, and a model is trained between them.
#[test]
fn a_crawler_that_passed_is_stopped_and_no_person_is() {
    let place = place();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let json = place.path().join("loop.json");
    let output = script(&place)
        .env("JSON", &json)
        .env("PORT", port.to_string())
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(
        said.contains("The loop is closed") && !said.contains("NOT"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "colours without a terminal");
    assert_eq!(errors, "");
    assert_left(&place, &["loop.json"]);

    let document: Value = serde_json::from_slice(&fs::read(&json).expect("it was written")).expect("JSON");
    let claims = document["claims"].as_object().expect("claims");
    assert_eq!(claims.len(), CLAIMS.len(), "{document}");
    for name in CLAIMS {
        assert_eq!(claims[name], true, "{name}: {said}");
    }
    let figure = |name: &str| {
        document["figures"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {document}"))
    };
    for hour in [1, 2] {
        assert_eq!(figure(&format!("hour_{hour}_walkers_stopped")), 0.0);
        assert!(
            figure(&format!("hour_{hour}_highest_walker")) < 0.5,
            "the default model misses it: {document}"
        );
    }
    assert_eq!(figure("hour_3_walkers_stopped"), 16.0);
    assert_eq!(
        figure("hour_3_persons_stopped") + figure("hour_3_bots_stopped"),
        0.0
    );
    assert!(
        figure("hour_3_late_stopped") > 0.5 * figure("hour_3_late"),
        "{document}"
    );
    assert!(
        figure("hour_3_highest_person") < figure("hour_3_highest_walker"),
        "{document}"
    );
    assert!(
        figure("taken_up_seconds") < 15.0 && figure("rolled_back_seconds") < 15.0,
        "{document}"
    );
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let place = place();
    let mut child = script(&place)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash is installed");
    let mut said = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    while !said.contains("An hour of a shop") {
        assert_ne!(lines.read_line(&mut said).expect("text"), 0, "it ended: {said}");
    }
    assert!(!naming(place.path()).is_empty(), "nginx and the daemon run");
    // As a terminal does it: everything in the foreground gets it.
    let group = format!("-{}", child.id());
    let sent = Command::new("kill").args(["-s", "INT", "--", &group]).status();
    assert!(sent.expect("kill is installed").success());
    lines.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("own child").code(), Some(130), "{said}");
    assert_left(&place, &[]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    #[track_caller]
    fn check(variable: &str, value: &str, expected: &str) {
        let place = place();
        let output = script(&place)
            .env(variable, value)
            .output()
            .expect("bash is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert_left(&place, &[]);
    }
    check("PORT", "http", "is no port");
    check("LOOP", "/", "/ is not empty");
}
