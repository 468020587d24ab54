//! The cases of a report, explained: by rule, and where it is asked for by language models, as far as what they say is
//! true.

use std::time::{Duration, Instant};

use sekisho_llm::Chain;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::ReportError;
use crate::config::now;
use crate::explain::{
    Asked, Consulted, ExplainError, Gathered, Inquiry, Lang, Models, Report as Explanation, View, gather,
};
use crate::store::{Names, Store};

/// What an explanation of a client says. Every word is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The category's name.
    pub category: String,
    /// What it did, and what would have let it pass.
    pub sentences: Vec<String>,
    /// What somebody may do.
    pub suggestion: String,
    /// How sure the verdict is.
    pub sureness: String,
    /// SHA-256 of the snapshot that it stands on.
    pub snapshot: String,
    /// Who was asked, and how much of the answer holds; absent when nobody was.
    pub asked: Option<String>,
    /// What of a language model's claims is true.
    pub claims: Vec<String>,
}

/// Language models, and until when they may be asked.
pub struct Asking<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// What it runs on.
    pub runtime: &'a Runtime,
    /// All cases together may take until then.
    pub until: Instant,
}

/// What explains cases.
pub struct Explainer<'a> {
    /// The store.
    pub store: &'a Store,
    /// How it names clients.
    pub names: &'a Names,
    /// The models that scored.
    pub models: &'a Models,
    /// Who is asked; by rule alone without.
    pub asking: Option<Asking<'a>>,
}

impl Explainer<'_> {
    /// Explains a client as it is known now; `None` when there is nothing to explain: it was forgotten, or its scores
    /// are over features of another version.
    ///
    /// # Errors
    /// The store's, or a model's.
    pub fn explain(&self, client: i64) -> Result<Option<Explained>, ReportError> {
        let Some(client) = self.store.client(client)? else {
            return Ok(None);
        };
        let asked = Asked {
            client,
            reference: None,
            cluster: false,
        };
        let gathered = match gather(self.store, self.names, self.models, &asked) {
            Ok(gathered) => gathered,
            Err(ExplainError::NotScored(_)) => return Ok(None),
            Err(error) => return Err(Box::new(error).into()),
        };
        let consulted = match &self.asking {
            Some(asking) => self.consult(asking, &gathered)?,
            None => None,
        };
        let told = consulted.as_ref().map(|(_, consulted)| consulted);
        let explanation = Explanation::new(&asked.client, gathered, told);
        if let (Some(asking), Some((inquiry, consulted))) = (&self.asking, &consulted) {
            explanation.keep(self.store, now())?;
            inquiry.keep(self.store, asking.chain, &explanation, consulted, now())?;
        }
        let view = View::of(&explanation, Lang::En);
        Ok(Some(Explained {
            category: view.category.to_owned(),
            sentences: view.text.sentences,
            suggestion: view.text.action,
            sureness: view.text.sureness,
            snapshot: view.id,
            asked: view.asked,
            claims: view.claims,
        }))
    }

    /// What models say, or said before; nobody is asked when the time is over.
    fn consult(
        &self,
        asking: &Asking<'_>,
        gathered: &Gathered,
    ) -> Result<Option<(Inquiry, Consulted)>, ReportError> {
        let inquiry = Inquiry::new(&gathered.snapshot, asking.chain.targets());
        let before = inquiry.before(self.store, &gathered.snapshot, now())?;
        let left = asking.until.saturating_duration_since(Instant::now());
        let consulted = match before {
            Some(before) => before,
            None if left < Duration::from_secs(1) => return Ok(None),
            None => asking.runtime.block_on(inquiry.ask(asking.chain, left)),
        };
        Ok(Some((inquiry, consulted)))
    }
}
