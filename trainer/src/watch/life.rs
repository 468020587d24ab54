//! What became of bans between two lists of them.

use std::collections::HashMap;

use crate::store::{DecisionRow, End};

/// Seconds by which a ban's end may be seen early or late: clocks are read at different moments.
const GRACE: u32 = 2;

/// Bans in force in a zone, as nginx told.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Client, as the store keeps names, and end by nginx's clock.
    pub bans: &'a [(String, u32)],
    /// Whether those are all.
    pub complete: bool,
    /// When it was asked, unix seconds.
    pub asked: u32,
}

/// What became of a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The one at this place of the list began.
    Begun(usize),
    /// The one of this number ended, so, at this time.
    Ended(i64, End, u32),
}

/// Compares bans that are open in the store with a list, where one was asked for.
pub fn compare(open: &[DecisionRow], listed: Option<Listed<'_>>, now: u32) -> Vec<Change> {
    let mut changes = Vec::new();
    let bans = listed.map_or(&[][..], |listed| listed.bans);
    let by_client: HashMap<&str, u32> = bans
        .iter()
        .map(|(client, until)| (client.as_str(), *until))
        .collect();
    let mut known: HashMap<&str, u32> = HashMap::new();
    for row in open {
        let found = by_client.get(row.client.as_str());
        if found == Some(&row.until) && known.insert(&row.client, row.until).is_none() {
            continue;
        }
        let is_over = now.saturating_add(GRACE) >= row.expires;
        // Somebody here may have ordered it after the list was made.
        let complete = listed.is_some_and(|listed| listed.complete && row.begun < listed.asked);
        let replaced = listed.is_some_and(|listed| row.begun < listed.asked) && found.is_some();
        let end = if replaced {
            Some(End::Replaced)
        } else if listed.is_some() && is_over || now >= row.expires.saturating_add(GRACE) {
            Some(End::Expired)
        } else if complete {
            Some(End::Gone)
        } else {
            None
        };
        if let Some(end) = end {
            let at = if end == End::Expired {
                row.expires.min(now)
            } else {
                now
            };
            changes.push(Change::Ended(row.id, end, at));
        }
    }
    for (place, (client, until)) in bans.iter().enumerate() {
        if known.get(client.as_str()) != Some(until) {
            changes.push(Change::Begun(place));
        }
    }
    changes
}

/// Stopped requests of a time: those that were stopped, and those that only would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// In fact.
    pub acted: u64,
    /// In dry run, or held back by a guard.
    pub dry: u64,
}

impl Stopped {
    fn is_dry(self) -> Option<bool> {
        match (self.acted > 0, self.dry > 0) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }
}

/// Whether nginx does not act on a ban, of a module that does not tell: what was ordered from outside is taken for acted
/// on; else its sample tells, else what was counted meanwhile, else what was counted ever. `None` while nothing tells.
pub fn is_dry_run(origin: &str, verdict: Option<&str>, recent: Stopped, ever: Stopped) -> Option<bool> {
    match (origin, verdict) {
        ("model" | "trap", Some("REJECTED")) => Some(false),
        ("model" | "trap", Some("REJECTED_DRY_RUN")) => Some(true),
        ("model" | "trap", _) => recent.is_dry().or(ever.is_dry()),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_000;

    fn row(id: i64, client: &str, until: u32) -> DecisionRow {
        DecisionRow {
            id,
            nginx: "shop".to_owned(),
            zone: "clients".to_owned(),
            client: client.to_owned(),
            network: String::new(),
            origin: "model".to_owned(),
            reasons: Vec::new(),
            reference: String::new(),
            author: String::new(),
            note: String::new(),
            begun: 500,
            until,
            expires: until,
            dry_run: Some(false),
            held: false,
            ended: None,
            end: None,
            ended_by: String::new(),
        }
    }

    #[test]
    fn bans_begin_and_end() {
        #[track_caller]
        fn check(open: &[DecisionRow], listed: Option<(&[(&str, u32)], bool)>, expected: &[Change]) {
            let bans: Vec<(String, u32)> = listed
                .map_or(&[][..], |(bans, _)| bans)
                .iter()
                .map(|(client, until)| ((*client).to_owned(), *until))
                .collect();
            let listed = listed.map(|(_, complete)| Listed {
                bans: &bans,
                complete,
                asked: NOW - 1,
            });
            assert_eq!(compare(open, listed, NOW), expected);
        }
        use Change::{Begun, Ended};
        let one = row(1, "a", 2_000);
        check(&[], Some((&[("a", 2_000)], true)), &[Begun(0)]);
        check(std::slice::from_ref(&one), Some((&[("a", 2_000)], true)), &[]);
        check(std::slice::from_ref(&one), None, &[]);
        check(
            std::slice::from_ref(&one),
            Some((&[("b", 9), ("a", 2_500)], false)),
            &[Ended(1, End::Replaced, NOW), Begun(0), Begun(1)],
        );
        check(
            std::slice::from_ref(&one),
            Some((&[], true)),
            &[Ended(1, End::Gone, NOW)],
        );
        check(std::slice::from_ref(&one), Some((&[], false)), &[]);
        let over = row(2, "a", NOW + 1);
        check(
            std::slice::from_ref(&over),
            Some((&[], false)),
            &[Ended(2, End::Expired, NOW)],
        );
        check(std::slice::from_ref(&over), None, &[]);
        let past = row(3, "a", NOW - 9);
        check(
            std::slice::from_ref(&past),
            None,
            &[Ended(3, End::Expired, NOW - 9)],
        );
        let fresh = DecisionRow {
            begun: NOW - 1,
            ..row(4, "a", 2_000)
        };
        check(std::slice::from_ref(&fresh), Some((&[], true)), &[]);
        // The same ban twice, of which one is too many.
        check(
            &[one.clone(), row(5, "a", 2_000)],
            Some((&[("a", 2_000)], true)),
            &[Ended(5, End::Replaced, NOW)],
        );
    }

    #[test]
    fn what_nginx_acts_on_is_told_apart() {
        #[track_caller]
        fn check(
            origin: &str,
            verdict: Option<&str>,
            recent: (u64, u64),
            ever: (u64, u64),
            expected: Option<bool>,
        ) {
            let stopped = |(acted, dry)| Stopped { acted, dry };
            let found = is_dry_run(origin, verdict, stopped(recent), stopped(ever));
            assert_eq!(found, expected, "{origin} {verdict:?} {recent:?} {ever:?}");
        }
        check("operator", None, (0, 5), (0, 5), Some(false));
        check("crowdsec", None, (0, 5), (0, 5), Some(false));
        check("model", Some("REJECTED"), (0, 5), (0, 5), Some(false));
        check("model", Some("REJECTED_DRY_RUN"), (5, 0), (5, 0), Some(true));
        check("model", None, (0, 5), (9, 5), Some(true));
        check("trap", None, (5, 0), (9, 5), Some(false));
        check("model", None, (5, 5), (9, 5), None);
        check("model", None, (0, 0), (9, 5), None);
        check("model", None, (0, 0), (9, 0), Some(false));
        check("model", None, (0, 0), (0, 9), Some(true));
        check("model", None, (0, 0), (0, 0), None);
    }
}
