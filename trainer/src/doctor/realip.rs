//! Check: whether nginx sees its visitors, or only the proxy before it.

use super::config::Config;
use super::finding::Finding;
use super::traffic::Traffic;

const CHECK: &str = "realip";
/// Fewer lines tell nothing about shares.
const FEWEST_LINES: u64 = 1_000;
/// From this share of all lines on, private addresses are a proxy and not visitors.
const PROXY_SHARE: f64 = 0.25;
/// From this share on, so are the addresses of a content delivery network; a few of its users may surf through it.
const CDN_SHARE: f64 = 0.05;
/// From this share on, one address is hardly one visitor.
const CROWD_SHARE: f64 = 0.5;
/// What a proxy writes into a request, and any client may write too.
const CLAIMS: [&str; 4] = [
    "$http_x_forwarded_for",
    "$http_x_real_ip",
    "$http_cf_connecting_ip",
    "$http_true_client_ip",
];
const SET_UP: &str = "in http: set_real_ip_from NETWORK OF THE PROXY; real_ip_header X-Forwarded-For; (or what the proxy sends)";

/// Looks at the directives, and at the log if there is one.
pub fn check(config: &Config, traffic: Option<&Traffic>) -> Finding {
    forgeable(config)
        .or_else(|| claimed_key(config))
        .or_else(|| half(config))
        .unwrap_or_else(|| seen(config, traffic))
}

/// Everybody is trusted to say who he is.
fn forgeable(config: &Config) -> Option<Finding> {
    let everybody = ["0.0.0.0/0", "::/0"];
    let line = config
        .all("set_real_ip_from")
        .find(|line| everybody.contains(&line.first()))?;
    let found = format!(
        "{}: set_real_ip_from {} believes every client's header",
        line.place,
        line.first()
    );
    Some(Finding::problem(
        CHECK,
        found,
        "name only the networks of your own proxies",
    ))
}

/// A zone is keyed by a header that any client can send.
fn claimed_key(config: &Config) -> Option<Finding> {
    let lines = config.all("sekisho_zone");
    let line = lines
        .into_iter()
        .find(|line| CLAIMS.iter().any(|claim| line.first().contains(claim)))?;
    let found = format!(
        "{}: clients choose the key {} themselves",
        line.place,
        line.first()
    );
    let advice = "use $binary_remote_addr, with set_real_ip_from and real_ip_header to put the address there";
    Some(Finding::problem(CHECK, found, advice))
}

/// One directive without the other does nothing, or not what was meant.
fn half(config: &Config) -> Option<Finding> {
    let (from, header) = (config.has("set_real_ip_from"), config.has("real_ip_header"));
    match (from, header) {
        (false, true) => {
            let found =
                "real_ip_header without set_real_ip_from: no proxy is trusted, so nothing is replaced";
            Some(Finding::problem(
                CHECK,
                found,
                "add set_real_ip_from NETWORK OF THE PROXY;",
            ))
        }
        _ => None,
    }
}

/// What the log says about it.
fn seen(config: &Config, traffic: Option<&Traffic>) -> Finding {
    let ready = config.has("set_real_ip_from");
    let state = match ready {
        true => "set up",
        false => "not set up, which is right if visitors reach nginx directly",
    };
    let Some(traffic) = traffic.filter(|traffic| traffic.requests >= FEWEST_LINES) else {
        let advice = format!("to see whom nginx sees, give --log FILE with {FEWEST_LINES} lines or more");
        return Finding::skipped(CHECK, state, advice);
    };
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let advice = match ready {
        true => {
            "a proxy is missing in set_real_ip_from, or real_ip_header names another header than it sends; multi-hop: real_ip_recursive on"
        }
        false => SET_UP,
    };
    let (private, busiest) = (traffic.private_share(), traffic.busiest_share());
    if private >= PROXY_SHARE {
        let found = format!(
            "{} of the log's requests come from private addresses: that is a proxy, and it would be judged as a client",
            percent(private)
        );
        return Finding::problem(CHECK, found, advice);
    }
    if let Some((name, _)) = traffic.cdn.as_ref().filter(|_| traffic.cdn_share() >= CDN_SHARE) {
        let found = format!(
            "{} of the log's requests come from addresses of the CDN {name}: its visitors would be judged as one",
            percent(traffic.cdn_share())
        );
        return Finding::problem(CHECK, found, advice);
    }
    if let Some((address, _)) = traffic.busiest.filter(|_| busiest >= CROWD_SHARE) {
        let found = format!("{} of the log's requests come from {address}", percent(busiest));
        let advice = format!("if that is a proxy or CDN: {advice}");
        return Finding::warning(CHECK, found, advice);
    }
    Finding::ok(
        CHECK,
        format!(
            "{state}; the busiest address has {} of the log's requests",
            percent(busiest)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    fn traffic(private: u64, busiest: u64) -> Traffic {
        Traffic {
            requests: 10_000,
            private,
            busiest: Some(("192.0.2.1".parse().unwrap(), busiest)),
            ..Traffic::default()
        }
    }

    #[test]
    fn directives_and_traffic_decide() {
        #[track_caller]
        fn see(text: &str, traffic: Option<Traffic>, expected: Level) {
            let config = Config::from_dump(&format!("# configuration file /n.conf:\nhttp {{ {text} }}"));
            let finding = check(&config, traffic.as_ref());
            assert_eq!(finding.level(), expected, "{text}: {finding:?}");
        }
        let both = "set_real_ip_from 192.0.2.0/24; real_ip_header X-Real-IP;";
        see("", None, Level::Skipped);
        see(both, None, Level::Skipped);
        see("", Some(traffic(0, 100)), Level::Ok);
        see(both, Some(traffic(0, 100)), Level::Ok);
        see("", Some(traffic(9_000, 100)), Level::Problem);
        see(both, Some(traffic(9_000, 100)), Level::Problem);
        see("", Some(traffic(0, 6_000)), Level::Warning);
        let cdn = |lines| Traffic {
            cdn: Some(("somebody".to_owned(), lines)),
            ..traffic(0, 100)
        };
        see("", Some(cdn(600)), Level::Problem);
        see("", Some(cdn(100)), Level::Ok);
        see("real_ip_header X-Real-IP;", Some(traffic(0, 1)), Level::Problem);
        see(
            "set_real_ip_from 0.0.0.0/0; real_ip_header X-Real-IP;",
            None,
            Level::Problem,
        );
        see(
            "sekisho_zone $http_x_forwarded_for zone=a:1m;",
            None,
            Level::Problem,
        );
        see("sekisho_zone $http_user_agent zone=a:1m;", None, Level::Skipped);
    }
}
