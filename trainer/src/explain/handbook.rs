//! The operator's runbooks that fit a client.

use serde::{Deserialize, Serialize};

use super::category::{Category, is_held_against};
use super::snapshot::Snapshot;
use super::words::{Lang, noun_and_figure};
use crate::config::RunbooksSection;
use crate::runbooks::{excerpt, is_stale, query, search};
use crate::store::{Store, StoreError};
use crate::visible::masked;

/// Pages that are shown.
const MAX_PAGES: usize = 3;
/// Sections that are looked at, of which each file gives one.
const LOOKED_AT: u32 = 20;
/// Evidence whose names are looked for.
const NAMED: usize = 3;
/// Letters of a word of a path from which on it is looked for.
const LEAST_WORD: usize = 3;

/// A section of a runbook. All of it is the operator's text, made visible, and no word of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Path of its file within the directory.
    pub path: String,
    /// Title of its file; empty when it has none.
    pub title: String,
    /// Its heading; empty before the first one.
    pub heading: String,
    /// Unix second by which its age counts; a day in documents.
    #[serde(with = "as_day")]
    pub date: u32,
    /// Whether the file's front matter says so; else it is when the file was written.
    pub dated: bool,
    /// Whether it is older than the operator wants.
    pub stale: bool,
    /// That age, in days.
    pub stale_days: u32,
    /// The beginning of its text.
    pub excerpt: String,
}

/// A Unix second as its day.
pub mod as_day {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::runbooks::{day, second};

    /// Writes it.
    ///
    /// # Errors
    /// The document cannot be written.
    pub fn serialize<S: Serializer>(at: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&day(*at))
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is no day.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        second(&text).ok_or_else(|| de::Error::custom("a day is written as 2026-11-22"))
    }
}

/// The pages that fit a snapshot best. They have a word of its category; words of evidence and of paths only change the
/// order, because a client chooses its paths.
///
/// # Errors
/// The store refuses.
pub fn pages(
    store: &Store,
    snapshot: &Snapshot,
    category: Category,
    section: &RunbooksSection,
    now: u32,
) -> Result<Vec<Page>, StoreError> {
    if section.directory.is_none() || !is_held_against(snapshot) {
        return Ok(Vec::new());
    }
    let subject = subject(category);
    let all = format!("{subject} {} {}", nouns(snapshot), path_words(snapshot));
    let (Some(required), Some(wanted)) = (query(subject), query(&all)) else {
        return Ok(Vec::new());
    };
    let mut pages: Vec<Page> = Vec::new();
    for hit in search(store, &wanted, Some(&required), LOOKED_AT)? {
        if pages.len() < MAX_PAGES && pages.iter().all(|page| page.path != hit.path) {
            pages.push(Page {
                title: masked(&hit.title),
                heading: masked(&hit.heading),
                excerpt: excerpt(&hit.text),
                stale: is_stale(hit.date, section, now),
                stale_days: section.stale_days,
                date: hit.date,
                dated: hit.dated,
                path: hit.path,
            });
        }
    }
    Ok(pages)
}

/// What people call a kind of client.
fn subject(category: Category) -> &'static str {
    match category {
        Category::CredentialStuffing => {
            "credential stuffing login password bruteforce takeover ログイン パスワード 認証 リスト型攻撃 総当たり"
        }
        Category::VulnerabilityScan => "vulnerability scan scanner exploit probing 脆弱性 スキャン 攻撃 探索",
        Category::Monitoring => "monitor monitoring uptime healthcheck 監視 死活 ヘルスチェック",
        Category::SwarmMember => "swarm botnet distributed proxies residential 分散 ボットネット プロキシ",
        Category::PriceWatch => "price pricing competitor inventory 価格 競合 在庫 定点",
        Category::FacetedCrawl => {
            "facet filter search crawl scrape 絞り込み 検索 条件 クロール クローラ 総当たり"
        }
        Category::CatalogueScrape => {
            "catalogue catalog scrape scraping crawl product カタログ 商品 収集 スクレイピング クロール クローラ"
        }
        Category::Unclear => "crawler bot automated ボット 自動 クローラ",
    }
}

/// The names of the strongest evidence, in both languages.
fn nouns(snapshot: &Snapshot) -> String {
    let strongest = snapshot
        .evidence
        .iter()
        .filter(|item| item.attribution > 0.0)
        .take(NAMED);
    let names =
        strongest.flat_map(|item| [Lang::En, Lang::Ja].map(|lang| noun_and_figure(lang, item, item.value).0));
    names.collect::<Vec<_>>().join(" ")
}

/// Plain words of path templates, without placeholders.
fn path_words(snapshot: &Snapshot) -> String {
    let segments = snapshot
        .paths
        .top
        .iter()
        .flat_map(|path| path.template.split(['/', '?', '&', '.']));
    let words = segments
        .filter(|word| word.len() >= LEAST_WORD && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    words.collect::<Vec<_>>().join(" ")
}
