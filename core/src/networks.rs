//! Networks: is this address in one of these ranges? Asked at requests, so answered without allocation.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::lines::{self, Counted, Fault, LineError};

/// Networks in one list. The largest published lists of crawlers and clouds have some ten thousand.
pub const MAX_RANGES: usize = 262_144;

/// Bits of an IPv6 prefix that say "an IPv4 address follows" (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A set of addresses, IPv4 and IPv6: sorted ranges that neither overlap nor touch.
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4 address. So `::/0` holds every IPv6 address
/// and no IPv4 address, as in nginx's `allow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// One network or address a line; see [`lines`] for comments, bad lines and bounds. Bits of an address
    /// beyond its prefix mean nothing: `192.0.2.7/24` is `192.0.2.0/24`, as in nginx.
    pub fn parse(text: &[u8]) -> (Networks, Vec<LineError>) {
        let mut networks = Vec::new();
        let mut counted = Counted::default();
        let errors = lines::read(text, |line| {
            networks.push(counted.network(line)?);
            Ok(())
        });
        (networks.into_iter().collect(), errors)
    }

    /// One network or address.
    pub fn from_cidr(text: &str) -> Result<Networks, Fault> {
        network(text.trim().as_bytes()).map(|network| std::iter::once(network).collect())
    }

    /// Whether an IPv4 address, in network order, is in the set.
    #[inline]
    pub fn contains_v4(&self, address: [u8; 4]) -> bool {
        covers(&self.v4, u32::from_be_bytes(address))
    }

    /// Whether an address of 4 or 16 bytes, in network order as in `$binary_remote_addr`, is in the set.
    /// Bytes of any other length are no address and in no set.
    #[inline]
    pub fn contains(&self, address: &[u8]) -> bool {
        if let Ok(v4) = address.try_into() {
            return self.contains_v4(v4);
        }
        let Ok(v6) = <[u8; 16]>::try_from(address) else {
            return false;
        };
        match Ipv6Addr::from(v6).to_ipv4_mapped() {
            Some(v4) => self.contains_v4(v4.octets()),
            None => covers(&self.v6, u128::from_be_bytes(v6)),
        }
    }

    /// The first two octets that IPv4 addresses in the set have, one bit each.
    pub fn first_halves(&self) -> Vec<u64> {
        let mut halves = vec![0; (1 << 16) / 64];
        for (start, end) in &self.v4 {
            for half in start >> 16..=end >> 16 {
                halves[half as usize / 64] |= 1 << (half % 64);
            }
        }
        halves
    }

    /// Ranges, after merging.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the addresses of another set.
    pub fn extend(&mut self, other: &Networks) {
        self.v4.extend_from_slice(&other.v4);
        self.v6.extend_from_slice(&other.v6);
        self.settle();
    }

    /// Sorts the ranges and joins those that overlap or touch.
    fn settle(&mut self) {
        join(&mut self.v4, |end| end.checked_add(1));
        join(&mut self.v6, |end| end.checked_add(1));
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Networks {
        let mut set = Networks::default();
        for network in networks {
            match unmapped(network) {
                IpNet::V4(net) => set.v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => set.v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        set.settle();
        set
    }
}

/// Whether one of the sorted ranges holds the address.
#[inline]
fn covers<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|&(start, _)| start <= address);
    after > 0 && address <= ranges[after - 1].1
}

fn join<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let joined = next(earlier.1).is_none_or(|next| later.0 <= next);
        if joined {
            earlier.1 = earlier.1.max(later.1);
        }
        joined
    });
    ranges.shrink_to_fit();
}

/// The network or address that a text is.
pub(crate) fn network(text: &[u8]) -> Result<IpNet, Fault> {
    let text = str::from_utf8(text).map_err(|_| Fault::Network)?;
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => text.parse().map_err(|_| Fault::Network),
    }
}

/// A network of IPv4-mapped addresses is the IPv4 network.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(net) = network else {
        return network;
    };
    let bits = net.prefix_len().checked_sub(MAPPED_BITS);
    let mapped = net.network().to_ipv4_mapped().zip(bits);
    mapped
        .and_then(|(address, bits)| IpNet::new(address.into(), bits).ok())
        .unwrap_or(network)
}

#[cfg(test)]
mod tests;
