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
            (false, _) => "the data do not tell who completed an order".to_owned(),
            (true, 0) => "none of them completed an order".to_owned(),
            (true, count) => format!("{} of them completed an order", grouped(count)),
        };
        let people = match whole(new.humans) {
            0 => "none of the newly stopped is labelled human".to_owned(),
            count => format!(
                "{} of the newly stopped {} labelled human",
                grouped(count),
                are(count)
            ),
        };
        format!(
            "on the last {} this model would newly stop {} ({:.2} % of load) and release {} ({:.2} % of load); {orders}; \
             {people}.",
            if days == 1 {
                "day".to_owned()
            } else {
                format!("{days} days")
            },
            clients(new.clients),
            new.load * 100.0,
            grouped(whole(released.clients)),
            released.load * 100.0,
        )
    }
}

fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
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
        let check = |newly_stopped, orders_known, seconds, expected: &str| {
            let change = Change {
                newly_stopped,
                released: moved(4.0, 0.002, 0.0, 0.0),
                still_stopped: Moved::default(),
                orders_known,
            };
            assert_eq!(change.sentence(seconds), expected);
        };
        check(
            moved(31.0, 0.03, 0.0, 0.0),
            true,
            604_799,
            "on the last 7 days this model would newly stop 31 clients (3.00 % of load) and release 4 (0.20 % of load); \
             none of them completed an order; none of the newly stopped is labelled human.",
        );
        check(
            moved(1.0, 0.0, 1.0, 2.0),
            true,
            60,
            "on the last day this model would newly stop 1 client (0.00 % of load) and release 4 (0.20 % of load); 2 of \
             them completed an order; 1 of the newly stopped is labelled human.",
        );
        check(
            moved(0.0, 0.0, 0.0, 0.0),
            false,
            60,
            "on the last day this model would newly stop 0 clients (0.00 % of load) and release 4 (0.20 % of load); the \
             data do not tell who completed an order; none of the newly stopped is labelled human.",
        );
    }
}
