//! Who is stopped, who is not, and what is said about it.

use sekisho_tests::nginx::Module;
use sekisho_tests::visitors::{COUNTERS, browse, checked, counters, crawl, site, visit};

#[test]
fn enforcement_stops_a_crawler_while_a_person_shops_on() {
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", COUNTERS));
    let crawled = crawl(&nginx, "192.0.2.1", 0, 20);
    assert_eq!(
        crawled[..9],
        [200; 9],
        "nothing is known of a client before request 10"
    );
    assert_eq!(crawled[9..], [429; 11]);
    assert_eq!(browse(&nginx, "192.0.2.2", 0, 40), [200; 40]);
    assert_eq!(counters(&nginx)["rejected"], 11);

    let lines = nginx.lines("access.log", 60);
    let of = |client: &str| {
        lines
            .iter()
            .filter(|line| line.starts_with(client))
            .cloned()
            .collect::<Vec<_>>()
    };
    let crawler = of("192.0.2.1 ");
    assert!(
        crawler[0].starts_with("192.0.2.1 200 PASSED - - "),
        "{}",
        crawler[0]
    );
    assert!(
        crawler[8].starts_with("192.0.2.1 200 PASSED - - "),
        "{}",
        crawler[8]
    );
    let stopped = "192.0.2.1 429 REJECTED 0.95257413 missing_referer_share ";
    assert!(crawler[19].starts_with(stopped), "{}", crawler[19]);
    assert!(
        of("192.0.2.2 ")
            .iter()
            .all(|line| line.starts_with("192.0.2.2 200 PASSED "))
    );

    let said: Vec<String> = nginx
        .error_log()
        .lines()
        .filter(|line| line.contains("rejecting client"))
        .map(str::to_owned)
        .collect();
    assert_eq!(said.len(), 1, "one line when the verdict turns: {said:?}");
    let words = "[error] ";
    assert!(said[0].contains(words), "{}", said[0]);
    let words = "sekisho: rejecting client, score 0.9526, threshold 0.9000, at request 10, reasons \"missing_referer_share\", for 600 s, id ";
    assert!(said[0].contains(words), "{}", said[0]);
    assert!(
        said[0].contains(", by zone \"clients\", client: 192.0.2.1, server: "),
        "{}",
        said[0]
    );
    let id = crawler[9].split(' ').nth(5).expect("the log format has an id");
    assert!(
        id.len() == 16 && said[0].contains(id),
        "{id} is not in {}",
        said[0]
    );
}

#[test]
fn a_ban_ends() {
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", ""));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 10)[9], 429);
    assert_eq!(crawl(&nginx, "192.0.2.1", 600, 1), [429]);
    assert_eq!(
        crawl(&nginx, "192.0.2.1", 610, 10),
        [200, 200, 200, 200, 200, 200, 200, 200, 200, 429]
    );
}

#[test]
fn dry_run_is_the_default_and_only_tells() {
    let nginx = site(Module::TestClock).start(&checked("sekisho_log_level warn;", COUNTERS));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 20), [200; 20]);
    let lines = nginx.lines("access.log", 20);
    assert!(lines[19].starts_with("192.0.2.1 200 REJECTED_DRY_RUN 0.95257413 missing_referer_share "));
    let log = nginx.error_log();
    let said: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("rejecting client"))
        .collect();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("[warn]") && said[0].contains("by zone \"clients\", dry run, client:"),
        "{said:?}"
    );
    assert_eq!(
        (counters(&nginx)["rejected"], counters(&nginx)["rejected_dry_run"]),
        (0, 11)
    );
}

#[test]
fn levels_inherit_as_limit_req_does() {
    let locations = "
        sekisho_dry_run off; sekisho_status 503;
        location = /off { sekisho off; try_files /page.html =404; }
        location = /dry { sekisho_dry_run on; try_files /page.html =404; }
        location = /teapot { sekisho_status 418; try_files /page.html =404; }
        location = /strict { sekisho zone=clients threshold=0.99; try_files /page.html =404; }
        location = /soft { sekisho zone=clients threshold=0.99 suspect=0.98; try_files /page.html =404; }";
    let nginx = site(Module::TestClock).start(&checked("", locations));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[11], 503);
    let check = |target: &str, status: u16, verdict: &str| {
        let got = visit(&nginx, "192.0.2.1", 13, target, &[]).status;
        assert_eq!(got, status, "{target}");
        let line = nginx
            .lines("access.log", 1)
            .into_iter()
            .rfind(|line| line.ends_with(target));
        assert_eq!(line.expect("logged").split(' ').nth(2), Some(verdict), "{target}");
    };
    check("/off", 200, "-");
    check("/dry", 200, "REJECTED_DRY_RUN");
    check("/teapot", 418, "REJECTED");
    // A ban is the zone's: it holds wherever the zone is asked.
    check("/strict", 503, "REJECTED");

    let other = |target: &str, verdict: &str| {
        for second in 20..32 {
            visit(&nginx, "192.0.2.2", second, target, &[]);
        }
        let line = nginx
            .lines("access.log", 1)
            .into_iter()
            .rfind(|line| line.ends_with(target));
        assert_eq!(line.expect("logged").split(' ').nth(2), Some(verdict), "{target}");
    };
    other("/soft", "PASSED");
    other("/strict", "SUSPECT");
}

#[test]
fn one_line_ends_all_enforcement() {
    let locations = "sekisho_dry_run off;
        location = /deep.html { sekisho_dry_run off; try_files /page.html =404; }";
    let enforced = checked("sekisho_dry_run off;", locations);
    let nginx = site(Module::TestClock).start(&enforced);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[11], 429);
    assert!(nginx.reload(&enforced.replacen("sekisho_dry_run off;", "sekisho_dry_run always;", 1)));
    for target in ["/page.html", "/deep.html"] {
        assert_eq!(
            visit(&nginx, "192.0.2.1", 13, target, &[]).status,
            200,
            "{target}"
        );
    }
}

#[test]
fn realip_decides_who_a_client_is() {
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", ""));
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[11], 429);
    assert_eq!(
        crawl(&nginx, "192.0.2.9", 0, 9),
        [200; 9],
        "another client at the same socket address"
    );
    assert_eq!(crawl(&nginx, "2001:db8::1", 0, 12)[11], 429);
}

#[test]
fn realip_of_a_location_is_in_place_before_the_checkpoint() {
    let more = "sekisho_zone $binary_remote_addr zone=inner:1m;";
    let http = format!(
        "sekisho_model %DIR%/model.onnx; {more} server {{ listen 127.0.0.1:%PORT%;
           location / {{ set_real_ip_from 127.0.0.1; real_ip_header X-Client; sekisho zone=inner; sekisho_dry_run off; }} }}"
    );
    let nginx = site(Module::TestClock).start(&http);
    let ask = |client: &str, times: usize| -> Vec<u16> {
        (0..times)
            .map(|_| nginx.get("/page.html", &[("X-Client", client)]).status)
            .collect()
    };
    assert_eq!(ask("192.0.2.1", 12)[9..], [429; 3]);
    assert_eq!(
        ask("192.0.2.2", 9),
        [200; 9],
        "another client at the same socket address"
    );
}

#[test]
fn an_internal_redirect_counts_once_and_rejects_once() {
    let locations = format!(
        "{COUNTERS}
         error_page 404 /gone.html; error_page 429 /gone.html;
         location = /tried {{ try_files /nothing /page.html; }}
         location = /named {{ try_files /nothing @else; }}
         location @else {{ try_files /page.html =404; }}
         location = /inner {{ internal; }}"
    );
    let nginx = site(Module::TestClock).start(&checked("sekisho_dry_run off;", &locations));
    let ask = |number: u32, target: &str| visit(&nginx, "192.0.2.1", number, target, &[]);
    let targets = [
        "/", "/sub/", "/tried", "/named", "/nothing", "/", "/sub/", "/tried", "/named",
    ];
    let statuses: Vec<u16> = (0..)
        .zip(targets)
        .map(|(number, target)| ask(number, target).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 200, 200, 200, 200]);
    assert_eq!(counters(&nginx)["requests"], 9);
    let stopped = ask(10, "/tried");
    assert_eq!(
        (stopped.status, stopped.body.as_slice()),
        (429, b"<html>nothing here</html>\n".as_slice())
    );
    assert_eq!(
        (counters(&nginx)["requests"], counters(&nginx)["rejected"]),
        (10, 1)
    );
    let last = nginx.lines("access.log", 10).pop().expect("ten lines");
    assert!(
        last.starts_with("192.0.2.1 429 REJECTED 0.95257413 "),
        "the redirect keeps the verdict: {last}"
    );
}

#[test]
fn subrequests_and_empty_keys_are_not_accounted() {
    let locations = format!(
        "{COUNTERS}
         location = /mixed {{ add_before_body /sub/index.html; add_after_body /page.html; try_files /page.html =404; }}
         location = /asked {{ auth_request /page.html; try_files /page.html =404; }}
         location = /nobody {{ sekisho zone=keyed; try_files /page.html =404; }}"
    );
    let more = "sekisho_zone $http_x_key zone=keyed:1m;";
    let nginx = site(Module::TestClock).start(&checked(more, &locations));
    assert_eq!(visit(&nginx, "192.0.2.1", 0, "/mixed", &[]).status, 200);
    assert_eq!(visit(&nginx, "192.0.2.1", 0, "/asked", &[]).status, 200);
    assert_eq!(counters(&nginx)["requests"], 2);
    for _ in 0..12 {
        visit(&nginx, "192.0.2.1", 0, "/nobody", &[]);
    }
    let lines = nginx.lines("access.log", 14);
    assert!(
        lines[13].starts_with("192.0.2.1 200 - - - - /nobody"),
        "{}",
        lines[13]
    );
    visit(&nginx, "192.0.2.1", 0, "/nobody", &[("X-Key", "somebody")]);
    assert!(nginx.lines("access.log", 15)[14].starts_with("192.0.2.1 200 PASSED "));
}

#[test]
fn limit_req_goes_on_working_beside_it() {
    let more = "limit_req_zone $binary_remote_addr zone=rate:1m rate=1r/m; sekisho_dry_run off;";
    let locations =
        format!("{COUNTERS} location = /limited {{ limit_req zone=rate; try_files /page.html =404; }}");
    let nginx = site(Module::TestClock).start(&checked(more, &locations));
    let ask = |second| visit(&nginx, "192.0.2.1", second, "/limited", &[]).status;
    assert_eq!(
        (0..12).map(ask).collect::<Vec<_>>(),
        [200, 503, 503, 503, 503, 503, 503, 503, 503, 429, 429, 429]
    );
    assert_eq!(counters(&nginx)["requests"], 12);
}
