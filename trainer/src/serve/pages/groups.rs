//! `GET /groups`: who takes the load, by network and by what clients do.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::door::escaped;
use super::known::{COMPARED, Range};
use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{Groups, fill};
use crate::causes::with_causes;
use crate::config::now;
use crate::explain::{Lang, feature_figure, feature_noun, length};
use crate::figures::grouped;
use crate::picture::{Tile, treemap};
use crate::report::Swarm;
use crate::serve::shared::Access;
use crate::store::{Load, NetworkRow, Networks};
use crate::visible;

/// Swarms that are told.
const SWARMS: usize = 12;
/// Seconds of a day.
const DAY: u32 = 86_400;
/// Characters of a network's or client's name.
const SHOWN: usize = 128;

#[derive(Template)]
#[template(path = "pages/groups.html")]
struct GroupsPage {
    frame: Frame,
    words: &'static Groups,
    zones: Vec<String>,
    zone: String,
    range: &'static str,
    picture: String,
    networks_text: String,
    counted: String,
    rows: Vec<NetworkLine>,
    swarms: Vec<SwarmLine>,
    swarms_text: String,
    swarms_counted: String,
}

impl GroupsPage {
    /// Times that can be chosen: in the form, in words, and whether it is.
    fn ranges(&self) -> [(&'static str, &'static str, bool); 3] {
        let words = self.words;
        let ranges = [("day", words.day), ("week", words.week), ("all", words.all)];
        ranges.map(|(value, word)| (value, word, value == self.range))
    }
}

/// A network as a line.
struct NetworkLine {
    name: String,
    address: Option<String>,
    requests: u64,
    share: f64,
    automated: f64,
    clients: u64,
    last: u32,
}

/// A swarm.
struct SwarmLine {
    size: String,
    leader: i64,
    leader_name: String,
    common: Vec<[String; 2]>,
    networks: Vec<(String, String)>,
    span: (u32, u32),
}

/// The query of `/groups`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    zone: String,
    range: String,
}

/// `/groups`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route("/groups", get(groups))
}

async fn groups(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    let (words, at) = (Groups::of(viewer.lang), now());
    let (word, seconds) = match asked.range.as_str() {
        "week" => ("week", Some(7 * DAY)),
        "all" => ("all", None),
        _ => ("day", Some(DAY)),
    };
    let range: Range = (seconds, Some(asked.zone.clone()).filter(|zone| !zone.is_empty()));
    let known = access.clone();
    let question = access.ask(move |store, _| {
        let networks = known.known.networks(store, &range, at)?;
        let swarms = known.known.swarms(store, &range, at);
        Ok((store.zones()?, networks, swarms))
    });
    let (zones, (networks, networks_age), swarms) = question.await?;
    let (swarms, swarms_age) = swarms.map_err(|error| {
        tracing::error!("swarms were not found: {}", with_causes(&error));
        Refusal::Broken
    })?;
    let counted = |age| fill(words.counted, &[&length(viewer.lang, age)]);
    page(&GroupsPage {
        frame: Frame::new(&viewer, Place::Groups, words.title),
        words,
        zones,
        zone: asked.zone,
        range: word,
        picture: picture(&networks, words),
        networks_text: fill(
            words.networks_text,
            &[
                &grouped(networks.busiest.len() as u64),
                &grouped(networks.total),
                &format!("{:.0} %", drawn(&networks) * 100.0),
            ],
        ),
        counted: counted(networks_age),
        rows: networks
            .busiest
            .iter()
            .map(|row| line(row, &networks.all, words))
            .collect(),
        swarms: swarms
            .iter()
            .take(SWARMS)
            .map(|swarm| swarm_line(swarm, words, viewer.lang))
            .collect(),
        swarms_text: fill(words.swarms_text, &[&grouped(u64::from(COMPARED))]),
        swarms_counted: counted(swarms_age),
    })
}

fn line(row: &NetworkRow, all: &Load, words: &Groups) -> NetworkLine {
    NetworkLine {
        name: name(&row.network, words),
        address: address(&row.network),
        requests: row.load.requests,
        share: share(row.load.requests, all.requests),
        automated: share(row.load.flagged, row.load.requests),
        clients: row.load.clients,
        last: row.last,
    }
}

/// The busiest networks as rectangles. All others together would often fill the picture.
fn picture(networks: &Networks, words: &Groups) -> String {
    let told = |load: &Load, name: &str| {
        let automated = format!("{:.0} %", share(load.flagged, load.requests) * 100.0);
        let counts = [grouped(load.requests), grouped(load.clients)];
        fill(words.tile, &[name, &counts[0], &counts[1], &automated])
    };
    let tile = |load: &Load, name: String, href| Tile {
        amount: load.requests,
        heat: share(load.flagged, load.requests),
        title: told(load, &name),
        label: name,
        href,
    };
    let one = |row: &NetworkRow| tile(&row.load, name(&row.network, words), address(&row.network));
    let mut tiles: Vec<Tile> = networks.busiest.iter().map(one).collect();
    tiles.retain(|tile| tile.amount > 0);
    treemap(
        words.networks,
        words.networks_text.split('{').next().unwrap_or_default(),
        &tiles,
    )
}

fn swarm_line(swarm: &Swarm, words: &Groups, lang: Lang) -> SwarmLine {
    let cluster = &swarm.cluster;
    let common = cluster.common.iter().map(|common| {
        let figure = |raw: f64| feature_figure(lang, common.feature, raw);
        let usual = fill(words.usual, &[&figure(common.baseline)]);
        [
            format!(
                "{}: {}",
                feature_noun(lang, common.feature),
                figure(common.median)
            ),
            usual,
        ]
    });
    let networks = cluster.networks.iter().map(|place| {
        let name = visible::escaped(place.network.as_bytes(), SHOWN);
        (name, format!("/clients?network={}", escaped(&place.network)))
    });
    SwarmLine {
        size: fill(
            words.swarm,
            &[&grouped(cluster.load.clients), &grouped(cluster.load.requests)],
        ),
        leader: swarm.leader,
        leader_name: cluster.names.first().cloned().unwrap_or_default(),
        common: common.collect(),
        networks: networks.collect(),
        span: cluster.span,
    }
}

/// What part of all requests the picture has.
fn drawn(networks: &Networks) -> f64 {
    let busiest = networks.busiest.iter().map(|row| row.load.requests);
    share(busiest.sum(), networks.all.requests)
}

fn name(network: &str, words: &Groups) -> String {
    match network {
        "" => words.unnamed.to_owned(),
        _ => visible::escaped(network.as_bytes(), SHOWN),
    }
}

/// Where the clients of a network are; those without one cannot be asked for.
fn address(network: &str) -> Option<String> {
    (!network.is_empty()).then(|| format!("/clients?network={}", escaped(network)))
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(network: &str, requests: u64, flagged: u64) -> NetworkRow {
        NetworkRow {
            load: Load {
                requests,
                flagged,
                clients: 2,
            },
            last: 1,
            network: network.into(),
        }
    }

    #[test]
    fn the_picture_has_all_load_and_only_harmless_text() {
        let networks = Networks {
            busiest: vec![
                row("192.0.2.0/24", 900, 900),
                row("</svg><script>", 50, 0),
                row("", 40, 10),
            ],
            all: Load {
                requests: 1000,
                flagged: 910,
                clients: 9,
            },
            total: 5,
        };
        let svg = picture(&networks, Groups::of(Lang::En));
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(!svg.contains("<script") && svg.contains("heat-0"), "{svg}");
        assert_eq!(drawn(&networks), 0.99);
        assert!(
            svg.contains("192.0.2.0/24: 900 requests by 2 clients, 100 % of them"),
            "{svg}"
        );
        let none = picture(&Networks::default(), Groups::of(Lang::Ja));
        assert!(none.ends_with("</svg>") && !none.contains("<rect"));
    }
}
