//! Checks: the model, and the files that nginx writes.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config::{Config, Directive};
use super::finding::Finding;
use super::nginx::Build;
use crate::causes::with_causes;
use crate::scan::load_model;

/// Who may do what with a file: read and enter a directory, write.
const WRITE: u32 = 0o2;
const ENTER: u32 = 0o1;
/// Longest user or group database that is read, in bytes.
const MAX_DATABASE: usize = 4 << 20;

/// A user of this machine and the groups that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    id: u32,
    groups: Vec<u32>,
}

impl User {
    /// Whether the user may do what `bit` says with a file.
    fn may(&self, file: &Metadata, bit: u32) -> bool {
        let shift = match file {
            _ if self.id == 0 => return true,
            file if file.uid() == self.id => 6,
            file if self.groups.contains(&file.gid()) => 3,
            _ => 0,
        };
        file.mode() >> shift & bit == bit
    }
}

/// Every model that the configuration names, or the one that is built in.
pub fn models(config: &Config, folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in config.all("sekisho_model") {
        for argument in &line.arguments {
            let path = argument.strip_prefix("challenger=").unwrap_or(argument);
            findings.push(model(Some(&folder.join(path)), &line.place));
        }
    }
    if findings.is_empty() {
        findings.push(model(None, "no sekisho_model line"));
    }
    findings
}

fn model(path: Option<&Path>, place: &str) -> Finding {
    let named = path.map_or_else(
        || "the built-in model".to_owned(),
        |path| path.display().to_string(),
    );
    match load_model(path) {
        Ok(model) => {
            let (digest, limits) = (model.digest(), model.thresholds());
            let short = &digest[..digest.len().min(12)];
            let found = format!(
                "{place}: {named} ({short}) loads; suspect from {}, rejected from {}",
                limits.suspect, limits.reject
            );
            Finding::ok("model", found)
        }
        Err(error) => {
            let advice =
                "make one for this version (sekisho train), or take the line out: a model is built in";
            Finding::problem("model", format!("{place}: {}", with_causes(&error)), advice)
        }
    }
}

/// Every file that nginx is to write: samples and the state of zones.
///
/// nginx takes these paths as relative to its prefix.
pub fn written(config: &Config, build: &Build) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in config.all("sekisho_samples").filter(|line| line.first() != "off") {
        findings.push(samples(&build.path(line.first()), line));
    }
    let states = config
        .all("sekisho_zone")
        .filter_map(|line| Some((line.value("state=")?, line)));
    let worker = worker(config, build);
    for (path, line) in states {
        findings.push(state(&build.path(path), line, worker.as_ref()));
    }
    findings
}

/// nginx's master opens the file before it gives up its rights.
fn samples(path: &Path, line: &Directive) -> Finding {
    let shown = format!("{}: {}", line.place, path.display());
    match (fs::metadata(path), parent(path).map(fs::metadata)) {
        (Ok(file), _) if !file.is_file() => Finding::problem(
            "samples",
            format!("{shown} is no file"),
            "name a file; nginx makes it",
        ),
        (Ok(_), _) => Finding::ok("samples", format!("{shown} is there")),
        (Err(_), Some(Ok(folder))) if folder.is_dir() => {
            Finding::ok("samples", format!("{shown} will be made"))
        }
        _ => Finding::problem(
            "samples",
            format!("{shown}: its directory is not there"),
            make_folder(path),
        ),
    }
}

/// A worker writes the state beside the file and puts it in its place: it must own the directory.
fn state(path: &Path, line: &Directive, worker: Option<&User>) -> Finding {
    let shown = format!("{}: {}", line.place, path.display());
    let folder = parent(path).and_then(|folder| fs::metadata(folder).ok());
    let Some(folder) = folder.filter(Metadata::is_dir) else {
        return Finding::problem(
            "state",
            format!("{shown}: its directory is not there"),
            make_folder(path),
        );
    };
    if path.is_dir() {
        return Finding::problem(
            "state",
            format!("{shown} is a directory"),
            "name a file; nginx makes it",
        );
    }
    let Some(worker) = worker else {
        let found = format!("{shown}: nginx's worker user is not known here");
        return Finding::skipped(
            "state",
            found,
            "see that nginx's workers may write to its directory",
        );
    };
    if worker.may(&folder, WRITE) && worker.may(&folder, ENTER) {
        Finding::ok("state", format!("{shown}: {} may write there", worker.name))
    } else {
        let found = format!("{shown}: {} may not write to its directory", worker.name);
        let folder = parent(path).unwrap_or(Path::new("/")).display();
        let advice = format!(
            "give it a directory of its own: install -d -o {} {folder}",
            worker.name
        );
        Finding::problem("state", found, advice)
    }
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

fn make_folder(path: &Path) -> String {
    format!("mkdir -p {}", parent(path).unwrap_or(Path::new("/")).display())
}

/// Whom nginx's workers run as: the `user` line's, or the one that nginx was built with.
fn worker(config: &Config, build: &Build) -> Option<User> {
    let line = config.all("user").next();
    let name = line.map_or_else(|| build.option("--user").unwrap_or("nobody"), Directive::first);
    let group = line.and_then(|line| line.arguments.get(1)).map(String::as_str);
    let database = |path: &str| {
        fs::read(path)
            .ok()
            .filter(|bytes| bytes.len() <= MAX_DATABASE)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    user(name, group, &database("/etc/passwd")?, &database("/etc/group")?)
}

/// Finds a user in the text of `/etc/passwd`, and its groups in that of `/etc/group`.
fn user(name: &str, group: Option<&str>, users: &str, groups: &str) -> Option<User> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let entry = users.lines().map(fields).find(|entry| entry[0] == name)?;
    let id = entry.get(2)?.parse().ok()?;
    let mut ids = vec![entry.get(3)?.parse().ok()?];
    for entry in groups.lines().map(fields) {
        let member = entry
            .get(3)
            .is_some_and(|members| members.split(',').any(|member| member == name));
        if (member || group == Some(entry[0].as_str()))
            && let Some(id) = entry.get(2).and_then(|id| id.parse().ok())
        {
            ids.push(id);
        }
    }
    Some(User {
        name: name.to_owned(),
        id,
        groups: ids,
    })
}

/// The directory that nginx's configuration stands in, to which its own paths are relative.
pub fn folder(conf: Option<&Path>, build: &Build) -> PathBuf {
    let path = conf.map_or_else(|| build.configuration(), Path::to_owned);
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::finding::Level;

    fn config(text: &str) -> Config {
        Config::from_dump(&format!("# configuration file /n.conf:\n{text}"))
    }

    #[test]
    fn users_have_groups() {
        let users = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www:/var/www:/usr/sbin/nologin\n";
        let groups = "root:x:0:\nwww-data:x:33:\nadm:x:4:root,www-data\nsekisho:x:900:\n";
        let found = user("www-data", Some("sekisho"), users, groups).unwrap();
        assert_eq!((found.id, found.groups), (33, vec![33, 4, 900]));
        assert_eq!(user("nobody", None, users, groups), None);
        assert_eq!(user("x", None, "x", ""), None);
    }

    #[test]
    fn states_need_a_directory_that_workers_may_write_to() {
        let dir = tempfile::TempDir::new().unwrap();
        let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let (user, group) = fs::metadata(dir.path())
            .map(|meta| (meta.uid(), meta.gid()))
            .unwrap();
        #[track_caller]
        fn check(path: &Path, id: u32, group: u32, expected: Level) {
            let config = config("sekisho_zone $remote_addr zone=a:1m;");
            let user = User {
                name: "worker".to_owned(),
                id,
                groups: vec![group],
            };
            let finding = state(path, &config.directives[0], Some(&user));
            assert_eq!(finding.level(), expected, "{finding:?}");
        }
        let path = dir.path().join("a.state");
        mode(0o750);
        check(&path, user + 7, group + 7, Level::Problem);
        check(&path, user + 7, group, Level::Problem);
        check(&path, 0, 0, Level::Ok);
        mode(0o770);
        check(&path, user + 7, group, Level::Ok);
        mode(0o707);
        check(&path, user + 7, group + 7, Level::Ok);
        check(&path.join("deeper"), 0, 0, Level::Problem);
        check(dir.path(), 0, 0, Level::Problem);
    }

    #[test]
    fn samples_need_a_directory() {
        let dir = tempfile::TempDir::new().unwrap();
        let check = |path: &Path, expected: Level| {
            let config = config("sekisho_samples a;");
            let finding = samples(path, &config.directives[0]);
            assert_eq!(finding.level(), expected, "{finding:?}");
        };
        let file = dir.path().join("samples.jsonl");
        check(&file, Level::Ok);
        fs::write(&file, "").unwrap();
        check(&file, Level::Ok);
        check(dir.path(), Level::Problem);
        check(&dir.path().join("none/samples.jsonl"), Level::Problem);
    }

    #[test]
    fn models_are_loaded() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("bad.onnx"), "no model").unwrap();
        let see = |text: &str| {
            let findings = models(&config(text), dir.path());
            findings.iter().map(Finding::level).collect::<Vec<_>>()
        };
        assert_eq!(see(""), [Level::Ok]);
        assert_eq!(
            see("sekisho_model bad.onnx challenger=none.onnx;"),
            [Level::Problem, Level::Problem]
        );
    }
}
