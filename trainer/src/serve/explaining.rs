//! Explaining a client over HTTP: by rule, or told by a language model and kept.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Access;
use crate::causes::with_causes;
use crate::config::now;
use crate::explain::{Asked, Background, ExplainError, Gathered, Inquiry, Report, gather};
use crate::store::{ClientRow, StoreError};

/// What language models may take: less than a request may.
const DEADLINE: Duration = Duration::from_secs(25);

/// Why a client is not explained.
#[derive(Debug)]
pub enum Unexplained {
    /// Nobody has this number.
    Unknown,
    /// No language model is configured.
    NoModel,
    /// There is nothing to explain yet; why, in words.
    NotScored(String),
    /// The store refuses.
    Store(StoreError),
    /// Something else, in words.
    Failed(String),
}

impl From<StoreError> for Unexplained {
    fn from(error: StoreError) -> Unexplained {
        Unexplained::Store(error)
    }
}

/// What is known of a client.
pub async fn look(
    access: &Arc<Access>,
    id: i64,
    cluster: bool,
) -> Result<(ClientRow, Gathered), Unexplained> {
    let models = access.clone();
    let found = access.ask(move |store, names| {
        let Some(client) = store.client(id)? else {
            return Ok(None);
        };
        let asked = Asked {
            client,
            reference: None,
            cluster,
        };
        let mut gathered = match gather(store, names, &models.models, &asked) {
            Ok(gathered) => gathered,
            Err(error) => return Ok(Some(Err(error))),
        };
        gathered.background = Background::of(store, &asked.client, &gathered, &models.runbooks, now())?;
        if let Some(warning) = &gathered.background.warning {
            tracing::warn!("{warning}");
        }
        Ok(Some(Ok((asked.client, gathered))))
    });
    match found.await? {
        Some(Ok(found)) => Ok(found),
        Some(Err(ExplainError::Store(error))) => Err(error.into()),
        Some(Err(error @ ExplainError::NotScored(_))) => Err(Unexplained::NotScored(error.to_string())),
        Some(Err(error)) => {
            tracing::error!("a client was not explained: {}", with_causes(&error));
            Err(Unexplained::Failed(with_causes(&error)))
        }
        None => Err(Unexplained::Unknown),
    }
}

/// What language models say of a client, as far as it is true. It is kept.
pub async fn told(access: &Arc<Access>, id: i64, cluster: bool) -> Result<Report, Unexplained> {
    let (client, gathered) = look(access, id, cluster).await?;
    let chain = access.chain.clone().ok_or(Unexplained::NoModel)?;
    let inquiry = Inquiry::new(&gathered, chain.targets());
    let (asked, about) = (inquiry.clone(), gathered.snapshot.clone());
    let before = access
        .ask(move |store, _| asked.before(store, &about, now()))
        .await?;
    let consulted = match before {
        Some(before) => before,
        None => inquiry.ask(&chain, DEADLINE).await,
    };
    let report = Report::new(&client, gathered, Some(&consulted));
    let kept = report.clone();
    let keep = access.ask(move |store, _| {
        kept.keep(store, now())?;
        inquiry.keep(store, &chain, &kept, &consulted, now())
    });
    keep.await?;
    Ok(report)
}
