//! Any bytes as a list of networks or CDNs: bounded reports that are safe to print, and sets that agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_core::cdn::{Cdns, MAX_CDNS};
use sekisho_core::lines::{LineError, MAX_ERRORS};
use sekisho_core::networks::Networks;

fuzz_target!(|data: &[u8]| {
    let (networks, errors) = Networks::parse(data);
    check(&errors);
    let mut twice = networks.clone();
    twice.extend(&networks);
    assert_eq!(twice, networks);
    for address in data.chunks(16).chain(data.chunks(4)) {
        networks.contains(address);
    }

    // One CDN of all those lines holds the same addresses.
    let (cdns, errors) = Cdns::parse(data);
    check(&errors);
    let (one, _) = Cdns::parse(&[b"cdn one\n", data].concat());
    let whole = cdns.names().count() < MAX_CDNS;
    for address in data.chunks(4) {
        assert!(!whole || cdns.of(address).is_none() || one.of(address).is_some());
    }
});

fn check(errors: &[LineError]) {
    assert!(errors.len() <= MAX_ERRORS + 2);
    for error in errors {
        assert!(
            error
                .to_string()
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
        );
    }
}
