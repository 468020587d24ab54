//! `sekisho serve` watches a real nginx: its counters and bans, in dry run and not. With production's module: bans of the
//! test build end by a clock that stands still.

use sekisho_tests::daemon::{API, Daemon, told, until_told};
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{checked, site};

fn crawl(nginx: &Nginx, client: &str, folder: &str) -> Vec<u16> {
    let one = |number: u32| {
        let target = format!("{folder}page.html?item={number}");
        nginx.get(&target, &[("X-Real-IP", client)]).status
    };
    (0..12).map(one).collect()
}

#[test]
fn counters_and_bans_come_into_the_store() {
    let more = "sekisho_samples %DIR%/samples;";
    let locations =
        format!("location / {{ sekisho_dry_run off; }} location /quiet/ {{ alias %DIR%/html/; }} {API}");
    let nginx = site(Module::Production).start(&checked(more, &locations));
    let daemon = Daemon::start(&nginx, "");

    assert_eq!(crawl(&nginx, "192.0.2.7", "/")[11], 429);
    until_told(
        &nginx,
        "SELECT SUM(requests) FROM traffic WHERE zone = 'clients'",
        "12",
    );
    until_told(
        &nginx,
        "SELECT nginx, zone, client, origin, dry_run, ended FROM decision",
        "shop|clients|192.0.2.7|model|0|None",
    );
    assert_eq!(
        told(
            &nginx,
            "SELECT begun <= until AND expires - until BETWEEN -5 AND 5 FROM decision"
        ),
        "1"
    );
    // In a location in dry run, beside: the ban is the zone's, and the other location acts on it.
    assert_eq!(crawl(&nginx, "192.0.2.8", "/quiet/")[11], 200);
    until_told(
        &nginx,
        "SELECT dry_run FROM decision WHERE client = '192.0.2.8'",
        "0",
    );
    assert_eq!(nginx.get("/page.html", &[("X-Real-IP", "192.0.2.8")]).status, 429);
    assert_eq!(
        told(&nginx, "SELECT COUNT(*) FROM decision WHERE ended IS NULL"),
        "2"
    );

    drop(nginx);
    wait_for(|| daemon.status()["nginx"][0]["status"].is_null().then_some(())).expect("it is missed");
    assert!(daemon.status()["nginx"][0]["failing_since"].is_u64());
}
