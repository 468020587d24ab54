//! How a model judges clients, at the scores that the module would make.

use rayon::prelude::*;
use sekisho_core::model::Model;

use crate::dataset::{Client, Site};

/// One client under one model.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The client.
    pub client: &'a Client,
    /// A score for each of the client's rows, 0 to 1.
    pub scores: Vec<f32>,
    min_requests: u32,
}

impl Judged<'_> {
    /// The worst score that a verdict could stand on; `None` for a client that was never judged.
    pub fn worst(&self) -> Option<f32> {
        self.verdicts().map(|(_, score)| score).reduce(f32::max)
    }

    /// Number of the first request at which the score reached `threshold`.
    pub fn reached(&self, threshold: f32) -> Option<u32> {
        let mut verdicts = self.verdicts();
        verdicts
            .find(|(_, score)| *score >= threshold)
            .map(|(requests, _)| requests)
    }

    /// Requests from the first one on at which the score reached `threshold`: what a ban that lasts would save.
    pub fn load_from(&self, threshold: f32) -> u32 {
        let last = self.client.earlier + self.client.requests;
        self.reached(threshold)
            .map_or(0, |first| (last.max(first) - first + 1).min(self.client.requests))
    }

    fn verdicts(&self) -> impl Iterator<Item = (u32, f32)> {
        let rows = self.client.rows.iter().zip(&self.scores);
        rows.filter(|(row, _)| row.requests >= self.min_requests)
            .map(|(row, score)| (row.requests, *score))
    }
}

/// Scores every row of every client; clients in the site's order.
pub fn judge<'a>(model: &Model, site: &'a Site, min_requests: u32) -> Vec<Judged<'a>> {
    let clients = site.clients.par_iter();
    clients
        .map(|client| Judged {
            client,
            scores: client.rows.iter().map(|row| model.score(&row.features)).collect(),
            min_requests,
        })
        .collect()
}
