//! How many pages may be live, and who has them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pages that are live at a time: a quarter of the connections that there are.
const MOST: usize = 32;
/// Of these, pages of one user, or of one address where nobody logs in: a browser opens six connections to a host, and
/// some people have two browsers.
const OF_ONE: usize = 8;

/// How many each has.
#[derive(Debug, Default)]
pub struct Seats(Mutex<BTreeMap<String, usize>>);

/// A seat, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    whose: String,
}

impl Seats {
    /// A seat for somebody; `None` when there are as many as there may be, of all or of this one.
    pub fn take(self: &Arc<Seats>, whose: &str) -> Option<Seat> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(whose).copied().unwrap_or_default();
        if all >= MOST || own >= OF_ONE {
            return None;
        }
        taken.insert(whose.to_owned(), own + 1);
        Some(Seat {
            seats: self.clone(),
            whose: whose.to_owned(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let left = taken.get(&self.whose).map_or(0, |own| own - 1);
        match left {
            0 => taken.remove(&self.whose),
            left => taken.insert(self.whose.clone(), left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_seats_and_each_comes_back() {
        let seats = Arc::<Seats>::default();
        let own: Vec<Seat> = (0..OF_ONE).map_while(|_| seats.take("ana")).collect();
        assert_eq!(own.len(), OF_ONE);
        assert!(seats.take("ana").is_none(), "one has enough");
        let others: Vec<Seat> = (0..2 * MOST)
            .map_while(|number| seats.take(&format!("user {number}")))
            .collect();
        assert_eq!(own.len() + others.len(), MOST, "all together");
        drop(own);
        assert!(seats.take("ana").is_some());
        drop(others);
        assert!(seats.taken().is_empty(), "nobody is remembered");
    }
}
