//! From a block by the live nginx to an explanation with a real language model, a person's word on it, and what that
//! does to the next one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sekisho_tests::local_model::LocalModel;
use sekisho_tests::nginx::{Module, Nginx, wait_for};
use sekisho_tests::source::root;
use sekisho_tests::visitors::{checked, site};
use serde_json::Value;

/// Monday, 3 June 2024, 06:00 UTC: in the past of every clock.
const START: u32 = 1_717_394_400;
/// Requests of a crawler: it is stopped at its tenth.
const REQUESTS: u32 = 40;

struct Shop {
    nginx: Nginx,
}

impl Shop {
    /// nginx with the default model, enforcing, and a configuration for `sekisho` with this language model.
    fn open(model: &LocalModel) -> Shop {
        let site = site(Module::TestClock);
        let default = root().join("models/default.onnx");
        site.write("model.onnx", &fs::read(default).expect("the default model"));
        let locations = "location / { try_files /page.html =404; }";
        let more = "sekisho_samples %DIR%/samples.jsonl contrast=0%; sekisho_dry_run off;";
        let shop = Shop {
            nginx: site.start(&checked(more, locations)),
        };
        let path = |name: &str| shop.path(name);
        fs::create_dir(path("runbooks")).expect("own directory");
        let page =
            "---\nreviewed: 2020-02-03\n---\n# クローラ対応\n## 商品カタログの収集\nまず応答を遅らせる。\n";
        fs::write(path("runbooks/crawlers.md"), page).expect("own directory");
        let config = format!(
            "[[samples]]\npath = \"{}\"\n[store]\npath = \"{}\"\nretention_days = 3650\n[models]\ndirectory = \"{}\"\n\
             champion = \"{}\"\n[runbooks]\ndirectory = \"{}\"\n[[llm.targets]]\nname = \"here\"\nkind = \"openai\"\n\
             base_url = \"{}\"\nmodel = \"{}\"\nlocal_only = true\ntimeout_seconds = 600\nmax_tokens = 500\n\
             extra = {{ temperature = 0, \"x-guidance\" = {{ whitespace_flexible = false }} }}\n",
            path("samples.jsonl"),
            path("store.db"),
            path("models"),
            path("model.onnx"),
            path("runbooks"),
            model.base_url(),
            LocalModel::MODEL,
        );
        fs::write(path("sekisho.toml"), config).expect("own directory");
        shop
    }

    fn path(&self, name: &str) -> String {
        self.nginx.path().join(name).display().to_string()
    }

    /// A crawler goes through the catalogue, a page a second. The reference id that its block page showed.
    fn crawl(&self, client: &str, pace: u32) -> String {
        let mut last = 0;
        for number in 0..REQUESTS {
            let time = (START + number * pace).to_string();
            let headers = [("X-Real-IP", client), ("X-Sekisho-Time", time.as_str())];
            last = self.nginx.get(&format!("/shop/item-{number}"), &headers).status;
        }
        assert_eq!(last, 429, "it is stopped");
        let log = self.nginx.lines("access.log", REQUESTS as usize);
        let line = log
            .iter()
            .rfind(|line| line.starts_with(&format!("{client} ")))
            .expect("its line");
        let id = line.split(' ').nth(5).expect("an id").to_owned();
        let written = || self.nginx.read("samples.jsonl").contains(&id).then_some(());
        wait_for(written).expect("the worker writes its sample");
        id
    }

    fn sekisho(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(root().join("target/release/sekisho"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("sekisho.toml"));
        command.env("USER", "night").env_remove("SUDO_USER");
        command.output().expect("it is built")
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.sekisho(arguments);
        let (out, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{arguments:?}: {errors}");
        out.into_owned()
    }

    /// Stores what nginx wrote, and explains by reference id.
    #[track_caller]
    fn explain(&self, id: &str) -> Value {
        self.says(&["serve", "--once"]);
        let text = self.says(&["explain", id, "--deadline", "600", "--format", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Over 20 s: a language model answers on one thread, twice: a minute and a half, minutes on a busy machine.
#[test]
fn a_block_is_explained_and_what_a_person_says_of_it_is_in_the_next_explanation() {
    let model = LocalModel::start(Path::new(&root()));
    let shop = Shop::open(&model);
    let blocked = shop.crawl("192.0.2.66", 1);
    let first = shop.explain(&blocked);
    assert_eq!(first["client"], "192.0.2.66");
    assert_eq!(first["snapshot"]["verdict"], "REJECTED", "{first:#}");
    assert_eq!(first["category"]["name"], "catalogue_scrape", "{first:#}");
    let status = shop.says(&["llm", "status"]);
    assert_eq!(first["language_model"]["how"], "asked", "{status}");
    assert!(first["verified"].is_object(), "what it said was checked");
    assert_eq!(first["sources"].as_array().map(Vec::len), Some(1), "{first:#}");
    assert_eq!(
        (&first["sources"][0]["kind"], &first["sources"][0]["stale"]),
        (&"runbook".into(), &true.into())
    );
    let text = shop.says(&["explain", &blocked]);
    assert!(
        text.contains("Catalogue scrape") && text.contains("here (smollm2-135m) answered this before"),
        "{text}"
    );
    assert!(
        text.contains("text of a runbook, reviewed 2020-02-03; old"),
        "{text}"
    );

    let id = first["snapshot_id"].as_str().expect("an id");
    shop.says(&["feedback", &blocked, "correct"]);

    let next = shop.crawl("192.0.2.77", 2);
    let second = shop.explain(&next);
    assert_eq!(second["client"], "192.0.2.77");
    let case = &second["sources"][0];
    assert_eq!(
        (&case["kind"], &case["snapshot"]),
        (&"case".into(), &id.into()),
        "{second:#}"
    );
    assert_eq!(case["said"]["verdict"], "correct");
    assert_eq!(
        second["language_model"]["how"], "asked",
        "another question: {second:#}"
    );
    assert_eq!(second["confidence"]["verdicts"], 1);
    assert_eq!(second["confidence"]["calibrated"], false);
    let asked: Value = serde_json::from_str(&shop.says(&["explain", &next, "--prompt"])).expect("JSON");
    let system = asked["system"].as_str().expect("a text");
    assert!(
        system.contains("Example 1") && system.contains("answer: {\"category\":\"catalogue_scrape\""),
        "{system}"
    );
    assert!(
        asked["user"]
            .as_str()
            .is_some_and(|user| user.contains("S1,case,2024-06-03,catalogue_scrape,correct"))
    );
    let log = shop.nginx.error_log();
    assert!(!log.contains("[crit]"), "{log}");
}
