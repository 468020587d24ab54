//! Questions and chains that the tests share.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sekisho_llm::{Chain, Config, MemoryLedger, Question};
use serde_json::{Value, json};

/// An answer that follows the schema.
pub const GOOD: &str = r#"{"category":"scrape","claims":[1,2]}"#;
/// What a chain may take beyond its deadline, on a machine with other work.
pub const SLACK: Duration = Duration::from_millis(750);

/// Sun, 06 Nov 1994 08:49:37 GMT.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

pub fn question(deadline_ms: u64) -> Question {
    Question {
        operation: "explain",
        system: "Answer in JSON.".to_owned(),
        user: "id,feature,value".to_owned(),
        schema: schema(),
        max_tokens: 100,
        unredacted: false,
        deadline: Duration::from_millis(deadline_ms),
    }
}

pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "category": {"type": "string", "enum": ["scrape", "scan", "unclear"]},
            "claims": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        },
        "required": ["category", "claims"],
        "additionalProperties": false,
    })
}

/// A configuration with targets `a`, `b` and so on at these addresses, and more lines behind it.
pub fn config(urls: &[String], more: &str) -> Config {
    let target = |(index, url): (usize, &String)| {
        let name = char::from(b'a' + u8::try_from(index).expect("few"));
        format!(
            "[[targets]]\nname = '{name}'\nkind = 'openai'\nbase_url = '{url}/v1'\nmodel = 'model-{name}'\n"
        )
    };
    let targets: String = urls.iter().enumerate().map(target).collect();
    toml::from_str(&format!("{targets}\n{more}")).expect("a configuration")
}

pub fn chain(config: Config) -> (Chain, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::default());
    (
        Chain::new(config, ledger.clone(), now()).expect("a chain"),
        ledger,
    )
}
