//! What people read is finished and leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use sekisho_tests::source::root;

/// Folders whose pages people read.
const FOLDERS: [&str; 5] = ["", "docs", "models", "fuzz", "contrib/deb"];

fn pages() -> Vec<PathBuf> {
    let files = FOLDERS
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).expect(folder));
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

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
    let pages = pages();
    assert!(pages.len() >= 23, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).expect("text");
        let found = faults(page.parent().expect("a folder"), &text);
        assert!(found.is_empty(), "{}: {found:?}", page.display());
    }
}

#[test]
fn the_daemons_contract_has_every_path() {
    let text = |file: &str| fs::read_to_string(root().join(file)).expect(file);
    let router = text("trainer/src/serve/api/mod.rs");
    let (_, routes) = router.split_once("Router::new()").expect("routes");
    let mut routed: Vec<&str> = routes
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .chain(["/metrics"])
        .collect();
    routed.sort_unstable();
    let contract = text("docs/serve-openapi.yaml");
    let mut told: Vec<&str> = contract
        .lines()
        .filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':'))
        .collect();
    told.sort_unstable();
    let routed: Vec<&str> = routed.iter().map(|path| &path[1..]).collect();
    assert_eq!(routed, told);
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
