//! Clients by the beginning of their names, and when they were seen.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::pages::{COLUMNS, read_client};
use super::{ClientRow, MAX_PAGE, PageQuery, Store, StoreError};

/// Greater than every other character: names that begin with a text are from it on and before it with this behind.
const LAST: char = char::MAX;

/// Of a client, from a Unix second on, with a limit.
pub(super) const SEEN: &str =
    "SELECT aged FROM sample WHERE client = ? AND aged >= ? ORDER BY aged DESC LIMIT ?";

/// Of a zone, from a name on or behind it, before another, that pass the filters, with a limit; and the values of the
/// filters. Of two lower bounds SQLite would take either for the index.
pub(super) fn beginning(behind: bool, query: &PageQuery) -> (String, Vec<Value>) {
    let from = if behind { ">" } else { ">=" };
    let mut sql = format!(
        "SELECT {COLUMNS} FROM client INDEXED BY client_name WHERE zone = ? AND name {from} ? AND name < ?"
    );
    let mut values = Vec::new();
    query.narrow(&mut sql, &mut values);
    sql.push_str(" ORDER BY name LIMIT ?");
    (sql, values)
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
    /// Clients whose kept names begin with `start` and that pass the filters of a query, after the one of this zone and
    /// name. They come by zone and name, not in the query's order: to sort as many as may begin so takes too long.
    pub fn clients_beginning(
        &self,
        start: &str,
        query: &PageQuery,
        after: Option<&(String, String)>,
    ) -> Result<SearchPage, StoreError> {
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let end = format!("{start}{LAST}");
        let mut clients: Vec<ClientRow> = Vec::new();
        for each in self.zones()? {
            let done = after.is_some_and(|(last, _)| each < *last);
            if done || query.zone.as_ref().is_some_and(|zone| *zone != each) || clients.len() > limit {
                continue;
            }
            let name = after
                .filter(|(last, _)| *last == each)
                .map(|(_, name)| name.as_str());
            let behind = name.filter(|name| *name >= start);
            let (sql, filters) = beginning(behind.is_some(), query);
            let mut select = self.connection.prepare_cached(&sql)?;
            let wanted = limit + 1 - clients.len();
            let from = behind.unwrap_or(start).to_owned();
            let mut values: Vec<Value> = vec![each.clone().into(), from.into(), end.clone().into()];
            values.extend(filters);
            values.push((wanted as i64).into());
            let found = select.query_map(params_from_iter(values), read_client)?;
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
