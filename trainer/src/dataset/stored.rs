//! The samples of a store, zone by zone.

use std::path::Path;

use super::site::Site;
use crate::store::{Store, StoreError};

/// One site for each zone of the store, or for the one that is asked for: others may not fit into the memory.
///
/// # Errors
/// The store is missing, or cannot be read.
pub fn sites_of(path: &Path, only: Option<&str>) -> Result<Vec<Site>, StoreError> {
    let store = Store::open_existing(path)?;
    let zones = store.zones()?;
    let wanted = only.filter(|only| zones.iter().any(|zone| zone == only));
    let zones = zones
        .iter()
        .filter(|zone| wanted.is_none_or(|wanted| *zone == wanted));
    zones.map(|zone| store.site(0..u32::MAX, zone)).collect()
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::{COUNT, schema_hash};

    use super::super::{Origin, Site};
    use super::*;

    /// Client 1 was drawn; client 2 was flagged, ordered something and walked into a trap.
    fn stored(path: &Path) -> Vec<Site> {
        let store = Store::open(path).unwrap();
        let features = vec![0u8; COUNT * 4];
        for (id, class, origin) in [(1, None, None), (2, Some("crawler"), Some("trap"))] {
            let name = format!("192.0.2.{id}");
            store
                .connection()
                .execute(
                    "INSERT INTO client (id, zone, name, network, first, last, samples, requests, class, origin)
                     VALUES (?, 'clients', ?, '192.0.2.0/24', 100, 200, 1, 16, ?, ?)",
                    (id, name, class, origin),
                )
                .unwrap();
            let kind = if id == 1 { "contrast" } else { "flagged" };
            store
                .connection()
                .execute(
                    "INSERT INTO sample (digest, client, id, at, aged, kind, requests, verdict, reasons, schema, features,
                     model, method, target) VALUES (?1, ?1, 'a', 150, 150, ?2, 16, 'PASSED', '[]', ?3, ?4, '', 'GET', '/')",
                    (id, kind, schema_hash(), &features),
                )
                .unwrap();
        }
        store
            .connection()
            .execute_batch(
                "INSERT INTO label (client, class, origin, author, at) VALUES (2, 'human', 'conversion', 'nginx', 150),
                 (2, 'crawler', 'trap', 'nginx', 151)",
            )
            .unwrap();
        sites_of(path, None).unwrap()
    }

    #[test]
    fn a_site_tells_who_was_drawn_and_who_completed_an_order() {
        let directory = tempfile::tempdir().unwrap();
        let sites = stored(&directory.path().join("s.db"));
        assert_eq!((sites.len(), &*sites[0].name), (1, "clients"));
        let [one, other] = &sites[0].clients[..] else {
            panic!("two clients")
        };
        assert_eq!((one.drawn, one.completed, one.origin), (true, false, None));
        assert_eq!(
            (&*one.network, one.first, one.last, one.rows[0].at),
            ("192.0.2.0/24", 100, 200, 150)
        );
        assert_eq!(
            (other.drawn, other.completed, other.origin),
            (false, true, Some(Origin::Trap))
        );
        assert!(other.is_crawler(), "an order is no whitelist");
    }

    #[test]
    fn a_zone_that_was_not_asked_for_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        stored(&path);
        let store = Store::open(&path).unwrap();
        let more = "INSERT INTO client (id, zone, name, network, first, last, samples, requests)
                    VALUES (3, 'networks', '192.0.2.0/24', '192.0.2.0/24', 100, 200, 1, 16)";
        store.connection().execute(more, []).unwrap();
        let names = |only| -> Vec<String> {
            let sites = sites_of(&path, only).unwrap();
            sites.into_iter().map(|site| site.name).collect()
        };
        assert_eq!(names(None), ["clients", "networks"]);
        assert_eq!(names(Some("networks")), ["networks"]);
        assert_eq!(
            names(Some("none")),
            ["clients", "networks"],
            "to tell which there are"
        );
    }

    #[test]
    fn a_store_that_is_missing_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        assert!(sites_of(&path, None).is_err() && !path.exists());
    }
}
