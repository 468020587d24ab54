//! Check: whether each zone has room for the clients of busy times.

use sekisho_core::table::{Geometry, parse_size};

use super::config::{Config, Directive};
use super::finding::Finding;
use super::status::{Status, ZoneStatus};
use super::traffic::Traffic;

const CHECK: &str = "zones";
/// A table is advised to have this many times the room of the busiest ten minutes: its sets of eight fill unevenly.
const SPARE: f64 = 1.25;
/// Largest size that is advised, in mebibytes.
const MAX_ADVISED: usize = 1 << 16;
/// Evictions a client that is held: more of them, and active clients are forgotten in earnest.
const FEW_EVICTIONS: f64 = 0.01;

/// One finding for each `sekisho_zone`.
pub fn check(config: &Config, traffic: Option<&Traffic>, status: Option<&Status>) -> Vec<Finding> {
    let zones = config.all("sekisho_zone");
    zones.map(|line| zone(line, traffic, status)).collect()
}

fn zone(line: &Directive, traffic: Option<&Traffic>, status: Option<&Status>) -> Finding {
    let (name, size) = line
        .value("zone=")
        .and_then(|value| value.split_once(':'))
        .unwrap_or_default();
    let room = parse_size(size.as_bytes()).and_then(|bytes| Geometry::for_zone(bytes).ok());
    let Some(room) = room.map(|geometry| geometry.clients()) else {
        let found = format!("{}: zone \"{name}\" has no size that nginx takes", line.place);
        return Finding::problem(CHECK, found, "write zone=NAME:SIZE, such as zone=clients:10m");
    };
    let holds = format!("{name}:{size} holds {room} clients");
    let live = status.and_then(|status| status.zones.iter().find(|zone| zone.name == name));
    if let Some(live) = live.filter(|live| crowded(live)) {
        let found = format!(
            "{holds}; {} active ones were evicted since it began, {} are held now",
            live.counters.evictions, live.clients.held
        );
        return Finding::warning(CHECK, found, format!("double it: zone={name}:{}m", doubled(size)));
    }
    let by_address = matches!(
        line.first(),
        "$binary_remote_addr" | "$remote_addr" | "${binary_remote_addr}"
    );
    match traffic.filter(|traffic| by_address && traffic.requests > 0) {
        Some(traffic) => compare(name, &holds, room, traffic),
        None if live.is_some() => Finding::ok(CHECK, format!("{holds}; it evicts next to no active client")),
        None if by_address => Finding::skipped(
            CHECK,
            holds,
            "to compare with your traffic, give --log FILE or --api URL",
        ),
        None => {
            let found = format!("{holds}; no log tells how many values {} has", line.first());
            Finding::skipped(CHECK, found, "give --api URL to see its evictions")
        }
    }
}

/// Whether active clients have been evicted in numbers.
fn crowded(zone: &ZoneStatus) -> bool {
    zone.counters.evictions as f64 > zone.clients.held as f64 * FEW_EVICTIONS
}

fn doubled(size: &str) -> usize {
    let bytes = parse_size(size.as_bytes()).unwrap_or(1 << 20);
    bytes.div_ceil(1 << 20).saturating_mul(2).min(MAX_ADVISED)
}

fn compare(name: &str, holds: &str, room: usize, traffic: &Traffic) -> Finding {
    let (busy, hour) = (traffic.ten_minutes, traffic.hour);
    let seen = format!("{holds}; the log has up to {busy} in ten minutes, {hour} in an hour");
    let needed = (busy as f64 * SPARE).ceil() as usize;
    if room >= needed {
        return match room as u64 >= hour {
            true => Finding::ok(CHECK, seen),
            false => Finding::ok(
                CHECK,
                format!("{seen}: who pauses longer than that may start anew"),
            ),
        };
    }
    let advice = match size_for(needed) {
        Some(size) => format!("zone={name}:{size}m"),
        None => "take a zone by prefix instead".to_owned(),
    };
    if room as u64 >= busy {
        Finding::warning(CHECK, format!("{seen}: too little to spare"), advice)
    } else {
        Finding::problem(
            CHECK,
            format!("{seen}: clients are forgotten while they are active"),
            advice,
        )
    }
}

/// The least size, in mebibytes, with room for so many clients.
fn size_for(clients: usize) -> Option<usize> {
    let fits =
        |size: usize| Geometry::for_zone(size << 20).is_ok_and(|geometry| geometry.clients() >= clients);
    if !fits(MAX_ADVISED) {
        return None;
    }
    let (mut low, mut high) = (0, MAX_ADVISED);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;
    use crate::doctor::status::{Counters, Occupancy};

    const TEN: &str = "sekisho_zone $binary_remote_addr zone=clients:10m;";

    fn config(text: &str) -> Config {
        Config::from_dump(&format!("# configuration file /n.conf:\nhttp {{ {text} }}"))
    }

    #[test]
    fn room_is_compared_with_traffic() {
        #[track_caller]
        fn see(text: &str, ten_minutes: u64, expected: Level) {
            let traffic = Traffic {
                requests: 1,
                ten_minutes,
                hour: ten_minutes * 2,
                ..Traffic::default()
            };
            let findings = check(&config(text), Some(&traffic), None);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].level(), expected, "{findings:?}");
        }
        let room = Geometry::for_zone(10 << 20).unwrap().clients() as u64;
        see(TEN, room / 10, Level::Ok);
        see(TEN, room * 3 / 4, Level::Ok);
        see(TEN, room * 9 / 10, Level::Warning);
        see(TEN, room * 5 / 4, Level::Problem);
        see(TEN, u64::MAX / 4, Level::Problem);
        see(
            "sekisho_zone $http_user_agent zone=a:10m;",
            50_000,
            Level::Skipped,
        );
        see("sekisho_zone $binary_remote_addr zone=a:1k;", 1, Level::Problem);
        see("sekisho_zone $binary_remote_addr zone=a:lots;", 1, Level::Problem);
        see("sekisho_zone;", 1, Level::Problem);
    }

    #[test]
    fn evictions_are_told() {
        #[track_caller]
        fn see(evictions: u64, expected: Level) {
            let zone = ZoneStatus {
                name: "clients".to_owned(),
                clients: Occupancy {
                    capacity: 39_000,
                    held: 39_000,
                },
                counters: Counters {
                    evictions,
                    ..Counters::default()
                },
            };
            let status = Status { zones: vec![zone] };
            let findings = check(&config(TEN), None, Some(&status));
            assert_eq!(findings[0].level(), expected, "{findings:?}");
        }
        see(0, Level::Ok);
        see(300, Level::Ok);
        see(400, Level::Warning);
    }

    #[test]
    fn the_advised_size_is_the_least() {
        for clients in [1, 1_000, 39_000, 230_000, 1_000_000] {
            let size = size_for(clients).unwrap();
            let room = |size: usize| Geometry::for_zone(size << 20).map_or(0, |geometry| geometry.clients());
            assert!(
                room(size) >= clients && room(size - 1) < clients,
                "{clients}: {size}m"
            );
        }
        assert_eq!(size_for(usize::MAX), None);
    }
}
