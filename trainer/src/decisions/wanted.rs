//! What a CrowdSec local API wants banned: its stream's answers become a list, and the list a plan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::take;

use sekisho_core::key::shown_client;
use serde::Deserialize;

use super::bouncer::scope;
use crate::nginx::MAX_REASON;
use crate::store::{DecisionRow, Names};
use crate::visible::escaped;

/// Whose bans these are.
pub const ORIGIN: &str = "crowdsec";
/// Bans that are known at most: as many as an answer of the stream holds, some 40 MB. Most of them wait for room.
const MOST_WANTED: usize = 100_000;
/// The sort of decision that is taken over; others, such as a captcha, may stand beside it on the same address.
const BAN: &str = "ban";

/// The stream's answer.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    new: Option<Vec<Foreign>>,
    deleted: Option<Vec<Foreign>>,
}

/// A decision of theirs.
#[derive(Clone, Debug, Deserialize)]
struct Foreign {
    #[serde(rename = "type")]
    kind: String,
    value: String,
    duration: String,
    #[serde(default)]
    scenario: String,
}

/// One who is to be banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Unix seconds.
    pub until: u32,
    /// Why, as nginx takes it.
    pub reason: String,
    /// As the store may name whom nginx banned for it: the group of an IPv6 address, too.
    names: Vec<String>,
    /// nginx has no client of that name.
    is_refused: bool,
}

/// All who are to be banned, by address or network.
#[derive(Debug, Default)]
pub struct Wanted {
    bans: BTreeMap<String, Wish>,
    /// How many there was no room for, of [`MOST_WANTED`], since all were asked for.
    beyond: usize,
}

/// What there is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whom to ban as far as there is room, those first that only some of all nginx ban.
    pub missing: Vec<String>,
    /// How many of them begin a ban that nobody has yet.
    pub room: usize,
    /// Our bans that stay, as the store names whom they are on.
    pub kept: HashSet<String>,
    /// How many wait until there is room.
    pub left_out: usize,
}

impl Wanted {
    /// What is to be banned from now on; `is_all` when the answer has everything rather than what changed.
    pub fn take(&mut self, answer: Answer, is_all: bool, names: &Names, now: u32) {
        let mut before = BTreeMap::new();
        if is_all {
            before = take(&mut self.bans);
            self.beyond = 0;
        }
        // By address, not by number: of several bans on an address the stream tells the longest, and its end alone.
        for gone in answer.deleted.unwrap_or_default() {
            if gone.kind == BAN {
                self.bans.remove(&gone.value);
            }
        }
        self.bans.retain(|_, wish| wish.until > now);
        for new in answer.new.unwrap_or_default() {
            let Some(length) = seconds(&new.duration).filter(|_| new.kind == BAN) else {
                continue;
            };
            if scope(&new.value).is_none() {
                continue;
            }
            let until = now.saturating_add(length);
            if let Some(known) = self.bans.get_mut(&new.value) {
                known.until = known.until.max(until);
            } else if self.bans.len() < MOST_WANTED {
                let known = before.remove(&new.value);
                let wish = known.unwrap_or_else(|| Wish::new(&new, names));
                self.bans.insert(new.value, Wish { until, ..wish });
            } else {
                self.beyond += 1;
            }
        }
    }

    /// Whether everything is to be asked for again: there is room for those that there was none for. Not for each, as
    /// the answer is long.
    pub fn is_short(&self) -> bool {
        self.beyond > 0 && self.bans.len() < MOST_WANTED / 10 * 9
    }

    /// One of them.
    pub fn wish(&self, value: &str) -> Option<&Wish> {
        self.bans.get(value)
    }

    /// As whom nginx banned one of them, by the store's name.
    pub fn banned_as(&mut self, value: &str, name: String) {
        if let Some(wish) = self.bans.get_mut(value)
            && !wish.names.contains(&name)
        {
            wish.names.push(name);
        }
    }

    /// nginx has no client of that name, such as a network where each client is an address.
    pub fn refused(&mut self, value: &str) {
        if let Some(wish) = self.bans.get_mut(value) {
            wish.is_refused = true;
        }
    }

    /// What there is to do when these bans are in force in the zone, which so many nginx have: at most `most` of ours
    /// at a time.
    pub fn plan(&self, open: &[DecisionRow], everywhere: usize, most: usize) -> Plan {
        let mut banned: HashMap<&str, (usize, usize)> = HashMap::new();
        for row in open {
            let (all, ours) = banned.entry(&row.client).or_default();
            *all += 1;
            *ours += usize::from(row.origin == ORIGIN);
        }
        let (mut plan, mut waiting, mut held) = (Plan::default(), Vec::new(), 0);
        for (value, wish) in self.bans.iter().filter(|(_, wish)| !wish.is_refused) {
            let found = wish.names.iter().filter_map(|name| banned.get(name.as_str()));
            let (all, ours) = found.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            if ours > 0 && held < most {
                held += 1;
                plan.kept.extend(wish.names.iter().cloned());
                if all < everywhere {
                    plan.missing.push(value.clone());
                }
            } else if ours > 0 || all < everywhere {
                waiting.push(value);
            }
        }
        plan.room = most - held;
        plan.left_out = self.beyond + waiting.len().saturating_sub(plan.room);
        let begun = waiting.into_iter().filter(|_| plan.room > 0).cloned();
        plan.missing.extend(begun);
        plan
    }
}

impl Wish {
    /// As the store may name whom nginx banned for it.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn new(foreign: &Foreign, names: &Names) -> Wish {
        let mut known = vec![names.client(&foreign.value)];
        let shown = names.client(&shown_client(&foreign.value));
        if !known.contains(&shown) {
            known.push(shown);
        }
        Wish {
            until: 0,
            reason: reason(&foreign.scenario),
            names: known,
            is_refused: false,
        }
    }
}

fn reason(scenario: &str) -> String {
    let shown = escaped(scenario.as_bytes(), MAX_REASON);
    format!("CrowdSec: {shown}").chars().take(MAX_REASON).collect()
}

/// Whole seconds of a duration as Go writes it; `None` when it is over, or none.
fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0.0, String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let mut unit = letter.to_string();
        if let Some(next) = letters.next_if(|next| *next == 's' && letter != 's') {
            unit.push(next);
        }
        let factor = match unit.as_str() {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        number.clear();
    }
    // More than any ban: saturates.
    (number.is_empty() && total >= 1.0).then_some(total as u32)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::ecs::tests::event;
    use super::*;
    use crate::store::EventKind;

    #[test]
    fn durations_of_go_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(seconds(text), expected, "{text}");
        }
        check("3h59m57.23s", Some(14_397));
        check("59s", Some(59));
        check("1m0s", Some(60));
        check("1m500ms", Some(60));
        check("168h0m0s", Some(604_800));
        check("99999999999h", Some(u32::MAX));
        for none in ["", "-1m2s", "0s", "900ms", "5", "1d", "s", "1..5s", "1h5"] {
            check(none, None);
        }
    }

    #[test]
    fn reasons_are_short_and_visible() {
        assert_eq!(
            reason("crowdsecurity/http-crawl"),
            "CrowdSec: crowdsecurity/http-crawl"
        );
        let long = reason(&"\u{1b}".repeat(500));
        assert!(long.chars().count() == MAX_REASON && !long.contains('\u{1b}'));
    }

    const NOW: u32 = 1_800_000_000;

    fn one(kind: &str, value: &str, duration: &str) -> Foreign {
        Foreign {
            kind: kind.to_owned(),
            value: value.to_owned(),
            duration: duration.to_owned(),
            scenario: "crawls".to_owned(),
        }
    }

    fn answer(new: &[Foreign], deleted: &[Foreign]) -> Answer {
        Answer {
            new: Some(new.to_vec()),
            deleted: Some(deleted.to_vec()),
        }
    }

    fn wanted(new: &[Foreign]) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.take(answer(new, &[]), true, &Names::Plain, NOW);
        wanted
    }

    fn bans(values: &[&str]) -> Vec<Foreign> {
        values.iter().map(|value| one(BAN, value, "1h")).collect()
    }

    fn row(client: &str, origin: &str) -> DecisionRow {
        DecisionRow {
            origin: origin.to_owned(),
            ..event(1, EventKind::Begun, client).decision
        }
    }

    #[test]
    fn only_the_end_of_a_ban_lifts_a_ban() {
        #[track_caller]
        fn check(deleted: Foreign, expected: &[&str]) {
            let mut wanted = wanted(&bans(&["192.0.2.7", "192.0.2.8"]));
            wanted.take(answer(&[], &[deleted]), false, &Names::Plain, NOW);
            let left: Vec<&str> = wanted.bans.keys().map(String::as_str).collect();
            assert_eq!(left, expected);
        }
        check(one("captcha", "192.0.2.7", "-1s"), &["192.0.2.7", "192.0.2.8"]);
        check(one(BAN, "192.0.2.7", "-1s"), &["192.0.2.8"]);
        check(one(BAN, "192.0.2.9", "-1s"), &["192.0.2.7", "192.0.2.8"]);
    }

    #[test]
    fn others_than_bans_of_addresses_are_left_alone() {
        let all = [
            one("captcha", "192.0.2.1", "1h"),
            one(BAN, "france", "1h"),
            one(BAN, "192.0.2.2", "-1h"),
            one(BAN, "192.0.2.3", "1h"),
            one(BAN, "192.0.2.3", "2h"),
        ];
        let wanted = wanted(&all);
        assert_eq!(wanted.bans.len(), 1);
        assert_eq!(wanted.wish("192.0.2.3").unwrap().until, NOW + 7_200);
    }

    #[test]
    fn those_that_wait_come_when_there_is_room() {
        let mut wanted = wanted(&bans(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]));
        let ours = [row("192.0.2.2", ORIGIN), row("192.0.2.3", ORIGIN)];
        let kept: HashSet<String> = ["192.0.2.2", "192.0.2.3"].map(str::to_owned).into();
        let full = Plan {
            left_out: 1,
            kept: kept.clone(),
            ..Plan::default()
        };
        assert_eq!(wanted.plan(&ours, 1, 2), full, "those in force stay");
        // Nothing new at the next pull: they are left out still.
        wanted.take(Answer::default(), false, &Names::Plain, NOW + 1);
        assert_eq!(wanted.plan(&ours, 1, 2), full);
        wanted.take(answer(&[], &bans(&["192.0.2.3"])), false, &Names::Plain, NOW + 2);
        let plan = wanted.plan(&ours, 1, 2);
        assert_eq!(
            (plan.missing, plan.room, plan.left_out),
            (vec!["192.0.2.1".to_owned()], 1, 0)
        );
        assert!(!plan.kept.contains("192.0.2.3"), "it is lifted");
    }

    #[test]
    fn bans_of_others_count_and_those_that_some_nginx_lack_come_first() {
        #[track_caller]
        fn check(open: &[DecisionRow], most: usize, missing: &[&str], left_out: usize) {
            let wanted = wanted(&bans(&["192.0.2.1", "192.0.2.2", "2001:db8:1:2::9"]));
            let plan = wanted.plan(open, 2, most);
            assert_eq!(plan.missing, missing);
            assert_eq!(plan.left_out, left_out);
        }
        let all = ["192.0.2.1", "192.0.2.2", "2001:db8:1:2::9"];
        check(&[], 3, &all, 0);
        check(&[], 1, &all, 2);
        let model = row("192.0.2.1", "model");
        check(&[model.clone(), model.clone()], 3, &all[1..], 0);
        check(std::slice::from_ref(&model), 3, &all, 0);
        let group = row("2001:db8:1:2::/64", ORIGIN);
        check(&[group.clone(), group.clone()], 3, &all[..2], 0);
        check(&[group], 3, &[all[2], all[0], all[1]], 0);
        let lower = [row("192.0.2.1", ORIGIN), row("192.0.2.2", ORIGIN)];
        check(&lower, 1, &["192.0.2.1"], 2);
    }

    #[test]
    fn who_nginx_does_not_know_is_not_asked_for_again() {
        let mut wanted = wanted(&bans(&["198.51.100.0/24"]));
        wanted.refused("198.51.100.0/24");
        wanted.take(answer(&bans(&["198.51.100.0/24"]), &[]), true, &Names::Plain, NOW);
        let plan = wanted.plan(&[], 1, 5);
        assert_eq!((plan.missing.len(), plan.left_out), (0, 0));
    }

    #[test]
    fn what_is_known_is_bounded_and_all_is_asked_for_when_there_is_room() {
        let address = |number: usize| Ipv4Addr::from(number as u32).to_string();
        let of = |from: usize, to: usize| -> Vec<Foreign> {
            (from..to)
                .map(|number| one(BAN, &address(number), "1h"))
                .collect()
        };
        let mut wanted = wanted(&of(0, MOST_WANTED + 5));
        assert_eq!(wanted.bans.len(), MOST_WANTED);
        assert_eq!(wanted.plan(&[], 1, 10).left_out, MOST_WANTED - 5);
        let mut less = |to: usize| {
            wanted.take(answer(&[], &of(0, to)), false, &Names::Plain, NOW);
            wanted.is_short()
        };
        assert!(!less(5));
        assert!(less(MOST_WANTED / 10 + 1));
        wanted.take(answer(&of(0, 2), &[]), true, &Names::Plain, NOW);
        assert!(!wanted.is_short());
    }
}
