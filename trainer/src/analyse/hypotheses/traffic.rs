//! Hypotheses about who came: crawls, swarms, stolen passwords, a rush of people, many people behind one address.

use super::super::access::{Access, Kind, Network};
use super::super::evidence::{Evidence, Pair};
use super::{Finding, Hypothesis};
use crate::figures::grouped;
use crate::report::code;

/// A network is looked at when it has this share of all requests since.
const NOTABLE: f64 = 0.1;
/// Its requests since, at least: below, shares of its requests mean little.
const LEAST_REQUESTS: u64 = 50;
/// It came so many times as often as before.
const BURST: f64 = 3.0;
/// People load pictures and scripts with their pages: beyond this share of assets a client renders.
const RENDERS: f64 = 0.3;
/// Below this share it loads next to none.
const LOADS_NONE: f64 = 0.1;
/// Crawlers go from URL to URL: this share of requests is for another one.
const WANDERS: f64 = 0.5;
/// A network with more clients than this is several, and not one crawler.
const SEVERAL: f64 = 20.0;
/// User agents of one network from which on several people share it.
const AGENTS: f64 = 5.0;
/// A network that makes this share of the growth explains it.
const MOST_OF_GROWTH: f64 = 0.5;
/// Crawls that are told.
const CRAWLS: usize = 3;
/// Networks of a distributed crawl, at least.
const LEAST_NETWORKS: usize = 5;

/// A network with its growth.
struct Grown<'a> {
    network: &'a Network,
    pair: Pair,
    /// Share of all requests since.
    share: f64,
}

fn grown(access: &Access) -> Vec<Grown<'_>> {
    let all = access.totals.1.requests.max(1) as f64;
    let mut grown: Vec<Grown<'_>> = access
        .networks
        .values()
        .map(|network| Grown {
            network,
            pair: Pair::new(network.before, network.after.requests, access.seconds),
            share: network.after.requests as f64 / all,
        })
        .filter(|grown| grown.pair.grew() && grown.pair.factor() >= BURST)
        .collect();
    grown.sort_by(|one, other| other.pair.excess().total_cmp(&one.pair.excess()));
    grown
}

fn busy(grown: &Grown<'_>) -> bool {
    grown.share >= NOTABLE && grown.network.after.requests >= LEAST_REQUESTS
}

/// Share of requests for a URL that was not asked for before.
fn wandering(network: &Network) -> f64 {
    (network.urls() / network.after.requests.max(1) as f64).min(1.0)
}

/// One network, with few clients, goes through the site.
pub fn crawls(evidence: &Evidence) -> Vec<Hypothesis> {
    let Some(access) = &evidence.access else {
        return Vec::new();
    };
    let crawls = grown(access).into_iter().filter(|grown| {
        let network = grown.network;
        busy(grown)
            && network.clients() <= SEVERAL
            && (wandering(network) >= WANDERS
                || network.asset_share() < LOADS_NONE && network.agents() < AGENTS)
            && (network.after.denied as f64) < 0.5 * network.after.requests as f64
    });
    crawls
        .take(CRAWLS)
        .map(|grown| {
            let network = grown.network;
            let mut crawl = Hypothesis::new(
                "crawl",
                format!(
                    "A crawl from {}: {} client{}, the first {}",
                    code(&network.name),
                    network.clients(),
                    if network.clients() > 1.5 { "s" } else { "" },
                    code(&network.client)
                ),
            );
            load(&mut crawl, &grown);
            growth(&mut crawl, &grown, access);
            if wandering(network) >= WANDERS {
                crawl.supports.push(Finding::new(
                    1.0,
                    format!(
                        "it asked for about {} different URLs in {} requests",
                        grouped(network.urls().round() as u64),
                        grouped(network.after.requests)
                    ),
                ));
            }
            assets(&mut crawl, network);
            if network.agents() >= AGENTS {
                crawl.against.push(Finding::new(
                    0.5,
                    format!("it has about {:.0} user agents: it may be several clients", network.agents()),
                ));
            }
            judged(&mut crawl, evidence, network);
            strain(&mut crawl, access);
            crawl.next(&[
                "`sekisho explain` with the client's name, if the module judged it",
                "whether the address belongs to a search engine or a partner (`sekisho_verified_bots`, whois)",
                "`sekisho scan` on this log: would it have been rejected, and from which request on?",
            ])
        })
        .collect()
}

fn load(hypothesis: &mut Hypothesis, grown: &Grown<'_>) {
    hypothesis.supports.push(Finding::cited(
        1.0 + 3.0 * grown.share,
        format!(
            "{} requests, {:.0} % of all since then: {}",
            grouped(grown.network.after.requests),
            grown.share * 100.0,
            grown.pair.says()
        ),
        &grown.network.cites,
    ));
}

/// How much of the growth of all requests is this network's.
fn growth(hypothesis: &mut Hypothesis, grown: &Grown<'_>, access: &Access) {
    let all = Pair::new(access.totals.0.requests, access.totals.1.requests, access.seconds);
    let part = grown.pair.excess() / all.excess();
    if all.grew_at_all() && part >= MOST_OF_GROWTH {
        hypothesis.supports.push(Finding::new(
            1.5,
            format!(
                "it is {:.0} % of what requests grew by: all came {}",
                (part * 100.0).min(100.0),
                all.says()
            ),
        ));
    } else {
        hypothesis.against.push(Finding::new(
            0.5,
            format!("requests did not grow by it alone: all came {}", all.says()),
        ));
    }
}

fn assets(hypothesis: &mut Hypothesis, network: &Network) {
    let share = network.asset_share();
    if share < LOADS_NONE {
        hypothesis.supports.push(Finding::new(
            1.0,
            format!(
                "{:.0} % of its requests are for images, styles or scripts",
                share * 100.0
            ),
        ));
    } else if share >= RENDERS {
        hypothesis.against.push(Finding::new(
            0.5,
            format!(
                "{:.0} % of its requests are for images, styles and scripts, as a browser's are",
                share * 100.0
            ),
        ));
    }
}

/// What the module made of a network.
fn judged(hypothesis: &mut Hypothesis, evidence: &Evidence, network: &Network) {
    let known = evidence
        .decisions
        .as_ref()
        .and_then(|decisions| decisions.networks.get(&network.stored));
    let Some(judged) = known.filter(|_| !network.stored.is_empty()) else {
        return;
    };
    if judged.flagged > 0 {
        let stopped = match judged.stopped {
            0 => "none was stopped".to_owned(),
            stopped => format!("{} were stopped", grouped(stopped)),
        };
        hypothesis.supports.push(Finding::new(
            2.0,
            format!(
                "the module flagged requests of this network: {} samples, {stopped}",
                grouped(judged.flagged)
            ),
        ));
    }
    if judged.allowed > 0 {
        hypothesis.against.push(Finding::new(
            1.5,
            format!(
                "{} samples of it are of allowed clients or proven bots",
                grouped(judged.allowed)
            ),
        ));
    }
    if judged.human > 0 {
        hypothesis.against.push(Finding::new(
            1.5,
            format!(
                "{} samples of it are of clients that are labelled human",
                grouped(judged.human)
            ),
        ));
    }
}

/// Whether the site suffered.
fn strain(hypothesis: &mut Hypothesis, access: &Access) {
    let (before, after) = access.totals;
    let errors = Pair::new(before.server_errors, after.server_errors, access.seconds);
    if errors.grew() {
        hypothesis.supports.push(Finding::new(
            0.5,
            format!("responses 5xx rose meanwhile: {}", errors.says()),
        ));
    } else {
        hypothesis.against.push(Finding::new(
            0.5,
            "responses 5xx did not rise: the site may have borne it".to_owned(),
        ));
    }
}

/// Many clients, each with little: from one network, or from many.
pub fn swarm(evidence: &Evidence) -> Vec<Hypothesis> {
    let Some(access) = &evidence.access else {
        return Vec::new();
    };
    let grown = grown(access);
    let mut found: Vec<Hypothesis> = grown
        .iter()
        .filter(|grown| busy(grown) && grown.network.clients() > SEVERAL)
        .filter(|grown| grown.network.asset_share() < RENDERS)
        .map(|grown| {
            let network = grown.network;
            let title = format!(
                "A swarm in {}: about {:.0} clients of one network",
                code(&network.name),
                network.clients()
            );
            let mut swarm = Hypothesis::new("network_swarm", title);
            load(&mut swarm, grown);
            let each = network.after.requests as f64 / network.clients();
            swarm.supports.push(Finding::new(
                1.5,
                format!(
                    "about {:.0} clients with {each:.1} requests each",
                    network.clients()
                ),
            ));
            assets(&mut swarm, network);
            judged(&mut swarm, evidence, network);
            strain(&mut swarm, access);
            swarm.next(&[
                "whose network it is (whois): a hoster's, or a carrier's with people behind it",
                "a zone of networks, which judges them together: docs/directives.md",
            ])
        })
        .take(CRAWLS)
        .collect();
    found.extend(scattered(access));
    found
}

/// Many networks that did not come before, each with little.
fn scattered(access: &Access) -> Option<Hypothesis> {
    let scattered: Vec<&Network> = access
        .networks
        .values()
        .filter(|network| network.before == 0 && network.asset_share() < LOADS_NONE)
        .collect();
    let requests: u64 = scattered.iter().map(|network| network.after.requests).sum();
    let new = Pair::new(0, requests, access.seconds);
    let share = requests as f64 / access.totals.1.requests.max(1) as f64;
    let total = Pair::new(access.totals.0.requests, access.totals.1.requests, access.seconds);
    let most = scattered.iter().map(|network| network.after.requests).max();
    let even = most.is_some_and(|most| (most as f64) < 0.25 * requests as f64);
    let holds = scattered.len() >= LEAST_NETWORKS && even && share >= 2.0 * NOTABLE;
    if !holds || !new.grew() || !total.grew_at_all() {
        return None;
    }
    let title = format!(
        "A swarm from {} networks that were not seen before",
        grouped(scattered.len() as u64)
    );
    let mut swarm = Hypothesis::new("scattered_swarm", title);
    let cites: Vec<_> = scattered
        .iter()
        .filter_map(|network| network.cites.first())
        .take(3)
        .cloned()
        .collect();
    swarm.supports.push(Finding::cited(
            1.0 + 3.0 * share,
            format!(
                "{} requests, {:.0} % of all since then, come from networks that did not come before and load next to no \
                 images, styles or scripts",
                grouped(requests),
                share * 100.0
            ),
            &cites,
        ));
    swarm
        .supports
        .push(Finding::new(1.0, format!("all requests: {}", total.says())));
    strain(&mut swarm, access);
    Some(swarm.next(&[
        "what they ask for: the kinds of requests that grew, below",
        "a limit on those URLs for all (limit_req), as no address makes many requests",
    ]))
}

/// Stolen passwords are tried.
pub fn stuffing(evidence: &Evidence) -> Vec<Hypothesis> {
    let Some(access) = &evidence.access else {
        return Vec::new();
    };
    let (before, after) = access.totals;
    let denied = Pair::new(before.denied, after.denied, access.seconds);
    if !denied.grew() || denied.factor() < BURST || after.denied < LEAST_REQUESTS {
        return Vec::new();
    }
    let mut stuffing = Hypothesis::new("password_stuffing", "Passwords are tried, one after another");
    let denied_kinds = access.kinds.iter().filter(|kind| {
        let template = kind.template.as_str();
        template.starts_with("POST 401") || template.starts_with("POST 403")
    });
    let busiest = denied_kinds.max_by_key(|kind| kind.after);
    stuffing.supports.push(Finding::cited(
        3.0,
        format!("POST requests answered with 401 or 403: {}", denied.says()),
        busiest.map_or(&[], |kind| kind.cites.as_slice()),
    ));
    let networks: Vec<&Network> = access
        .networks
        .values()
        .filter(|network| network.after.denied > 0)
        .collect();
    stuffing.supports.push(Finding::new(
        1.0,
        format!("they come from {} networks", grouped(networks.len() as u64)),
    ));
    let most = networks.iter().max_by_key(|network| network.after.denied);
    if let Some(most) = most.filter(|most| most.after.denied * 2 > after.denied) {
        stuffing.supports.push(Finding::cited(
            0.5,
            format!("{} of them from {}", grouped(most.after.denied), code(&most.name)),
            &most.cites,
        ));
    }
    let refused = Pair::new(before.refused, after.refused, access.seconds);
    if refused.grew() && after.refused > after.denied {
        stuffing.against.push(Finding::new(
            1.0,
            "requests other than POST were refused, too: a limit may answer them".to_owned(),
        ));
    }
    vec![stuffing.next(&[
        "log-ins that succeeded from the same networks: these accounts need new passwords",
        "limit_req on the log-in, and `sekisho_trap` for what only scripts ask for",
    ])]
}

/// A rush of people: a sale, a mail to customers, a mention somewhere.
pub fn many_visitors(evidence: &Evidence) -> Vec<Hypothesis> {
    let Some(access) = &evidence.access else {
        return Vec::new();
    };
    let (before, after) = access.totals;
    let all = Pair::new(before.requests, after.requests, access.seconds);
    let grown_networks = access
        .networks
        .values()
        .filter(|network| Pair::new(network.before, network.after.requests, access.seconds).excess() > 0.0);
    let renders = after.assets as f64 / after.requests.max(1) as f64;
    let top = grown(access).first().map_or(0.0, |grown| grown.share);
    if !all.grew() || renders < RENDERS || top > 2.0 * NOTABLE {
        return Vec::new();
    }
    let mut rush = Hypothesis::new(
        "rush",
        "A rush of visitors: a sale, a mail to customers, a mention somewhere",
    );
    rush.supports
        .push(Finding::new(2.0, format!("all requests: {}", all.says())));
    rush.supports.push(Finding::new(
        1.0,
        format!(
            "the growth is spread over {} networks, and none has more than {:.0} % of all",
            grouped(grown_networks.count() as u64),
            (top * 100.0).max(1.0)
        ),
    ));
    rush.supports.push(Finding::new(
        1.0,
        format!(
            "{:.0} % of requests are for images, styles and scripts, as browsers' are",
            renders * 100.0
        ),
    ));
    let grew =
        |kind: &&Kind| Pair::new(kind.before, kind.after, access.seconds).excess() > 0.1 * all.excess();
    if let Some(kind) = access.kinds.iter().filter(grew).max_by_key(|kind| kind.after) {
        rush.supports.push(Finding::cited(
            0.5,
            format!("much of it is {}", code(&kind.template)),
            &kind.cites,
        ));
    }
    if let Some(decisions) = &evidence.decisions {
        let flagged = Pair::new(
            decisions.totals.0.flagged,
            decisions.totals.1.flagged,
            evidence.seconds(),
        );
        if flagged.grew() {
            rush.against.push(Finding::new(
                1.5,
                format!("the module flagged more than before: samples {}", flagged.says()),
            ));
        }
    }
    vec![rush.next(&[
        "what was announced or sold then",
        "that guards do not stop people: `sekisho_breaker_open`, and labels of people among the flagged",
    ])]
}

/// Many people behind one address: an office, a carrier, a proxy that is not set up.
pub fn one_address(evidence: &Evidence) -> Vec<Hypothesis> {
    let Some(access) = &evidence.access else {
        return Vec::new();
    };
    let shared = grown(access).into_iter().filter(|grown| {
        let network = grown.network;
        busy(grown)
            && network.clients() <= 2.0
            && network.agents() >= AGENTS
            && network.asset_share() >= RENDERS
    });
    shared
        .take(1)
        .map(|grown| {
            let network = grown.network;
            let title = format!(
                "Many people behind {}: an office, a carrier's NAT, or a proxy that nginx takes for a client",
                code(&network.client)
            );
            let mut shared = Hypothesis::new("shared_address", title);
            load(&mut shared, &grown);
            shared.supports.push(Finding::new(
                2.0,
                format!(
                    "about {:.0} user agents, and {:.0} % of its requests are for images, styles and scripts",
                    network.agents(),
                    network.asset_share() * 100.0
                ),
            ));
            judged(&mut shared, evidence, network);
            shared.next(&[
                "whether a CDN or a load balancer was put before nginx: real_ip_header, set_real_ip_from",
                "`sekisho_allow` for the address, if it is an office",
            ])
        })
        .collect()
}
