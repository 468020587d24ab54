//! What is wrong with a configuration is said with its place.

use sekisho_llm::{Chain, Config, MemoryLedger};

use crate::asking::now;

const TARGET: &str = "[[targets]]\nname = 'a'\nkind = 'openai'\nmodel = 'm'\n";

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let config: Config = toml::from_str(text).expect("it is read");
    let found: Vec<String> = config.check(now()).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn a_good_configuration_has_no_problems() {
    check("", &[]);
    check(&format!("{TARGET}base_url = 'http://127.0.0.1:11434/v1'"), &[]);
    check(&format!("{TARGET}base_url = 'http://localhost:8080/v1'"), &[]);
    check(&format!("{TARGET}base_url = 'http://[::1]:8080/v1'"), &[]);
    check(&format!("{TARGET}base_url = 'https://llm.example/v1'"), &[]);
}

#[test]
fn addresses_are_looked_at() {
    let url = |url: &str| format!("{TARGET}base_url = '{url}'");
    let place = "llm.targets[0].base_url: ";
    check(
        &url("llm.example/v1"),
        &[&format!("{place}\"llm.example/v1\" is no URL")],
    );
    check(
        &url("ftp://llm.example/v1"),
        &[&format!("{place}\"ftp://llm.example/v1\" is no web address")],
    );
    check(
        &url("localhost:8080"),
        &[&format!("{place}\"localhost:8080\" is no web address")],
    );
    check(
        &url("https://me:secret@llm.example"),
        &[&format!("{place}a URL with a password")],
    );
    check(
        &url("https://llm.example/v1?key=1"),
        &[&format!("{place}a path is appended")],
    );
    check(
        &url("http://llm.example/v1"),
        &[&format!("{place}questions travel unencrypted")],
    );
}

#[test]
fn keys_are_looked_at() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key");
    std::fs::write(&key, "sk-1").expect("a file");
    let key = key.display();
    let text = |url: &str, key: &str| format!("{TARGET}base_url = '{url}'\nkey_file = '{key}'");
    let key = key.to_string();
    let readable = format!("llm.targets[0].key_file: everybody on this machine can read {key}");
    check(&text("https://llm.example", &key), &[&readable]);
    let unsafe_url = "llm.targets[0].base_url: the key would travel unencrypted";
    check(&text("http://llm.example", &key), &[unsafe_url, &readable]);
    check(&text("http://127.0.0.1:1", &key), &[&readable]);
    check(
        &text("https://llm.example", "/nowhere/key"),
        &["llm.targets[0].key_file: cannot read the key in /nowhere/key"],
    );
}

#[test]
fn names_prices_and_bounds_are_looked_at() {
    let target = format!("{TARGET}base_url = 'https://llm.example'\n");
    check(
        &format!("{target}{target}"),
        &["llm.targets[1].name: \"a\" is the name of another target"],
    );
    check(
        &format!("{target}timeout_seconds = 0"),
        &["llm.targets[0].timeout_seconds: from 0.01 to 600"],
    );
    check(
        &format!("{target}timeout_seconds = nan"),
        &["llm.targets[0].timeout_seconds"],
    );
    check(
        &format!("{target}max_tokens = 0"),
        &["llm.targets[0].max_tokens: at least 1"],
    );
    check("at_once = 0", &["llm.at_once: from 1 to 64"]);
    check("[breaker]\nfailures = 0", &["llm.breaker.failures: at least 1"]);
    check("[breaker]\nlongest_seconds = 1", &["llm.breaker.pause_seconds"]);
    check("[otlp]\nendpoint = 'localhost:4318'", &["llm.otlp.endpoint"]);
    check("[budget.day]\ncost = -1.0", &["llm.budget.day.cost: 0 or more"]);
    let price = "[[prices]]\nmodel = 'm'\n";
    let since = "since = '2026-01-01'\n";
    check(
        &format!("{price}input = 1.0\noutput = 1.0"),
        &["llm.prices[0].since: from which day on?"],
    );
    check(
        &format!("{price}input = 1.0\noutput = 1.0\nsince = 'May'"),
        &["llm.prices[0].since: \"May\" is no day"],
    );
    check(&format!("{price}{since}input = 1.0"), &["llm.prices[0].output"]);
    check(
        &format!("{price}{since}input = -1.0\noutput = inf"),
        &["llm.prices[0].input", "llm.prices[0].output"],
    );
    let whole = format!("{price}{since}input = 1.0\noutput = 1.0\n");
    check(
        &format!("{whole}{whole}"),
        &["llm.prices[1].model: \"m\" has a price of that day already"],
    );
    let budget = "[budget.day]\ncost = 1.0\n";
    check(
        &format!("{target}{budget}"),
        &["llm.targets[0].model: \"m\" has no price"],
    );
}

#[test]
fn unknown_keys_are_refused() {
    #[track_caller]
    fn check(text: &str) {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
    check("model = 'm'");
    check("[budget]\nweek = { cost = 1.0 }");
    check("[budget.day]\ncosts = 1.0");
    check(&format!(
        "{TARGET}base_url = 'https://llm.example'\ntemperature = 0"
    ));
    check("[[prices]]\nmodel = 'm'\nfrom = '2026-01-01'");
    check(&TARGET.replace("openai", "gopher"));
}

#[test]
fn errors_refuse_a_chain_and_warnings_do_not() {
    let text = format!("{TARGET}base_url = 'http://llm.example'");
    let make = |text: &str| {
        let config = toml::from_str(text).expect("it is read");
        Chain::new(config, std::sync::Arc::new(MemoryLedger::default()), now())
    };
    assert!(make(&text).is_ok());
    let error = make(&format!("at_once = 0\n{text}")).err().expect("an error");
    assert_eq!(error.to_string(), "llm.at_once: from 1 to 64");
}

#[test]
fn what_is_shown_can_be_read_again() {
    let text = format!(
        "currency = 'JPY'\nat_once = 3\n{TARGET}base_url = 'https://llm.example'\nextra = {{ a = {{ b = false }} }}\n\
         [budget]\nday = {{ tokens = 5 }}\n[breaker]\nfailures = 1\n[otlp]\nendpoint = 'http://127.0.0.1:4318'"
    );
    let config: Config = toml::from_str(&text).expect("it is read");
    let shown = toml::to_string(&config).expect("it is shown");
    assert_eq!(
        toml::from_str::<Config>(&shown).expect("it is read again"),
        config,
        "{shown}"
    );
}

/// What docs/llm.md shows is what is read.
#[test]
fn the_examples_of_the_documentation_are_read() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/llm.md")).expect("the page");
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let blocks = blocks
        .into_iter()
        .filter_map(|block| block.strip_prefix("toml\n"));
    let mut count = 0;
    for block in blocks {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Page {
            llm: Config,
        }
        let page: Page = toml::from_str(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        let errors = page.llm.check(now());
        let errors = errors
            .iter()
            .filter(|problem| !problem.is_warning && !problem.place.ends_with("key_file"));
        assert_eq!(errors.count(), 0, "{block}");
        count += 1;
    }
    assert!(count >= 5, "{count} examples");
}
