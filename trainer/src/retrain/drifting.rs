//! Drift of each zone, looked at from time to time and kept with the time when.

use rusqlite::params;

use super::account::ZoneDrift;
use super::error::RetrainError;
use super::evidence;
use crate::causes::with_causes;
use crate::config::Config;
use crate::drift::{Drift, DriftError};
use crate::scan::load_model;
use crate::store::Store;

/// What is recent, as `sekisho drift` has it.
const RECENT: u32 = 7 * 86_400;

/// Compares the last seven days of each zone with what came before, and keeps what came of it.
///
/// # Errors
/// The store, or the champion.
pub fn look(store: &Store, config: &Config, now: u32) -> Result<Vec<ZoneDrift>, RetrainError> {
    let champion = config.models.champion.as_deref().filter(|path| path.exists());
    let model = load_model(champion)?;
    let mut zones = Vec::new();
    // One at a time: a zone may fill the memory that there is.
    for zone in store.zones()? {
        let site = evidence::site(store, &config.retrain, now, &zone)?;
        let from = now.saturating_sub(RECENT);
        let compared = Drift::between(
            &site.until(from),
            &site.since(from),
            &model,
            config.retrain.min_requests,
        );
        let zone = match compared {
            Ok(drift) => ZoneDrift::of(&site.name, now, &drift),
            Err(error @ DriftError::TooFew { .. }) => ZoneDrift {
                zone: site.name.clone(),
                at: now,
                trouble: Some(with_causes(&error)),
                ..ZoneDrift::default()
            },
            Err(error) => {
                tracing::error!("{}: drift cannot be told: {}", site.name, with_causes(&error));
                continue;
            }
        };
        if zone.alarms > 0 {
            let alarming = zone.alarming.join(", ");
            tracing::warn!("{}: others come than before: {alarming}", zone.zone);
        }
        zones.push(zone);
    }
    let transaction = store.write()?;
    transaction.execute("DELETE FROM drift", [])?;
    for zone in &zones {
        transaction.execute(
            "INSERT INTO drift (zone, at, document) VALUES (?1, ?2, ?3)",
            params![zone.zone, zone.at, serde_json::to_string(zone)?],
        )?;
    }
    transaction.commit()?;
    Ok(zones)
}

/// What was kept last.
pub fn kept(store: &Store) -> rusqlite::Result<Vec<ZoneDrift>> {
    let mut statement = store
        .connection()
        .prepare_cached("SELECT document FROM drift ORDER BY zone")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let documents: Vec<String> = rows.collect::<Result<_, _>>()?;
    Ok(documents
        .iter()
        .filter_map(|document| serde_json::from_str(document).ok())
        .collect())
}
