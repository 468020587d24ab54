//! The workspace is built from what it may be built from, and its parts meet only where they should.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sekisho_tests::dependencies::{Build, Package, permitted};

static BUILD: LazyLock<Build> = LazyLock::new(Build::of_this_workspace);

const CORE: &str = "sekisho-core";
const LLM: &str = "sekisho-llm";
const MODULE: &str = "ngx_http_sekisho_module";
const TRAINER: &str = "sekisho";

/// What core may be linked with directly: computing and encoding, nothing that reads, waits or starts.
const PURE: [&str; 11] = [
    "ipnet",
    "libm",
    "memchr",
    "prost",
    "serde",
    "serde_json",
    "sha2",
    "siphasher",
    "thiserror",
    "tract-onnx",
    "wide",
];
/// What may be in the build once only: slow to compile, or two of them would not understand each other.
const ONCE: [&str; 18] = [
    "forust-ml",
    "ndarray",
    "nginx-sys",
    "ngx",
    "prost",
    "rayon",
    "regex",
    "regex-automata",
    "reqwest",
    "ring",
    "rusqlite",
    "rustls",
    "serde",
    "serde_json",
    "tract-core",
    "tract-data",
    "tract-linalg",
    "tract-onnx",
];
/// What a worker of nginx must not be linked with: threads, stores, servers, and the trainer.
const NOT_IN_A_WORKER: [&str; 12] = [
    LLM,
    TRAINER,
    "axum",
    "clap",
    "comfy-table",
    "forust-ml",
    "hyper",
    "indicatif",
    "rayon",
    "reqwest",
    "rusqlite",
    "tokio",
];

#[test]
fn the_build_was_read() {
    for name in [CORE, LLM, MODULE, TRAINER] {
        assert!(
            BUILD.direct(name).len() > 3,
            "{name} is linked with {:?}",
            BUILD.direct(name)
        );
    }
    assert!(BUILD.linked(CORE).contains("tract-core"));
}

#[test]
fn licences_are_permitted() {
    assert_eq!(BUILD.unlicensed(), Vec::<String>::new());
}

#[test]
fn a_licence_expression_is_understood() {
    #[track_caller]
    fn check(expression: &str, expected: bool) {
        assert_eq!(permitted(expression), expected, "{expression}");
    }
    check("MIT", true);
    check("MIT OR Apache-2.0", true);
    check("Unlicense/MIT", true);
    check("Apache-2.0 / GPL-3.0", true);
    check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
    check("Apache-2.0 WITH LLVM-exception OR MIT", true);
    check("GPL-3.0", false);
    check("GPL-2.0 OR AGPL-3.0", false);
    check("MIT AND GPL-3.0", false);
    check("(MIT OR GPL-3.0) AND MPL-2.0", false);
    check("", false);
    check("MIT GPL-3.0", false);
    check("unknown, in LICENSE", false);
}

#[test]
fn everything_comes_from_the_registry() {
    assert_eq!(BUILD.strangers(), Vec::<String>::new());
}

#[test]
fn nothing_heavy_is_built_twice() {
    assert_eq!(BUILD.doubled(&ONCE), Vec::<&str>::new());
}

#[test]
fn core_is_linked_with_pure_crates_only() {
    let more: Vec<&str> = BUILD
        .direct(CORE)
        .into_iter()
        .filter(|name| !PURE.contains(name))
        .collect();
    assert_eq!(more, Vec::<&str>::new());
}

#[test]
fn module_and_trainer_meet_only_in_core() {
    #[track_caller]
    fn apart(name: &str, forbidden: &[&str]) {
        let found: Vec<&str> = BUILD
            .linked(name)
            .into_iter()
            .filter(|other| forbidden.contains(other))
            .collect();
        assert_eq!(found, Vec::<&str>::new(), "{name} is linked with them");
    }
    apart(CORE, &NOT_IN_A_WORKER);
    apart(CORE, &["ngx", "nginx-sys", MODULE]);
    // Asking a model needs no client, no store and no server, and no second TLS library.
    apart(
        LLM,
        &[
            CORE,
            MODULE,
            TRAINER,
            "axum",
            "rusqlite",
            "tract-onnx",
            "native-tls",
            "openssl",
        ],
    );
    apart(MODULE, &NOT_IN_A_WORKER);
    apart(TRAINER, &["ngx", "nginx-sys", MODULE]);
}

#[test]
fn breaches_are_found() {
    let package = |name: &str, version: &str, licence: &str, source: Option<&str>, links: &[&str]| Package {
        name: name.into(),
        version: version.into(),
        licence: licence.into(),
        source: source.map(str::to_owned),
        links: links.iter().map(|&id| id.to_owned()).collect(),
    };
    let registry = Some("registry+https://github.com/rust-lang/crates.io-index");
    let packages = BTreeMap::from([
        ("a".to_owned(), package("a", "1.0.0", "Apache-2.0", None, &["b"])),
        (
            "b".to_owned(),
            package("b", "1.0.0", "GPL-3.0", registry, &["c1"]),
        ),
        ("c1".to_owned(), package("c", "1.0.0", "MIT", registry, &[])),
        (
            "c2".to_owned(),
            package("c", "2.0.0", "MIT", Some("git+https://example.org/c"), &[]),
        ),
    ]);
    let build = Build { packages };
    assert_eq!(build.direct("a"), ["b"].into());
    assert_eq!(build.linked("a"), ["b", "c"].into());
    assert_eq!(build.unlicensed(), ["b 1.0.0: GPL-3.0"]);
    assert_eq!(build.strangers(), ["c from git+https://example.org/c"]);
    assert_eq!(build.doubled(&["a", "c"]), ["c"]);
}
