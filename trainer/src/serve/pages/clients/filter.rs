//! What a list of clients was asked by, and the address that asks so.

use serde::Deserialize;

use super::super::door::escaped;
use crate::store::{Class, ClientOrder, ClientRow, PageQuery};
use crate::visible::is_hidden;

/// Characters of what is looked for: a pseudonym, a network and a reference id are shorter.
const MAX_TEXT: usize = 256;
/// Verdicts by which a list can be asked.
pub const VERDICTS: [&str; 6] = [
    "TRAPPED",
    "REJECTED",
    "REJECTED_DRY_RUN",
    "SUSPECT",
    "PASSED",
    "ALLOWED",
];

/// The query of `/clients`, as a form sends it: what is not chosen is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    zone: String,
    network: String,
    worst: String,
    label: String,
    conflicts: String,
    order: String,
    after: String,
}

/// Which clients, and from where on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// A name or its beginning, a network, a reference id; empty without one.
    pub text: String,
    /// Of this zone.
    pub zone: Option<String>,
    /// Of this network, as it is kept.
    pub network: Option<String>,
    /// With this worst verdict.
    pub worst: Option<&'static str>,
    /// Of which this is believed, or nothing.
    pub class: Option<Option<Class>>,
    /// With contradicting labels.
    pub conflicts: bool,
    /// Sorted by.
    pub order: ClientOrder,
    /// Where the page begins.
    pub after: Option<Cursor>,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Cursor {
    /// Behind this value and number.
    Value(f64, i64),
    /// Behind this zone and name.
    Name(String, String),
}

impl Filter {
    /// Of what was asked. What makes no sense is left out: an address that was cut still shows a list.
    pub fn of(asked: &Asked) -> Filter {
        let chosen = |text: &str| Some(cut(text)).filter(|text| !text.is_empty());
        Filter {
            text: cut(asked.q.trim()),
            zone: chosen(&asked.zone),
            network: chosen(&asked.network),
            worst: VERDICTS.into_iter().find(|verdict| *verdict == asked.worst),
            class: match asked.label.as_str() {
                "none" => Some(None),
                word => Class::from_word(word).map(Some),
            },
            conflicts: !asked.conflicts.is_empty(),
            order: match asked.order.as_str() {
                "score" => ClientOrder::Score,
                "requests" => ClientOrder::Requests,
                _ => ClientOrder::Last,
            },
            after: Cursor::read(&asked.after),
        }
    }

    /// Whether it is the whole list.
    pub fn is_empty(&self) -> bool {
        *self
            == Filter {
                order: self.order,
                after: self.after.clone(),
                ..Filter::default()
            }
    }

    /// For the store.
    pub fn query(&self, limit: u32) -> PageQuery {
        PageQuery {
            zone: self.zone.clone(),
            network: self.network.clone(),
            worst: self.worst.map(str::to_owned),
            conflicts: self.conflicts,
            class: self.class,
            order: self.order,
            limit,
            after: match self.after {
                Some(Cursor::Value(value, id)) => Some((value, id)),
                _ => None,
            },
        }
    }

    /// Whether a client passes all but the text.
    pub fn passes(&self, client: &ClientRow) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        is(&self.zone, &client.zone)
            && is(&self.network, &client.network)
            && self.worst.is_none_or(|worst| worst == client.worst)
            && self.class.is_none_or(|class| class == client.class)
            && (!self.conflicts || client.conflict)
    }

    /// Sorts few clients as the store sorts many.
    pub fn sort(&self, clients: &mut [ClientRow]) {
        let value = |client: &ClientRow| match self.order {
            ClientOrder::Last => f64::from(client.last),
            ClientOrder::Score => client.score.unwrap_or(-1.0),
            ClientOrder::Requests => f64::from(client.requests),
        };
        let greater = |one: &ClientRow, other: &ClientRow| value(other).total_cmp(&value(one));
        clients.sort_by(|one, other| greater(one, other).then(other.id.cmp(&one.id)));
    }

    /// The address that asks so: `path` with a query.
    pub fn address(&self, path: &str) -> String {
        let after = self.after.as_ref().map(Cursor::text).unwrap_or_default();
        let fields = [
            ("q", self.text.as_str()),
            ("zone", self.zone.as_deref().unwrap_or_default()),
            ("network", self.network.as_deref().unwrap_or_default()),
            ("worst", self.worst.unwrap_or_default()),
            ("label", self.label()),
            ("conflicts", if self.conflicts { "1" } else { "" }),
            ("order", self.order_word()),
            ("after", &after),
        ];
        let fields: Vec<String> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        match fields.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", fields.join("&")),
        }
    }

    /// The word of its label in forms.
    pub fn label(&self) -> &'static str {
        match self.class {
            None => "",
            Some(None) => "none",
            Some(Some(class)) => class.as_str(),
        }
    }

    /// The word of its order in forms; the usual one has none.
    pub fn order_word(&self) -> &'static str {
        match self.order {
            ClientOrder::Last => "",
            ClientOrder::Score => "score",
            ClientOrder::Requests => "requests",
        }
    }
}

impl Cursor {
    fn read(text: &str) -> Option<Cursor> {
        let (kind, rest) = text.split_once(':')?;
        let (head, tail) = rest.split_once(':')?;
        match kind {
            "v" => {
                let value: f64 = head.parse().ok()?;
                let id = tail.parse().ok()?;
                value.is_finite().then_some(Cursor::Value(value, id))
            }
            "n" => {
                let (zone, name) = tail.split_at_checked(head.parse().ok()?)?;
                Some(Cursor::Name(zone.to_owned(), name.to_owned()))
            }
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Cursor::Value(value, id) => format!("v:{value}:{id}"),
            // Neither a zone nor a name is without colons: the length tells where one ends.
            Cursor::Name(zone, name) => format!("n:{}:{zone}{name}", zone.len()),
        }
    }
}

/// The first characters, without hidden ones.
fn cut(text: &str) -> String {
    text.chars()
        .filter(|character| !is_hidden(*character))
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_what_it_was_made_of() {
        let filter = Filter {
            text: "192.0.2.7 & <b>".into(),
            zone: Some("a:b".into()),
            network: Some("2001:db8::/48".into()),
            worst: Some("REJECTED_DRY_RUN"),
            class: Some(Some(Class::Human)),
            conflicts: true,
            order: ClientOrder::Score,
            after: Some(Cursor::Value(0.25, 7)),
        };
        assert_eq!(
            filter.address("/clients"),
            "/clients?q=192.0.2.7%20%26%20%3Cb%3E&zone=a%3Ab&network=2001%3Adb8%3A%3A/48&worst=REJECTED_DRY_RUN\
             &label=human&conflicts=1&order=score&after=v%3A0.25%3A7"
        );
        assert_eq!(Filter::default().address("/clients"), "/clients");
    }

    #[test]
    fn cursors_are_read_back() {
        let cursors = [
            Cursor::Value(1.0 / 3.0, 7),
            Cursor::Value(-1.0, i64::MAX),
            Cursor::Name("a:1".into(), "2001:db8::/64".into()),
            Cursor::Name("\u{e9}".into(), String::new()),
        ];
        for cursor in cursors {
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        for bad in [
            "",
            "v",
            "v:1",
            "v:NaN:1",
            "v:inf:1",
            "n:9:ab",
            "n:1:\u{e9}",
            "x:1:1",
            "n:-1:a",
        ] {
            assert_eq!(Cursor::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let asked = Asked {
            q: format!("  \u{202e}{}", "x".repeat(1000)),
            worst: "<script>".into(),
            label: "robot".into(),
            order: "name; DROP TABLE client".into(),
            after: "v:1".into(),
            ..Asked::default()
        };
        let filter = Filter::of(&asked);
        assert_eq!(filter.text.len(), MAX_TEXT);
        let rest = Filter {
            text: String::new(),
            ..filter
        };
        assert!(rest.is_empty() && rest == Filter::default());
    }
}
