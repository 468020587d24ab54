//! The dashboard in Debian's Chromium, against the real daemon. What is claimed is in tests/browser/topics.

use sekisho_tests::dashboard::Bench;
use serde_json::json;

#[test]
fn the_frame_of_every_page() {
    let mut dashboard = Bench::new("").start();
    dashboard.user("ana", "approver");
    dashboard.user("vic", "viewer");
    dashboard.browse("shell", json!({}));
}
