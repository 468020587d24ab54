use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::lines::Fault;

const LIST: &str = "\
# two bots
bot finder
kind search
agent FinderBot
agent FinderBot-Image
agent Finder Ads
dns crawl.finder.example
dns finder.net
192.0.2.0/24
2001:db8::/32

bot probe;
kind monitor
agent ProbeBot
complete
198.51.100.0/28

bot hearsay
agent HearsayBot
";

fn list(text: &str) -> Bots {
    let (bots, errors) = Bots::parse(text.as_bytes());
    assert_eq!(errors, []);
    bots
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().expect("an address") {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[track_caller]
fn claims(bots: &Bots, agent: &str, expected: Option<&str>) {
    assert_eq!(
        bots.claimed(agent.as_bytes()).map(|bot| bots.name(bot)),
        expected,
        "{agent:?}"
    );
}

#[test]
fn a_claim_is_a_whole_word_in_the_agent() {
    let bots = list(LIST);
    let check = |agent: &str, expected| claims(&bots, agent, expected);
    check("", None);
    check("FinderBot", Some("finder"));
    check("FINDERBOT/2.1", Some("finder"));
    check("FinderBot-Video/1.0", Some("finder"));
    check("FinderBot_2", Some("finder"));
    check("FinderBot2", None);
    check("FinderBots", None);
    check(
        "Mozilla/5.0 (compatible; FinderBot/2.1; +http://finder.example/bot.html)",
        Some("finder"),
    );
    check("Mozilla/5.0 (compatible;FinderBot/2.1)", Some("finder"));
    check("Mozilla/5.0 (FinderBot)", Some("finder"));
    check("Mozilla/5.0 finder ads", Some("finder"));
    check("Mozilla/5.0 Finder  Ads", None);
    check("Mozilla/5.0 (like XFinderBot)", None);
    check("see http://finder.example/finderbot", None);
    check("not-finderbot", None);
    check("ProbeBot (like FinderBot)", Some("probe"));
    check("Fin", None);
    check("Find", None);
    check("FinderBo", None);
    check(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)",
        None,
    );
    claims(&list(""), "FinderBot", None);
}

#[test]
fn the_longest_of_two_tokens_counts() {
    let bots = list("bot one\nagent Word\nbot two\nagent Word Two\nbot three\nagent word-three\n");
    claims(&bots, "word", Some("one"));
    claims(&bots, "Word two", Some("two"));
    claims(&bots, "Word-Three", Some("three"));
    claims(&bots, "Word-Four", Some("one"));
}

#[test]
fn a_claim_far_back_is_not_looked_for() {
    let bots = list(LIST);
    let at = |start: usize| format!("{} FinderBot/1.0", "x".repeat(start - 1));
    claims(&bots, &at(MAX_AGENT - 9), Some("finder"));
    claims(&bots, &at(MAX_AGENT - 8), None);
}

#[test]
fn an_address_proves_or_refutes() {
    let bots = list(LIST);
    #[track_caller]
    fn check(bots: &Bots, name: &str, address: &[u8], expected: Proof) {
        let bot = bots.id(name).expect("a bot of the list");
        assert_eq!(bots.proves(bot, address), expected, "{name} {address:?}");
    }
    check(&bots, "finder", &octets("192.0.2.7"), Proof::Range);
    check(&bots, "finder", &octets("::ffff:192.0.2.7"), Proof::Range);
    check(&bots, "finder", &octets("2001:db8::7"), Proof::Range);
    check(&bots, "finder", &octets("203.0.113.7"), Proof::NeedsDns);
    check(&bots, "probe", &octets("198.51.100.7"), Proof::Range);
    check(&bots, "probe", &octets("198.51.100.16"), Proof::Contradicted);
    check(&bots, "probe", &octets("2001:db8::7"), Proof::Contradicted);
    check(&bots, "hearsay", &octets("198.51.100.7"), Proof::Unproven);
    check(&bots, "finder", b"unix:", Proof::Unproven);
    check(&bots, "probe", b"", Proof::Unproven);
    let foreign = BotId(99);
    assert_eq!(bots.proves(foreign, &octets("192.0.2.7")), Proof::Unproven);
    assert!(!bots.hostname_matches(foreign, b"finder.net"));
    assert_eq!((bots.name(foreign), bots.kind(foreign)), ("", Kind::Other));
}

#[test]
fn host_names_match_by_whole_labels() {
    let bots = list(LIST);
    #[track_caller]
    fn check(bots: &Bots, name: &str, host: &str, expected: bool) {
        let bot = bots.id(name).expect("a bot of the list");
        assert_eq!(
            bots.hostname_matches(bot, host.as_bytes()),
            expected,
            "{name} {host:?}"
        );
    }
    check(&bots, "finder", "a-1.crawl.finder.example", true);
    check(&bots, "finder", "a-1.CRAWL.Finder.Example.", true);
    check(&bots, "finder", "crawl.finder.example", true);
    check(&bots, "finder", "www.finder.example", false);
    check(&bots, "finder", "a.finder.net", true);
    check(&bots, "finder", "evilfinder.net", false);
    check(&bots, "finder", "finder.net.evil.example", false);
    check(&bots, "finder", "a.finder.net..", false);
    check(&bots, "finder", "", false);
    check(&bots, "finder", ".", false);
    check(&bots, "probe", "a.finder.net", false);
}

#[test]
fn bots_have_names_and_kinds() {
    let bots = list(LIST);
    let found: Vec<_> = bots
        .ids()
        .map(|bot| (bots.name(bot), bots.kind(bot).word()))
        .collect();
    assert_eq!(
        found,
        [("finder", "search"), ("probe", "monitor"), ("hearsay", "other")]
    );
    assert_eq!((bots.len(), bots.is_empty(), bots.id("none")), (3, false, None));
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.word().as_bytes()), Some(kind));
    }
}

#[test]
fn a_later_list_goes_on_with_a_bot() {
    let own = "kind ai\nbot finder\nkind ai\n203.0.113.0/24\nbot mine\nagent FinderBot\nagent Mine\n";
    let (bots, errors) = Bots::parse_all(&[LIST.as_bytes(), own.as_bytes()]);
    assert_eq!(errors[0], []);
    let found: Vec<_> = errors[1].iter().map(|error| (error.line, &error.fault)).collect();
    assert_eq!(found, [(1, &Fault::Homeless("bot")), (6, &Fault::TakenAgent)]);
    let finder = bots.id("finder").expect("from the first list");
    assert_eq!(bots.proves(finder, &[203, 0, 113, 9]), Proof::Range);
    assert_eq!(bots.proves(finder, &[192, 0, 2, 9]), Proof::Range);
    assert_eq!(bots.kind(finder), Kind::Ai);
    claims(&bots, "mine", Some("mine"));
}

#[test]
fn bad_lines_are_left_out() {
    #[track_caller]
    fn check(line: &str, expected: Fault) {
        let text = format!("bot one\nagent Before\n{line}\nagent After\n");
        let (bots, errors) = Bots::parse(text.as_bytes());
        let found: Vec<_> = errors
            .into_iter()
            .map(|error| (error.line, error.fault))
            .collect();
        assert_eq!(found, [(3, expected)], "{line:?}");
        claims(&bots, "Before", Some("one"));
        claims(&bots, "After", Some("one"));
    }
    check("agent", Fault::Agent);
    check("agent abc", Fault::Agent);
    check("agent (compatible", Fault::Agent);
    check("agent b\u{f6}tbot", Fault::Agent);
    check(&format!("agent {}", "a".repeat(65)), Fault::Agent);
    check("dns com", Fault::Suffix);
    check("dns a..com", Fault::Suffix);
    check("dns *.example.com", Fault::Suffix);
    check("dns", Fault::Suffix);
    check("kind nice", Fault::Kind);
    check("complete list", Fault::Network);
    check("192.0.2.0/33", Fault::Network);
    check("agents Before", Fault::Network);
}

#[test]
fn what_follows_a_bad_name_belongs_to_no_bot() {
    let (bots, errors) = Bots::parse(b"bot one\nbot Two!\nagent TwoBot\n192.0.2.1\n");
    let found: Vec<_> = errors
        .into_iter()
        .map(|error| (error.line, error.fault))
        .collect();
    let homeless = Fault::Homeless("bot");
    assert_eq!(found, [(2, Fault::Name), (3, homeless.clone()), (4, homeless)]);
    claims(&bots, "TwoBot", None);
}

#[test]
fn lists_are_bounded() {
    #[track_caller]
    fn check(text: String, line: usize) {
        let (_, errors) = Bots::parse(text.as_bytes());
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].line, line);
        assert!(matches!(errors[0].fault, Fault::Full { .. }));
    }
    let many = |word: &str, end: &str, count: usize| -> String {
        (0..count)
            .map(|index| format!("{word} x{index}{end}\n"))
            .collect()
    };
    check(many("bot", "", MAX_BOTS + 2), MAX_BOTS + 1);
    check(
        "bot one\n".to_owned() + &many("agent", "-token", MAX_TOKENS + 2),
        MAX_TOKENS + 2,
    );
    check(
        "bot one\n".to_owned() + &many("dns", ".example", MAX_SUFFIXES + 2),
        MAX_SUFFIXES + 2,
    );
}

/// What the search does, slowly.
fn naive(tokens: &[&str], agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    tokens.iter().any(|token| {
        agent.match_indices(&token.to_ascii_lowercase()).any(|(at, _)| {
            let before = agent[..at].chars().next_back();
            let after = agent[at + token.len()..].chars().next();
            before.is_none_or(|before| " (;".contains(before))
                && !after.is_some_and(|after| after.is_ascii_alphanumeric())
        })
    })
}

proptest! {
    #[test]
    fn the_search_finds_what_is_there(
        words in prop::collection::vec("[ (;/a-]{0,2}(Abcd|abcde|ABCD EF|B-cde|bcdef){1,2}[;) /2-]{0,2}", 0..4),
    ) {
        let tokens = ["abcd", "abcd ef", "b-cde", "bcdef"];
        let text: String = tokens.iter().map(|token| format!("agent {token}\n")).collect();
        let bots = list(&format!("bot one\n{text}"));
        let agent = words.concat();
        prop_assert_eq!(bots.claimed(agent.as_bytes()).is_some(), naive(&tokens, &agent), "{}", agent);
    }

    #[test]
    fn any_bytes_are_read_and_searched(
        text in prop::collection::vec(any::<u8>(), 0..200),
        words in prop::collection::vec("(bot|agent|dns|kind|complete|192.0.2.1)[ -~]{0,12}", 0..12),
        agent in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let lines = words.join("\n");
        for text in [text.as_slice(), lines.as_bytes()] {
            let (bots, errors) = Bots::parse(text);
            prop_assert!(bots.len() + errors.len() <= text.split(|&byte| byte == b'\n').count());
            let claimed = [agent.as_slice(), text].map(|agent| bots.claimed(agent));
            for bot in claimed.into_iter().flatten() {
                prop_assert!(!bots.name(bot).is_empty());
            }
            for bot in bots.ids() {
                bots.hostname_matches(bot, &agent);
                bots.proves(bot, &agent[..agent.len().min(16)]);
            }
        }
    }
}

#[test]
fn the_bundled_list_is_whole() {
    let bots = list(DEFAULT);
    assert!(bots.len() >= 35, "{}", bots.len());
    for bot in bots.ids() {
        let entry = bots.get(bot).expect("a bot of the list");
        assert!(
            !entry.networks.is_empty() || !entry.suffixes.is_empty(),
            "nothing proves {}",
            entry.name
        );
        assert!(
            bots.tokens.iter().any(|token| token.bot == bot),
            "nobody can claim to be {}",
            entry.name
        );
        assert_ne!(entry.kind, Kind::Other, "{} has no kind", entry.name);
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.2.1",
            "::1",
            "2001:db8::1",
        ] {
            assert!(
                !entry.networks.contains(&octets(private)),
                "{} has {private}",
                entry.name
            );
        }
    }
}

#[test]
fn the_bundled_list_knows_well_known_bots() {
    let bots = list(DEFAULT);
    #[track_caller]
    fn check(bots: &Bots, agent: &str, address: &str, name: &str, expected: Proof) {
        let bot = bots
            .claimed(agent.as_bytes())
            .unwrap_or_else(|| panic!("{agent} claims nothing"));
        assert_eq!(bots.name(bot), name, "{agent}");
        assert_eq!(bots.proves(bot, &octets(address)), expected, "{agent} {address}");
    }
    let google = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    check(&bots, google, "66.249.66.1", "googlebot", Proof::Range);
    check(&bots, google, "2001:4860:4801:10::1", "googlebot", Proof::Range);
    check(&bots, google, "203.0.113.5", "googlebot", Proof::NeedsDns);
    let ads = "Mediapartners-Google";
    check(&bots, ads, "66.249.90.77", "google-special", Proof::Range);
    let bing = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; \
                +http://www.bing.com/bingbot.htm) Chrome/103.0.5060.134 Safari/537.36";
    check(&bots, bing, "157.55.39.1", "bingbot", Proof::Range);
    let apple = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)";
    check(&bots, apple, "17.241.208.170", "applebot", Proof::Range);
    let uptime = "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)";
    check(&bots, uptime, "69.162.124.230", "uptimerobot", Proof::Range);
    let pingdom = "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)";
    check(&bots, pingdom, "23.22.2.46", "pingdom", Proof::Range);
    let petal = "Mozilla/5.0 (compatible;PetalBot;+https://webmaster.petalsearch.com/site/petalbot)";
    check(&bots, petal, "203.0.113.5", "petalbot", Proof::NeedsDns);
    let telegram = "TelegramBot (like TwitterBot)";
    check(&bots, telegram, "149.154.161.1", "telegrambot", Proof::Range);
    // A phone that previews a link says this: no reason to hold anything against it.
    let phone = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) \
                 Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0";
    check(&bots, phone, "203.0.113.5", "facebook", Proof::Unproven);
    let google = bots.id("googlebot").expect("in the list");
    assert!(bots.hostname_matches(google, b"crawl-66-249-66-1.googlebot.com."));
    assert!(!bots.hostname_matches(google, b"evilgooglebot.com"));
}

#[test]
fn browsers_claim_nothing() {
    let bots = list(DEFAULT);
    for agent in [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 \
         Chrome/121.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 \
         Mobile Safari/537.36 [FBAN/EMA;FBLC/en_US;FBAV/407.0.0.8.109;] Pinterest for Android/12.20",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 \
         YaBrowser/24.6.0 Yowser/2.5 Safari/537.36",
        "curl/8.5.0",
        "-",
    ] {
        claims(&bots, agent, None);
    }
}
