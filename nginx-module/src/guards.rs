//! What keeps enforcement from doing harm, as configured, and what it says when it acts.

use std::fmt::{self, Display};

use sekisho_core::cdn::{self, Cdns};
use sekisho_core::guard::{Alarm, Limits};

/// `sekisho_breaker` and `sekisho_proxy_guard`.
pub struct Guards {
    /// When the breaker trips; `None` is never.
    pub breaker: Option<Limits>,
    /// Whether `sekisho_breaker` was read.
    pub breaker_said: bool,
    /// Whether proxies are told from clients; nginx's flag: 1, 0, or -1 when nothing was said.
    pub proxy: isize,
    cdns: Cdns,
}

impl Default for Guards {
    fn default() -> Guards {
        Guards {
            breaker: Some(Limits::DEFAULT),
            breaker_said: false,
            proxy: -1,
            cdns: Cdns::parse(cdn::DEFAULT.as_bytes()).0,
        }
    }
}

impl Guards {
    /// When the breaker trips; shares that are never reached when it is off.
    pub fn limits(&self) -> Limits {
        self.breaker.unwrap_or(Limits {
            clients: u32::MAX,
            requests: u32::MAX,
            hold: 0,
        })
    }

    /// Whether proxies are told from clients.
    pub fn watches_proxies(&self) -> bool {
        self.proxy != 0
    }

    /// The CDN that an address belongs to.
    pub fn cdn(&self, address: &[u8]) -> Option<&str> {
        self.cdns.of(address).filter(|_| self.watches_proxies())
    }
}

/// Why a client that would be stopped is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restraint<'a> {
    /// The breaker is open.
    Breaker,
    /// Its key carries too much of all traffic to be one client.
    Proxy,
    /// Its address is a CDN's.
    Cdn(&'a str),
}

/// An alarm as the error log tells it.
pub struct Alarmed<'a> {
    /// What happened.
    pub alarm: Alarm,
    /// In which zone.
    pub zone: &'a str,
    /// How long enforcement stays off, in seconds.
    pub hold: u32,
}

/// What to do when nginx sees a proxy where clients should be.
pub const REMEDY: &str = "real_ip_header and set_real_ip_from are to be set up so that nginx sees clients";

impl Display for Alarmed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone;
        match self.alarm {
            Alarm::Tripped { clients, requests } => write!(
                f,
                "sekisho: breaker tripped, {clients}% of recent clients and {requests}% of recent requests would be \
                 stopped, by zone \"{zone}\": nothing is stopped for {} s",
                self.hold
            ),
            Alarm::Proxy { share } => write!(
                f,
                "sekisho: one key carries {share}% of all requests with many user agents, by zone \"{zone}\": it is \
                 taken for a proxy and not stopped; {REMEDY}"
            ),
        }
    }
}
