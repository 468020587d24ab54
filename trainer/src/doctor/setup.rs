//! Checks: what is enforced, how long bans last, who may use the API, whether verdicts are to be seen.

use super::config::{Config, Directive};
use super::finding::Finding;

/// A ban longer than this outlives the next owner of an address, in seconds: one day.
const LONG_BAN: u64 = 86_400;
/// Directives that keep strangers out of a location.
const FENCES: [&str; 4] = ["auth_basic", "auth_request", "auth_jwt", "internal"];

/// Whether anything is enforced.
pub fn dry_run(config: &Config) -> Option<Finding> {
    if !config.has("sekisho") {
        return None;
    }
    let enforced: Vec<&str> = config
        .all("sekisho_dry_run")
        .filter(|line| line.first() == "off")
        .map(|line| line.place.as_str())
        .collect();
    Some(match enforced.first() {
        None => Finding::ok("dry_run", "on everywhere: nobody is stopped"),
        Some(first) if enforced.len() == 1 => {
            Finding::ok("dry_run", format!("off at {first}: rejections are real there"))
        }
        Some(first) => Finding::ok(
            "dry_run",
            format!(
                "off at {first} and {} more places: rejections are real there",
                enforced.len() - 1
            ),
        ),
    })
}

/// Bans that cannot be meant.
pub fn bans(config: &Config) -> Option<Finding> {
    let mut any = false;
    for line in config.all("sekisho") {
        let seconds = |name| line.value(name).map(seconds);
        let (first, most) = (seconds("ban=").flatten(), seconds("ban_max=").flatten());
        any |= first.is_some() || most.is_some();
        if let (Some(first), Some(most)) = (first, most)
            && most < first
        {
            let found = format!("{}: ban_max is shorter than ban", line.place);
            return Some(Finding::warning(
                "bans",
                found,
                "bans double from ban= up to ban_max=",
            ));
        }
        if first.is_some_and(|first| first > LONG_BAN) {
            let found = format!("{}: the first ban already lasts longer than a day", line.place);
            let advice = "addresses change hands: let ban= be short and ban_max= long";
            return Some(Finding::warning("bans", found, advice));
        }
    }
    any.then(|| Finding::ok("bans", "set in sekisho lines, and every ban expires"))
}

/// Whether verdicts can be seen anywhere.
pub fn visible(config: &Config) -> Option<Finding> {
    if !config.has("sekisho") {
        return None;
    }
    let telling = |line: &&Directive| line.arguments.iter().any(|part| part.contains("$sekisho_status"));
    let formats: Vec<&str> = config
        .all("log_format")
        .filter(telling)
        .map(Directive::first)
        .collect();
    let used = config.all("access_log").find(|line| {
        line.arguments
            .get(1)
            .is_some_and(|name| formats.contains(&name.as_str()))
    });
    Some(match used {
        Some(line) => Finding::ok(
            "log",
            format!("{} writes verdicts to {}", line.place, line.first()),
        ),
        None => Finding::warning(
            "log",
            "no access log has $sekisho_status: nobody sees the verdicts",
            "README.md, \"In nginx\": a log_format with $sekisho_status, and an access_log that uses it",
        ),
    })
}

/// Whether strangers can read and lift decisions.
pub fn api(config: &Config) -> Vec<Finding> {
    config
        .all("sekisho_api")
        .filter(|line| line.first() != "off")
        .map(|line| exposure(config, line))
        .collect()
}

fn exposure(config: &Config, line: &Directive) -> Finding {
    // From the inside out, what stands in a block of the same level overrides what is further out.
    let levels = std::iter::once(line).chain(config.around(line));
    for level in levels {
        let beside: Vec<&Directive> = config.beside(level).collect();
        let denies = beside
            .iter()
            .any(|line| line.name == "deny" && line.first() == "all");
        let fence = beside
            .iter()
            .find(|line| FENCES.contains(&line.name.as_str()) && line.first() != "off");
        if denies {
            return Finding::ok("api", format!("{}: behind allow and deny", line.place));
        }
        if let Some(fence) = fence {
            return Finding::ok("api", format!("{}: behind {}", line.place, fence.name));
        }
    }
    if local(config, line) {
        return Finding::ok(
            "api",
            format!("{}: its server listens on this machine only", line.place),
        );
    }
    Finding::warning(
        "api",
        format!("{}: everybody can read clients and lift bans", line.place),
        "in that location: allow 127.0.0.1; deny all;",
    )
}

/// Whether the server around a directive listens on the loopback or a unix socket only.
fn local(config: &Config, line: &Directive) -> bool {
    // The levels outside of the directive; beside the innermost block of a server stands its `listen`.
    let levels = std::iter::once(line).chain(config.around(line));
    let listens = levels
        .map(|level| {
            config
                .beside(level)
                .filter(|line| line.name == "listen")
                .collect::<Vec<_>>()
        })
        .find(|listens| !listens.is_empty());
    let near = |address: &str| {
        ["127.", "localhost", "[::1]", "unix:"]
            .iter()
            .any(|start| address.starts_with(start))
    };
    listens.is_some_and(|listens| listens.iter().all(|line| near(line.first())))
}

/// nginx's times in seconds (`ngx_parse_time`): `90`, `10m`, `1h30m`.
fn seconds(text: &str) -> Option<u64> {
    let (mut total, mut number) = (0_u64, None::<u64>);
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digit = u64::from(byte - b'0');
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match byte {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total
        .checked_add(number.unwrap_or(0))
        .filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    fn config(text: &str) -> Config {
        Config::from_dump(&format!("# configuration file /n.conf:\nhttp {{ {text} }}"))
    }

    #[test]
    fn times_are_nginx_times() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(seconds(text), expected, "{text}");
        }
        check("90", Some(90));
        check("10m", Some(600));
        check("1h30m", Some(5_400));
        check("1h5", Some(3_605));
        check("1w", Some(604_800));
        check("m", None);
        check("", None);
        check("1x", None);
        check("99999999999999999999", None);
    }

    #[test]
    fn bans_that_cannot_be_meant_are_told() {
        #[track_caller]
        fn check(text: &str, expected: Option<Level>) {
            let finding = bans(&config(text));
            assert_eq!(finding.as_ref().map(Finding::level), expected, "{finding:?}");
        }
        check("sekisho zone=a;", None);
        check("sekisho zone=a ban=10m ban_max=1d;", Some(Level::Ok));
        check("sekisho zone=a ban=10m ban_max=1m;", Some(Level::Warning));
        check("sekisho zone=a ban=2d;", Some(Level::Warning));
    }

    #[test]
    fn an_open_api_is_told() {
        #[track_caller]
        fn check(text: &str, expected: &[Level]) {
            let findings = api(&config(text));
            let levels: Vec<Level> = findings.iter().map(Finding::level).collect();
            assert_eq!(levels, expected, "{text}: {findings:?}");
        }
        check("server { location /s { return 200; } }", &[]);
        check("server { location /s { sekisho_api; } }", &[Level::Warning]);
        check(
            "server { listen 80; location /s { sekisho_api; } }",
            &[Level::Warning],
        );
        check(
            "server { location /s { sekisho_api; allow 127.0.0.1; deny all; } }",
            &[Level::Ok],
        );
        check("server { deny all; location /s { sekisho_api; } }", &[Level::Ok]);
        check(
            "server { location /s { sekisho_api; auth_basic x; } }",
            &[Level::Ok],
        );
        check(
            "server { location /s { sekisho_api; auth_basic off; } }",
            &[Level::Warning],
        );
        check(
            "server { listen 127.0.0.1:81; location /s { sekisho_api; } }",
            &[Level::Ok],
        );
        check(
            "server { listen 127.0.0.1:81; listen 80; location /s { sekisho_api; } }",
            &[Level::Warning],
        );
        check(
            "server { location /a { deny all; } location /s { sekisho_api; } }",
            &[Level::Warning],
        );
    }

    #[test]
    fn verdicts_are_to_be_seen() {
        #[track_caller]
        fn check(text: &str, expected: Option<Level>) {
            let finding = visible(&config(text));
            assert_eq!(finding.as_ref().map(Finding::level), expected, "{finding:?}");
        }
        let format = "sekisho zone=a; log_format w '$remote_addr ' '$sekisho_status';";
        check("", None);
        check("sekisho zone=a;", Some(Level::Warning));
        check(format, Some(Level::Warning));
        check(
            &format!("{format} server {{ access_log /l w; }}"),
            Some(Level::Ok),
        );
        check(&format!("{format} access_log /l combined;"), Some(Level::Warning));
    }

    #[test]
    fn enforcement_is_told() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            let finding = dry_run(&config(text)).map(|finding| serde_json::to_value(finding).unwrap());
            let found = finding.as_ref().and_then(|finding| finding["found"].as_str());
            assert_eq!(found, expected);
        }
        check("", None);
        check("sekisho zone=a;", Some("on everywhere: nobody is stopped"));
        check(
            "sekisho zone=a; sekisho_dry_run off;",
            Some("off at /n.conf:1: rejections are real there"),
        );
    }
}
