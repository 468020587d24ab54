//! Bans from the command line, in a real nginx, the decision log, real firewalls, and a real bouncer of CrowdSec.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use sekisho_tests::crowdsec::program;
use sekisho_tests::daemon::{API, Daemon, output, sekisho, told, until_told};
use sekisho_tests::nginx::{Module, Nginx, free_port, wait_for};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{checked, site};
use serde_json::Value;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECTION: &str = "[decisions]\nlog = \"%DIR%/decisions.json\"\nbouncer_keys_file = \"%DIR%/keys\"\n";

fn start() -> (Nginx, Daemon) {
    let more = "sekisho_samples %DIR%/samples; sekisho_allow file=%DIR%/allow;";
    let locations = format!("location / {{ sekisho_dry_run off; }} {API}");
    let site = site(Module::Production);
    site.write("allow", b"# our own\n198.51.100.1\n");
    site.write("keys", format!("firewall {KEY}\n").as_bytes());
    let nginx = site.start(&checked(more, &locations));
    let daemon = Daemon::start(&nginx, SECTION);
    (nginx, daemon)
}

fn visit(nginx: &Nginx, client: &str) -> u16 {
    nginx.get("/page.html", &[("X-Real-IP", client)]).status
}

/// Actions of the decision log about a client, with who did it.
fn logged(nginx: &Nginx, client: &str) -> Vec<String> {
    let text = fs::read_to_string(nginx.path().join("decisions.json")).unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let about = lines.filter(|line| line["source"]["address"] == client);
    let told = about.map(|line| {
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        format!(
            "{} {}",
            word(&line["event"]["action"]),
            word(&line["user"]["name"])
        )
    });
    told.collect()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(|| is_so().then_some(())).unwrap_or_else(|| panic!("never: {what}"));
}

#[test]
fn people_ban_lift_and_allow() {
    let (nginx, _daemon) = start();
    assert_eq!(visit(&nginx, "192.0.2.7"), 200);
    let ban = [
        "decisions",
        "ban",
        "192.0.2.7",
        "--zone",
        "clients",
        "--for",
        "10m",
        "--reason",
        "scrapes prices",
    ];
    output(&nginx, &ban);
    assert_eq!(visit(&nginx, "192.0.2.7"), 429);
    let list = || -> Value {
        let text = output(
            &nginx,
            &[
                "decisions",
                "list",
                "--client",
                "192.0.2.7",
                "--all",
                "--format",
                "json",
            ],
        );
        serde_json::from_str(&text).expect("JSON")
    };
    let row = &list()[0];
    assert_eq!(
        (&row["origin"], &row["author"], &row["note"], &row["dry_run"]),
        (
            &"operator".into(),
            &"ana".into(),
            &"scrapes prices".into(),
            &false.into()
        )
    );
    assert_eq!(
        row["expires"].as_u64().unwrap() - row["begun"].as_u64().unwrap(),
        600
    );
    // The watch has seen it, and it is one.
    until_told(&nginx, "SELECT COUNT(*) FROM watched", "2");
    until("it is logged", || {
        logged(&nginx, "192.0.2.7") == ["ban-begun ana"]
    });

    output(&nginx, &["decisions", "lift", "192.0.2.7", "--zone", "clients"]);
    assert_eq!(visit(&nginx, "192.0.2.7"), 200);
    until("that, too", || {
        logged(&nginx, "192.0.2.7") == ["ban-begun ana", "ban-lifted ana"]
    });
    assert_eq!(list().as_array().unwrap().len(), 1);
    let again = sekisho(&nginx, &["decisions", "lift", "192.0.2.7", "--zone", "clients"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        again.status.code() == Some(1) && said.contains("nobody of that name is banned"),
        "{said}"
    );
    assert_eq!(
        told(&nginx, "SELECT actor, action, subject FROM audit ORDER BY id"),
        "ana|decision.ban|decision:1|ana|decision.lift|decision:1"
    );

    output(&nginx, &ban);
    assert_eq!(visit(&nginx, "192.0.2.7"), 429);
    output(&nginx, &["decisions", "allow", "192.0.2.7", "--note", "probe"]);
    until("it is allowed", || visit(&nginx, "192.0.2.7") == 200);
    output(&nginx, &["decisions", "allow", "192.0.2.7", "--remove"]);
    until("no longer", || visit(&nginx, "192.0.2.7") == 429);
    assert_eq!(
        fs::read_to_string(nginx.path().join("allow")).unwrap(),
        "# our own\n198.51.100.1\n"
    );
}

/// A command in a network of its own, as whoever runs it: firewalls of this machine are not touched.
fn apart(script: &str, input: &str) -> String {
    let mut child = Command::new("unshare")
        .args(["-rn", "sh", "-ec", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("util-linux is installed");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "contrib/install-tools.sh test installs nft and ipset: {said}\n{input}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn real_firewalls_take_what_is_exported() {
    let (nginx, _daemon) = start();
    for client in ["192.0.2.7", "192.0.2.8", "2001:db8:1:2::9"] {
        output(
            &nginx,
            &["decisions", "ban", client, "--zone", "clients", "--for", "30d"],
        );
    }
    let script = output(
        &nginx,
        &["decisions", "export", "--format", "nftables", "--set", "crawlers"],
    );
    let listed = apart(
        "cat > /dev/shm/$$; nft -f /dev/shm/$$; nft -f /dev/shm/$$; rm /dev/shm/$$; nft list ruleset",
        &script,
    );
    for part in [
        "set crawlers4",
        "192.0.2.7 timeout",
        "192.0.2.8 timeout",
        "set crawlers6",
        "2001:db8:1:2::/64 timeout",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let script = output(&nginx, &["decisions", "export", "--format", "ipset"]);
    let listed = apart("ipset restore; ipset list", &script);
    for part in [
        "Name: banned4",
        "192.0.2.7 timeout 2147",
        "2001:db8:1:2::/64 timeout 2147",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let table = output(&nginx, &["decisions", "export", "--format", "csv"]);
    assert_eq!(table.lines().count(), 4);
}

/// Debian's firewall bouncer beside a daemon of its own, in a network of its own: the daemon knows these bans from before.
#[test]
fn a_firewall_of_crowdsec_drops_who_is_banned() {
    let (nginx, daemon) = start();
    for client in ["192.0.2.7", "2001:db8:1:2::9"] {
        output(
            &nginx,
            &["decisions", "ban", client, "--zone", "clients", "--for", "10m"],
        );
    }
    until_told(&nginx, "SELECT COUNT(*) FROM decision", "2");
    drop(daemon);
    let path = |name: &str| nginx.path().join(name).display().to_string();
    let text = fs::read_to_string(path("sekisho.toml")).expect("a configuration");
    fs::write(
        path("sekisho.toml"),
        text.replace("127.0.0.1:0", "127.0.0.1:9180"),
    )
    .expect("own directory");
    let config = format!(
        "mode: nftables\npid_dir: {}\nupdate_frequency: 1s\ndaemonize: false\nlog_mode: stdout\nlog_level: info\n\
         api_url: http://127.0.0.1:9180/\napi_key: {KEY}\ndisable_ipv6: false\ndeny_action: DROP\n\
         blacklists_ipv4: banned\nblacklists_ipv6: banned6\nsupported_decisions_types: [ban]\n\
         nftables:\n  ipv4: {{enabled: true, set-only: false, table: sekisho, chain: banned}}\n  \
         ipv6: {{enabled: true, set-only: false, table: sekisho6, chain: banned6}}\n\
         prometheus: {{enabled: false, listen_addr: 127.0.0.1, listen_port: 9181}}\n",
        nginx.path().display(),
    );
    fs::write(path("firewall.yaml"), config).expect("own directory");
    let script = format!(
        "ip link set lo up
         {0} serve --config {1} 2>{2} &
         daemon=$!
         until grep -q listening {2}; do kill -0 $daemon; sleep 0.1; done
         {3} -c {4} >{5} 2>&1 &
         bouncer=$!
         for turn in $(seq 200); do
             nft list ruleset >{6}
             if grep -q 192.0.2.7 {6} && grep -q 2001:db8:1:2:: {6}; then break; fi
             kill -0 $bouncer || {{ cat {5} >&2; exit 1; }}
             sleep 0.1
         done
         kill $bouncer $daemon
         cat {6}",
        root().join("target/release/sekisho").display(),
        path("sekisho.toml"),
        path("serve.log"),
        program("crowdsec-firewall-bouncer").display(),
        path("firewall.yaml"),
        path("firewall.log"),
        path("ruleset"),
    );
    let rules = apart(&script, "");
    let log = fs::read_to_string(path("firewall.log")).unwrap_or_default();
    // Version 0.0.25 knows no networks here: of one it takes the first address, as docs/decisions.md warns.
    for part in [
        "192.0.2.7 timeout",
        "2001:db8:1:2:: timeout",
        "ip saddr @banned",
        "ip6 saddr @banned6",
    ] {
        assert!(rules.contains(part), "{part}: {rules}\n{log}");
    }
}

/// Debian's custom bouncer, which runs a script for each address.
struct Bouncer(Child);

impl Bouncer {
    fn start(nginx: &Nginx, daemon: &Daemon) -> Bouncer {
        let path = |name: &str| nginx.path().join(name).display().to_string();
        fs::write(
            path("act"),
            format!("#!/bin/sh\necho \"$1 $2 $3 $4\" >> {}\n", path("acts")),
        )
        .unwrap();
        fs::set_permissions(path("act"), fs::Permissions::from_mode(0o755)).unwrap();
        let config = format!(
            "bin_path: {}\nfeed_via_stdin: false\ntotal_retries: 0\npiddir: {}\nupdate_frequency: 1s\n\
             cache_retention_duration: 1s\ndaemonize: false\nlog_mode: stdout\nlog_level: debug\n\
             api_url: http://{}/\napi_key: {KEY}\nprometheus:\n  enabled: false\n  listen_addr: 127.0.0.1\n  listen_port: {}\n",
            path("act"),
            nginx.path().display(),
            daemon.address(),
            free_port(),
        );
        fs::write(path("bouncer.yaml"), config).unwrap();
        let child = Command::new(program("crowdsec-custom-bouncer"))
            .args(["-c", &path("bouncer.yaml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is there");
        Bouncer(child)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_bouncer_of_crowdsec_follows_our_bans() {
    let (nginx, daemon) = start();
    let none = daemon.get("/v1/decisions/stream?startup=true", "");
    assert_eq!(none.0, 403, "{}", none.1);
    assert!(none.1["message"].is_string());
    let wrong = format!("X-Api-Key: {}\r\n", KEY.replace('0', "1"));
    assert_eq!(daemon.get("/v1/decisions", &wrong).0, 403);
    let key = format!("X-Api-Key: {KEY}\r\n");
    assert_eq!(daemon.get("/v1/decisions", &key), (200, Value::Null));

    for client in ["192.0.2.7", "2001:db8:1:2::9"] {
        output(
            &nginx,
            &["decisions", "ban", client, "--zone", "clients", "--for", "10m"],
        );
    }
    let found = daemon.get("/v1/decisions?ip=2001:db8:1:2::77", &key).1;
    assert_eq!(
        (&found[0]["scope"], &found[0]["value"], &found[0]["type"]),
        (&"Range".into(), &"2001:db8:1:2::/64".into(), &"ban".into())
    );
    let bouncer = Bouncer::start(&nginx, &daemon);
    let acts = || fs::read_to_string(nginx.path().join("acts")).unwrap_or_default();
    until("it bans who was banned before", || {
        acts().contains("add 192.0.2.7 ") && acts().contains("add 2001:db8:1:2::/64 ")
    });
    // What began while it follows: a crawler that nginx itself stops.
    for number in 0..12 {
        nginx.get(
            &format!("/page.html?item={number}"),
            &[("X-Real-IP", "192.0.2.9")],
        );
    }
    until("it bans the crawler", || acts().contains("add 192.0.2.9 "));
    assert!(acts().contains("sekisho/model ("), "{}", acts());
    output(&nginx, &["decisions", "lift", "192.0.2.7", "--zone", "clients"]);
    until("it lifts", || acts().contains("del 192.0.2.7 "));
    assert!(!acts().contains("del 192.0.2.9 "), "{}", acts());
    drop(bouncer);
}

#[test]
fn dry_run_reaches_bouncers_firewalls_and_whoever_orders() {
    let (nginx, daemon) = start();
    let ban = |client: &str| {
        let order = ["decisions", "ban", client, "--zone", "clients", "--for", "10m"];
        let output = sekisho(&nginx, &order).output().expect("it is built");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(ban("192.0.2.7"), "banned in nginx shop\n");
    for number in 0..12 {
        nginx.get(
            &format!("/page.html?item={number}"),
            &[("X-Real-IP", "192.0.2.8")],
        );
    }
    let key = format!("X-Api-Key: {KEY}\r\n");
    let follow = |side: &str, clients: &[&str]| {
        let mut left = clients.to_vec();
        until(&format!("{side}: {clients:?}"), || {
            let told = daemon.get("/v1/decisions/stream", &key).1;
            let values = told[side].as_array().cloned().unwrap_or_default();
            left.retain(|client| values.iter().all(|one| one["value"] != *client));
            left.is_empty()
        });
    };
    let exported = || output(&nginx, &["decisions", "export", "--format", "nftables"]);
    let both = ["192.0.2.7", "192.0.2.8"];
    follow("new", &both);
    assert!(both.iter().all(|client| exported().contains(client)));

    let page = |switch: &str| {
        let more = format!("sekisho_samples %DIR%/samples; sekisho_allow file=%DIR%/allow; {switch}");
        checked(&more, &format!("location / {{ sekisho_dry_run off; }} {API}"))
    };
    assert!(nginx.reload(&page("sekisho_dry_run always;")));
    assert_eq!(visit(&nginx, "192.0.2.7"), 200);
    follow("deleted", &both);
    assert_eq!(daemon.get("/v1/decisions", &key), (200, Value::Null));
    assert!(both.iter().all(|client| !exported().contains(client)));
    let said = ban("192.0.2.9");
    assert!(
        said.contains("does nothing about it until sekisho_dry_run is off"),
        "{said}"
    );
    assert_eq!(visit(&nginx, "192.0.2.9"), 200);
    let dry = "SELECT dry_run FROM decision WHERE client = '192.0.2.9'";
    assert_eq!(told(&nginx, dry), "1");

    assert!(nginx.reload(&page("")));
    follow("new", &["192.0.2.7", "192.0.2.8", "192.0.2.9"]);
    assert_eq!(visit(&nginx, "192.0.2.9"), 429);
}

#[test]
fn an_order_that_one_nginx_does_not_obey_is_not_done() {
    let (nginx, _daemon) = start();
    let path = nginx.path().join("sekisho.toml");
    let text = fs::read_to_string(&path).unwrap();
    let port = free_port();
    let other = format!("[[nginx]]\nname = \"away\"\napi = \"http://127.0.0.1:{port}/sekisho/\"\n");
    fs::write(&path, format!("{text}{other}")).unwrap();
    let order = |action: &str| {
        let order = ["decisions", action, "192.0.2.7", "--zone", "clients"];
        let output = sekisho(&nginx, &order).output().expect("it is built");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    let said = order("ban");
    let expected = "banned in nginx \"shop\"; not in nginx \"away\": nginx \"away\" does not answer";
    assert!(said.contains(expected), "{said}");
    assert_eq!(visit(&nginx, "192.0.2.7"), 429);
    let said = order("lift");
    assert!(
        said.contains("lifted in nginx \"shop\"; not in nginx \"away\""),
        "{said}"
    );
    assert_eq!(visit(&nginx, "192.0.2.7"), 200);
    let failed = "SELECT action, detail FROM audit WHERE action LIKE '%.failed' ORDER BY id";
    let detail = r#"{"done":["shop"],"failed":["away"],"zone":"clients"}"#;
    assert_eq!(
        told(&nginx, failed),
        format!("decision.ban.failed|{detail}|decision.lift.failed|{detail}")
    );
}

#[test]
fn the_daemons_answers_are_as_its_contract_says() {
    const TOKEN: &str = "fedcba9876543210fedcba9876543210";
    let site = site(Module::Production);
    site.write("keys", format!("firewall {KEY}\n").as_bytes());
    site.write("token", TOKEN.as_bytes());
    site.write("allow", b"198.51.100.1\n");
    let more = "sekisho_samples %DIR%/samples contrast=100%; sekisho_allow file=%DIR%/allow;";
    let locations = format!("location / {{ sekisho_dry_run off; }} {API}");
    let nginx = site.start(&checked(more, &locations));
    let section = "token_file = \"%DIR%/token\"\n[decisions]\nbouncer_keys_file = \"%DIR%/keys\"\n";
    let daemon = Daemon::start(&nginx, section);
    for number in 0..30 {
        nginx.get(&format!("/item/{number}"), &[("X-Real-IP", "192.0.2.7")]);
    }
    until("a client is stored", || daemon.get("/v1/clients/1", "").0 == 200);
    let checked = Command::new(root().join("contrib/check-api.sh"))
        .arg(format!("http://{}", daemon.address()))
        .env("CONTRACT", "docs/serve-openapi.yaml")
        .env("KEY", KEY)
        .env("TOKEN", TOKEN)
        .env("EXAMPLES", "10")
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&checked.stdout);
    let errors = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}\n{errors}");
    assert!(
        !said.contains("Failures:") && said.contains("Tested: 13"),
        "{said}"
    );
    assert_eq!(daemon.get("/v1/status", "").0, 200);
}
