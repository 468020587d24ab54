//! What people read is finished and leads somewhere.

use std::fs;
use std::path::Path;

use sekisho_tests::source::root;

const PAGES: [&str; 23] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/along.md",
    "docs/api.md",
    "docs/dashboard-pages.md",
    "docs/dashboard.md",
    "docs/decisions.md",
    "docs/directives.md",
    "docs/llm.md",
    "docs/metrics.md",
    "docs/models.md",
    "docs/notify.md",
    "docs/operations.md",
    "docs/report.md",
    "docs/retrain.md",
    "docs/serve.md",
    "models/README.md",
    "fuzz/README.md",
    "contrib/deb/README.md",
    "docs/learning.md",
    "docs/simulate.md",
];

/// Links of a page to files that are not there, and places that were never filled in.
fn faults(folder: &Path, text: &str) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = links.map(|link| link.split('#').next().unwrap_or_default());
    let dead = files
        .filter(|file| !file.is_empty() && !file.contains("://") && !folder.join(file).exists())
        .map(|file| format!("no file {file}"));
    let blanks = text
        .split(|character: char| character.is_whitespace() || character == '`')
        .filter(|word| word.len() > 2 && word.starts_with('@') && word.ends_with('@'))
        .map(|word| format!("never filled in: {word}"));
    dead.chain(blanks).collect()
}

#[test]
fn pages_are_finished_and_their_links_lead_somewhere() {
    for page in PAGES {
        let path = root().join(page);
        let text = fs::read_to_string(&path).expect(page);
        let found = faults(path.parent().expect("a folder"), &text);
        assert!(found.is_empty(), "{page}: {found:?}");
    }
}

#[test]
fn faults_are_found() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(faults(&root(), text), expected, "{text}");
    }
    check(
        "[here](README.md), [there](README.md#top), [out](https://example.org/)",
        &[],
    );
    check("[gone](GONE.md)", &["no file GONE.md"]);
    check("as fast as\n@SPEED@\n", &["never filled in: @SPEED@"]);
    check("mail me @ home", &[]);
}
