//! Bans of a real local API of CrowdSec become bans of a real nginx.

use std::fs;

use sekisho_tests::crowdsec::LocalApi;
use sekisho_tests::daemon::{API, Daemon, output, told, until_told};
use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{checked, site};

fn visit(nginx: &Nginx, client: &str) -> u16 {
    nginx.get("/page.html", &[("X-Real-IP", client)]).status
}

#[test]
fn decisions_of_crowdsec_are_taken_over_and_lifted() {
    let crowdsec = LocalApi::start();
    crowdsec.cscli(&["decisions", "add", "-i", "192.0.2.7", "-d", "3h", "-R", "crawls"]);
    let more = "sekisho_samples %DIR%/samples; sekisho_allow file=%DIR%/allow;";
    let site = site(Module::Production);
    site.write("allow", b"");
    let nginx = site.start(&checked(
        more,
        &format!("location / {{ sekisho_dry_run off; }} {API}"),
    ));
    fs::write(nginx.path().join("key"), crowdsec.key()).expect("own directory");
    let section = format!(
        "[[decisions.import]]\ncrowdsec = \"{}\"\nkey_file = \"%DIR%/key\"\nzone = \"clients\"\nhours = 1\npoll_seconds = 1\n",
        crowdsec.url()
    );
    let daemon = Daemon::start(&nginx, &section);
    until_told(
        &nginx,
        "SELECT client, origin, author, note, expires - begun FROM decision",
        "192.0.2.7|crowdsec|import from CrowdSec|CrowdSec: crawls|3600",
    );
    assert_eq!(visit(&nginx, "192.0.2.7"), 429);
    assert_eq!(told(&nginx, "SELECT COUNT(*) FROM audit"), "0");

    crowdsec.cscli(&[
        "decisions",
        "add",
        "-i",
        "2001:db8:1:2::9",
        "-d",
        "1h",
        "-R",
        "crawls",
    ]);
    crowdsec.cscli(&[
        "decisions",
        "add",
        "-r",
        "198.51.100.0/24",
        "-d",
        "1h",
        "-R",
        "no client is a network here",
    ]);
    until_told(
        &nginx,
        "SELECT client FROM decision WHERE id = 2",
        "2001:db8:1:2::/64",
    );
    assert_eq!(visit(&nginx, "2001:db8:1:2::9"), 429);
    crowdsec.cscli(&["decisions", "delete", "-i", "192.0.2.7"]);
    until_told(
        &nginx,
        "SELECT end, ended_by FROM decision WHERE client = '192.0.2.7'",
        "lifted|import from CrowdSec",
    );
    assert_eq!(
        [visit(&nginx, "192.0.2.7"), visit(&nginx, "2001:db8:1:2::9")],
        [200, 429]
    );

    // A person's word stands, also when the daemon starts anew.
    output(
        &nginx,
        &["decisions", "lift", "2001:db8:1:2::9", "--zone", "clients"],
    );
    assert_eq!(visit(&nginx, "2001:db8:1:2::9"), 200);
    drop(daemon);
    crowdsec.cscli(&["decisions", "add", "-i", "192.0.2.8", "-d", "1h", "-R", "crawls"]);
    let _again = Daemon::start(&nginx, &section);
    until_told(&nginx, "SELECT client FROM decision WHERE id = 3", "192.0.2.8");
    assert_eq!(
        [visit(&nginx, "192.0.2.8"), visit(&nginx, "2001:db8:1:2::9")],
        [429, 200]
    );
    assert_eq!(told(&nginx, "SELECT COUNT(*) FROM decision"), "3");
}

#[test]
fn a_ban_stands_until_the_last_of_it_is_lifted() {
    let crowdsec = LocalApi::start();
    let add = |client: &str, kind: &str, duration: &str, reason: &str| {
        crowdsec.cscli(&[
            "decisions",
            "add",
            "-i",
            client,
            "-t",
            kind,
            "-d",
            duration,
            "-R",
            reason,
        ]);
    };
    add("192.0.2.7", "ban", "2h", "crawls");
    add("192.0.2.7", "ban", "3h", "scrapes");
    add("192.0.2.7", "captcha", "4h", "is odd");
    let site = site(Module::Production);
    let nginx = site.start(&checked(
        "sekisho_samples %DIR%/samples;",
        &format!("location / {{ sekisho_dry_run off; }} {API}"),
    ));
    fs::write(nginx.path().join("key"), crowdsec.key()).expect("own directory");
    let section = format!(
        "[[decisions.import]]\ncrowdsec = \"{}\"\nkey_file = \"%DIR%/key\"\nzone = \"clients\"\nmost = 2\npoll_seconds = 1\n",
        crowdsec.url()
    );
    let _daemon = Daemon::start(&nginx, &section);
    let in_force =
        "SELECT group_concat(client, ' ') FROM (SELECT client FROM decision WHERE ended IS NULL ORDER BY id)";
    until_told(&nginx, in_force, "192.0.2.7");

    // Another sort of decision on the same client ends, then the longer of its bans. A ban that comes in the same answer
    // or later shows that the end was heard.
    crowdsec.cscli(&["decisions", "delete", "-i", "192.0.2.7", "-t", "captcha"]);
    add("192.0.2.8", "ban", "1h", "crawls");
    until_told(&nginx, in_force, "192.0.2.7 192.0.2.8");
    assert_eq!(told(&nginx, "SELECT COUNT(*) FROM decision"), "2");
    crowdsec.cscli(&["decisions", "delete", "--id", "2"]);
    crowdsec.cscli(&["decisions", "delete", "-i", "192.0.2.8"]);
    add("192.0.2.9", "ban", "1h", "crawls");
    until_told(&nginx, in_force, "192.0.2.7 192.0.2.9");
    assert_eq!(visit(&nginx, "192.0.2.7"), 429);

    // There are three, and room for two: the third comes when there is room.
    add("192.0.2.10", "ban", "1h", "crawls");
    add("192.0.2.11", "captcha", "1h", "is odd");
    until_told(&nginx, "SELECT COUNT(*) FROM decision", "3");
    crowdsec.cscli(&["decisions", "delete", "-i", "192.0.2.7"]);
    until_told(&nginx, in_force, "192.0.2.9 192.0.2.10");
    assert_eq!(
        [visit(&nginx, "192.0.2.7"), visit(&nginx, "192.0.2.10")],
        [200, 429]
    );
}
