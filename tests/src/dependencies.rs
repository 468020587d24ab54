//! What the workspace is built from, as `cargo metadata` tells it, and the rules for it: the quick equal of
//! `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::source::root;

/// Licences that a dependency may be taken under, as in `deny.toml`.
pub const LICENCES: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Where a dependency may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One package of the build.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression, or the file that has the licence instead.
    pub licence: String,
    /// Registry or repository it comes from; `None` for our own.
    pub source: Option<String>,
    /// Packages that its library or program is linked with, as keys of [`Build::packages`].
    pub links: Vec<String>,
}

/// All packages of the build for this machine.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// By cargo's package id.
    pub packages: BTreeMap<String, Package>,
}

impl Build {
    /// Asks cargo, without the network.
    ///
    /// # Panics
    /// When cargo refuses: `Cargo.lock` is out of date, or a package was never downloaded.
    pub fn of_this_workspace() -> Build {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(cargo)
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--offline",
                "--filter-platform",
                &platform,
            ])
            .current_dir(root())
            .output()
            .expect("cargo starts");
        assert!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Build::read(&serde_json::from_slice(&output.stdout).expect("cargo writes JSON"))
    }

    fn read(metadata: &Value) -> Build {
        let mut packages = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let links = list(&node["deps"])
                .iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
            let links = links.map(|dep| text(&dep["pkg"])).collect();
            packages.insert(
                text(&node["id"]),
                Package {
                    links,
                    ..Package::default()
                },
            );
        }
        for about in list(&metadata["packages"]) {
            if let Some(package) = packages.get_mut(&text(&about["id"])) {
                package.name = text(&about["name"]);
                package.version = text(&about["version"]);
                package.source = about["source"].as_str().map(str::to_owned);
                package.licence = licence(about);
            }
        }
        Build { packages }
    }

    /// Names of what `name` is linked with directly.
    pub fn direct(&self, name: &str) -> BTreeSet<&str> {
        let package = self.packages.values().find(|package| package.name == name);
        package
            .into_iter()
            .flat_map(|package| &package.links)
            .filter_map(|id| self.name(id))
            .collect()
    }

    /// Names of what `name` is linked with, directly or not.
    pub fn linked(&self, name: &str) -> BTreeSet<&str> {
        let own = |(id, package): (&'_ String, &Package)| (package.name == name).then(|| id.clone());
        let mut open: Vec<String> = self.packages.iter().filter_map(own).collect();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while let Some(id) = open.pop() {
            for next in self
                .packages
                .get(&id)
                .into_iter()
                .flat_map(|package| &package.links)
            {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        self.packages
            .iter()
            .filter(|(id, _)| seen.contains(*id))
            .map(|(_, package)| package.name.as_str())
            .collect()
    }

    /// Packages whose licence is none of [`LICENCES`].
    pub fn unlicensed(&self) -> Vec<String> {
        let bad = self
            .packages
            .values()
            .filter(|package| !permitted(&package.licence));
        bad.map(|package| format!("{} {}: {}", package.name, package.version, package.licence))
            .collect()
    }

    /// Packages that come from elsewhere than the registry.
    pub fn strangers(&self) -> Vec<String> {
        let strange = |package: &&Package| package.source.as_deref().is_some_and(|source| source != REGISTRY);
        let name = |package: &Package| {
            format!(
                "{} from {}",
                package.name,
                package.source.as_deref().unwrap_or("here")
            )
        };
        self.packages.values().filter(strange).map(name).collect()
    }

    /// Those of `names` that are in the build more than once.
    pub fn doubled<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let count = |name: &str| {
            self.packages
                .values()
                .filter(|package| package.name == name)
                .count()
        };
        names.iter().copied().filter(|name| count(name) > 1).collect()
    }

    fn name(&self, id: &str) -> Option<&str> {
        self.packages.get(id).map(|package| package.name.as_str())
    }
}

/// Whether an SPDX expression can be met by [`LICENCES`]: one side of `OR` (or the older `/`), both of `AND`.
pub fn permitted(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let answer = either(&words, &mut at);
    answer && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut answer = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        answer |= both(words, at);
    }
    answer
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut answer = single(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        answer &= single(words, at);
    }
    answer
}

fn single(words: &[&str], at: &mut usize) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let answer = either(words, at);
        *at += 1;
        return answer;
    }
    if words.get(*at) == Some(&"WITH") {
        // An exception gives more than the licence does, but none of ours needs one.
        *at += 2;
        return false;
    }
    LICENCES.contains(&word)
}

/// The SPDX expression of a package; when it names a file instead, what that file is.
fn licence(about: &Value) -> String {
    if let Some(expression) = about["license"].as_str() {
        return expression.to_owned();
    }
    let manifest = PathBuf::from(text(&about["manifest_path"]));
    let file = manifest
        .parent()
        .unwrap_or(Path::new("/"))
        .join(text(&about["license_file"]));
    let content = fs::read_to_string(&file).unwrap_or_default();
    let content: String = content.split_whitespace().collect::<Vec<_>>().join(" ");
    match content.starts_with("Apache License Version 2.0") {
        true => "Apache-2.0".to_owned(),
        false => format!("unknown, in {}", file.display()),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
