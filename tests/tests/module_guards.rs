//! What keeps enforcement from doing harm: the breaker, and proxies that are no clients.

use sekisho_tests::nginx::{Module, Nginx};
use sekisho_tests::visitors::{COUNTERS, checked, counters, crawl, site, visit};

fn start(more: &str) -> Nginx {
    site(Module::TestClock).start(&checked(&format!("sekisho_dry_run off; {more}"), COUNTERS))
}

/// Crawlers of their own, ten requests each at one second. The status of each one's last.
fn crawlers(nginx: &Nginx, second: u32, from: u32, count: u32) -> Vec<u16> {
    let one = |number: u32| {
        let client = format!("10.0.{}.{}", (from + number) / 250, (from + number) % 250);
        let each = |page: u32| visit(nginx, &client, second, &format!("/page.html?{page}"), &[]).status;
        (0..10).map(each).fold(0, |_, status| status)
    };
    (0..count).map(one).collect()
}

#[test]
fn the_breaker_turns_enforcement_off_and_on_again() {
    let nginx = start("sekisho_breaker clients=50% hold=100s;");
    let statuses = crawlers(&nginx, 0, 0, 101);
    assert_eq!(statuses[..99], [429; 99]);
    assert_eq!(
        statuses[100], 200,
        "all clients would be stopped: this is no longer believed"
    );
    assert_eq!(
        visit(&nginx, "10.0.0.1", 1, "/page.html", &[]).status,
        200,
        "nor are older bans"
    );
    let log = nginx.error_log();
    let said: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("breaker tripped"))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("[alert]") && said[0].contains("nothing is stopped for 100 s"),
        "{}",
        said[0]
    );
    assert!(counters(&nginx)["restrained"] > 0);
    // Ten minutes later nothing of it is recent, and the bans of those days are still in force.
    assert_eq!(visit(&nginx, "10.0.0.1", 599, "/page.html", &[]).status, 429);
}

#[test]
fn suspects_that_are_answered_count_too() {
    let more = "sekisho_dry_run off; sekisho_breaker clients=50% hold=100s;";
    let locations = "sekisho zone=clients threshold=0.99 suspect=0.9; sekisho_suspect status=403;";
    let nginx = site(Module::TestClock).start(&checked(more, locations));
    let statuses = crawlers(&nginx, 0, 0, 102);
    assert_eq!((statuses[98], statuses[101]), (403, 200));
}

#[test]
fn a_breaker_that_is_off_never_trips() {
    let nginx = start("sekisho_breaker off;");
    assert_eq!(crawlers(&nginx, 0, 0, 120), [429; 120]);
}

#[test]
fn a_proxy_taken_for_a_client_is_not_stopped() {
    #[track_caller]
    fn check(more: &str, agents: u32, stopped: bool) {
        let nginx = start(more);
        let mut last = 0;
        for window in 0..3 {
            for number in 0..1010u32 {
                let agent = format!("Browser/{}", number % agents);
                let target = format!("/page.html?{number}");
                last = visit(
                    &nginx,
                    "192.0.2.1",
                    window * 300,
                    &target,
                    &[("User-Agent", &agent)],
                )
                .status;
            }
        }
        assert_eq!(last == 429, stopped, "{more}, {agents} user agents");
        let said = nginx
            .error_log()
            .matches("set_real_ip_from are to be set up")
            .count();
        assert_eq!(said, usize::from(!stopped), "{more}, {agents} user agents");
    }
    check("sekisho_breaker off;", 40, false);
    check("sekisho_breaker off;", 2, true);
    check("sekisho_breaker off; sekisho_proxy_guard off;", 40, true);
}

#[test]
fn a_cdn_taken_for_a_client_is_not_stopped() {
    let nginx = start("");
    assert_eq!(crawl(&nginx, "104.16.0.1", 0, 12), [200; 12]);
    assert_eq!(crawl(&nginx, "104.16.0.2", 0, 12), [200; 12]);
    let log = nginx.error_log();
    let said: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("has an address of"))
        .collect();
    assert_eq!(said.len(), 1, "told once: {said:?}");
    assert!(
        said[0].contains("[alert]") && said[0].contains("real_ip_header and set_real_ip_from"),
        "{}",
        said[0]
    );
    let lines = nginx.lines("access.log", 24);
    assert!(lines[11].contains(" REJECTED_DRY_RUN "), "{}", lines[11]);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[11], 429, "others are");
    drop(nginx);
    let nginx = start("sekisho_proxy_guard off;");
    assert_eq!(crawl(&nginx, "104.16.0.1", 0, 12)[11], 429);
}
