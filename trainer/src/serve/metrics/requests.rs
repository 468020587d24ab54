//! Requests of the daemon's own interface, by route and status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::page::{Kind, Page};

/// Routes that are told apart: there are a few dozen, and a client cannot make more.
const MAX_ROUTES: usize = 200;
/// What a request is counted as that matches no route.
const OTHER: &str = "other";
/// Upper bounds of the buckets, in seconds: from a page out of memory to the longest answer that is allowed.
const BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// All counts since the daemon began.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<String, Route>>);

#[derive(Debug, Default)]
struct Route {
    statuses: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    seconds: f64,
}

impl Requests {
    /// Counts one request.
    pub fn add(&self, route: &str, status: u16, duration: Duration) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let route = if routes.len() < MAX_ROUTES || routes.contains_key(route) {
            route
        } else {
            OTHER
        };
        let route = routes.entry(route.to_owned()).or_default();
        *route.statuses.entry(status).or_default() += 1;
        let seconds = duration.as_secs_f64();
        route.seconds += seconds;
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            route.buckets[bucket] += 1;
        }
    }

    /// Writes them.
    pub fn render(&self, page: &mut Page) {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.family(
            "sekisho_serve_http_requests_total",
            Kind::Counter,
            "Requests to the daemon by route and status.",
        );
        for (name, route) in routes.iter() {
            for (status, count) in &route.statuses {
                page.value(&[("route", name), ("code", &status.to_string())], count);
            }
        }
        page.family(
            "sekisho_serve_http_request_duration_seconds",
            Kind::Histogram,
            "How long the daemon took until its answer began.",
        );
        for (name, route) in routes.iter() {
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(route.buckets) {
                below += count;
                page.line("_bucket", &[("route", name), ("le", &bound.to_string())], below);
            }
            let all: u64 = route.statuses.values().sum();
            page.line("_bucket", &[("route", name), ("le", "+Inf")], all);
            page.line("_sum", &[("route", name)], route.seconds);
            page.line("_count", &[("route", name)], all);
        }
    }
}

/// Counts what comes and how long its answer takes.
pub async fn count(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or(OTHER, MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    requests.add(&route, response.status().as_u16(), began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_in_buckets_and_routes_are_bounded() {
        let requests = Requests::default();
        requests.add("/v1/status", 200, Duration::from_millis(2));
        requests.add("/v1/status", 200, Duration::from_millis(30));
        requests.add("/v1/status", 503, Duration::from_secs(31));
        let mut page = Page::default();
        requests.render(&mut page);
        let text = page.into_text();
        for line in [
            "sekisho_serve_http_requests_total{route=\"/v1/status\",code=\"200\"} 2",
            "sekisho_serve_http_requests_total{route=\"/v1/status\",code=\"503\"} 1",
            "sekisho_serve_http_request_duration_seconds_bucket{route=\"/v1/status\",le=\"0.001\"} 0",
            "sekisho_serve_http_request_duration_seconds_bucket{route=\"/v1/status\",le=\"0.0025\"} 1",
            "sekisho_serve_http_request_duration_seconds_bucket{route=\"/v1/status\",le=\"30\"} 2",
            "sekisho_serve_http_request_duration_seconds_bucket{route=\"/v1/status\",le=\"+Inf\"} 3",
            "sekisho_serve_http_request_duration_seconds_count{route=\"/v1/status\"} 3",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        for number in 0..MAX_ROUTES * 2 {
            requests.add(&format!("/{number}"), 200, Duration::ZERO);
        }
        let routes = requests.0.lock().unwrap();
        assert_eq!(routes.len(), MAX_ROUTES + 1);
        assert!(routes[OTHER].statuses[&200] > 100);
    }
}
