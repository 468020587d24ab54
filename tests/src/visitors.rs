//! Sites under the checkpoint, and who visits them.

use std::collections::BTreeMap;

use crate::nginx::{Module, Nginx, Response, Site};
use crate::simple_model;

/// Start of virtual time, unix seconds.
pub const START: u32 = 1_700_000_000;

/// `http` level of a checked site: zone, model, and an access log with all that the module says.
pub const CHECKED: &str = "
    sekisho_zone $binary_remote_addr zone=clients:1m;
    sekisho_model %DIR%/model.onnx;
    sekisho zone=clients;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
    log_format sekisho '$remote_addr $status $sekisho_status $sekisho_score $sekisho_reason $sekisho_id $request_uri';
    access_log %DIR%/access.log sekisho;
";

/// A site with the simple model in `model.onnx`.
pub fn site(module: Module) -> Site {
    let site = Site::new(module);
    site.write("model.onnx", &simple_model::file(&simple_model::card()));
    site
}

/// `http` level text: [`CHECKED`], `more`, and one server with these `locations`.
pub fn checked(more: &str, locations: &str) -> String {
    format!("{CHECKED}\n{more}\nserver {{ listen 127.0.0.1:%PORT%;\n{locations}\n}}")
}

/// The location that shows the zone's numbers in a test build; `return` comes before the checkpoint.
pub const COUNTERS: &str = "location = /counters { access_log off; return 200 $sekisho_counters; }";

/// The zone's numbers, from [`COUNTERS`].
pub fn counters(nginx: &Nginx) -> BTreeMap<String, u64> {
    let text = String::from_utf8(nginx.get("/counters", &[]).body).expect("numbers and names");
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// The location that shows the board of workers in a test build.
pub const WORKERS: &str = "location = /workers { access_log off; return 200 $sekisho_workers; }";

/// The board's rows, from [`WORKERS`].
pub fn workers(nginx: &Nginx) -> Vec<String> {
    let text = String::from_utf8(nginx.get("/workers", &[]).body).expect("words");
    text.lines().map(str::to_owned).collect()
}

/// Someone at an address, `second` seconds after the start.
pub fn visit(nginx: &Nginx, client: &str, second: u32, target: &str, headers: &[(&str, &str)]) -> Response {
    let time = (START + second).to_string();
    let mut all = vec![("X-Real-IP", client), ("X-Sekisho-Time", &time)];
    all.extend_from_slice(headers);
    nginx.get(target, &all)
}

/// A crawler's requests: another page each second, never a referer. Their status codes.
pub fn crawl(nginx: &Nginx, client: &str, from: u32, requests: u32) -> Vec<u16> {
    let one = |number| {
        visit(
            nginx,
            client,
            from + number,
            &format!("/page.html?item={number}"),
            &[],
        )
        .status
    };
    (0..requests).map(one).collect()
}

/// A person's requests: pages and their styles, with referers. Their status codes.
pub fn browse(nginx: &Nginx, client: &str, from: u32, requests: u32) -> Vec<u16> {
    let referer = [("Referer", "http://shop.test/index.html")];
    let one = |number: u32| {
        let target = if number.is_multiple_of(2) {
            "/page.html"
        } else {
            "/style.css"
        };
        visit(nginx, client, from + number * 3, target, &referer).status
    };
    (0..requests).map(one).collect()
}
