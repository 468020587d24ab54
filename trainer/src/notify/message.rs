//! A message as its target understands it.
//!
//! What others chose (names of networks and zones, shapes of paths) is in lists of its own, visible and short. For Slack
//! it is escaped, so that it can neither mention anybody nor link anywhere: the only links are ours.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{Event, Page};
use super::outbox::{Notice, Suppressed};
use crate::config::{NotifyKind, Topic};
use crate::figures::counted;

/// Characters of a section that Slack takes, less some for our own.
const MAX_SECTION: usize = 2_800;

/// A message's body, JSON.
pub fn body(kind: NotifyKind, notice: &Notice, dashboard: Option<&str>) -> Value {
    match kind {
        NotifyKind::Webhook => webhook(notice, dashboard),
        NotifyKind::Slack => slack(notice, dashboard),
    }
}

/// What tells a message that comes twice: a receiver that has seen it leaves it out.
pub fn id(notice: &Notice) -> String {
    format!("{}-{}", notice.made, notice.id)
}

fn webhook(notice: &Notice, dashboard: Option<&str>) -> Value {
    let events: Vec<Value> = (notice.events.iter())
        .map(|event| {
            let links: Vec<String> = links(event, dashboard).map(|(_, url)| url).collect();
            json!({
                "kind": event.kind,
                "at": event.at,
                "title": event.title,
                "facts": event.facts,
                "links": links,
            })
        })
        .collect();
    json!({
        "version": 1,
        "id": id(notice),
        "made": notice.made,
        "title": headline(notice),
        "events": events,
        "suppressed": notice.suppressed,
    })
}

fn slack(notice: &Notice, dashboard: Option<&str>) -> Value {
    let headline = headline(notice);
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": headline, "emoji": false},
    })];
    for event in &notice.events {
        let mut text = format!("*{}*\n{}", escaped(&event.title), time(event.at));
        for fact in &event.facts {
            text += &format!("\n• {}", escaped(&fact.text));
            if !fact.names.is_empty() {
                let names: Vec<String> = fact.names.iter().map(|name| quoted(name)).collect();
                text += &format!(": {}", names.join(", "));
            }
        }
        let mut section = shortened(&text);
        for (label, url) in links(event, dashboard) {
            section += &format!("\n<{}|{label}>", escaped(&url));
        }
        blocks
            .push(json!({"type": "section", "text": {"type": "mrkdwn", "text": section, "verbatim": true}}));
    }
    if let Some(told) = spared(&notice.suppressed) {
        blocks.push(
            json!({"type": "context", "elements": [{"type": "plain_text", "text": told, "emoji": false}]}),
        );
    }
    json!({"text": escaped(&headline), "blocks": blocks})
}

/// What it is about, in our words.
fn headline(notice: &Notice) -> String {
    match notice.events.as_slice() {
        [] => "Sekisho: more happened than was told".to_owned(),
        [only] => format!("Sekisho: {}", only.title),
        events => {
            let counts = Topic::ALL.into_iter().filter_map(|topic| {
                let count = events.iter().filter(|event| event.kind == topic).count() as u64;
                (count > 0).then(|| counted(count, noun(topic)))
            });
            format!("Sekisho: {}", counts.collect::<Vec<_>>().join(", "))
        }
    }
}

fn noun(topic: Topic) -> &'static str {
    match topic {
        Topic::Guard => "guard trip",
        Topic::Promotion => "change of models",
        Topic::Cluster => "new cluster",
    }
}

/// What was not told at length since the last message.
fn spared(suppressed: &Suppressed) -> Option<String> {
    let counts = suppressed.iter().filter(|(_, count)| **count > 0);
    let told: Vec<String> = counts
        .map(|(topic, count)| counted(*count, noun(*topic)))
        .collect();
    (!told.is_empty()).then(|| {
        format!(
            "Not told one by one, because too much happened: {}.",
            told.join(", ")
        )
    })
}

/// Links to the dashboard with what they say; none where its address is not known.
fn links<'a>(
    event: &'a Event,
    dashboard: Option<&'a str>,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let base = dashboard.map(|url| url.trim_end_matches('/'));
    event.pages.iter().filter_map(move |page| {
        let label = match page {
            Page::Now => "Look at it in the dashboard",
            Page::Groups => "See who they are",
            Page::Models => "Look at the models, approve or roll back",
            Page::Client(_) => "Look at the busiest client, lift or allow",
        };
        Some((label, format!("{}{}", base?, page.path())))
    })
}

fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or(String::new(), |time| time.to_string())
}

/// What Slack gives a meaning, without it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Somebody else's text as code. A backtick would end it; an at sign mentions somebody in programs that take the same
/// messages as Slack.
fn quoted(name: &str) -> String {
    format!("`{}`", escaped(&name.replace('`', "'").replace('@', "＠")))
}

/// At a boundary of characters, and of escapes.
fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_SECTION {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_SECTION).collect();
    let end = head.rfind('\n').unwrap_or(head.len());
    format!("{}\n…", &head[..end])
}
