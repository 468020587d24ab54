//! Clients by the beginning of their names, and when they were seen.

use super::pages::{COLUMNS, read_client};
use super::{ClientRow, MAX_PAGE, Store, StoreError};

/// Greater than every other character: names that begin with a text are from it on and before it with this behind.
const LAST: char = char::MAX;

/// Of a client, from a Unix second on, with a limit.
pub(super) const SEEN: &str =
    "SELECT aged FROM sample WHERE client = ? AND aged >= ? ORDER BY aged DESC LIMIT ?";

/// Of a zone, from a name on or behind it, before another, with a limit. Of two lower bounds SQLite would take either for
/// the index.
pub(super) fn beginning(behind: bool) -> String {
    let from = if behind { ">" } else { ">=" };
    format!(
        "SELECT {COLUMNS} FROM client WHERE zone = ?1 AND name {from} ?2 AND name < ?3 ORDER BY name LIMIT ?4"
    )
}

/// Clients whose names begin alike.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    /// By zone, then by name.
    pub clients: Vec<ClientRow>,
    /// Zone and name of the last one here, unless there are no more.
    pub next: Option<(String, String)>,
}

impl Store {
    /// Clients whose kept names begin with `start`, after the one of this zone and name.
    pub fn clients_beginning(
        &self,
        start: &str,
        zone: Option<&str>,
        after: Option<&(String, String)>,
        limit: u32,
    ) -> Result<SearchPage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        let end = format!("{start}{LAST}");
        let mut clients: Vec<ClientRow> = Vec::new();
        for each in self.zones()? {
            let done = after.is_some_and(|(last, _)| each < *last);
            if done || zone.is_some_and(|zone| zone != each) || clients.len() > limit {
                continue;
            }
            let name = after
                .filter(|(last, _)| *last == each)
                .map(|(_, name)| name.as_str());
            let behind = name.filter(|name| *name >= start);
            let mut select = self.connection.prepare_cached(&beginning(behind.is_some()))?;
            let wanted = limit + 1 - clients.len();
            let values = (&each, behind.unwrap_or(start), &end, wanted as i64);
            let found = select.query_map(values, read_client)?;
            clients.extend(found.collect::<Result<Vec<ClientRow>, _>>()?);
        }
        let more = clients.len() > limit;
        clients.truncate(limit);
        let next = clients.last().filter(|_| more);
        let next = next.map(|last| (last.zone.clone(), last.name.clone()));
        Ok(SearchPage { clients, next })
    }

    /// When samples of a client were written, the newest `limit`, newest first. It reads an index and no sample.
    pub fn seen(&self, client: i64, from: u32, limit: u32) -> Result<Vec<u32>, StoreError> {
        let mut select = self.connection.prepare_cached(SEEN)?;
        let rows = select.query_map((client, from, limit), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
