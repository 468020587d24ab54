//! What the directives refuse, and in which words.

use sekisho_core::model::seal;
use sekisho_tests::nginx::{Module, Site};
use sekisho_tests::simple_model;
use sekisho_tests::visitors::site;

/// Line 1 of the http level in nginx.conf.
const FIRST_LINE: u32 = 16;

fn site_of_kind(module: Module) -> Site {
    let site = site(module);
    let mut card = simple_model::card();
    card.schema = "0123456789abcdef".to_owned();
    site.write("other-schema.onnx", &simple_model::file(&card));
    let mut torn = simple_model::file(&simple_model::card());
    torn.truncate(torn.len() / 2);
    site.write("torn.onnx", &torn);
    let mut flipped = simple_model::file(&simple_model::card());
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    site.write("flipped.onnx", &flipped);
    site.write("large.onnx", &vec![0; 5 << 20]);
    let empty = seal(sekisho_core::model::encode(&[], &simple_model::card()));
    site.write("empty.onnx", &empty);
    site
}

const ZONE: &str = "sekisho_zone $binary_remote_addr zone=a:1m;";
const MODEL: &str = "sekisho_model model.onnx;";

#[test]
fn bad_directives_fail_the_test_with_a_clear_text() {
    let site = site_of_kind(Module::Production);
    let check = |http: &str, expected: &str| {
        let (accepted, said) = site.test(http);
        let place = |line: &str| line.replace("LINE:", "in %DIR%/nginx.conf:");
        let expected = place(expected);
        assert!(!accepted, "{http} was accepted");
        assert!(
            said.contains(&expected),
            "{http}\n  expected: {expected}\n  said: {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    };
    let line = |number: u32| format!("LINE:{}", FIRST_LINE + number);
    let zone = |arguments: &str, expected: &str| {
        check(
            &format!("sekisho_zone $binary_remote_addr {arguments};"),
            &format!("{expected} {}", line(0)),
        );
    };
    zone("zone=a", r#"invalid zone size "zone=a""#);
    zone("zone=a:", r#"invalid zone size "zone=a:""#);
    zone("zone=a:1x", r#"invalid zone size "zone=a:1x""#);
    zone(
        "zone=a:99999999999999999999m",
        r#"invalid zone size "zone=a:99999999999999999999m""#,
    );
    zone(
        "zone=a:8k",
        r#"zone "a" is too small: 8192 bytes, the minimum is 32k"#,
    );
    zone("zone=a:-1m", r#"invalid zone size "zone=a:-1m""#);
    zone("zone=a:1e6", r#"invalid zone size "zone=a:1e6""#);
    zone(
        "zone=a:18446744073709551615k",
        r#"invalid zone size "zone=a:18446744073709551615k""#,
    );
    zone(
        "zone=a:0",
        r#"zone "a" is too small: 0 bytes, the minimum is 32k"#,
    );
    zone(
        "zone=a:1000000000000",
        r#"zone "a" is too large: 1000000000000 bytes, the maximum is 65536m"#,
    );
    zone("zone=a:1m state=b state=b", r#"duplicate parameter "state=b""#);
    zone("state=b", r#""sekisho_zone" must have "zone" parameter"#);
    zone(
        "zone=a:1m state=nowhere/b",
        r#"state "%DIR%/nowhere/b": its directory cannot be used: No such file or directory (os error 2)"#,
    );
    zone(
        "zone=a:1m state=nginx.conf/b",
        r#"state "%DIR%/nginx.conf/b": its directory cannot be used: not a directory"#,
    );
    zone("zone=a:1m state=html", r#"state "%DIR%/html" is no file name"#);
    zone("zone=a:1m state=", r#"state "%DIR%/" is no file name"#);
    check(
        "sekisho_zone $uri zone=a:1m state=same;\nsekisho_zone $uri zone=b:1m state=html/../same;",
        &format!(
            r#"state "%DIR%/same" is already used by sekisho_zone "a" {}"#,
            line(1)
        ),
    );
    zone("zone=a:1m rate=1r/s", r#"invalid parameter "rate=1r/s""#);
    zone("zone=a:1m zone=b:1m", r#"duplicate parameter "zone=b:1m""#);
    zone("zone=:1m", r#""sekisho_zone" must have "zone" parameter"#);
    check(
        "sekisho_zone $binary_remote_addr;",
        r#"invalid number of arguments in "sekisho_zone" directive"#,
    );
    check(
        "sekisho_zone binary_remote_addr zone=a:1m;",
        r#"the key "binary_remote_addr" has no variable: all clients would be one"#,
    );
    check(
        "sekisho_zone $nothing zone=a:1m;",
        r#"unknown "nothing" variable"#,
    );
    check(
        &format!("{ZONE}\nsekisho_zone $uri zone=a:1m;"),
        &format!(
            r#"sekisho_zone "a" is already bound to key "$binary_remote_addr" {}"#,
            line(1)
        ),
    );

    let sekisho = |arguments: &str, expected: &str| {
        check(
            &format!("{ZONE}{MODEL}\nsekisho {arguments};"),
            &format!("{expected} {}", line(1)),
        );
    };
    sekisho("threshold=0.5", r#""sekisho" must have "zone" parameter"#);
    sekisho("zone=", r#""sekisho" must have "zone" parameter"#);
    sekisho("zone=b", r#"unknown sekisho_zone "b""#);
    sekisho("zone=a burst=5", r#"invalid parameter "burst=5""#);
    sekisho("zone=a off", r#"invalid parameter "off""#);
    sekisho("zone=a zone=a", r#"duplicate parameter "zone=a""#);
    for value in [
        "threshold=1.5",
        "threshold=-1",
        "threshold=nan",
        "threshold=1e-1",
        "suspect=",
        "suspect=1.0001",
    ] {
        let expected = format!("invalid value \"{value}\": a number from 0 to 1 is expected");
        sekisho(&format!("zone=a {value}"), &expected);
    }
    sekisho(
        "zone=a threshold=0.5 suspect=0.6",
        "suspect 0.6 is above threshold 0.5",
    );
    sekisho(
        "zone=a suspect=0.95",
        "suspect 0.95 is above threshold 0.9 of the model",
    );
    sekisho(
        "zone=a min_requests=0",
        r#"invalid value "min_requests=0": a number from 1 to 127 is expected"#,
    );
    sekisho(
        "zone=a min_requests=x",
        r#"invalid value "min_requests=x": a number from 1 to 127 is expected"#,
    );
    check(
        &format!("{ZONE}{MODEL}\nsekisho zone=a;\nsekisho zone=a;"),
        &format!(r#""sekisho" directive is duplicate {}"#, line(2)),
    );

    check(
        "sekisho_status 200;",
        &format!("value must be between 400 and 599 {}", line(0)),
    );
    check(
        "sekisho_status 600;",
        &format!("value must be between 400 and 599 {}", line(0)),
    );
    check(
        "sekisho_dry_run maybe;",
        &format!(r#"invalid value "maybe" {}"#, line(0)),
    );
    check(
        "sekisho_log_level debug;",
        &format!(r#"invalid value "debug" {}"#, line(0)),
    );
    check(
        "server { sekisho_zone $uri zone=a:1m; }",
        r#""sekisho_zone" directive is not allowed here"#,
    );
    check(
        "server { sekisho_model model.onnx; }",
        r#""sekisho_model" directive is not allowed here"#,
    );
    check(
        "server { sekisho_samples s.jsonl; }",
        r#""sekisho_samples" directive is not allowed here"#,
    );
    check(
        "sekisho_samples /nowhere/at/all;",
        r#"open() "/nowhere/at/all" failed"#,
    );
}

#[test]
fn bad_models_fail_the_test_and_say_why() {
    let site = site_of_kind(Module::Production);
    let check = |file: &str, expected: &str| {
        let (accepted, said) = site.test(&format!("{ZONE}\nsekisho_model {file};\nsekisho zone=a;"));
        assert!(!accepted, "{file} was accepted");
        assert!(
            said.contains(&format!("sekisho_model \"%DIR%/{file}\": {expected}")),
            "{file}: {said}"
        );
        assert!(
            said.contains(&format!("in %DIR%/nginx.conf:{}", FIRST_LINE + 1)),
            "{file}: {said}"
        );
    };
    check(
        "missing.onnx",
        "the model file cannot be read: No such file or directory",
    );
    check("html", "the model file cannot be read: Is a directory");
    check("nginx.conf", "not an ONNX model");
    check("torn.onnx", "not an ONNX model, or cut short");
    check("flipped.onnx", "");
    check("large.onnx", "the model has 4194305 bytes, the limit is 4194304");
    check("empty.onnx", "");
    let ours = sekisho_core::feature::schema_hash();
    let both =
        format!("the model is for feature schema 0123456789abcdef but this build computes schema {ours}");
    check("other-schema.onnx", &both);
}

#[test]
fn good_directives_are_accepted_on_every_level() {
    let site = site_of_kind(Module::Production);
    let check = |http: &str| {
        let (accepted, said) = site.test(http);
        assert!(accepted, "{http}\n{said}");
    };
    check(ZONE);
    check("sekisho_model missing.onnx;");
    check("sekisho off; server { listen 127.0.0.1:%PORT%; sekisho off; }");
    check(&format!(
        "{MODEL} sekisho_samples samples.jsonl; sekisho_dry_run off; sekisho_status 503; sekisho_log_level info;
         server {{ listen 127.0.0.1:%PORT%; sekisho zone=a threshold=1 suspect=0 min_requests=127;
           sekisho_dry_run on; sekisho_status 429; sekisho_log_level error;
           location / {{ sekisho off; sekisho_dry_run on; sekisho_status 444; sekisho_log_level notice; }} }}
         {ZONE} sekisho_zone $remote_addr$uri zone=b:32k;"
    ));
    check(&format!("{ZONE}{MODEL} sekisho zone=a threshold=0.3;"));
}
