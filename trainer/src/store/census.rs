//! How much there is of what, in numbers that name nobody.

use super::ingest::severity;
use super::labels::{Class, Origin, word};
use super::{LabelCount, Store, StoreError, Totals, count};

/// Clients of which the same is believed on the same word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    /// What.
    pub class: Class,
    /// On whose word.
    pub origin: Origin,
    /// Clients.
    pub clients: u64,
    /// Of these, those that were rejected, or would have been.
    pub rejected: u64,
}

/// The numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Samples.
    pub samples: u64,
    /// Unix second of the newest; absent when there is none.
    pub newest: Option<u32>,
    /// Clients of which nothing is believed.
    pub unlabelled: u64,
    /// Clients whose labels contradict each other.
    pub conflicts: u64,
    /// Clients of which something is.
    pub believed: Vec<Believed>,
    /// Labels, contradicted ones among them.
    pub labels: Vec<LabelCount>,
}

impl Census {
    /// Those who are believed to be people; an operator's and a conversion's word are there also when nobody is, so
    /// that what grows has a beginning.
    pub fn humans(&self) -> Vec<Believed> {
        let none = |origin| Believed {
            class: Class::Human,
            origin,
            clients: 0,
            rejected: 0,
        };
        let mut humans: Vec<Believed> = (self.believed.iter())
            .filter(|group| group.class == Class::Human)
            .copied()
            .collect();
        for origin in [Origin::Operator, Origin::Conversion] {
            if !humans.iter().any(|group| group.origin == origin) {
                humans.push(none(origin));
            }
        }
        humans
    }
}

impl Store {
    /// Counts beside what there is in all. Samples are not read: what is known of clients is kept beside them. A sample
    /// that is dated after `now` is as new as can be.
    pub fn census(&self, totals: &Totals, now: u32) -> Result<Census, StoreError> {
        let newest: Option<u32> = self
            .connection
            .query_row("SELECT MAX(aged) FROM sample", [], |row| row.get(0))?;
        let mut select = self.connection.prepare_cached(
            "SELECT class, origin, COUNT(*), COUNT(*) FILTER (WHERE severity >= ?) FROM client
             WHERE class IS NOT NULL AND origin IS NOT NULL GROUP BY class, origin ORDER BY class, origin",
        )?;
        let believed = select.query_map([severity("REJECTED_DRY_RUN")], |row| {
            Ok(Believed {
                class: word(row, 0, Class::from_word)?,
                origin: word(row, 1, Origin::from_word)?,
                clients: count(row, 2)?,
                rejected: count(row, 3)?,
            })
        })?;
        let believed = believed.collect::<Result<_, _>>()?;
        Ok(Census {
            samples: totals.samples,
            newest: newest.map(|newest| newest.min(now)),
            unlabelled: totals.clients.saturating_sub(totals.labelled),
            conflicts: totals.conflicts,
            believed,
            labels: self.labels_given(&(0..u32::MAX), None)?,
        })
    }
}
