//! What the directives about reactions, keys, guards and trust refuse and accept, and in which words.

use sekisho_tests::nginx::Module;
use sekisho_tests::visitors::{CHECKED, site};

const ZONE: &str = "sekisho_zone $binary_remote_addr zone=a:1m;";

#[test]
fn what_cannot_be_meant_fails_the_test_with_a_clear_text() {
    let site = site(Module::Production);
    site.write("bad.txt", b"nonsense\n999.1.1.1\n");
    let check = |http: &str, expected: &str| {
        let (accepted, said) = site.test(http);
        assert!(!accepted, "{http} was accepted");
        assert!(
            said.contains(expected),
            "{http}\n  expected: {expected}\n  said: {said}"
        );
        assert!(
            said.contains("in %DIR%/nginx.conf:1") || said.contains("nginx.conf:2"),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    };
    for (directive, expected) in [
        (
            "sekisho_zone $binary_remote_addr zone=a:1m prefix4=0;",
            r#"invalid value "prefix4=0": a number of bits from 1 to 32 is expected"#,
        ),
        (
            "sekisho_zone $binary_remote_addr zone=a:1m prefix4=33;",
            r#""prefix4=33": a number of bits from 1 to 32"#,
        ),
        (
            "sekisho_zone $binary_remote_addr zone=a:1m prefix6=x;",
            r#""prefix6=x": a number of bits from 1 to 128"#,
        ),
        (
            "sekisho_zone $cookie_id zone=a:1m prefix4=24;",
            r#""prefix4=24" needs the key "$binary_remote_addr" or "$remote_addr""#,
        ),
        (
            "sekisho_zone $remote_addr zone=a:1m prefix4=24 prefix4=8;",
            r#"duplicate parameter "prefix4=8""#,
        ),
        (
            "sekisho zone=a ban=0s;",
            r#"invalid value "ban=0s": a time from 1s to 30d is expected"#,
        ),
        ("sekisho zone=a ban=31d;", r#"invalid value "ban=31d""#),
        ("sekisho zone=a ban=1500ms;", r#"invalid value "ban=1500ms""#),
        ("sekisho zone=a ban=5m1h;", r#"invalid value "ban=5m1h""#),
        ("sekisho zone=a ban=;", r#"invalid value "ban=""#),
        (
            "sekisho zone=a ban=2h ban_max=1h;",
            "ban 7200 s is longer than ban_max 3600 s",
        ),
        (
            "sekisho_suspect status=399;",
            r#"invalid value "status=399": a status from 400 to 599 is expected"#,
        ),
        ("sekisho_suspect status=abc;", r#"invalid value "status=abc""#),
        (
            "sekisho_suspect delay=61s;",
            r#"invalid value "delay=61s": a time from 1s to 60s is expected"#,
        ),
        ("sekisho_suspect delay=0;", r#"invalid value "delay=0""#),
        (
            "sekisho_suspect log tag;",
            r#""log" cannot be combined with "other actions""#,
        ),
        (
            "sekisho_suspect status=403 tag;",
            r#""status" cannot be combined with "delay or tag""#,
        ),
        ("sekisho_suspect tag tag;", r#"duplicate parameter "tag""#),
        ("sekisho_suspect nothing;", r#"invalid parameter "nothing""#),
        (
            "sekisho_rejected tag; sekisho_rejected log;",
            r#""sekisho_rejected" directive is duplicate"#,
        ),
        ("sekisho_suspect;", "invalid number of arguments"),
        ("sekisho_allow 192.0.2.0/33;", r#"invalid network "192.0.2.0/33""#),
        ("sekisho_allow localhost;", r#"invalid network "localhost""#),
        (
            "sekisho_allow file=none.txt;",
            r#"sekisho_allow file "%DIR%/none.txt" cannot be read: No such file"#,
        ),
        (
            "sekisho_allow file=bad.txt;",
            r#"sekisho_allow file "%DIR%/bad.txt" has no valid line"#,
        ),
        (
            "sekisho_allow file=html;",
            r#"sekisho_allow file "%DIR%/html" cannot be read: Is a directory"#,
        ),
        (
            "sekisho_bots allow=nobodysbot;",
            r#"unknown bot or kind "nobodysbot""#,
        ),
        (
            "sekisho_bots file=none.txt;",
            r#"sekisho_bots file "%DIR%/none.txt" cannot be read"#,
        ),
        ("sekisho_bots maybe;", r#"invalid parameter "maybe""#),
        (
            "sekisho_bots on; sekisho_bots off;",
            r#""sekisho_bots" directive is duplicate"#,
        ),
        (
            "sekisho_breaker clients=0%;",
            r#"invalid value "clients=0%": a share from 1% to 100% is expected"#,
        ),
        ("sekisho_breaker clients=50;", r#"invalid value "clients=50""#),
        ("sekisho_breaker clients=101%;", r#"invalid value "clients=101%""#),
        ("sekisho_breaker hold=0s;", r#"invalid value "hold=0s""#),
        (
            "sekisho_breaker off; sekisho_breaker off;",
            r#""sekisho_breaker" directive is duplicate"#,
        ),
        ("sekisho_proxy_guard maybe;", r#"invalid value "maybe""#),
        ("sekisho_trap;", r#""sekisho_trap" directive is not allowed here"#),
        (
            "server { location /t { sekisho_trap ban=1y; } }",
            r#"invalid value "ban=1y""#,
        ),
        (
            "server { location /t { sekisho_trap for=1h; } }",
            r#"invalid parameter "for=1h""#,
        ),
        (
            "server { location /t { sekisho_trap; } }",
            r#""sekisho_trap" needs "sekisho zone=""#,
        ),
        (
            "server { location /t { sekisho_human; } }",
            r#""sekisho_human" needs "sekisho zone=""#,
        ),
        (
            "server { location /t { sekisho_human for=1w1d1h; sekisho_human off; } }",
            r#""sekisho_human" directive is duplicate"#,
        ),
        (
            "sekisho zone=a; sekisho zone=a;",
            r#""sekisho" directive is duplicate"#,
        ),
        (
            "sekisho zone=a; sekisho off;",
            r#""sekisho" directive is duplicate"#,
        ),
        (
            "sekisho off; sekisho zone=a;",
            r#""sekisho" directive is duplicate"#,
        ),
        (
            "sekisho zone=a; sekisho zone=b; sekisho zone=c; sekisho zone=d; sekisho zone=e;",
            "a location asks at most 4 zones",
        ),
    ] {
        check(
            &format!("{ZONE}\n{directive}").replace(&format!("{ZONE}\nsekisho_zone"), "\nsekisho_zone"),
            expected,
        );
    }
    check(
        &format!(
            "{ZONE} sekisho_zone $binary_remote_addr zone=wide:1m prefix4=24;\nsekisho zone=wide; sekisho zone=a;"
        ),
        r#"zone "wide" has wider prefixes than zone "a": name the narrowest first"#,
    );
}

#[test]
fn what_makes_sense_is_accepted() {
    let site = site(Module::Production);
    site.write("some.txt", b"192.0.2.0/24\nnonsense\n");
    let base = CHECKED.replace("sekisho zone=clients;", "");
    for directives in [
        "sekisho zone=clients ban=1h30m ban_max=1w;",
        "sekisho zone=clients ban=90;",
        "sekisho_suspect delay=500ms tag; sekisho_rejected status=444;",
        "sekisho_allow 192.0.2.1 2001:db8::/32 file=some.txt; server { sekisho_allow off; }",
        "sekisho_bots on;",
        "sekisho_bots allow=search,gptbot;",
        "sekisho_breaker clients=30%; sekisho_proxy_guard off;",
        "sekisho_breaker off;",
        "sekisho zone=clients; server { location /t { sekisho_trap ban=2h; sekisho_human for=5m; } }",
        "server { location /t { sekisho_trap off; sekisho_human off; } }",
        "sekisho_zone $remote_addr zone=nets:1m prefix4=16 prefix6=32; sekisho zone=nets;",
        "sekisho_zone $cookie_a$http_b zone=mixed:1m; server { sekisho zone=clients; sekisho zone=mixed; }",
    ] {
        let (accepted, said) = site.test(&format!("{base}\n{directives}"));
        assert!(accepted, "{directives}: {said}");
    }
    let (_, said) = site.test(&format!("{CHECKED}\nsekisho_allow file=some.txt;"));
    assert!(
        said.contains("[warn]") && said.contains("some.txt\": line 2"),
        "{said}"
    );
}

#[test]
fn changed_prefixes_of_a_kept_zone_are_refused_on_reload() {
    let zone = |prefix: &str| {
        format!(
            "sekisho_zone $binary_remote_addr zone=z:1m {prefix}; sekisho zone=z; sekisho_model %DIR%/model.onnx;
             server {{ listen 127.0.0.1:%PORT%; }}"
        )
    };
    let nginx = site(Module::Production).start(&zone("prefix4=24"));
    assert!(!nginx.reload(&zone("prefix4=16")));
    let expected = "sekisho_zone \"z\" uses the \"$binary_remote_addr prefix4=16 prefix6=64\" key \
                    while previously it used the \"$binary_remote_addr prefix4=24 prefix6=64\" key";
    assert!(nginx.error_log().contains(expected), "{}", nginx.error_log());
    assert!(nginx.reload(&zone("prefix4=24")));
}
