//! Any target and referer is digested, and spellings of one URL stay one URL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_core::key::Seed;
use sekisho_core::url::{MAX_HASHED, Method, Visit};

fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (target, referer) = (&data[..cut], data.get(cut + 1..));
    let digest = |target: &[u8]| Visit::new(Seed::FIXED, Method::Get, target, referer).url();
    let url = digest(target);
    assert_eq!(url, digest(target));
    if target.first() == Some(&b'/') && target.len() < MAX_HASHED / 2 && !target.contains(&b'#') {
        assert_eq!(url, digest(&[target, b"#fragment"].concat()));
        assert_eq!(url, digest(&[b"https://shop.example", target].concat()));
        assert_eq!(url, digest(&[b"/", target].concat()));
    }
});
