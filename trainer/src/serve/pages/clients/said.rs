//! What an operator says of an explanation.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::change::change;
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use super::act::{back, deed, known};
use super::one::explained;
use crate::explain::Category;
use crate::explain::feedback::{Feedback, FeedbackError, Verdict, give};
use crate::serve::shared::Access;

/// What somebody says.
#[derive(Debug, Deserialize)]
pub struct Said {
    verdict: Word,
    /// What it was told as on the page that they saw.
    told: Category,
    /// What it is, for [`Word::WrongCategory`]; empty for the others, as nothing is chosen before somebody does.
    #[serde(default)]
    category: String,
    #[serde(default)]
    note: String,
}

/// Which button.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Correct,
    WrongCategory,
    FalsePositive,
    Unclear,
}

impl Said {
    fn verdict(&self) -> Result<Verdict, Refusal> {
        Ok(match self.verdict {
            Word::Correct => Verdict::Correct,
            Word::WrongCategory => {
                let category = Category::from_word(&self.category);
                Verdict::WrongCategory(category.ok_or_else(|| Refusal::bad("choose which kind it is"))?)
            }
            Word::FalsePositive => Verdict::FalsePositive,
            Word::Unclear => Verdict::Unclear,
        })
    }
}

/// `POST /clients/ID/feedback`. The explanation is kept as it is now, for the word to stand on.
pub async fn feedback(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
    said: Result<Form<Said>, FormRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Form(said)) = (id?, said?);
    let verdict = said.verdict()?;
    let deed = deed("feedback", id, json!({ "verdict": said.verdict }));
    let asked = access.clone();
    let done = change(&access, &viewer, deed, move |store, names, name, at| {
        let client = known(store, id)?;
        let (explained, _) = explained(&asked, store, names, &client, at)?;
        let report = match explained {
            Ok(explained) => explained.report,
            Err(error) => return Err(Refusal::conflict(error.to_string())),
        };
        if report.category() != said.told {
            return Err(Refusal::Stale);
        }
        report.keep(store, at)?;
        let feedback = Feedback {
            snapshot: report.id,
            verdict,
            votes: Vec::new(),
            author: name.to_owned(),
            note: said.note.trim().to_owned(),
        };
        match give(store, &feedback, (name, at)) {
            Ok(_) => Ok(()),
            Err(FeedbackError::Store(error)) => Err(error.into()),
            Err(error) => Err(Refusal::bad(error.to_string())),
        }
    });
    done.await?;
    Ok(back(id, "feedback"))
}
