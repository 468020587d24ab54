use std::path::Path;

use super::*;

/// When labels are brought, and who does.
const BY: (u32, &str) = (1_900_000_000, "importer");

fn label(client: &str, note: &str) -> StoredLabel {
    StoredLabel {
        zone: "clients".into(),
        client: client.into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: 1_800_000_000,
        note: note.into(),
    }
}

#[test]
fn files_are_read_back_as_they_were_written() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let labels = [
        label("192.0.2.1", "plain"),
        label("192.0.2.2", "=cmd|' /C calc'!A0"),
        label("192.0.2.3", "a, \"quoted\" note, é"),
        label("192.0.2.4", "'quoted"),
        label("192.0.2.5", ""),
    ];
    store.add_labels(&labels, &Names::Plain, true, BY).unwrap();
    for format in [files::Format::Csv, files::Format::Jsonl] {
        let mut bytes = Vec::new();
        files::export(&store, format, &mut bytes).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        if format == files::Format::Csv {
            assert!(
                text.starts_with("zone,client,class,origin,author,at,note\n"),
                "{text}"
            );
            assert!(text.contains(",'=cmd"), "a spreadsheet must not run it: {text}");
        }
        let read = files::read_from(bytes.as_slice(), Path::new("labels"), format).unwrap();
        assert_eq!(read, labels);
        let again = store.add_labels(&read, &Names::Plain, false, BY).unwrap();
        assert_eq!(again, [Outcome::AlreadyThere; 5]);
    }
}

#[test]
fn a_bad_line_is_named_and_nothing_is_added() {
    #[track_caller]
    fn check(format: files::Format, text: &str, expected: &str) {
        let error = files::read_from(text.as_bytes(), Path::new("l"), format).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with(expected) && error.ends_with("nothing was added"),
            "{error}"
        );
    }
    use files::Format::{Csv, Jsonl};
    let header = "zone,client,class,origin,author,at,note\n";
    let good = "z,192.0.2.1,human,operator,ana,5,\n";
    check(
        Csv,
        &format!("{header}{good}z,192.0.2.1,robot,operator,ana,5,\n"),
        "l:3: ",
    );
    check(Csv, &format!("{header}{good}z,192.0.2.1,human\n"), "l:3: ");
    check(
        Csv,
        &format!("{header}z,,human,operator,ana,5,\n"),
        "l:2: the client has 1 to 256 bytes",
    );
    check(
        Csv,
        &format!("{header}z,a\u{202e}b,human,operator,ana,5,\n"),
        "l:2: the client holds control",
    );
    check(Jsonl, "{}\n", "l:1: missing field `zone`");
    check(
        Jsonl,
        "\n{\"zone\":\"z\",\"more\":1}\n",
        "l:2: unknown field `more`",
    );
}

#[test]
fn texts_are_bounded_and_visible() {
    #[track_caller]
    fn check(change: impl Fn(&mut StoredLabel), good: bool) {
        let mut label = label("192.0.2.1", "");
        change(&mut label);
        assert_eq!(check_texts(&label).is_ok(), good, "{label:?}");
    }
    check(|_| {}, true);
    check(|label| label.author.clear(), false);
    check(|label| label.note = "x".repeat(1000), true);
    check(|label| label.note = "x".repeat(1001), false);
    check(|label| label.note = "a\nb".into(), false);
    check(|label| label.zone = "\u{1b}[31m".into(), false);
}

#[test]
fn belief_and_labels_are_shown() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let trapped = StoredLabel {
        class: Class::Crawler,
        origin: Origin::Trap,
        author: "nginx".into(),
        note: "5c1f0e2ab7d09c11".into(),
        ..label("2001:db8:1:2::/64", "")
    };
    let labels = [trapped, label("2001:db8:1:2::/64", "our office")];
    store.add_labels(&labels, &Names::Plain, true, BY).unwrap();
    let found = find(&store, &Names::Plain, "2001:db8:1:2::99").unwrap();
    assert_eq!(found.len(), 1, "an address is found by its network");
    insta::assert_snapshot!(format!(
        "{}\n{}",
        show::belief(&found[0]),
        show::label_table(&labels)
    ));
}
