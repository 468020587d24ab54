//! Feedback over HTTP.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Bench, Daemon, until};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn send(address: &str, path: &str, token: bool, body: Option<&Value>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("http://{address}{path}");
    let mut response = match body {
        None => agent.get(url).call(),
        Some(body) => {
            let mut request = agent.post(url).header("content-type", "application/json");
            if token {
                request = request.header("authorization", format!("Bearer {TOKEN}"));
            }
            request.send(body.to_string())
        }
    }
    .expect("an answer");
    let text = response.body_mut().read_to_string().expect("a body");
    let document = serde_json::from_str(&text).expect("JSON");
    (response.status().as_u16(), document)
}

/// A daemon with a token, `more` in its configuration, and thirty samples of a client.
fn started(more: &str) -> (Bench, Daemon) {
    let mut bench = Bench::new("");
    let token = bench.path("token");
    fs::write(&token, TOKEN).expect("written");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("own file");
    let config = fs::read_to_string(bench.path("sekisho.toml")).expect("read");
    let api = format!(
        "[api]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{}\"\n{more}",
        token.display()
    );
    fs::write(bench.path("sekisho.toml"), format!("{config}{api}")).expect("written");
    bench.write(30);
    let daemon = Daemon::start(bench.command(&["serve"]));
    until("everything is stored", || bench.stored() == 30);
    (bench, daemon)
}

#[test]
fn whatever_is_changed_with_the_token_is_in_the_audit_log_as_of_the_token() {
    // Nobody listens there: what is asked and not answered is written down, too.
    let model = "[[llm.targets]]\nname = \"lm\"\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\nlocal_only = true\n";
    let (bench, mut daemon) = started(model);
    let address = daemon.address();
    let client: i64 = bench
        .database()
        .query_row("SELECT id FROM client WHERE name = '192.0.2.7'", [], |row| {
            row.get(0)
        })
        .expect("a client");
    let explanation = format!("/v1/clients/{client}/explanation");
    assert_eq!(send(&address, &explanation, false, Some(&json!({}))).0, 401);
    let (status, told) = send(&address, &explanation, true, Some(&json!({})));
    assert_eq!(status, 200, "{told}");
    let unknown = "/v1/clients/999999/explanation";
    assert_eq!(send(&address, unknown, true, Some(&json!({}))).0, 404);
    let label = json!({"zone": "clients", "client": "192.0.2.7", "class": "crawler", "author": "ana"});
    assert_eq!(send(&address, "/v1/labels", true, Some(&label)).0, 201);
    let id = told["snapshot_id"].as_str().expect("an id");
    let said = json!({"verdict": "false_positive", "author": "bo"});
    let path = format!("/v1/explanations/{id}/feedback");
    assert_eq!(send(&address, &path, true, Some(&said)).0, 201);

    let database = bench.database();
    let mut lines = database
        .prepare("SELECT actor, action, subject, detail FROM audit WHERE action IN ('explain', 'label', 'feedback') ORDER BY id")
        .expect("a log");
    let lines: Vec<(String, String, String, Value)> = lines
        .query_map([], |row| {
            let detail: String = row.get(3)?;
            let detail = serde_json::from_str(&detail).expect("JSON");
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, detail))
        })
        .expect("lines")
        .map(Result::unwrap)
        .collect();
    let authors = |line: &(String, String, String, Value)| line.3["author"].clone();
    let actions: Vec<&str> = lines.iter().map(|line| line.1.as_str()).collect();
    assert_eq!(actions, ["explain", "label", "feedback", "label"]);
    assert_eq!(lines[0].3, json!({"cluster": false}));
    let said: Vec<Value> = lines[1..].iter().map(authors).collect();
    assert_eq!(said, ["ana", "bo", "bo"]);
    for (actor, _, subject, _) in &lines {
        assert_eq!(
            (actor.as_str(), subject.as_str()),
            ("api token", format!("client:{client}").as_str())
        );
    }
    let (_, labels) = send(&address, "/v1/labels", false, None);
    assert_eq!(
        labels["labels"][0]["author"], "ana",
        "a label's author is who says so"
    );
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn people_say_over_http_what_they_think_of_an_explanation() {
    let (bench, mut daemon) = started("");
    let address = daemon.address();
    let document: Value =
        serde_json::from_str(&bench.output(&["explain", "192.0.2.7", "--format", "json"])).expect("JSON");
    let id = document["snapshot_id"].as_str().expect("an id");
    let told = document["category"]["name"].as_str().expect("a category");
    let path = format!("/v1/explanations/{id}/feedback");

    let empty = json!({"snapshot": id, "feedback": []});
    assert_eq!(send(&address, &path, false, None), (200, empty));
    let said = json!({"verdict": "false_positive", "author": "ana", "note": "our office"});
    assert_eq!(
        send(&address, &path, false, Some(&said)).0,
        401,
        "a change needs the token"
    );
    let (status, outcome) = send(&address, &path, true, Some(&said));
    assert_eq!(
        (status, &outcome["added"], &outcome["label"]),
        (201, &json!(true), &json!("human"))
    );
    assert_eq!(send(&address, &path, true, Some(&said)).0, 200, "the same again");
    let wrong = json!({"verdict": "wrong_category", "category": "price_watch", "author": "bo", "votes": []});
    assert_eq!(send(&address, &path, true, Some(&wrong)).0, 201);
    let (_, all) = send(&address, &path, false, None);
    let all = all["feedback"].as_array().expect("feedback");
    assert_eq!(all.len(), 2);
    assert_eq!(
        (
            &all[0]["verdict"],
            &all[0]["author"],
            &all[0]["note"],
            &all[0]["told"]
        ),
        (
            &json!("false_positive"),
            &json!("ana"),
            &json!("our office"),
            &json!(told)
        )
    );
    assert_eq!(
        (&all[1]["verdict"], &all[1]["category"]),
        (&json!("wrong_category"), &json!("price_watch"))
    );

    let refused = |path: &str, body: Value, code: u16, expected: &str| {
        let (status, answer) = send(&address, path, true, Some(&body));
        assert_eq!(status, code, "{answer}");
        assert!(
            answer["error"]
                .as_str()
                .is_some_and(|text| text.contains(expected)),
            "{answer}"
        );
    };
    let nobody = format!("/v1/explanations/{}/feedback", "0".repeat(64));
    refused(&nobody, said.clone(), 404, "no explanation with this snapshot");
    refused("/v1/explanations/7/feedback", said.clone(), 400, "64 hex digits");
    refused(
        &path,
        json!({"verdict": "correct", "author": ""}),
        400,
        "the author has 1 to 64 bytes",
    );
    refused(
        &path,
        json!({"verdict": "correct", "author": "a\u{202e}"}),
        400,
        "control characters",
    );
    let vote = json!({"verdict": "correct", "author": "ana", "votes": [{"claim": 1, "vote": "up"}]});
    refused(&path, vote, 400, "there is no claim 1");
    for body in [
        json!({"verdict": "lift", "author": "ana"}),
        json!({"author": "ana"}),
        json!([]),
    ] {
        assert_eq!(send(&address, &path, true, Some(&body)).0, 422, "{body}");
    }
    assert_eq!(daemon.end(), Some(0));
}
