//! Whom not to stop: allow-lists, verified bots, people who completed something; and who walks into a trap.

use std::net::Ipv4Addr;

use sekisho_core::sample::{Class, Origin, Sample};
use sekisho_tests::nameserver::NameServer;
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::visitors::{checked, crawl, site, visit};

const ENFORCED: &str = "sekisho_dry_run off;";
const GOOGLE: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Status and verdict of the last of twelve crawler's requests.
fn last(nginx: &Nginx, client: &str, agent: &str) -> (u16, String) {
    let mut status = 0;
    for second in 0..12 {
        let target = format!("/page.html?item={second}");
        status = visit(nginx, client, second, &target, &[("User-Agent", agent)]).status;
    }
    let wanted = format!("{client} ");
    let lines = nginx.lines("access.log", 12);
    let line = lines
        .iter()
        .rfind(|line| line.starts_with(&wanted))
        .expect("logged");
    (status, line.split(' ').nth(2).unwrap_or_default().to_owned())
}

#[test]
fn an_allowed_network_is_never_stopped() {
    #[track_caller]
    fn check(directives: &str, client: &str, allowed: bool) {
        let nginx = site(Module::TestClock).start(&checked(ENFORCED, directives));
        let expected = if allowed {
            (200, "ALLOWED")
        } else {
            (429, "REJECTED")
        };
        let (status, verdict) = last(&nginx, client, "curl/8");
        assert_eq!((status, verdict.as_str()), expected, "{directives} {client}");
    }
    check("sekisho_allow 192.0.2.0/24;", "192.0.2.1", true);
    check("sekisho_allow 192.0.2.0/24;", "198.51.100.1", false);
    check("sekisho_allow 198.51.100.7 2001:db8::/32;", "2001:db8::1", true);
    check(
        "sekisho_allow 192.0.2.0/24;\nsekisho_allow 198.51.100.0/24;",
        "192.0.2.1",
        true,
    );
    check("location / { sekisho_allow 192.0.2.0/24; }", "192.0.2.1", true);
    check(
        "sekisho_allow 192.0.2.0/24; location / { sekisho_allow off; }",
        "192.0.2.1",
        false,
    );
}

#[test]
fn an_allow_file_is_read_again_when_it_changes() {
    let site = site(Module::TestClock);
    site.write("allow.txt", b"# ours\n198.51.100.0/24\nnonsense\n\n192.0.2.77;\n");
    let nginx = site.start(&checked(ENFORCED, "sekisho_allow file=allow.txt;"));
    assert!(
        nginx.error_log().contains("allow.txt\": line 3"),
        "{}",
        nginx.error_log()
    );
    assert_eq!(last(&nginx, "192.0.2.77", "a").1, "ALLOWED");
    assert_eq!(last(&nginx, "192.0.2.1", "a").1, "REJECTED");

    let workers = nginx.workers().len();
    let read_again = |times: usize| {
        let seen = || (nginx.error_log().matches("was read again").count() >= times * workers).then_some(());
        wait_for(seen).expect("every worker reads the file");
    };
    std::fs::write(nginx.path().join("allow.txt"), "192.0.2.0/24\n").expect("own file");
    read_again(1);
    assert_eq!(last(&nginx, "192.0.2.1", "a").1, "ALLOWED");

    std::fs::write(nginx.path().join("allow.txt"), "all\nbad\n").expect("own file");
    let kept = || (nginx.error_log().matches("read before stays in force").count() >= workers).then_some(());
    wait_for(kept).expect("every worker keeps the old list");
    assert_eq!(last(&nginx, "192.0.2.1", "a").1, "ALLOWED", "the old list stays");

    std::fs::write(nginx.path().join("allow.txt"), "203.0.113.0/24\n").expect("own file");
    read_again(2);
    assert_eq!(last(&nginx, "192.0.2.1", "a").1, "REJECTED");
}

#[test]
fn a_bot_is_proven_by_its_networks() {
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, ""));
    assert_eq!(last(&nginx, "66.249.66.1", GOOGLE), (200, "ALLOWED".to_owned()));
    assert_eq!(
        last(&nginx, "66.249.66.2", "curl/8").1,
        "REJECTED",
        "its networks alone prove nothing"
    );
    // Without a resolver a claim from elsewhere is neither proven nor refuted.
    assert_eq!(last(&nginx, "192.0.2.1", GOOGLE).1, "REJECTED");
}

#[test]
fn only_the_bots_that_are_wanted_are_let_through() {
    #[track_caller]
    fn check(directive: &str, verdict: &str) {
        let site = site(Module::TestClock);
        site.write(
            "bots.txt",
            b"bot shopbot\nkind seo\nagent ShopBot\n192.0.2.0/24\ncomplete\n",
        );
        let nginx = site.start(&checked(&format!("{ENFORCED} {directive}"), ""));
        assert_eq!(last(&nginx, "192.0.2.1", "ShopBot/1.0").1, verdict, "{directive}");
    }
    check("sekisho_bots file=bots.txt allow=shopbot;", "ALLOWED");
    check("sekisho_bots allow=seo,search file=bots.txt;", "ALLOWED");
    check("sekisho_bots file=bots.txt;", "REJECTED");
    check("sekisho_bots off;", "REJECTED");
}

#[test]
fn a_false_claim_counts_against_a_client() {
    let site = site(Module::TestClock);
    site.write(
        "bots.txt",
        b"bot shopbot\nagent ShopBot\ncomplete\n198.51.100.0/24\n",
    );
    let nginx = site.start(&checked(&format!("{ENFORCED} sekisho_bots file=bots.txt;"), ""));
    let referer = ("Referer", "http://shop.test/index.html");
    for second in 0..12 {
        visit(
            &nginx,
            "192.0.2.1",
            second,
            "/page.html",
            &[referer, ("User-Agent", "ShopBot/1.0")],
        );
    }
    let lines = nginx.lines("access.log", 12);
    assert!(
        lines[11].contains(" SUSPECT ") && lines[11].contains("false_bot_claim"),
        "{}",
        lines[11]
    );
}

#[test]
fn a_host_name_that_leads_back_proves_a_bot() {
    let genuine = Ipv4Addr::new(192, 0, 2, 1);
    let (forged, stranger) = (Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(192, 0, 2, 3));
    let names = [
        (genuine, "crawl-1.googlebot.com"),
        (forged, "crawl-1.googlebot.com"),
        (stranger, "host.evilgooglebot.com"),
    ];
    let server = NameServer::start(&names, &[("crawl-1.googlebot.com", genuine)]);
    let more = format!(
        "{ENFORCED} resolver 127.0.0.1:{} ipv6=off; resolver_timeout 5s;",
        server.port()
    );
    let nginx = site(Module::TestClock).workers(1).start(&checked(&more, ""));
    for client in [genuine, forged, stranger, Ipv4Addr::new(192, 0, 2, 4)] {
        let before = server.questions();
        for second in 0..10 {
            visit(
                &nginx,
                &client.to_string(),
                second,
                "/page.html",
                &[("User-Agent", GOOGLE)],
            );
        }
        wait_for(|| (server.questions() > before).then_some(())).expect("the resolver is asked");
    }
    let verdict = |client: Ipv4Addr| {
        let one = || {
            visit(
                &nginx,
                &client.to_string(),
                30,
                "/page.html",
                &[("User-Agent", GOOGLE)],
            );
            let lines = nginx.lines("access.log", 40);
            let line = lines
                .iter()
                .rfind(|line| line.starts_with(&format!("{client} ")))
                .expect("logged");
            let verdict = line.split(' ').nth(2).unwrap_or_default().to_owned();
            (verdict != "PASSED").then_some(verdict)
        };
        wait_for(one).expect("a verdict")
    };
    assert_eq!(verdict(genuine), "ALLOWED");
    assert_eq!(verdict(forged), "REJECTED");
    assert_eq!(verdict(stranger), "REJECTED");
    assert_eq!(verdict(Ipv4Addr::new(192, 0, 2, 4)), "REJECTED");
    let asked = server.questions();
    last(&nginx, "192.0.2.1", GOOGLE);
    assert_eq!(server.questions(), asked, "the answer is kept");
    assert!(nginx.error_log().contains("false_bot_claim"));
}

#[test]
fn a_resolver_that_never_answers_stops_nobody() {
    // A port that is bound and never read.
    let silent = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let more = format!("{ENFORCED} resolver 127.0.0.1:{port}; resolver_timeout 30s;");
    let nginx = site(Module::TestClock).workers(1).start(&checked(&more, ""));
    let (status, verdict) = last(&nginx, "192.0.2.1", GOOGLE);
    assert_eq!(
        (status, verdict.as_str()),
        (200, "PASSED"),
        "not judged while the claim is open"
    );
}

#[test]
fn a_trap_bans_who_walks_into_it() {
    let locations = "location = /trap { sekisho_trap ban=2h; return 204; }
        location = /hidden.html { sekisho_trap; try_files /page.html =404; }
        location /sub/ { sekisho_allow 192.0.2.9; sekisho_trap; }";
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, locations));
    assert_eq!(visit(&nginx, "192.0.2.1", 0, "/page.html", &[]).status, 200);
    assert_eq!(visit(&nginx, "192.0.2.1", 1, "/hidden.html", &[]).status, 429);
    let after = visit(&nginx, "192.0.2.1", 2, "/page.html", &[]);
    assert_eq!((after.status, after.header("Retry-After")), (429, Some("86399")));
    assert_eq!(visit(&nginx, "192.0.2.9", 2, "/sub/", &[]).status, 200, "allowed");
    let lines = nginx.lines("access.log", 4);
    let told: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').skip(2).take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        ["PASSED - -", "TRAPPED - trap", "REJECTED - trap", "ALLOWED - -"]
    );
    assert!(
        nginx
            .error_log()
            .contains("sekisho: trapped client, at request 2, reasons \"trap\", for 86400 s")
    );
}

#[test]
fn nobody_springs_a_trap_on_others() {
    let nginx = site(Module::TestClock).start(&checked(
        ENFORCED,
        "location = /hidden.html { sekisho_trap; try_files /page.html =404; }",
    ));
    for (client, header) in [
        ("192.0.2.1", ("Sec-Fetch-Site", "cross-site")),
        ("192.0.2.2", ("Sec-Purpose", "prefetch;prerender")),
    ] {
        assert_eq!(
            visit(&nginx, client, 0, "/hidden.html", &[header]).status,
            200,
            "{header:?}"
        );
        assert_eq!(
            visit(&nginx, client, 1, "/page.html", &[]).status,
            200,
            "{header:?}"
        );
    }
    assert_eq!(
        visit(
            &nginx,
            "192.0.2.3",
            0,
            "/hidden.html",
            &[("Sec-Fetch-Site", "same-origin")]
        )
        .status,
        429
    );
}

#[test]
fn a_proof_that_comes_after_the_first_score_still_counts() {
    let genuine = Ipv4Addr::new(192, 0, 2, 1);
    let server = NameServer::start(
        &[(genuine, "crawl-1.googlebot.com")],
        &[("crawl-1.googlebot.com", genuine)],
    );
    let more = format!(
        "{ENFORCED} resolver 127.0.0.1:{} ipv6=off; resolver_timeout 5s;",
        server.port()
    );
    let nginx = site(Module::TestClock).workers(1).start(&checked(&more, ""));
    let seen = [("Referer", "http://shop.test/index.html"), ("User-Agent", GOOGLE)];
    let ask = |second| visit(&nginx, "192.0.2.1", second, "/page.html", &seen);
    (0..10).for_each(|second| {
        ask(second);
    });
    wait_for(|| (server.questions() >= 2).then_some(())).expect("the resolver is asked both ways");
    let allowed = wait_for(|| {
        ask(30);
        let lines = nginx.read("access.log");
        let line = lines.lines().last()?.to_owned();
        line.contains(" ALLOWED ").then(|| lines.lines().count())
    });
    let requests = allowed.expect("a score that speaks for the client does not hide the proof");
    assert!(requests < 42, "{requests}: it waited for nothing");
}

#[test]
fn traps_completions_and_proofs_are_labels_for_training() {
    let locations = "location = /hidden.html { sekisho_trap; try_files /page.html =404; }
        location = /thanks { sekisho_human; try_files /page.html =404; }";
    let more = format!("{ENFORCED} sekisho_samples %DIR%/samples contrast=0%;");
    let nginx = site(Module::TestClock).start(&checked(&more, locations));
    visit(&nginx, "192.0.2.1", 0, "/hidden.html", &[]);
    visit(&nginx, "192.0.2.1", 1, "/hidden.html", &[]);
    visit(&nginx, "192.0.2.2", 0, "/page.html", &[]);
    visit(&nginx, "192.0.2.2", 1, "/thanks", &[]);
    last(&nginx, "66.249.66.1", GOOGLE);
    let samples = nginx.lines("samples", 3);
    let told: Vec<_> = samples
        .iter()
        .map(|line| Sample::parse(line.as_bytes()).expect("a sample"))
        .map(|sample| {
            (
                sample.client,
                sample.requests,
                sample.label.map(|label| (label.label, label.origin)),
            )
        })
        .collect();
    let expected = [
        ("192.0.2.1", 1, (Class::Crawler, Origin::Trap)),
        ("192.0.2.2", 2, (Class::Human, Origin::Conversion)),
        ("66.249.66.1", 10, (Class::Crawler, Origin::VerifiedBot)),
    ];
    for (client, requests, label) in expected {
        assert!(
            told.contains(&(client.to_owned(), requests, Some(label))),
            "{client}: {told:?}"
        );
    }
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn a_trap_in_dry_run_only_tells() {
    let nginx = site(Module::TestClock).start(&checked(
        "",
        "location = /hidden.html { sekisho_trap; try_files /page.html =404; }",
    ));
    assert_eq!(visit(&nginx, "192.0.2.1", 1, "/hidden.html", &[]).status, 200);
    assert_eq!(visit(&nginx, "192.0.2.1", 2, "/page.html", &[]).status, 200);
    let lines = nginx.lines("access.log", 2);
    assert!(
        lines[0].contains(" TRAPPED ") && lines[1].contains(" REJECTED_DRY_RUN "),
        "{lines:?}"
    );
}

#[test]
fn who_completes_an_order_is_left_alone_until_behaviour_turns() {
    let locations = "location = /thanks { sekisho_human for=1h; try_files /page.html =404; }
        location = /missing { sekisho_human; try_files /nothing =404; }";
    let nginx = site(Module::TestClock).start(&checked(ENFORCED, locations));
    assert_eq!(visit(&nginx, "192.0.2.1", 0, "/thanks", &[]).status, 200);
    assert_eq!(crawl(&nginx, "192.0.2.1", 1, 45), [200; 45]);
    assert!(nginx.lines("access.log", 46)[45].contains(" ALLOWED "));
    assert_eq!(crawl(&nginx, "192.0.2.1", 46, 40)[39], 429, "behaviour turned");

    assert_eq!(visit(&nginx, "192.0.2.2", 0, "/missing", &[]).status, 404);
    assert_eq!(
        crawl(&nginx, "192.0.2.2", 1, 12)[11],
        429,
        "nothing was completed"
    );
}
