//! Bans for firewalls and spreadsheets: nftables, ipset, CSV.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;

use super::ecs::time;
use crate::export::guarded;
use crate::nginx::address_of;
use crate::store::DecisionRow;
use crate::visible::escaped;

/// Longest timeout that ipset knows, in seconds.
const IPSET_MOST: u32 = 2_147_483;
/// Elements that ipset makes room for at least: what it does by itself.
const IPSET_ROOM: usize = 65_536;
/// Characters of a text in a cell.
const SHOWN: usize = 1_100;

/// An address or network and how long it stays banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its first address.
    pub address: IpAddr,
    /// Bits of its prefix.
    pub bits: u8,
    /// Seconds that are left.
    pub left: u32,
}

/// What can be put into a firewall: addresses and networks that nginx acts on, each once, those within another left out.
pub fn elements<'a>(bans: impl IntoIterator<Item = (&'a DecisionRow, String)>, now: u32) -> Vec<Element> {
    let mut longest: BTreeMap<(IpAddr, u8), u32> = BTreeMap::new();
    for (row, plain) in bans {
        let left = row.expires.saturating_sub(now);
        let Some((address, bits)) = address_of(&plain).filter(|(_, bits)| *bits > 0) else {
            continue;
        };
        if row.is_enforced() && left > 0 {
            let known = longest.entry((first(address, bits), bits)).or_default();
            *known = left.max(*known);
        }
    }
    let within = |address: IpAddr, bits: u8| {
        (1..bits).any(|shorter| longest.contains_key(&(first(address, shorter), shorter)))
    };
    longest
        .iter()
        .filter(|((address, bits), _)| !within(*address, *bits))
        .map(|((address, bits), left)| Element {
            address: *address,
            bits: *bits,
            left: *left,
        })
        .collect()
}

/// The first address of a network.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

fn shown(element: &Element) -> String {
    let whole = element.bits == if element.address.is_ipv4() { 32 } else { 128 };
    if whole {
        element.address.to_string()
    } else {
        format!("{}/{}", element.address, element.bits)
    }
}

/// A script for `nft -f` that fills the sets `NAME4` and `NAME6` of the table `inet sekisho`.
pub fn nftables(elements: &[Element], name: &str) -> String {
    let mut text = String::from("add table inet sekisho\n");
    for (family, kind, is_four) in [("4", "ipv4_addr", true), ("6", "ipv6_addr", false)] {
        let set = format!("inet sekisho {name}{family}");
        let _ = writeln!(text, "add set {set} {{ type {kind}; flags interval, timeout; }}");
        let _ = writeln!(text, "flush set {set}");
        for element in elements.iter().filter(|one| one.address.is_ipv4() == is_four) {
            let _ = writeln!(
                text,
                "add element {set} {{ {} timeout {}s }}",
                shown(element),
                element.left
            );
        }
    }
    text
}

/// Input for `ipset restore` that fills the sets `NAME4` and `NAME6`.
pub fn ipset(elements: &[Element], name: &str) -> String {
    let room = elements.len().next_power_of_two().max(IPSET_ROOM);
    let mut text = String::new();
    for (family, word, is_four) in [("4", "inet", true), ("6", "inet6", false)] {
        let _ = writeln!(
            text,
            "create {name}{family} hash:net family {word} maxelem {room} timeout 0 -exist"
        );
        let _ = writeln!(text, "flush {name}{family}");
        for element in elements.iter().filter(|one| one.address.is_ipv4() == is_four) {
            let left = element.left.min(IPSET_MOST);
            let _ = writeln!(
                text,
                "add {name}{family} {} timeout {left} -exist",
                shown(element)
            );
        }
    }
    text
}

/// Rows for a spreadsheet; no cell is run as a formula.
///
/// # Errors
/// Nobody reads.
pub fn csv(rows: &[DecisionRow], output: impl io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record([
        "id",
        "nginx",
        "zone",
        "client",
        "origin",
        "reasons",
        "reference",
        "author",
        "note",
        "begun",
        "expires",
        "dry_run",
        "held",
        "ended",
        "end",
        "ended_by",
    ])?;
    let text = |text: &str| guarded(escaped(text.as_bytes(), SHOWN));
    for row in rows {
        writer.write_record([
            row.id.to_string(),
            text(&row.nginx),
            text(&row.zone),
            text(&row.client),
            text(&row.origin),
            text(&row.reasons.join(" ")),
            text(&row.reference),
            text(&row.author),
            text(&row.note),
            time(row.begun),
            time(row.expires),
            row.dry_run.map(|is_dry| is_dry.to_string()).unwrap_or_default(),
            row.held.to_string(),
            row.ended.map(time).unwrap_or_default(),
            row.end.map_or("", |end| end.as_str()).to_owned(),
            text(&row.ended_by),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ecs::tests::event;
    use super::*;
    use crate::store::EventKind;

    const NOW: u32 = 1_800_000_000;

    fn row(client: &str, left: u32) -> DecisionRow {
        DecisionRow {
            expires: NOW + left,
            ..event(1, EventKind::Begun, client).decision
        }
    }

    fn of(rows: &[DecisionRow]) -> Vec<Element> {
        elements(rows.iter().map(|row| (row, row.client.clone())), NOW)
    }

    fn some() -> Vec<Element> {
        of(&[
            row("192.0.2.7", 60),
            row("192.0.2.7", 600),
            row("198.51.100.0/24", 5),
            row("198.51.100.9", 500),
            row("2001:db8::/64", 2_592_000),
            row("2001:db8:1::1", 9),
        ])
    }

    #[test]
    fn elements_are_addresses_that_nginx_acts_on() {
        let shown: Vec<(String, u32)> = some().iter().map(|one| (shown(one), one.left)).collect();
        let expected = [
            ("192.0.2.7", 600),
            ("198.51.100.0/24", 5),
            ("2001:db8::/64", 2_592_000),
            ("2001:db8:1::1", 9),
        ];
        assert_eq!(shown, expected.map(|(name, left)| (name.to_owned(), left)));
        let dry = DecisionRow {
            dry_run: Some(true),
            ..row("192.0.2.7", 60)
        };
        let unknown = DecisionRow {
            dry_run: None,
            ..row("192.0.2.7", 60)
        };
        let held = DecisionRow {
            held: true,
            ..row("192.0.2.7", 60)
        };
        let over = row("192.0.2.7", 0);
        let others = [
            dry,
            unknown,
            held,
            over,
            row("0.0.0.0/0", 60),
            row("73657373", 60),
            row("; flush", 60),
        ];
        assert_eq!(of(&others), []);
    }

    #[test]
    fn scripts_for_firewalls() {
        insta::assert_snapshot!(nftables(&some(), "banned"), @r"
        add table inet sekisho
        add set inet sekisho banned4 { type ipv4_addr; flags interval, timeout; }
        flush set inet sekisho banned4
        add element inet sekisho banned4 { 192.0.2.7 timeout 600s }
        add element inet sekisho banned4 { 198.51.100.0/24 timeout 5s }
        add set inet sekisho banned6 { type ipv6_addr; flags interval, timeout; }
        flush set inet sekisho banned6
        add element inet sekisho banned6 { 2001:db8::/64 timeout 2592000s }
        add element inet sekisho banned6 { 2001:db8:1::1 timeout 9s }
        ");
        insta::assert_snapshot!(ipset(&some(), "banned"), @r"
        create banned4 hash:net family inet maxelem 65536 timeout 0 -exist
        flush banned4
        add banned4 192.0.2.7 timeout 600 -exist
        add banned4 198.51.100.0/24 timeout 5 -exist
        create banned6 hash:net family inet6 maxelem 65536 timeout 0 -exist
        flush banned6
        add banned6 2001:db8::/64 timeout 2147483 -exist
        add banned6 2001:db8:1::1 timeout 9 -exist
        ");
    }

    #[test]
    fn no_cell_is_a_formula() {
        let one = DecisionRow {
            note: "=HYPERLINK(\"http://x\")".to_owned(),
            author: "@ana\u{1b}".to_owned(),
            ..row("+1", 60)
        };
        let mut bytes = Vec::new();
        csv(&[one], &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains(",'+1,") && text.contains(",'@ana\\u{1b},"),
            "{text}"
        );
        assert!(text.contains("\"'=HYPERLINK(\"\"http://x\"\")\""), "{text}");
    }
}
