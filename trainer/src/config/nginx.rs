//! `[[nginx]]`: the nginx that are watched, and whose bans can be put and lifted from here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{Fault, fault};

/// Watched nginx at most: each has a thread of its own.
const MAX_NGINX: usize = 16;
/// Seconds between two looks at most: what begins and ends between two is not seen.
const MAX_POLL: u32 = 60;
/// Seconds between two looks when nothing is said.
const USUAL_POLL: u32 = 5;
/// Bytes of a name at most: it stands in every row, line and legend.
const MAX_NAME: usize = 64;

/// `[[nginx]]`: one running nginx with the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NginxSection {
    /// What it is called here.
    pub name: String,
    /// Address of its location with `sekisho_api`.
    pub api: String,
    /// The `file=` of its `sekisho_allow` that may be edited from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_file: Option<PathBuf>,
    /// Seconds between two looks.
    #[serde(default = "usual_poll")]
    pub poll_seconds: u32,
}

fn usual_poll() -> u32 {
    USUAL_POLL
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(all: &[NginxSection]) -> Result<(), Fault> {
    let at = |index: usize, key: &'static str, reason: String| Fault {
        index,
        ..fault("nginx", key, reason)
    };
    if all.len() > MAX_NGINX {
        return Err(at(
            MAX_NGINX,
            "name",
            format!("at most {MAX_NGINX} nginx are watched"),
        ));
    }
    for (index, nginx) in all.iter().enumerate() {
        let refused = |key, reason: String| Err(at(index, key, reason));
        if !is_name(&nginx.name) {
            let reason = format!("name is 1 to {MAX_NAME} of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"");
            return refused("name", reason);
        }
        if let Err(reason) = api(&nginx.api) {
            return refused("api", reason.to_owned());
        }
        if !(1..=MAX_POLL).contains(&nginx.poll_seconds) {
            return refused("poll_seconds", format!("poll_seconds is 1 to {MAX_POLL}"));
        }
        if nginx
            .allow_file
            .as_ref()
            .is_some_and(|path| path.file_name().is_none())
        {
            return refused("allow_file", "allow_file names a file".to_owned());
        }
        let same = |key: &'static str, other: usize| {
            let reason = format!("the same {key} as number {}", other + 1);
            Err(at(index, key, reason))
        };
        for (other, earlier) in all[..index].iter().enumerate() {
            if earlier.name == nginx.name {
                return same("name", other);
            }
            if earlier.api.trim_end_matches('/') == nginx.api.trim_end_matches('/') {
                return same("api", other);
            }
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(good)
}

/// Whether this is the address of a location.
fn api(text: &str) -> Result<(), &'static str> {
    if !text.starts_with("http://") {
        return Err(
            "api begins with http://, such as http://127.0.0.1:8080/sekisho/: TLS is not spoken here, so ask over a loopback or private address",
        );
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| "api is no address such as http://127.0.0.1:8080/sekisho/")?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("api holds a password, which everybody would see: allow this machine's address instead");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("api ends with the path of the location: nothing may follow it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_location() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            let found = api(text).err();
            assert_eq!(
                found.is_some(),
                expected.is_some(),
                "{text}: {found:?}, not {expected:?}"
            );
            let told = found.unwrap_or_default();
            assert!(told.contains(expected.unwrap_or_default()), "{text}: {told}");
        }
        check("http://127.0.0.1:8080/sekisho/", None);
        check("http://nginx.internal", None);
        check("http://[::1]:80/a", None);
        check("https://127.0.0.1/", Some("TLS is not spoken here"));
        check("127.0.0.1:80", Some("begins with http://"));
        check("http://", Some("is no address"));
        check("http://a b/", Some("is no address"));
        check("http://ana:secret@127.0.0.1/", Some("holds a password"));
        check("http://127.0.0.1/sekisho?a=b", Some("nothing may follow"));
        check("http://127.0.0.1/sekisho#a", Some("nothing may follow"));
    }
}
