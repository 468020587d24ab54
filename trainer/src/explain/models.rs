//! The model that scored, wherever it lies.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sekisho_core::model::{Limits, Model};

use super::ExplainError;
use super::canonical::digest as digest_of_bytes;
use crate::config::ModelsSection;
use crate::registry::shelf::{Shelf, digest_of, read_bounded};
use crate::scan::{DEFAULT_MODEL, load_model};

/// Models kept loaded: champion, challenger, and what was in force before.
const KEPT: usize = 4;

/// Where models are looked for, and those that were loaded last.
#[derive(Debug)]
pub struct Models {
    section: ModelsSection,
    file: Option<PathBuf>,
    loaded: Mutex<Vec<Arc<Model>>>,
}

impl Models {
    /// Of a configuration; with a `file`, only that one.
    pub fn new(section: ModelsSection, file: Option<PathBuf>) -> Models {
        Models {
            section,
            file,
            loaded: Mutex::default(),
        }
    }

    /// The model with this digest; where it is not to be found, the champion, else the one that is built in.
    ///
    /// # Errors
    /// A model that is there cannot be used.
    pub fn find(&self, digest: &str) -> Result<Arc<Model>, ExplainError> {
        if let Some(file) = &self.file {
            return self.keep(load_model(Some(file))?);
        }
        let kept = self.kept(digest);
        if let Some(model) = kept {
            return Ok(model);
        }
        if let Some(bytes) = self.on_the_shelf(digest)
            && let Ok(model) = Model::load(&bytes, &Limits::DEFAULT)
        {
            return self.keep(model);
        }
        if let Some(champion) = &self.section.champion
            && let Some(found) = digest_of(champion)?
        {
            return match self.kept(&found) {
                Some(model) => Ok(model),
                None => self.keep(load_model(Some(champion))?),
            };
        }
        match self.kept(&digest_of_bytes(DEFAULT_MODEL)) {
            Some(model) => Ok(model),
            None => self.keep(load_model(None)?),
        }
    }

    fn kept(&self, digest: &str) -> Option<Arc<Model>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().find(|model| model.digest() == digest).cloned()
    }

    fn keep(&self, model: Model) -> Result<Arc<Model>, ExplainError> {
        let model = Arc::new(model);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.truncate(KEPT - 1);
        loaded.insert(0, model.clone());
        Ok(model)
    }

    /// The file of that digest; a directory that is not there has none.
    fn on_the_shelf(&self, digest: &str) -> Option<Vec<u8>> {
        let hex = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let shelf = Shelf::existing(&self.section.directory).filter(|_| hex)?;
        let path = shelf.path(digest, "onnx");
        read_bounded(&path, Limits::DEFAULT.max_bytes as u64).ok()
    }
}
