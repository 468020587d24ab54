use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;

fn set(text: &str) -> Networks {
    let (networks, errors) = Networks::parse(text.as_bytes());
    assert_eq!(errors, []);
    networks
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().expect("an address") {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[test]
fn addresses_are_found_in_their_networks() {
    #[track_caller]
    fn check(list: &str, address: &str, expected: bool) {
        assert_eq!(
            set(list).contains(&octets(address)),
            expected,
            "{address} in {list:?}"
        );
    }
    check("", "192.0.2.1", false);
    check("", "::", false);
    check("192.0.2.0/24", "192.0.2.0", true);
    check("192.0.2.0/24", "192.0.2.255", true);
    check("192.0.2.0/24", "192.0.3.0", false);
    check("192.0.2.0/24", "192.0.1.255", false);
    check("192.0.2.77/24", "192.0.2.1", true);
    check("192.0.2.7", "192.0.2.7", true);
    check("192.0.2.7", "192.0.2.8", false);
    check("0.0.0.0/0", "255.255.255.255", true);
    check("0.0.0.0/0", "2001:db8::1", false);
    check("255.255.255.255\n0.0.0.0", "255.255.255.255", true);
    check("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true);
    check("2001:db8::/32", "2001:db9::", false);
    check("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true);
    check("::/0", "192.0.2.1", false);
    check("::/0", "::ffff:192.0.2.1", false);
    check("192.0.2.0/24", "::ffff:192.0.2.1", true);
    check("::ffff:192.0.2.0/120", "192.0.2.1", true);
    check("::ffff:192.0.2.1", "192.0.2.1", true);
    check("::ffff:0:0/96", "203.0.113.9", true);
    check("192.0.2.0/24", "::192.0.2.1", false);
}

#[test]
fn bytes_that_are_no_address_are_in_no_network() {
    let all = set("0.0.0.0/0\n::/0");
    for length in 0..40 {
        assert_eq!(
            all.contains(&vec![1; length]),
            length == 4 || length == 16,
            "{length}"
        );
    }
}

#[test]
fn ranges_that_touch_are_one() {
    #[track_caller]
    fn check(list: &str, expected: usize) {
        let networks = set(list);
        assert_eq!(networks.len(), expected, "{list:?}");
        assert_eq!(networks.is_empty(), expected == 0, "{list:?}");
    }
    check("", 0);
    check("192.0.2.0/25\n192.0.2.128/25", 1);
    check("192.0.2.0/25\n192.0.2.129", 2);
    check("192.0.2.0/24\n192.0.2.0/24\n192.0.2.9", 1);
    check("0.0.0.0/0\n255.255.255.255\n10.0.0.0/8", 1);
    check("::/0\nffff::/16", 1);
    check("255.255.255.255\n::", 2);
}

#[test]
fn what_is_no_network_is_refused() {
    #[track_caller]
    fn check(text: &str) {
        assert_eq!(Networks::from_cidr(text), Err(Fault::Network), "{text:?}");
        let (networks, errors) = Networks::parse(format!("192.0.2.1\n{text}\n192.0.2.2").as_bytes());
        assert!(
            networks.contains_v4([192, 0, 2, 1]) && networks.contains_v4([192, 0, 2, 2]),
            "{text:?}"
        );
        let found: Vec<_> = errors.iter().map(|error| (error.line, &error.fault)).collect();
        assert_eq!(found, [(2, &Fault::Network)], "{text:?}");
    }
    check("192.0.2.0/33");
    check("2001:db8::/129");
    check("192.0.2");
    check("192.0.2.0/");
    check("192.0.2.0/-1");
    check("192.0.2.0 /24");
    check("010.0.0.1");
    check("allow 192.0.2.1");
    check("192.0.2.1 1");
    check("shop.example");
    check("\u{ff11}92.0.2.1");
    check("192.0.2.1\0");
    check("fe80::1%eth0");
}

#[test]
fn one_network_from_a_directive() {
    let networks = Networks::from_cidr(" 192.0.2.0/24 ").expect("a network");
    assert!(networks.contains_v4([192, 0, 2, 200]));
    assert_eq!(networks.len(), 1);
}

#[test]
fn a_list_has_a_bound() {
    let mut text = "192.0.2.1\n".repeat(MAX_RANGES);
    assert_eq!(Networks::parse(text.as_bytes()).1, []);
    text.push_str("192.0.2.2\n192.0.2.3\n");
    let (networks, errors) = Networks::parse(text.as_bytes());
    assert!(!networks.contains_v4([192, 0, 2, 2]));
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].line, MAX_RANGES + 1);
    insta::assert_snapshot!(errors[0], @r#"line 262145, "192.0.2.2": more than 262144 networks: this line and all after it are left out, merge networks or split the list"#);
}

/// Networks close to each other and to the ends of the address space, so that they touch and overlap.
fn v4() -> impl Strategy<Value = Ipv4Net> {
    let base = prop_oneof![Just(0u32), Just(u32::MAX - 600), Just(0xc000_0200), any::<u32>()];
    (base, 0..600u32, 0..=32u8).prop_map(|(base, add, bits)| {
        let bits = if add % 3 == 0 { bits } else { 22 + bits % 11 };
        Ipv4Net::new((base.wrapping_add(add)).into(), bits).expect("at most 32 bits")
    })
}

fn v6() -> impl Strategy<Value = Ipv6Net> {
    let base = prop_oneof![
        Just(0u128),
        Just(u128::MAX - 600),
        Just(0x2001_0db8 << 96),
        Just(0xffff_c000_0200),
        any::<u128>()
    ];
    (base, 0..600u128, 0..=128u8).prop_map(|(base, add, bits)| {
        let bits = if add % 3 == 0 { bits } else { 118 + bits % 11 };
        Ipv6Net::new((base.wrapping_add(add)).into(), bits).expect("at most 128 bits")
    })
}

/// What the set answers, slowly: an IPv4 address may be written as a mapped one, in a network of such.
fn naive(networks: &[IpNet], address: Ipv6Addr) -> bool {
    let mapped = address.to_ipv4_mapped();
    networks.iter().any(|network| match (network, mapped) {
        (IpNet::V4(net), Some(v4)) => net.contains(&v4),
        (IpNet::V6(net), Some(_)) => net.prefix_len() >= 96 && net.contains(&address),
        (IpNet::V6(net), None) => net.contains(&address),
        (IpNet::V4(_), None) => false,
    })
}

proptest! {
    #[test]
    fn the_set_answers_as_its_networks_do(
        v4 in prop::collection::vec(v4(), 0..20),
        v6 in prop::collection::vec(v6(), 0..20),
        split in 0..20usize,
        far in any::<u128>(),
    ) {
        let nets: Vec<IpNet> = v4.iter().map(|&net| net.into()).chain(v6.iter().map(|&net| net.into())).collect();
        let text: String = nets.iter().map(|net| format!("{net};\r\n")).collect();
        let whole = set(&text);
        let split = split.min(nets.len());
        let mut halves: Networks = nets[split..].iter().copied().collect();
        halves.extend(&nets[..split].iter().copied().collect());
        prop_assert_eq!(&halves, &whole);
        let v4s = v4.iter().flat_map(|net| [u32::from(net.network()), u32::from(net.broadcast())]);
        for address in v4s.flat_map(|end| [end.wrapping_sub(1), end, end.wrapping_add(1)]).chain([far as u32]) {
            let mapped = Ipv4Addr::from(address).to_ipv6_mapped();
            let expected = naive(&nets, mapped);
            prop_assert_eq!(whole.contains_v4(address.to_be_bytes()), expected);
            prop_assert_eq!(whole.contains(&mapped.octets()), expected);
        }
        let v6s = v6.iter().flat_map(|net| [u128::from(net.network()), u128::from(net.broadcast())]);
        for address in v6s.flat_map(|end| [end.wrapping_sub(1), end, end.wrapping_add(1)]).chain([far]) {
            let expected = naive(&nets, address.into());
            prop_assert_eq!(whole.contains(&address.to_be_bytes()), expected);
        }
    }

    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let (networks, errors) = Networks::parse(&text);
        let lines = text.split(|&byte| byte == b'\n').count();
        prop_assert!(networks.len() + errors.len() <= lines);
        for error in errors {
            prop_assert!(error.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}

#[test]
fn first_halves_hold_every_range_and_nothing_else() {
    let text = b"192.0.2.0/24\n10.0.0.0/15\n255.255.255.255\n2001:db8::/32\n";
    let (networks, _) = Networks::parse(text);
    let halves = networks.first_halves();
    let set: Vec<usize> = (0..1 << 16)
        .filter(|half| halves[half / 64] >> (half % 64) & 1 != 0)
        .collect();
    assert_eq!(set, [0x0a00, 0x0a01, 0xc000, 0xffff]);
}
