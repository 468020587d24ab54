//! What is worth telling, before anybody has made a message of it.

use serde::{Deserialize, Serialize};

use crate::config::Topic;
use crate::visible::escaped;

/// Characters of somebody else's text.
const MAX_NAME: usize = 80;
/// Names of a fact.
const MAX_NAMES: usize = 5;

/// A page of the dashboard. Whatever can be done there is asked for there, not by following the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// How it is going: guards, verdicts.
    Now,
    /// Who takes the load, and who is alike.
    Groups,
    /// Champion and challenger: here somebody approves.
    Models,
    /// One client: here somebody lifts its ban.
    Client(i64),
}

impl Page {
    /// Its path.
    pub fn path(self) -> String {
        match self {
            Page::Now => "/".to_owned(),
            Page::Groups => "/groups".to_owned(),
            Page::Models => "/models".to_owned(),
            Page::Client(id) => format!("/clients/{id}"),
        }
    }
}

/// One thing that is known: our words, and behind them names that others chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Our words.
    pub text: String,
    /// Others' words, made visible and short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Fact {
    /// Words of ours alone.
    pub fn new(text: impl Into<String>) -> Fact {
        Fact {
            text: text.into(),
            names: Vec::new(),
        }
    }

    /// With names behind them.
    pub fn naming(text: &str, names: impl IntoIterator<Item = impl AsRef<str>>) -> Fact {
        let names = names.into_iter().take(MAX_NAMES);
        Fact {
            text: text.to_owned(),
            names: names
                .map(|name| escaped(name.as_ref().as_bytes(), MAX_NAME))
                .collect(),
        }
    }
}

/// One event, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it is.
    pub kind: Topic,
    /// When it was seen, unix seconds.
    pub at: u32,
    /// In one line of ours.
    pub title: String,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// Where to look.
    pub pages: Vec<Page>,
}

/// An event that nobody was told of yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is known by: the same key is told once.
    pub key: String,
    /// The event.
    pub event: Event,
    /// What later ones are compared with, JSON; empty without one.
    pub mark: String,
    /// The clients that it names or counts.
    pub clients: Vec<i64>,
}
