//! What would change for whom if the challenger were in force.

use serde::Serialize;

use super::{Pair, weighed_requests};
use crate::figures::grouped;

const DAY: u32 = 86_400;

/// Clients on one side of the change, weighed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Moved {
    /// Clients.
    pub clients: f64,
    /// Share of all requests: those that would be stopped, or would no longer be.
    pub load: f64,
    /// Of the clients, those labelled human.
    pub humans: f64,
    /// Of the clients, those labelled crawler.
    pub crawlers: f64,
    /// Of the clients, those that completed an order.
    pub completed: f64,
}

/// Who is stopped by one model and not by the other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Change {
    /// By the challenger only.
    pub newly_stopped: Moved,
    /// By the champion only.
    pub released: Moved,
    /// By both.
    pub still_stopped: Moved,
    /// Whether the data tell who completed an order: somebody did.
    pub orders_known: bool,
}

impl Change {
    /// Compares verdicts at each model's threshold.
    pub fn of(pairs: &[Pair<'_>], champion: f32, challenger: f32) -> Change {
        let [mut newly_stopped, mut released, mut still_stopped] = [Moved::default(); 3];
        let requests: f64 = pairs.iter().map(|pair| weighed_requests(&pair.champion)).sum();
        for pair in pairs {
            let (old, new) = (
                pair.champion.load_from(champion),
                pair.challenger.load_from(challenger),
            );
            let stopped = (
                pair.champion.reached(champion).is_some(),
                pair.challenger.reached(challenger).is_some(),
            );
            let (moved, load) = match stopped {
                (false, true) => (&mut newly_stopped, new),
                (true, false) => (&mut released, old),
                (true, true) => (&mut still_stopped, new),
                (false, false) => continue,
            };
            let client = pair.champion.client;
            let weigh = |holds: bool| if holds { client.weight } else { 0.0 };
            moved.clients += client.weight;
            moved.load += client.weight * f64::from(load) / requests.max(1.0);
            moved.humans += weigh(client.is_human());
            moved.crawlers += weigh(client.is_crawler());
            moved.completed += weigh(client.completed);
        }
        Change {
            newly_stopped,
            released,
            still_stopped,
            orders_known: pairs.iter().any(|pair| pair.champion.client.completed),
        }
    }

    /// In the operator's terms; `seconds` is what the data span.
    pub fn sentence(&self, seconds: u32) -> String {
        let days = seconds.div_ceil(DAY).max(1);
        let (new, released) = (&self.newly_stopped, &self.released);
        let orders = match (self.orders_known, whole(new.completed)) {
            (false, _) => "the data do not tell who completed an order; of the newly stopped".to_owned(),
            (true, count) => format!(
                "of the newly stopped {} completed an order and",
                none_or(count, "", "")
            ),
        };
        format!(
            "on the last {} this model would newly stop {} ({:.2} % of load) and release {} ({:.2} % of load); {orders} \
             {} labelled human; of the released {} labelled crawler.",
            if days == 1 {
                "day".to_owned()
            } else {
                format!("{days} days")
            },
            clients(new.clients),
            new.load * 100.0,
            grouped(whole(released.clients)),
            released.load * 100.0,
            none_or(whole(new.humans), " is", " are"),
            none_or(whole(released.crawlers), " is", " are"),
        )
    }
}

fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The count, or "none", and the verb that goes with it.
fn none_or(count: u64, one: &str, several: &str) -> String {
    match count {
        0 => format!("none{one}"),
        1 => format!("1{one}"),
        count => format!("{}{several}", grouped(count)),
    }
}

fn clients(number: f64) -> String {
    let count = whole(number);
    format!("{} client{}", grouped(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_an_operator_s() {
        let moved = |clients, load, humans, completed| Moved {
            clients,
            load,
            humans,
            crawlers: 0.0,
            completed,
        };
        let check = |newly_stopped, crawlers, orders_known, seconds, expected: &str| {
            let change = Change {
                newly_stopped,
                released: Moved {
                    crawlers,
                    ..moved(4.0, 0.002, 0.0, 0.0)
                },
                still_stopped: Moved::default(),
                orders_known,
            };
            assert_eq!(change.sentence(seconds), expected);
        };
        check(
            moved(31.0, 0.03, 0.0, 0.0),
            0.0,
            true,
            604_799,
            "on the last 7 days this model would newly stop 31 clients (3.00 % of load) and release 4 (0.20 % of load); \
             of the newly stopped none completed an order and none is labelled human; of the released none is labelled \
             crawler.",
        );
        check(
            moved(3.0, 0.0, 1.0, 2.0),
            3.0,
            true,
            60,
            "on the last day this model would newly stop 3 clients (0.00 % of load) and release 4 (0.20 % of load); of \
             the newly stopped 2 completed an order and 1 is labelled human; of the released 3 are labelled crawler.",
        );
        check(
            moved(0.0, 0.0, 0.0, 0.0),
            1.0,
            false,
            60,
            "on the last day this model would newly stop 0 clients (0.00 % of load) and release 4 (0.20 % of load); the \
             data do not tell who completed an order; of the newly stopped none is labelled human; of the released 1 is \
             labelled crawler.",
        );
    }
}
