//! A user agent on the first line, any list of bots after it: claims name bots of the list, proofs never crash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_core::bots::{Bots, DEFAULT, Proof};
use sekisho_core::lines::MAX_ERRORS;

fuzz_target!(|data: &[u8]| {
    let agent = data.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let list = data.get(agent.len() + 1..).unwrap_or_default();
    let (own, errors) = Bots::parse(list);
    assert!(errors.len() <= MAX_ERRORS + 2);
    for error in errors {
        assert!(
            error
                .to_string()
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
        );
    }
    let (both, _) = Bots::parse_all(&[DEFAULT.as_bytes(), list]);
    for bots in [&own, &both] {
        if let Some(bot) = bots.claimed(agent) {
            assert!(!bots.name(bot).is_empty());
            assert_eq!(bots.id(bots.name(bot)), Some(bot));
        }
        for bot in bots.ids() {
            assert_ne!(bots.proves(bot, &[]), Proof::Range);
            bots.proves(bot, &agent[..agent.len().min(4)]);
            bots.proves(bot, &agent[..agent.len().min(16)]);
            assert!(!bots.hostname_matches(bot, b""));
            bots.hostname_matches(bot, agent);
        }
    }
});
