//! Lines that an earlier program could not read.

use sekisho_core::feature::schema_hash;
use sekisho_core::sample::{Sample, VERSION};

use super::ingest::{Run, unquoted};
use super::{Counts, Intake, Names, Store, StoreError, sources};

/// Lines read in one transaction.
const CHUNK: u32 = 1000;

struct Kept {
    digest: [u8; 16],
    source: String,
    network: String,
    line: Vec<u8>,
}

impl Store {
    /// Lines that wait for a program that knows them.
    pub fn aside(&self) -> Result<u64, StoreError> {
        let count = "SELECT COUNT(*) FROM aside";
        Ok(self.connection.query_row(count, [], |row| super::count(row, 0))?)
    }

    /// Reads those that this program knows; tells how many became samples.
    pub fn read_aside(&self, names: &Names, now: u32) -> Result<u64, StoreError> {
        let mut stored = 0;
        loop {
            let transaction = self.write()?;
            let kept: Vec<Kept> = transaction
                .prepare_cached(
                    "SELECT digest, source, network, line FROM aside
                     WHERE version <= ?1 AND (schema IS NULL OR schema = ?2) LIMIT ?3",
                )?
                .query_map((VERSION, schema_hash(), CHUNK), |row| {
                    Ok(Kept {
                        digest: row.get(0)?,
                        source: row.get(1)?,
                        network: row.get(2)?,
                        line: row.get(3)?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            if kept.is_empty() {
                return Ok(stored);
            }
            for line in kept {
                let intake = Intake {
                    source: &line.source,
                    names,
                    now,
                };
                let mut run = Run::new(&transaction, intake);
                let counts = match Sample::parse(&line.line) {
                    Ok(sample) => {
                        run.store(&sample, line.digest, &line.network)?;
                        run.finish()?
                    }
                    Err(error) => Counts {
                        broken: 1,
                        first_broken: Some(unquoted(&error)),
                        ..Counts::default()
                    },
                };
                stored += counts.samples;
                sources::add(&transaction, &line.source, &counts)?;
                transaction
                    .prepare_cached("DELETE FROM aside WHERE digest = ?")?
                    .execute([line.digest])?;
            }
            transaction.commit()?;
        }
    }
}
