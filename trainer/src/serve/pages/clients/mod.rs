//! Clients: the list, one of them, and what can be done about it.

mod act;
mod filter;
mod found;
mod lines;
mod list;
mod one;
mod order;
mod pictures;
mod rows;
mod said;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::serve::shared::Access;

/// `/clients`, `/clients.csv`, `/clients/ID` and what is below.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/clients", get(list::page))
        .route("/clients.csv", get(table::csv))
        .route("/clients/{id}", get(one::page))
        .route("/clients/{id}/label", post(act::label))
        .route("/clients/{id}/ask", post(act::ask))
        .route("/clients/{id}/feedback", post(said::feedback))
        .route("/clients/{id}/ban", post(order::ban))
        .route("/clients/{id}/lift", post(order::lift))
        .route("/clients/{id}/allow", post(order::allow))
        .route("/clients/{id}/disallow", post(order::disallow))
}

/// The class of a verdict's dot, as that of its chip.
fn dot(verdict: &str) -> &'static str {
    match verdict {
        "PASSED" => "v-passed",
        "SUSPECT" => "v-suspect",
        "REJECTED" => "v-rejected",
        "REJECTED_DRY_RUN" => "v-rejected-dry-run",
        "ALLOWED" => "v-allowed",
        "TRAPPED" => "v-trapped",
        _ => "v-other",
    }
}
