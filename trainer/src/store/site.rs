//! The store as a site that a model learns from.

use std::ops::Range;

use sekisho_core::feature::{COUNT, Features, schema_hash};

use super::labels::{Class, Origin, word};
use super::{Store, StoreError};
use crate::dataset::{self, Client, Label, Row, Site};

/// Rows of one client: more would teach nothing new, and one client must not fill the memory. While it is read, it has
/// twice as many.
const MAX_ROWS: usize = 256;

impl Store {
    /// The clients of one zone with their samples of a time, in Unix seconds. Rows ascend by requests; a client with
    /// more than [`MAX_ROWS`] keeps its last ones and an even choice of the others. Labels are what is believed; a
    /// crawler's family is its network, so that a swarm from one hoster counts as one. Samples of another schema are
    /// left out.
    pub fn site(&self, range: Range<u32>, zone: &str) -> Result<Site, StoreError> {
        let mut clients = self.connection.prepare_cached(
            "SELECT id, name, network, class, origin, first, last,
                 EXISTS (SELECT 1 FROM label WHERE client = client.id AND origin = 'conversion'),
                 NOT EXISTS (SELECT 1 FROM sample WHERE client = client.id AND kind <> 'contrast')
             FROM client WHERE zone = ? AND samples > 0 ORDER BY id",
        )?;
        let mut site = Site {
            name: zone.to_owned(),
            clients: Vec::new(),
            lines: 0,
            unparsable: 0,
        };
        let mut found = clients.query([zone])?;
        while let Some(row) = found.next()? {
            let name: String = row.get(1)?;
            let class = row
                .get::<_, Option<String>>(3)?
                .map(|_| word(row, 3, Class::from_word))
                .transpose()?;
            let origin = row
                .get::<_, Option<String>>(4)?
                .map(|_| word(row, 4, Origin::from_word))
                .transpose()?;
            let (rows, count) = self.rows_of(row.get(0)?, &range)?;
            site.lines += count;
            let Some(last) = rows.last() else { continue };
            let mut client = Client {
                name: name.into(),
                network: row.get::<_, String>(2)?.into(),
                origin: origin.map(believed),
                first: row.get(5)?,
                last: row.get(6)?,
                completed: row.get(7)?,
                drawn: row.get(8)?,
                requests: last.requests,
                ..Client::default()
            };
            client.label = class.map(|class| match class {
                Class::Human => Label::Human,
                Class::Crawler => Label::Crawler(client.family()),
            });
            client.rows = rows;
            site.clients.push(client);
        }
        Ok(site)
    }

    /// The zones of which there are samples.
    pub fn zones(&self) -> Result<Vec<String>, StoreError> {
        // From each zone to the next by the index: DISTINCT would read all of it.
        let mut select = self.connection.prepare_cached(
            "WITH RECURSIVE found (zone) AS (SELECT MIN(zone) FROM client UNION ALL
                SELECT (SELECT MIN(zone) FROM client WHERE zone > found.zone) FROM found WHERE zone IS NOT NULL)
             SELECT zone FROM found WHERE zone IS NOT NULL",
        )?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The rows that are kept of a client, and how many there are.
    fn rows_of(&self, client: i64, range: &Range<u32>) -> Result<(Vec<Row>, u64), StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT requests, aged, features FROM sample
             WHERE client = ? AND aged >= ? AND aged < ? AND schema = ? ORDER BY aged",
        )?;
        let mut found = select.query((client, range.start, range.end, schema_hash()))?;
        let mut kept = Thinning::default();
        while let Some(row) = found.next()? {
            let bytes: Vec<u8> = row.get(2)?;
            if let Some(features) = features(&bytes) {
                kept.push(Row {
                    requests: row.get(0)?,
                    at: row.get(1)?,
                    features,
                });
            }
        }
        let count = kept.seen;
        Ok((kept.finish(), count))
    }
}

/// An even choice of a stream of rows whose length is not known: each `stride`-th one, and twice the stride whenever
/// there are too many.
#[derive(Default)]
struct Thinning {
    rows: Vec<Row>,
    /// Power of two by which rows are skipped.
    halvings: u32,
    seen: u64,
    /// The row of the most requests.
    last: Option<Row>,
}

impl Thinning {
    fn push(&mut self, row: Row) {
        if self
            .last
            .as_ref()
            .is_none_or(|last| row.requests >= last.requests)
        {
            self.last = Some(row.clone());
        }
        if self.seen.is_multiple_of(1 << self.halvings) {
            if self.rows.len() == 2 * MAX_ROWS {
                let mut place = 0;
                self.rows.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.halvings += 1;
            }
            // After a halving it may not be one of those any longer.
            if self.seen.is_multiple_of(1 << self.halvings) {
                self.rows.push(row);
            }
        }
        self.seen += 1;
    }

    /// At most [`MAX_ROWS`], ascending by requests.
    fn finish(mut self) -> Vec<Row> {
        self.rows.sort_by_key(|row| row.requests);
        if let Some(last) = self.last
            && self
                .rows
                .last()
                .is_some_and(|row| (row.requests, row.at) != (last.requests, last.at))
        {
            self.rows.push(last);
        }
        thinned(self.rows)
    }
}

/// The features of a row; `None` when they are not as many as the schema has.
pub(super) fn features(bytes: &[u8]) -> Option<Features> {
    let (values, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    <[f32; COUNT]>::try_from(values).ok()
}

fn believed(origin: Origin) -> dataset::Origin {
    match origin {
        Origin::Operator => dataset::Origin::Operator,
        Origin::VerifiedBot => dataset::Origin::VerifiedBot,
        Origin::Trap => dataset::Origin::Trap,
        Origin::Conversion => dataset::Origin::Conversion,
        Origin::Declared => dataset::Origin::Declared,
    }
}

/// At most [`MAX_ROWS`] of them, evenly chosen, the last among them.
fn thinned(rows: Vec<Row>) -> Vec<Row> {
    let count = rows.len();
    if count <= MAX_ROWS {
        return rows;
    }
    let chosen = (1..=MAX_ROWS).map(|index| index * count / MAX_ROWS - 1);
    chosen.map(|index| rows[index].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_become_few_with_the_last() {
        let row = |requests| Row {
            requests,
            at: 0,
            features: [0.0; COUNT],
        };
        assert_eq!(thinned((1..=3).map(row).collect()).len(), 3);
        let kept = thinned((1..=1000).map(row).collect());
        assert_eq!(kept.len(), MAX_ROWS);
        assert_eq!(kept.last().map(|row| row.requests), Some(1000));
        assert!(kept.is_sorted_by(|one, next| one.requests < next.requests));
    }

    #[test]
    fn a_client_that_never_ends_fills_no_memory() {
        let row = |rank: u32| Row {
            requests: rank + 1,
            at: rank,
            features: [0.0; COUNT],
        };
        for count in [0, 1, 256, 257, 512, 513, 1_000, 100_000] {
            let mut kept = Thinning::default();
            let mut most = 0;
            (0..count).map(row).for_each(|row| {
                kept.push(row);
                most = most.max(kept.rows.capacity());
            });
            assert!(most <= 4 * MAX_ROWS, "{most} of {count}");
            assert_eq!(kept.seen, u64::from(count));
            let rows = kept.finish();
            assert!(rows.len() <= MAX_ROWS && rows.len() >= MAX_ROWS.min(count as usize));
            assert_eq!(
                rows.last().map_or(0, |row| row.requests),
                count,
                "the last one stays"
            );
            let widest = rows.windows(2).map(|pair| pair[1].at - pair[0].at).max();
            assert!(
                widest.unwrap_or_default() <= 1 + 4 * count / MAX_ROWS as u32,
                "{widest:?} of {count}"
            );
        }
    }

    #[test]
    fn features_are_read_when_they_are_all_there() {
        let bytes: Vec<u8> = (0..COUNT)
            .flat_map(|index| (index as f32).to_le_bytes())
            .collect();
        assert_eq!(features(&bytes).map(|features| features[3]), Some(3.0));
        assert!(features(&bytes[4..]).is_none());
        assert!(features(&bytes[1..]).is_none());
    }
}
