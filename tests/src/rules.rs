//! The rules of the workspace's architecture. Each looks at one source file and tells what breaks it.

use crate::source::{Kind, Source, Token, closing, paths, spells};

/// Longest source file, in lines.
pub const MAX_FILE_LINES: usize = 500;
/// Longest function, in lines.
pub const MAX_FUNCTION_LINES: usize = 70;

/// Everything of the standard library that core may name. What reads, writes, waits, looks at the clock or
/// starts something is not here, and neither is whatever nobody has thought about yet.
const PURE_STD: [&str; 24] = [
    "std::array",
    "std::ascii",
    "std::borrow",
    "std::cmp",
    "std::collections",
    "std::convert",
    "std::error::Error",
    "std::fmt",
    "std::hash",
    "std::io::Cursor",
    "std::iter",
    "std::mem",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::num",
    "std::ops",
    "std::panic",
    "std::slice",
    "std::str",
    "std::string",
    "std::sync::LazyLock",
    "std::sync::atomic",
    "std::time::Duration",
];
/// What core names in no sense: output, unsafe code, nginx, and the functions of its libraries that open files.
const IMPURE_WORDS: [&str; 14] = [
    "dbg",
    "eprint",
    "eprintln",
    "extern",
    "libc",
    "model_for_path",
    "nginx_sys",
    "ngx",
    "print",
    "println",
    "proto_model_for_path",
    "rayon",
    "tokio",
    "unsafe",
];
/// Names that say nothing about what is inside.
const VAGUE: [&str; 8] = [
    "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];
/// Where unsafe code may be: the border to nginx, and two tests' own allocator and shared memory.
const UNSAFE_PLACES: [&str; 3] = [
    "nginx-module/src/ffi/",
    "tests/tests/allocation/counting.rs",
    "tests/tests/stress/mapping.rs",
];

/// One breach of a rule: where, and what.
pub type Breach = String;

/// core has no I/O, no clock, no threads, no nginx, and no unsafe code.
pub fn purity(source: &Source) -> Vec<Breach> {
    let tokens = source.product();
    let impure = |(path, line): (String, usize)| {
        let first = path.split("::").next().unwrap_or_default();
        let known = |pure: &&str| path == **pure || path.starts_with(&format!("{pure}::"));
        let word = path.split("::").find(|part| IMPURE_WORDS.contains(part));
        match word {
            Some(word) => Some(breach(source, line, &format!("core names {word}"))),
            None if first == "std" && !PURE_STD.iter().any(known) => {
                Some(breach(source, line, &format!("core names {path}")))
            }
            None => None,
        }
    };
    paths(&tokens).into_iter().filter_map(impure).collect()
}

/// Only the module knows nginx.
pub fn nginx_stays_in_the_module(source: &Source) -> Vec<Breach> {
    if source.path.starts_with("nginx-module/") {
        return Vec::new();
    }
    let crates = |path: &str| {
        matches!(
            path.split("::").next(),
            Some("ngx" | "nginx_sys" | "ngx_http_sekisho_module")
        )
    };
    let found = paths(&source.tokens).into_iter().filter(|(path, _)| crates(path));
    found
        .map(|(path, line)| breach(source, line, &format!("names {path}")))
        .collect()
}

/// The crate that asks language models knows no client, no store, and nothing of who is stopped.
pub fn who_asks_is_unknown(source: &Source) -> Vec<Breach> {
    const FORBIDDEN: [&str; 8] = [
        "sekisho_core",
        "rusqlite",
        "axum",
        "ban",
        "verdict",
        "decision",
        "Verdict",
        "Decision",
    ];
    words(&source.tokens, &FORBIDDEN)
        .map(|token| breach(source, token.line, &format!("llm names {}", token.text)))
        .collect()
}

/// Unsafe code is at the border to nginx only.
pub fn unsafe_stays_at_the_border(source: &Source) -> Vec<Breach> {
    if UNSAFE_PLACES.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    words(&source.tokens, &["unsafe"])
        .map(|token| breach(source, token.line, "unsafe code"))
        .collect()
}

/// A crate's root forbids unsafe code.
pub fn forbids_unsafe(source: &Source) -> Vec<Breach> {
    let attribute = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    let found = (0..source.tokens.len()).any(|at| spells(&source.tokens, at, &attribute));
    if found {
        Vec::new()
    } else {
        vec![breach(source, 1, "does not forbid unsafe code")]
    }
}

/// A module's name says what it is.
pub fn modules_have_names(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if source
        .path
        .trim_end_matches(".rs")
        .split('/')
        .any(|part| VAGUE.contains(&part))
    {
        breaches.push(breach(source, 1, "a vague name"));
    }
    for pair in source.tokens.windows(2).filter(|pair| pair[0].text == "mod") {
        if VAGUE.contains(&pair[1].text.as_str()) {
            breaches.push(breach(
                source,
                pair[1].line,
                &format!("mod {} is a vague name", pair[1].text),
            ));
        }
    }
    breaches
}

/// A file is one idea, and fits into a head.
pub fn files_are_short(source: &Source) -> Vec<Breach> {
    match source.lines {
        lines if lines > MAX_FILE_LINES => vec![breach(source, 1, &format!("{lines} lines"))],
        _ => Vec::new(),
    }
}

/// A function of the product fits on a screen; a test's table of cases may be longer.
pub fn functions_are_short(source: &Source) -> Vec<Breach> {
    let tokens = source.product();
    let mut breaches = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[0].text != "fn" || pair[1].kind != Kind::Word {
            continue;
        }
        let body = (at..tokens.len()).find(|&index| matches!(tokens[index].text.as_str(), "{" | ";"));
        let Some(open) = body.filter(|&index| tokens[index].text == "{") else {
            continue;
        };
        let last = tokens
            .get(closing(&tokens, open))
            .map_or(pair[0].line, |token| token.line);
        let lines = last + 1 - pair[0].line;
        if lines > MAX_FUNCTION_LINES {
            breaches.push(breach(
                source,
                pair[0].line,
                &format!("fn {} has {lines} lines", pair[1].text),
            ));
        }
    }
    breaches
}

/// Nothing is unfinished or switched off.
pub fn nothing_is_unfinished(source: &Source) -> Vec<Breach> {
    let macros = words(&source.tokens, &["todo", "unimplemented", "dead_code"]);
    let mut breaches: Vec<Breach> = macros
        .map(|token| breach(source, token.line, &format!("{} is unfinished", token.text)))
        .collect();
    for at in 0..source.tokens.len() {
        if spells(&source.tokens, at, &["#", "[", "ignore"]) {
            breaches.push(breach(
                source,
                source.tokens[at].line,
                "a test that is switched off",
            ));
        }
    }
    breaches
}

/// The user agent is never evidence: the log parser knows it as a label, `bots` as a claim to be proven, and
/// what becomes a score knows neither.
pub fn user_agent_is_no_evidence(source: &Source) -> Vec<Breach> {
    let may_know = ["core/src/logline", "core/src/bots"];
    if may_know.iter().any(|path| source.path.starts_with(path)) {
        return Vec::new();
    }
    let scores = ["feature", "model", "record", "sketch", "url"];
    let scores = scores
        .iter()
        .any(|name| source.path.starts_with(&format!("core/src/{name}")));
    let tokens = source.product();
    let documentation = |at: usize| at >= 2 && spells(&tokens, at - 2, &["doc", "="]);
    let names = |token: &Token| {
        let text: String = token.text.to_lowercase().replace(['_', '-', ' '], "");
        text.contains("useragent") || scores && text == "bots"
    };
    let found = tokens
        .iter()
        .enumerate()
        .filter(|(at, token)| names(token) && !documentation(*at));
    found
        .map(|(_, token)| breach(source, token.line, &format!("core knows {}", token.text)))
        .collect()
}

/// The functions of `module` that the schema calls, as written in `feature/mod.rs`.
pub fn features_of(schema: &Source, module: &str) -> Vec<String> {
    let calls = (0..schema.tokens.len()).filter(|&at| {
        spells(&schema.tokens, at, &[module, ":", ":"]) && spells(&schema.tokens, at + 4, &["("])
    });
    calls.map(|at| schema.tokens[at + 3].text.clone()).collect()
}

/// The `functions` of a file each say what they compute.
pub fn features_are_documented(source: &Source, functions: &[String]) -> Vec<Breach> {
    let tokens = &source.tokens;
    let undocumented = |name: &&String| {
        let at = (0..tokens.len()).find(|&at| spells(tokens, at, &["fn", name.as_str()]));
        !at.is_some_and(|at| documented(&tokens[..at]))
    };
    let found = functions.iter().filter(undocumented);
    found
        .map(|name| breach(source, 1, &format!("{name} has no doc comment")))
        .collect()
}

/// Whether the attributes at the end of `tokens`, but for a visibility, have a doc comment among them.
fn documented(tokens: &[Token]) -> bool {
    let visibility = |token: &&Token| matches!(token.text.as_str(), "pub" | "super" | "crate" | "(" | ")");
    let mut end = tokens.len() - tokens.iter().rev().take_while(visibility).count();
    while end > 0 && tokens[end - 1].text == "]" {
        let Some(start) = (0..end).rev().find(|&at| spells(tokens, at, &["#", "["])) else {
            return false;
        };
        if spells(tokens, start + 2, &["doc", "="]) {
            return true;
        }
        end = start;
    }
    false
}

fn words<'a>(tokens: &'a [Token], wanted: &'a [&str]) -> impl Iterator<Item = &'a Token> {
    tokens
        .iter()
        .filter(|token| token.kind == Kind::Word && wanted.contains(&token.text.as_str()))
}

fn breach(source: &Source, line: usize, what: &str) -> Breach {
    format!("{}:{line}: {what}", source.path)
}
