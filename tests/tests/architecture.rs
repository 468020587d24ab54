//! The architecture holds. Every rule is tried on text that breaks it, too, so that none can go blind.

use sekisho_tests::rules::{self, Breach};
use sekisho_tests::source::{Source, sources};

/// Every directory with Rust code of ours.
const CODE: [&str; 7] = [
    "core",
    "llm",
    "nginx-module",
    "trainer",
    "tests",
    "benches",
    "fuzz",
];

#[track_caller]
fn holds(directories: &[&str], rule: impl Fn(&Source) -> Vec<Breach>) {
    let files: Vec<Source> = directories
        .iter()
        .flat_map(|directory| sources(directory))
        .collect();
    assert!(!files.is_empty(), "no source files were found");
    let breaches: Vec<Breach> = files.iter().flat_map(rule).collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// `expected` is the line and text of the one breach, or nothing.
#[track_caller]
fn check(rule: impl Fn(&Source) -> Vec<Breach>, path: &str, text: &str, expected: &str) {
    let found = rule(&Source::new(path, text)).join("\n");
    let stripped = found.strip_prefix(&format!("{path}:")).unwrap_or(&found);
    assert_eq!(stripped, expected, "{text}");
}

#[test]
fn core_is_pure() {
    holds(&["core/src"], rules::purity);
}

#[test]
fn impure_code_is_found() {
    #[track_caller]
    fn see(text: &str, expected: &str) {
        check(rules::purity, "core/src/a.rs", text, expected);
    }
    see("use std::fs;", "1: core names std::fs");
    see("use std::{fmt, fs::File};", "1: core names std::fs::File");
    see("fn a() {\n std::fs::read(b) }", "2: core names std::fs::read");
    see("use std::net::IpAddr;", "");
    see(
        "use std::net::{IpAddr, TcpStream};",
        "1: core names std::net::TcpStream",
    );
    see("use std::net::*;", "1: core names std::net::*");
    see("use std::io::Write;", "1: core names std::io::Write");
    see("use std::io::Cursor;", "");
    see(
        "use std::process::Command;",
        "1: core names std::process::Command",
    );
    see("use std::env;", "1: core names std::env");
    see("use std::thread;", "1: core names std::thread");
    see(
        "use std::time::SystemTime;",
        "1: core names std::time::SystemTime",
    );
    see(
        "use std::time::{Duration, Instant};",
        "1: core names std::time::Instant",
    );
    see("use std::time;", "1: core names std::time");
    see("use std::sync::Mutex;", "1: core names std::sync::Mutex");
    see("use std as s;", "1: core names std");
    see(
        "extern crate std;",
        "1: core names extern\ncore/src/a.rs:1: core names std",
    );
    see("fn a() { println!(\"x\") }", "1: core names println");
    see("fn a() { vec![eprintln!()] }", "1: core names eprintln");
    see("fn a() { dbg!(b) }", "1: core names dbg");
    see("fn a() { unsafe { b() } }", "1: core names unsafe");
    see("use ngx::core::Pool;", "1: core names ngx");
    see("use nginx_sys::ngx_str_t;", "1: core names nginx_sys");
    see(
        "fn a() { onnx().model_for_path(b) }",
        "1: core names model_for_path",
    );
    see(
        "/// std::fs, println!\nfn a() -> &'static str { \"std::fs unsafe\" }",
        "",
    );
    see("#[cfg(test)] mod tests { use std::fs; }", "");
}

#[test]
fn only_the_module_knows_nginx() {
    holds(&CODE, rules::nginx_stays_in_the_module);
    let rule = rules::nginx_stays_in_the_module;
    check(
        rule,
        "trainer/src/a.rs",
        "use ngx::http::Request;",
        "1: names ngx::http::Request",
    );
    check(
        rule,
        "tests/src/a.rs",
        "type A = nginx_sys::ngx_str_t;",
        "1: names nginx_sys::ngx_str_t",
    );
    check(rule, "nginx-module/src/a.rs", "use ngx::http::Request;", "");
    check(
        rule,
        "trainer/src/a.rs",
        "fn a() { ngx(\"nginx_sys\") }",
        "1: names ngx",
    );
}

#[test]
fn models_of_language_know_neither_clients_nor_the_store() {
    holds(&["llm/src"], rules::who_asks_is_unknown);
    let rule = rules::who_asks_is_unknown;
    check(
        rule,
        "llm/src/a.rs",
        "use sekisho_core::record::Record;",
        "1: llm names sekisho_core",
    );
    check(
        rule,
        "llm/src/a.rs",
        "fn a() {\n rusqlite::Connection::open(b) }",
        "2: llm names rusqlite",
    );
    check(rule, "llm/src/a.rs", "fn ban(key: &str) {}", "1: llm names ban");
    check(rule, "llm/src/a.rs", "/// A ban, a verdict.\nfn a() {}", "");
}

#[test]
fn unsafe_code_is_at_the_border_to_nginx() {
    holds(&CODE, rules::unsafe_stays_at_the_border);
    let rule = rules::unsafe_stays_at_the_border;
    check(
        rule,
        "nginx-module/src/zone.rs",
        "fn a() {\n unsafe { b() } }",
        "2: unsafe code",
    );
    check(
        rule,
        "tests/src/a.rs",
        "unsafe impl Send for A {}",
        "1: unsafe code",
    );
    check(
        rule,
        "nginx-module/src/ffi/zone.rs",
        "fn a() { unsafe { b() } }",
        "",
    );
    check(
        rule,
        "nginx-module/src/zone.rs",
        "#![forbid(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";",
        "",
    );
}

#[test]
fn crates_forbid_unsafe_code() {
    for root in [
        "core/src/lib.rs",
        "llm/src/lib.rs",
        "trainer/src/main.rs",
        "tests/src/lib.rs",
        "benches/src/lib.rs",
    ] {
        let files = sources(root.split('/').next().unwrap_or_default());
        let file = files
            .iter()
            .find(|file| file.path == root)
            .unwrap_or_else(|| panic!("{root} is missing"));
        assert_eq!(rules::forbids_unsafe(file), Vec::<Breach>::new());
    }
    check(
        rules::forbids_unsafe,
        "a.rs",
        "//! Words.\nmod a;",
        "1: does not forbid unsafe code",
    );
    check(
        rules::forbids_unsafe,
        "a.rs",
        "#![deny(unsafe_code)]",
        "1: does not forbid unsafe code",
    );
}

#[test]
fn modules_say_what_they_are() {
    holds(&CODE, rules::modules_have_names);
    let rule = rules::modules_have_names;
    check(
        rule,
        "core/src/lib.rs",
        "pub mod key;\nmod util;",
        "2: mod util is a vague name",
    );
    check(rule, "core/src/helpers.rs", "", "1: a vague name");
    check(rule, "core/src/common/key.rs", "", "1: a vague name");
    check(rule, "core/src/utility.rs", "mod common_words;", "");
}

#[test]
fn files_and_functions_are_short() {
    holds(&CODE, rules::files_are_short);
    holds(&CODE, rules::functions_are_short);
    check(rules::files_are_short, "a.rs", &"\n".repeat(500), "");
    check(rules::files_are_short, "a.rs", &"\n".repeat(501), "1: 501 lines");
    let function = |lines: usize| format!("\nfn long() -> u8 {{{}}}", "\n".repeat(lines - 1));
    check(rules::functions_are_short, "a.rs", &function(70), "");
    check(
        rules::functions_are_short,
        "a.rs",
        &function(71),
        "2: fn long has 71 lines",
    );
    check(
        rules::functions_are_short,
        "a.rs",
        &format!("trait A {{ fn a(); {} }}", "\n".repeat(99)),
        "",
    );
}

#[test]
fn nothing_is_unfinished() {
    holds(&CODE, rules::nothing_is_unfinished);
    let rule = rules::nothing_is_unfinished;
    check(rule, "a.rs", "fn a() { todo!() }", "1: todo is unfinished");
    check(
        rule,
        "a.rs",
        "fn a() { unimplemented!(\"later\") }",
        "1: unimplemented is unfinished",
    );
    check(
        rule,
        "a.rs",
        "#[allow(dead_code)]\nfn a() {}",
        "1: dead_code is unfinished",
    );
    check(
        rule,
        "a.rs",
        "#[test]\n#[ignore = \"slow\"]\nfn a() {}",
        "2: a test that is switched off",
    );
}

#[test]
fn the_user_agent_is_never_evidence() {
    holds(&["core/src"], rules::user_agent_is_no_evidence);
    let rule = rules::user_agent_is_no_evidence;
    check(
        rule,
        "core/src/url.rs",
        "fn a(user_agent: &[u8]) {}",
        "1: core knows user_agent",
    );
    check(
        rule,
        "core/src/feature/mod.rs",
        "const A: &str = \"User-Agent\";",
        "1: core knows \"User-Agent\"",
    );
    check(
        rule,
        "core/src/record.rs",
        "struct UserAgentHash;",
        "1: core knows UserAgentHash",
    );
    check(rule, "core/src/logline/mod.rs", "fn a(user_agent: &[u8]) {}", "");
    check(rule, "core/src/bots/mod.rs", "fn a(user_agent: &[u8]) {}", "");
    check(rule, "core/src/checkpoint.rs", "use crate::bots::Proof;", "");
    check(
        rule,
        "core/src/feature/behaviour.rs",
        "use crate::bots::Proof;",
        "1: core knows bots",
    );
    check(
        rule,
        "core/src/feature/mod.rs",
        "/// The user agent is never a feature.\nfn a() {}",
        "",
    );
}

#[test]
fn every_feature_says_what_it_is() {
    let files = sources("core/src/feature");
    let file = |name: &str| {
        let path = format!("core/src/feature/{name}.rs");
        files
            .iter()
            .find(|file| file.path == path)
            .unwrap_or_else(|| panic!("{path} is missing"))
    };
    let mut count = 0;
    for module in ["behaviour", "timing"] {
        let functions = rules::features_of(file("mod"), module);
        count += functions.len();
        assert_eq!(
            rules::features_are_documented(file(module), &functions),
            Vec::<Breach>::new()
        );
    }
    assert_eq!(
        count,
        sekisho_core::feature::COUNT,
        "every feature is computed in behaviour or timing"
    );
}

#[test]
fn a_feature_without_words_is_found() {
    #[track_caller]
    fn see(text: &str, expected: &str) {
        check(
            |source| rules::features_are_documented(source, &["pace".to_owned()]),
            "a.rs",
            text,
            expected,
        );
    }
    see("/// Seconds between pages.\npub(super) fn pace() {}", "");
    see("/// Seconds between pages.\npub fn pace() {}", "");
    see(
        "// Seconds between pages.\npub(super) fn pace() {}",
        "1: pace has no doc comment",
    );
    see(
        "/// Of another.\nfn other() {}\npub(super) fn pace() {}",
        "1: pace has no doc comment",
    );
    see("/// Seconds.\n#[inline]\npub(super) fn pace() {}", "");
    see("#[inline]\npub(super) fn pace() {}", "1: pace has no doc comment");
    see(
        "/// Of another.\nfn other(a: [u8; 4]) {}\npub(super) fn pace() {}",
        "1: pace has no doc comment",
    );
    see("", "1: pace has no doc comment");
}
