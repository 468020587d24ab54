//! Several zones, several keys: addresses, prefixes, any variable; who decides.

use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{checked, crawl, site, visit};

/// A narrow zone and one of networks, as an operator writes them.
const GROUPS: &str = "sekisho_dry_run off;
    sekisho_zone $binary_remote_addr zone=nets:1m prefix4=24 prefix6=48;";
const BOTH: &str = "sekisho zone=clients; sekisho zone=nets min_requests=40;";

fn start(more: &str, locations: &str) -> Nginx {
    site(Module::TestClock).start(&checked(more, locations))
}

/// One request each from many addresses of a /24. Status codes.
fn swarm(nginx: &Nginx, net: &str, from: u32, addresses: u32) -> Vec<u16> {
    let one = |number: u32| {
        let client = format!("{net}.{}", number % 256);
        visit(
            nginx,
            &client,
            from + number,
            &format!("/page.html?n={number}"),
            &[],
        )
        .status
    };
    (0..addresses).map(one).collect()
}

fn verdicts(nginx: &Nginx, count: usize) -> Vec<String> {
    let lines = nginx.lines("access.log", count);
    lines
        .iter()
        .map(|line| line.split(' ').nth(2).unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn addresses_of_a_prefix_are_one_client() {
    #[track_caller]
    fn check(prefixes: &str, first: &str, second: &str, same: bool) {
        let more = format!("sekisho_dry_run off; sekisho_zone $binary_remote_addr zone=own:1m {prefixes};");
        let nginx = start(&more, "sekisho zone=own;");
        crawl(&nginx, first, 0, 12);
        let status = visit(&nginx, second, 20, "/page.html", &[]).status;
        assert_eq!(status == 429, same, "{prefixes}: {first} and {second}");
    }
    check("", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
    check("", "2001:db8:1:2::1", "2001:db8:1:3::1", false);
    check("prefix6=128", "2001:db8:1:2::1", "2001:db8:1:2::2", false);
    check("prefix6=48", "2001:db8:1:2::1", "2001:db8:1:3::1", true);
    check("", "192.0.2.1", "::ffff:192.0.2.1", true);
    check("", "192.0.2.1", "192.0.2.2", false);
    check("prefix4=24", "192.0.2.1", "192.0.2.2", true);
}

#[test]
fn a_key_can_be_any_variable() {
    let more = "sekisho_dry_run off; sekisho_zone $cookie_session zone=sessions:1m;";
    let nginx = start(more, "sekisho zone=sessions;");
    let cookie = |value: &str| [("Cookie", format!("session={value}"))];
    for second in 0..12 {
        let client = format!("192.0.2.{second}");
        let [(name, value)] = &cookie("abc");
        visit(&nginx, &client, second, "/page.html", &[(name, value)]);
    }
    let [(name, value)] = &cookie("abc");
    assert_eq!(
        visit(&nginx, "192.0.2.99", 20, "/page.html", &[(name, value)]).status,
        429
    );
    // 4 KB of anything is a key too; none at all is not accounted.
    let long = "\u{1}x".repeat(2048).replace('\u{1}', "%");
    let [(name, value)] = &cookie(&long);
    assert_eq!(
        visit(&nginx, "192.0.2.99", 21, "/page.html", &[(name, value)]).status,
        200
    );
    for second in 30..60 {
        assert_eq!(visit(&nginx, "192.0.2.98", second, "/page.html", &[]).status, 200);
    }
}

#[test]
fn a_network_answers_for_members_too_new_to_be_judged() {
    let nginx = start(GROUPS, BOTH);
    let statuses = swarm(&nginx, "192.0.2", 0, 60);
    assert_eq!(statuses[..39], [200; 39], "no address made more than one request");
    assert_eq!(statuses[39..], [429; 21], "the network is judged at its fortieth");
    assert_eq!(swarm(&nginx, "198.51.100", 100, 5), [200; 5], "another network");
    let log = nginx.error_log();
    let said: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("rejecting client"))
        .collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("by zone \"nets\""), "{}", said[0]);
}

#[test]
fn one_crawler_does_not_condemn_its_network() {
    let nginx = start(GROUPS, BOTH);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 60)[59], 429);
    assert_eq!(visit(&nginx, "192.0.2.2", 70, "/page.html", &[]).status, 200);
    assert!(!nginx.error_log().contains("by zone \"nets\""));
}

#[test]
fn who_is_known_to_behave_is_not_stopped_for_its_network() {
    let nginx = start(GROUPS, BOTH);
    let referer = [("Referer", "http://shop.test/index.html")];
    for second in 0..12 {
        visit(&nginx, "192.0.2.200", second, "/page.html", &referer);
    }
    assert_eq!(swarm(&nginx, "192.0.2", 20, 60)[59], 429);
    assert_eq!(
        visit(&nginx, "192.0.2.200", 90, "/page.html", &referer).status,
        200
    );
    let verdicts = verdicts(&nginx, 73);
    assert_eq!(
        (verdicts[71].as_str(), verdicts[72].as_str()),
        ("REJECTED", "PASSED")
    );
}

#[test]
fn each_zone_counts_for_itself_and_tells_its_name() {
    let more = format!("{GROUPS} log_format zone '$sekisho_zone'; access_log %DIR%/zone.log zone;");
    let nginx = start(&more, BOTH);
    crawl(&nginx, "192.0.2.1", 0, 3);
    swarm(&nginx, "198.51.100", 0, 42);
    let zones = nginx.lines("zone.log", 45);
    assert_eq!((zones[0].as_str(), zones[44].as_str()), ("clients", "nets"));
}

#[test]
fn a_proven_bot_does_not_answer_for_its_network() {
    let nginx = start(GROUPS, BOTH);
    let agent = [("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")];
    let mut status = 0;
    for number in 0..60 {
        let client = format!("66.249.66.{number}");
        status = visit(&nginx, &client, number, &format!("/page.html?n={number}"), &agent).status;
    }
    assert_eq!(status, 200);
    assert_eq!(
        visit(&nginx, "66.249.66.99", 61, "/page.html", &[]).status,
        429,
        "others there do"
    );
}

#[test]
fn a_group_is_neither_trapped_nor_vouched_for() {
    let more = "sekisho_dry_run off; sekisho_zone $cookie_session zone=sessions:1m;
        sekisho_zone $binary_remote_addr zone=nets:1m prefix4=24;";
    let locations = "sekisho zone=sessions; sekisho zone=nets min_requests=20;
        location = /trap.html { sekisho_trap; try_files /page.html =404; }
        location = /thanks { sekisho_human; try_files /page.html =404; }";
    let nginx = start(more, locations);
    assert_eq!(visit(&nginx, "192.0.2.1", 0, "/trap.html", &[]).status, 200);
    assert_eq!(
        visit(&nginx, "192.0.2.2", 1, "/page.html", &[]).status,
        200,
        "without a cookie nobody is trapped"
    );
    assert_eq!(visit(&nginx, "192.0.2.3", 2, "/thanks", &[]).status, 200);
    assert_eq!(swarm(&nginx, "192.0.2", 3, 30)[29], 429, "nor immune");
}

#[test]
fn a_completion_counts_for_a_newcomer_whose_network_is_judged() {
    let locations = format!(
        "{BOTH} location = /thanks {{ sekisho_dry_run on; sekisho_human; try_files /page.html =404; }}"
    );
    let nginx = start(GROUPS, &locations);
    assert_eq!(swarm(&nginx, "192.0.2", 0, 50)[49], 429);
    assert_eq!(visit(&nginx, "192.0.2.200", 51, "/page.html", &[]).status, 429);
    assert_eq!(visit(&nginx, "192.0.2.200", 52, "/thanks", &[]).status, 200);
    assert_eq!(
        visit(&nginx, "192.0.2.200", 53, "/page.html", &[]).status,
        200,
        "it is immune"
    );
}

#[test]
fn an_open_claim_buys_nothing_in_a_judged_network() {
    // A port that is bound and never read: the claim stays open.
    let silent = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let nginx = start(&format!("{GROUPS} resolver 127.0.0.1:{port};"), BOTH);
    assert_eq!(swarm(&nginx, "192.0.2", 0, 50)[49], 429);
    let agent = [("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")];
    assert_eq!(visit(&nginx, "192.0.2.201", 51, "/page.html", &agent).status, 429);
}
