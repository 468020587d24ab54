use std::path::Path;

use super::check::look;
use super::*;

const FILE: &str = "sekisho.toml";

fn read_text(text: &str, environment: &[(&str, &str)]) -> Result<(Config, Vec<String>), ConfigError> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let (config, places) = parse(Path::new(FILE), text.to_owned(), environment)?;
    Ok((config, places.overridden()))
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = read_text(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}\n{error}");
    }
    check("[store]\npath = \n", "sekisho.toml:2:");
    check(
        "[models]\nchampion = \"/a/live.onnx\"\nchallenger = \"/a/live.onnx\"\n",
        "sekisho.toml:3: challenger is the champion's file",
    );
    check(
        "[store]\npaht = \"a\"\n",
        "sekisho.toml:2:1: unknown field `paht`, expected one of `path`",
    );
    check("\n[stroe]\n", "sekisho.toml:2:2: unknown field `stroe`");
    check(
        "[store]\nretention_days = \"x\"\n",
        "sekisho.toml:2:18: invalid type: string \"x\", expected u32",
    );
    check(
        "[store]\nretention_days = -1\n",
        "sekisho.toml:2:18: invalid value",
    );
    check(
        "[[samples]]\nname = \"a\"\n",
        "sekisho.toml:1:1: missing field `path`",
    );
    check(
        "[store]\naddresses = \"none\"\n",
        "sekisho.toml:2:13: unknown variant `none`, expected `plain` or `pseudonym`",
    );
    check("[store]\n\nmax_bytes = \"8x\"\n", "sekisho.toml:3:13: a size is");
    check(
        "[store]\n\nmax_bytes = \"8k\"\n",
        "sekisho.toml:3: max_bytes is at least 16m",
    );
    check(
        "[store]\nretention_days = 0\n",
        "sekisho.toml:2: retention_days is 1 to 3650",
    );
    check(
        "[store]\naddresses = \"pseudonym\"\n",
        "sekisho.toml:2: addresses = \"pseudonym\" needs pseudonym_key_file",
    );
    check(
        "[store]\npseudonym_key_file = \"k\"\n",
        "sekisho.toml:2: pseudonym_key_file is of no use",
    );
    check(
        "[api]\nlisten = \"0.0.0.0:1\"\n",
        "sekisho.toml:2: listen is a loopback address",
    );
    check(
        "[api]\nlisten = \"localhost\"\n",
        "sekisho.toml:2:10: invalid socket address syntax",
    );
    check("[calibrate]\nbudget = 1.5\n", "sekisho.toml:2: budget is a share");
    check(
        "[dashboard]\nsession_hours = 0\n",
        "sekisho.toml:2: session_hours is 1 to 744",
    );
    check(
        "[dashboard]\nidle_minutes = 9999\n",
        "sekisho.toml:2: idle_minutes is 1 to 1440",
    );
    check(
        "[dashboard]\nuser_header = \"Cookie\"\n",
        "sekisho.toml:2: user_header is a header of its own",
    );
    check(
        "[dashboard]\nrole_header = \"X-Groups\"\n",
        "sekisho.toml:2: role_header is of no use without user_header",
    );
    check(
        "[dashboard]\nuser_header = \"X-User\"\ntrusted_proxies = []\n",
        "sekisho.toml:2: user_header is believed of trusted_proxies only",
    );
    check(
        "[dashboard.roles]\nana = \"king\"\n",
        "sekisho.toml:2:7: unknown variant `king`, expected one of",
    );
    for line in [
        "min_auc = 1.01",
        "max_auc_loss = -0.1",
        "max_recall_loss = nan",
        "min_rejected_crawlers = 5.0",
        "max_rejected_crawlers_loss = inf",
        "max_false_positive_rate = 4.0",
    ] {
        let key = line.split(' ').next().unwrap();
        check(
            &format!("[gates]\n{line}\n"),
            &format!("sekisho.toml:2: {key} is 0 to 1"),
        );
    }
    for key in ["beef".to_owned(), "g".repeat(64), "a".repeat(63), "a".repeat(66)] {
        check(
            &format!("[models]\ntrusted_keys = [\"{}\", \"{key}\"]\n", "a".repeat(64)),
            "sekisho.toml:2: trusted_keys are 64 hex digits each",
        );
    }
    check(
        "[[samples]]\npath = \"a\"\n[[samples]]\npath = \"a\"\n",
        "sekisho.toml:4: the same file as number 1",
    );
    check(
        "[[samples]]\npath = \"a\"\nname = \"n\"\n[[samples]]\npath = \"b\"\nname = \"n\"\n",
        "sekisho.toml:6: the same name as number 1",
    );
    check("[[samples]]\npath = \"/\"\n", "sekisho.toml:2: path names a file");
}

#[test]
fn runbooks_are_configured_by_file_and_environment() {
    let (config, _) = read_text("", &[]).unwrap();
    assert_eq!((config.runbooks.directory, config.runbooks.share), (None, false));
    let text = "[runbooks]\ndirectory = \"/srv/books\"\nstale_days = 90\n";
    let (config, overridden) = read_text(text, &[("SEKISHO_RUNBOOKS_STALE_DAYS", "30")]).unwrap();
    assert_eq!(
        (config.runbooks.stale_days, config.runbooks.directory.as_deref()),
        (30, Some(Path::new("/srv/books")))
    );
    assert_eq!(overridden, ["SEKISHO_RUNBOOKS_STALE_DAYS"]);
    let error = read_text("[runbooks]\nshare = true\nstale_days = 0\n", &[]).unwrap_err();
    assert_eq!(error.to_string(), "sekisho.toml:3: stale_days is 1 to 3650");
    let findings = look(&config);
    let warned = findings.warnings.iter().any(|found| found.section == "runbooks");
    assert!(warned, "{findings:?}");
}

#[test]
fn nginx_that_cannot_be_watched_are_told_with_their_line() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = read_text(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}\n{error}");
    }
    let one = "[[nginx]]\nname = \"shop\"\napi = \"http://127.0.0.1:8080/sekisho/\"\n";
    let (config, _) = read_text(one, &[]).unwrap();
    assert_eq!(
        (config.nginx[0].poll_seconds, &config.nginx[0].allow_file),
        (5, &None)
    );
    check(
        "[[nginx]]\nname = \"shop\"\n",
        "sekisho.toml:1:1: missing field `api`",
    );
    check(
        &one.replace("shop", "our shop"),
        "sekisho.toml:2: name is 1 to 64 of a-z",
    );
    check(
        &one.replace("http", "https"),
        "sekisho.toml:3: api begins with http://",
    );
    check(
        &format!("{one}poll_seconds = 0\n"),
        "sekisho.toml:4: poll_seconds is 1 to 60",
    );
    check(
        &format!("{one}allow_file = \"/\"\n"),
        "sekisho.toml:4: allow_file names a file",
    );
    check(
        &format!("{one}{one}"),
        "sekisho.toml:5: the same name as number 1",
    );
    let other = one.replace("shop", "b").replace("sekisho/", "sekisho");
    check(
        &format!("{one}{other}"),
        "sekisho.toml:6: the same api as number 1",
    );
    let many: String = (0..17)
        .map(|number| {
            one.replace("shop", &format!("n{number}"))
                .replace("8080", &format!("{}", 8000 + number))
        })
        .collect();
    check(&many, "sekisho.toml:50: at most 16 nginx are watched");
}

#[test]
fn targets_of_notices_that_cannot_be_told_are_named_with_their_line() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = read_text(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}\n{error}");
    }
    let one = "[[notify]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"/etc/sekisho/chat\"\n";
    let (config, _) = read_text(one, &[]).unwrap();
    let target = &config.notify[0];
    assert_eq!(
        (target.min_interval, target.group_window, target.events.len()),
        (300, 30, 3)
    );
    check(
        "[[notify]]\nname = \"chat\"\nkind = \"slack\"\n",
        "sekisho.toml:1:1: missing field `url_file`",
    );
    check(&one.replace("slack", "pager"), "sekisho.toml:3:");
    check(
        &one.replace("chat\"\nkind", "my chat\"\nkind"),
        "sekisho.toml:2: name is 1 to 64 of",
    );
    check(
        &format!("{one}{one}"),
        "sekisho.toml:6: name is that of another target",
    );
    check(
        &format!("{one}events = []\n"),
        "sekisho.toml:5: events is a list of",
    );
    check(
        &format!("{one}key_file = \"/k\"\n"),
        "sekisho.toml:5: key_file is of no use with kind = \"slack\"",
    );
    check(
        &format!("{one}min_interval = 90000\n"),
        "sekisho.toml:5: min_interval is 0 to 86400 seconds",
    );
    check(
        "[dashboard]\nurl = \"sekisho.example\"\n",
        "sekisho.toml:2: url is the address of the dashboard",
    );
}

#[test]
fn what_retraining_cannot_work_with_is_told_with_its_line() {
    #[track_caller]
    fn check(line: &str, expected: &str) {
        let error = read_text(&format!("[retrain]\n{line}\n"), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("sekisho.toml:2: {expected}")),
            "{error}"
        );
    }
    check("every_hours = 9000", "every_hours is 0 to 8760");
    check("rollback_hours = 9000", "rollback_hours is 0 to 8760");
    check("held_out_days = 0", "held_out_days is 1 to 365");
    check("least_people = 0", "least_people is at least 1");
    check("contrast = 1.5", "contrast is a share");
    check("contrast = nan", "contrast is a share");
    check("min_requests = 200", "min_requests is 1 to 127");
    check("rollback_factor = 1.0", "rollback_factor is more than 1");
    check("rollback_factor = inf", "rollback_factor is more than 1");
    check("rollback_least = 0", "rollback_least is at least 1");
    check("status_url = \"https://a\"", "status_url begins with http://");
    let text =
        "[retrain]\npolicy = \"automatic\"\ncontrast = 0.01\nstatus_url = \"http://127.0.0.1/sekisho\"\n";
    let (config, _) = read_text(text, &[("SEKISHO_RETRAIN_SHADOW_HOURS", "2")]).unwrap();
    assert_eq!((config.retrain.shadow_hours, config.retrain.contrast), (2, 0.01));
}

#[test]
fn what_is_left_out_has_a_default() {
    let (config, overridden) = read_text("", &[]).unwrap();
    assert_eq!((config, overridden.len()), (Config::default(), 0));
    let (config, _) = read_text(
        "[store]\nmax_bytes = \"500m\"\n[[samples]]\npath = \"/a/b\"\n",
        &[],
    )
    .unwrap();
    assert_eq!(config.store.max_bytes, 500 << 20);
    assert_eq!(
        (config.store.retention_days, config.samples[0].name()),
        (30, "/a/b".to_owned())
    );
    assert_eq!(config.retention().seconds, 30 * 86_400);
}

#[test]
fn what_is_shown_is_read_back() {
    let text = "[store]\nmax_bytes = 20000000\n[[samples]]\npath = \"/a/b\"\nname = \"shop\"\n[api]\nhosts = [\"h\"]\n";
    let (config, _) = read_text(text, &[]).unwrap();
    let (again, _) = read_text(&toml::to_string(&config).unwrap(), &[]).unwrap();
    assert_eq!(again, config);
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[store]\npath = \"a\"\nretention_days = 9\n[[samples]]\npath = \"one\"\n[[samples]]\npath = \"two\"\n";
    let environment = [
        ("SEKISHO_STORE_PATH", "123"),
        ("SEKISHO_STORE_RETENTION_DAYS", "7"),
        ("SEKISHO_STORE_MAX_BYTES", "1g"),
        ("SEKISHO_API_HOSTS", "[\"a\", \"b\"]"),
        ("SEKISHO_SAMPLES_PATH", "/three"),
        ("SEKISHO_CALIBRATE_BUDGET", "0.01"),
        ("SEKISHO_TEST_NGINX", "not ours"),
        ("PATH", "not ours"),
    ];
    let (config, overridden) = read_text(text, &environment).unwrap();
    assert_eq!(overridden.len(), 6);
    assert_eq!(config.store.path, Path::new("123"));
    assert_eq!(
        (config.store.retention_days, config.store.max_bytes),
        (7, 1 << 30)
    );
    assert_eq!(config.api.hosts, ["a", "b"]);
    assert_eq!(config.samples.len(), 1);
    assert_eq!(
        (config.samples[0].path.as_path(), config.calibrate.budget),
        (Path::new("/three"), 0.01)
    );
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    #[track_caller]
    fn check(variable: &str, value: &str, expected: &str) {
        let error = read_text("", &[(variable, value)]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    check(
        "SEKISHO_STORE_PAHT",
        "a",
        "SEKISHO_STORE_PAHT: unknown field `paht`",
    );
    check(
        "SEKISHO_STORE_RETENTION_DAYS",
        "many",
        "SEKISHO_STORE_RETENTION_DAYS: invalid type",
    );
    check(
        "SEKISHO_STORE_RETENTION_DAYS",
        "0",
        "SEKISHO_STORE_RETENTION_DAYS: retention_days is 1 to",
    );
    check(
        "SEKISHO_API_LISTEN",
        "192.0.2.1:80",
        "SEKISHO_API_LISTEN: listen is a loopback address",
    );
}

#[test]
fn sizes_have_units() {
    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse_size(text), expected, "{text}");
    }
    check("10", Some(10));
    check("10k", Some(10 << 10));
    check("3G", Some(3 << 30));
    check("", None);
    check("g", None);
    check("-1", None);
    check("1.5g", None);
    check("99999999999999g", None);
    check("1é", None);
}

#[test]
fn files_that_are_named_are_looked_at() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = Config::default();
    config.store.path = dir.path().join("no/such/s.db");
    config.api.token_file = Some(dir.path().join("token"));
    config.samples.push(Source {
        path: dir.path().join("samples"),
        name: String::new(),
    });
    config.models.directory = dir.path().join("models");
    config.models.champion = Some(dir.path().join("live/champion.onnx"));
    config.models.signing_key_file = Some(dir.path().join("key"));
    #[track_caller]
    fn check(found: &[Fault], expected: &[(&str, &str)]) {
        let keys: Vec<&str> = found.iter().map(|found| found.key).collect();
        assert_eq!(
            keys,
            expected.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            "{found:?}"
        );
        for (found, (_, text)) in found.iter().zip(expected) {
            assert!(found.reason.contains(text), "{found:?}");
        }
    }
    let findings = look(&config);
    check(
        &findings.faults,
        &[
            ("path", "there is no directory"),
            ("signing_key_file", "make it with `sekisho model key"),
            ("token_file", "cannot read the secret"),
        ],
    );
    check(
        &findings.warnings,
        &[
            ("path", "is not there yet"),
            ("directory", "is not there yet"),
            ("champion", "there is no directory"),
        ],
    );
    config.store.path = dir.path().join("s.db");
    config.api.token_file = None;
    config.models = ModelsSection {
        directory: dir.path().to_owned(),
        ..ModelsSection::default()
    };
    config.samples.clear();
    let findings = look(&config);
    check(&findings.faults, &[("path", "`sekisho serve` does not start")]);
    check(&findings.warnings, &[("token_file", "`sekisho label` only")]);
}
