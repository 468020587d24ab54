//! Styles and scripts: in the program, under names that change with their content, so that browsers keep them for good.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Hex digits of a file's digest in its name: two versions of a file never meet by chance.
const DIGITS: usize = 12;

/// Name, type and content. A page's own script is a file of its own beside `app.js`.
const FILES: [(&str, &str, &[u8]); 8] = [
    ("style.css", CSS, include_bytes!("../../../assets/style.css")),
    (
        "pictures.css",
        CSS,
        include_bytes!("../../../assets/pictures.css"),
    ),
    ("app.js", JS, include_bytes!("../../../assets/app.js")),
    ("now.js", JS, include_bytes!("../../../assets/now.js")),
    (
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../../../assets/icon.svg"),
    ),
    (
        "htmx.js",
        JS,
        include_bytes!("../../../assets/vendor/htmx.min.js"),
    ),
    (
        "uplot.js",
        JS,
        include_bytes!("../../../assets/vendor/uPlot.iife.min.js"),
    ),
    (
        "uplot.css",
        CSS,
        include_bytes!("../../../assets/vendor/uPlot.min.css"),
    ),
];
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

struct Asset {
    kind: &'static str,
    plain: &'static [u8],
    packed: Vec<u8>,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let asset = |&(name, kind, plain): &(&'static str, &'static str, &'static [u8])| {
        let asset = Asset {
            kind,
            plain,
            packed: packed(plain),
        };
        (PATHS[name].clone(), asset)
    };
    FILES.iter().map(asset).collect()
});

static PATHS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let named = |&(name, _, plain): &(&'static str, &str, &[u8])| (name, hashed(name, plain));
    FILES.iter().map(named).collect()
});

/// The path of a file; the name is one of [`FILES`], which a test of every template checks.
pub fn path(name: &str) -> String {
    PATHS
        .get(name)
        .map_or_else(String::new, |hashed| format!("/assets/{hashed}"))
}

/// `/assets/NAME-DIGEST.EXTENSION`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let common = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept-encoding"),
    ];
    if takes_gzip(&headers) {
        (common, [(header::CONTENT_ENCODING, "gzip")], asset.packed.clone()).into_response()
    } else {
        (common, asset.plain).into_response()
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && parts.next().is_none_or(|weight| weight != "q=0")
        })
    })
}

fn hashed(name: &str, content: &[u8]) -> String {
    let digest: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    format!("{stem}-{}.{extension}", &digest[..DIGITS])
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // A vector takes everything.
    let _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    #[test]
    fn files_are_served_as_they_are() {
        for (name, kind, plain) in FILES {
            let asset = &ASSETS[PATHS[name].as_str()];
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(asset.packed.as_slice())
                .read_to_end(&mut unpacked)
                .unwrap();
            assert_eq!((asset.kind, unpacked.as_slice()), (kind, plain), "{name}");
        }
        assert!(path("app.js").starts_with("/assets/app-"));
        assert_eq!(path("none.js"), "");
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        #[track_caller]
        fn check(accepted: &str, expected: bool) {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepted.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), expected, "{accepted}");
        }
        check("gzip, deflate, br", true);
        check("br;q=1.0, gzip;q=0.8", true);
        check("gzip;q=0", false);
        check("br", false);
        check("", false);
    }

    #[test]
    fn vendored_files_are_those_of_the_manifest() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/vendor");
        let manifest = fs::read_to_string(format!("{folder}/manifest.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let mut known = vec!["manifest.toml".to_owned()];
        for (file, about) in &manifest {
            let content = fs::read(format!("{folder}/{file}")).expect(file);
            let digest: String = Sha256::digest(&content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(about["sha256"].as_str(), Some(digest.as_str()), "{file}");
            if let Some(licence) = about.get("licence_file").and_then(|file| file.as_str()) {
                assert!(manifest.contains_key(licence), "{file} comes with {licence}");
            }
            known.push(file.clone());
        }
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&name), "{name} is not in the manifest");
        }
    }
}
