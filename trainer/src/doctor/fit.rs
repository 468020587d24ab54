//! Checks: nginx itself, the module's file, and whether they fit.

use std::path::{Path, PathBuf};

use super::binary::{self, Stamp};
use super::config::Config;
use super::finding::Finding;
use super::nginx::{self, Answer, Build};

/// How the module's file is named.
const FILE: &str = "ngx_http_sekisho_module.so";
/// What to do when module and nginx do not fit.
const REBUILD: &str =
    "build it for this nginx (make build, with this nginx's headers), or install the package made for it";

/// Asks nginx how it was built.
pub fn build(program: &Path) -> Result<Build, Finding> {
    let advice = "say where nginx is: --nginx FILE";
    let shown = program.display();
    let answer = nginx::ask(program, &["-V"])
        .map_err(|error| Finding::problem("nginx", format!("{shown} cannot be run: {error}"), advice))?;
    let text = answer.error + &answer.out;
    Build::parse(&text)
        .ok_or_else(|| Finding::problem("nginx", format!("{shown} -V does not tell a version"), advice))
}

/// Has nginx read its configuration; when it refuses, the files are read without it.
pub fn configuration(program: &Path, conf: Option<&Path>, build: &Build) -> (Config, Finding) {
    let mut arguments = vec!["-T".to_owned()];
    if let Some(conf) = conf {
        arguments.extend(["-c".to_owned(), conf.display().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let complaint = match nginx::ask(program, &arguments) {
        Ok(Answer {
            success: true, out, ..
        }) => {
            return (
                Config::from_dump(&out),
                Finding::ok("configuration", "nginx accepts it"),
            );
        }
        Ok(answer) => nginx::complaint(&answer.error).to_owned(),
        Err(error) => error.to_string(),
    };
    let advice = match complaint.contains("Permission denied") {
        true => "run sekisho doctor as root: nginx -T opens every file that it names",
        false => "mend what nginx names; `nginx -t` repeats it",
    };
    let path = conf.map_or_else(|| build.configuration(), Path::to_owned);
    let config = Config::from_files(&path).unwrap_or_default();
    let finding = Finding::problem("configuration", format!("nginx refuses it: {complaint}"), advice);
    (config, finding)
}

/// Files of `load_module` lines that are ours, as the configuration names them, with their places.
fn loaded(config: &Config) -> Vec<(&str, &str)> {
    let ours = |path: &&str| Path::new(path).file_name().is_some_and(|name| name == FILE);
    let lines = config.all("load_module");
    lines
        .map(|line| (line.first(), line.place.as_str()))
        .filter(|(path, _)| ours(path))
        .collect()
}

/// The module's file: the one asked about, the one that is loaded, or the one where modules usually are.
fn module_file(asked: Option<&Path>, config: &Config, build: &Build) -> PathBuf {
    if let Some(asked) = asked {
        return asked.to_owned();
    }
    match loaded(config).first() {
        Some((path, _)) => build.path(path),
        None => build
            .path(build.option("--modules-path").unwrap_or("modules"))
            .join(FILE),
    }
}

/// Whether the module's file fits this nginx.
pub fn module(asked: Option<&Path>, config: &Config, build: &Build, program: &Path) -> Finding {
    let path = module_file(asked, config, build);
    let shown = path.display();
    let stamp = match binary::read(&path) {
        Ok(stamp) => stamp,
        Err(error) => {
            let advice = "install it (make install, or the package), or say where it is: --module FILE";
            return Finding::problem("module", format!("{shown}: {error}"), advice);
        }
    };
    let nginx = binary::read(program).unwrap_or_default().signature;
    fits(&shown.to_string(), &stamp, build, nginx.as_deref())
}

/// The same for what was read from the files. `nginx` is the signature of nginx.
fn fits(shown: &str, stamp: &Stamp, build: &Build, nginx: Option<&str>) -> Finding {
    let version = &build.version;
    let Some(built_for) = &stamp.version else {
        let found = format!("{shown} is no nginx module");
        return Finding::problem(
            "module",
            found,
            "give the file that make build made: target/module/*.so",
        );
    };
    if stamp.test_build {
        let found = format!("{shown} is the test build: any client could set its clock");
        return Finding::problem(
            "module",
            found,
            "use the one in target/module, not in target/module-test",
        );
    }
    if built_for != version {
        let found = format!("{shown} was built for nginx {built_for}, this is {version}");
        return Finding::problem("module", found, REBUILD);
    }
    match (nginx, stamp.signature.as_deref()) {
        (Some(nginx), Some(module)) if nginx != module => {
            let difference = binary::difference(nginx, module);
            let found = format!("{shown} was built for an nginx configured otherwise: {difference}");
            Finding::problem("module", found, REBUILD)
        }
        (Some(_), Some(_)) => Finding::ok("module", format!("{shown} fits nginx {version}")),
        _ => Finding::warning(
            "module",
            format!("{shown} was built for nginx {version}; no signature was found to compare"),
            "let nginx decide: nginx -t",
        ),
    }
}

/// Whether the configuration loads the module and uses it.
///
/// `asked`: the question was about a file that need not be installed yet.
pub fn load_module(asked: bool, config: &Config, build: &Build) -> Finding {
    let check = "load_module";
    let used = config.has("sekisho") || config.has("sekisho_zone");
    let path = build
        .path(build.option("--modules-path").unwrap_or("modules"))
        .join(FILE);
    let Some((file, place)) = loaded(config).first().copied() else {
        let advice = format!("at the top of nginx.conf: load_module {};", path.display());
        let missing = "the configuration does not load the module";
        return match used {
            true => Finding::problem(check, format!("{missing}, but has sekisho lines"), advice),
            false if asked => Finding::skipped(check, missing, advice),
            false => Finding::problem(check, missing, advice),
        };
    };
    if !build.path(file).exists() {
        let found = format!("{place} loads {file}, which is not there");
        return Finding::problem(check, found, "install the module, or take the line out");
    }
    match config.has("sekisho") {
        true => Finding::ok(check, place),
        false => Finding::warning(
            check,
            format!("{place} loads the module, but no sekisho line uses it"),
            "README.md, \"In nginx\": a sekisho_zone in http, and a sekisho line where requests should be judged",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    const SIGNATURE: &str = "8,4,8,0011111111010111001111111111111111";

    fn debian() -> Build {
        Build::parse("nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/usr/share/nginx").unwrap()
    }

    #[test]
    fn version_then_signature_decide() {
        #[track_caller]
        fn check(version: Option<&str>, signature: &str, test_build: bool, expected: Level) {
            let stamp = Stamp {
                version: version.map(str::to_owned),
                signature: Some(signature.to_owned()),
                test_build,
            };
            let finding = fits("a.so", &stamp, &debian(), Some(SIGNATURE));
            assert_eq!(finding.level(), expected, "{finding:?}");
        }
        check(Some("1.22.1"), SIGNATURE, false, Level::Ok);
        check(Some("1.22.1"), SIGNATURE, true, Level::Problem);
        check(Some("1.28.3"), SIGNATURE, false, Level::Problem);
        check(None, SIGNATURE, false, Level::Problem);
        check(
            Some("1.22.1"),
            "8,4,8,0011111111010111001111111111111110",
            false,
            Level::Problem,
        );
    }

    #[test]
    fn the_file_is_looked_for_where_nginx_would() {
        #[track_caller]
        fn check(text: &str, asked: Option<&str>, expected: &str) {
            let config = Config::from_dump(&format!("# configuration file /n.conf:\n{text}"));
            assert_eq!(
                module_file(asked.map(Path::new), &config, &debian()),
                Path::new(expected)
            );
        }
        let load = "load_module modules/ngx_http_sekisho_module.so;";
        check(load, None, "/usr/share/nginx/modules/ngx_http_sekisho_module.so");
        check(load, Some("/a.so"), "/a.so");
        check(
            "load_module modules/other.so;",
            None,
            "/usr/share/nginx/modules/ngx_http_sekisho_module.so",
        );
        check(
            "load_module \"/x/ngx_http_sekisho_module.so\";",
            None,
            "/x/ngx_http_sekisho_module.so",
        );
    }
}
