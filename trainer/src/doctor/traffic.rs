//! What an access log tells about the clients that nginx sees.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use sekisho_core::cdn::{self, Cdns};
use sekisho_core::logline::{Entry, Format};

use crate::logs::{LogError, Logs, Parsed};

/// Most addresses that are counted one by one, and most of one window.
const MAX_ADDRESSES: usize = 4 << 20;
/// Seconds of the windows that clients are counted in: as long as an idle record is worth keeping, and an hour.
const WINDOWS: [u32; 2] = [600, 3600];
/// Windows of a kind that are open at a time: log lines are written at the end of their response.
const OPEN: usize = 3;

/// Clients of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Lines with a request.
    pub requests: u64,
    /// Most distinct addresses within ten minutes.
    pub ten_minutes: u64,
    /// Most distinct addresses within an hour.
    pub hour: u64,
    /// Lines whose client is in a private or local network.
    pub private: u64,
    /// The address with the most lines, and how many.
    pub busiest: Option<(IpAddr, u64)>,
    /// The content delivery network whose addresses have the most lines, and how many.
    pub cdn: Option<(String, u64)>,
}

impl Traffic {
    /// The busiest address's part of all lines, 0 to 1.
    pub fn busiest_share(&self) -> f64 {
        self.busiest.map_or(0.0, |(_, lines)| share(lines, self.requests))
    }

    /// The part of all lines that the one content delivery network has, 0 to 1.
    pub fn cdn_share(&self) -> f64 {
        self.cdn
            .as_ref()
            .map_or(0.0, |(_, lines)| share(*lines, self.requests))
    }

    /// The private addresses' part of all lines, 0 to 1.
    pub fn private_share(&self) -> f64 {
        share(self.private, self.requests)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Reads logs to their end.
pub fn read(paths: &[PathBuf], format: &Format) -> Result<Traffic, LogError> {
    let mut census = Census::default();
    let done = AtomicU64::new(0);
    let Ok(_) = Logs::open(paths, format)?.for_each(&done, |batch| {
        for line in batch.parse(format, |_, entry| client(&entry)) {
            if let Parsed::Entry(Some((address, at))) = line {
                census.see(address, at);
            }
        }
        Ok::<(), std::convert::Infallible>(())
    });
    Ok(census.finish())
}

fn client(entry: &Entry<'_>) -> Option<(IpAddr, u32)> {
    let address: IpAddr = std::str::from_utf8(entry.client).ok()?.parse().ok()?;
    Some((address.to_canonical(), entry.at))
}

/// Counting under way.
#[derive(Default)]
struct Census {
    traffic: Traffic,
    lines: HashMap<IpAddr, u64>,
    windows: [Vec<(u32, HashSet<IpAddr>)>; WINDOWS.len()],
}

impl Census {
    fn see(&mut self, address: IpAddr, at: u32) {
        self.traffic.requests += 1;
        self.traffic.private += u64::from(is_private(address));
        if self.lines.len() < MAX_ADDRESSES || self.lines.contains_key(&address) {
            *self.lines.entry(address).or_default() += 1;
        }
        for (kind, seconds) in WINDOWS.into_iter().enumerate() {
            let window = at / seconds;
            let open = &mut self.windows[kind];
            let found = open.iter().position(|(number, _)| *number == window);
            let index = found.unwrap_or_else(|| {
                open.push((window, HashSet::new()));
                open.len() - 1
            });
            let clients = &mut open[index].1;
            if clients.len() < MAX_ADDRESSES {
                clients.insert(address);
            }
            let count = clients.len() as u64;
            let peak = match kind {
                0 => &mut self.traffic.ten_minutes,
                _ => &mut self.traffic.hour,
            };
            *peak = count.max(*peak);
            if open.len() > OPEN {
                open.remove(0);
            }
        }
    }

    fn finish(mut self) -> Traffic {
        let (cdns, _) = Cdns::parse(cdn::DEFAULT.as_bytes());
        let mut found: HashMap<&str, u64> = HashMap::new();
        for (address, lines) in &self.lines {
            let name = match address {
                IpAddr::V4(address) => cdns.of(&address.octets()),
                IpAddr::V6(address) => cdns.of(&address.octets()),
            };
            if let Some(name) = name {
                *found.entry(name).or_default() += lines;
            }
        }
        let most = found.into_iter().max_by_key(|(name, lines)| (*lines, *name));
        self.traffic.cdn = most.map(|(name, lines)| (name.to_owned(), lines));
        let busiest = self
            .lines
            .into_iter()
            .max_by_key(|(address, lines)| (*lines, *address));
        self.traffic.busiest = busiest;
        self.traffic
    }
}

/// Networks that no visitor comes from over the Internet (RFC 1918, 6598, 4193, and what is local).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(visits: &[(&str, u32)]) -> Traffic {
        let mut census = Census::default();
        for (address, at) in visits {
            census.see(address.parse().unwrap(), *at);
        }
        census.finish()
    }

    #[test]
    fn clients_are_counted_by_window() {
        #[track_caller]
        fn check(visits: &[(&str, u32)], ten_minutes: u64, hour: u64) {
            let traffic = census(visits);
            assert_eq!((traffic.ten_minutes, traffic.hour), (ten_minutes, hour));
        }
        check(&[], 0, 0);
        check(&[("192.0.2.1", 0), ("192.0.2.1", 599)], 1, 1);
        check(&[("192.0.2.1", 0), ("192.0.2.2", 601)], 1, 2);
        check(&[("192.0.2.1", 0), ("192.0.2.2", 3601)], 1, 1);
        check(
            &[("192.0.2.1", 601), ("192.0.2.2", 599), ("192.0.2.3", 602)],
            2,
            3,
        );
    }

    #[test]
    fn shares_are_of_all_lines() {
        let traffic = census(&[
            ("10.0.0.1", 0),
            ("10.0.0.1", 1),
            ("192.0.2.1", 1),
            ("192.0.2.2", 1),
        ]);
        assert_eq!((traffic.busiest_share(), traffic.private_share()), (0.5, 0.5));
        assert_eq!(traffic.busiest, Some(("10.0.0.1".parse().unwrap(), 2)));
        assert_eq!(Traffic::default().busiest_share(), 0.0);
        assert_eq!(traffic.cdn, None);
        let (name, lines) = census(&[("104.16.0.1", 0), ("104.16.0.2", 0)]).cdn.unwrap();
        assert_eq!((name.to_lowercase().as_str(), lines), ("cloudflare", 2));
    }

    #[test]
    fn private_networks() {
        #[track_caller]
        fn check(address: &str, expected: bool) {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
        check("10.1.2.3", true);
        check("172.16.0.1", true);
        check("172.32.0.1", false);
        check("100.64.0.1", true);
        check("100.128.0.1", false);
        check("127.0.0.1", true);
        check("192.0.2.1", false);
        check("fd00::1", true);
        check("fe80::1", true);
        check("2001:db8::1", false);
    }
}
