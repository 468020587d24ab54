//! What is costly to find out and may be a little old: kept for a bounded time, found out by one at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers by question, at most `most` of them, each for at most `fresh` seconds.
#[derive(Debug)]
pub struct Recent<K, V> {
    fresh: u32,
    most: usize,
    kept: Mutex<BTreeMap<K, Entry<V>>>,
    /// Held while something is found out of which nothing old is known.
    first: Mutex<()>,
}

#[derive(Debug)]
struct Entry<V> {
    at: u32,
    value: Arc<V>,
    /// Since when somebody finds it out anew.
    renewing: Option<u32>,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    /// Nothing is known yet.
    pub fn new(fresh: u32, most: usize) -> Recent<K, V> {
        Recent {
            fresh,
            most: most.max(1),
            kept: Mutex::default(),
            first: Mutex::default(),
        }
    }

    /// The answer and how many seconds old it is at `now`. While one finds it out anew, others get the old one, and wait
    /// where there is none: `find` asks nothing of the same object.
    ///
    /// # Errors
    /// Those of `find`; nothing is kept of them.
    pub fn get<E>(&self, key: &K, now: u32, find: impl FnOnce() -> Result<V, E>) -> Result<(Arc<V>, u32), E> {
        if let Some(known) = self.known(key, now) {
            return Ok(known);
        }
        let is_first = !self.kept().contains_key(key);
        let _one = is_first.then(|| self.first.lock().unwrap_or_else(PoisonError::into_inner));
        if is_first && let Some(known) = self.known(key, now) {
            return Ok(known);
        }
        let value = Arc::new(find()?);
        let mut kept = self.kept();
        kept.insert(
            key.clone(),
            Entry {
                at: now,
                value: value.clone(),
                renewing: None,
            },
        );
        while kept.len() > self.most {
            let oldest = kept
                .iter()
                .min_by_key(|(_, entry)| entry.at)
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            kept.remove(&oldest);
        }
        Ok((value, 0))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<K, Entry<V>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What need not be found out by this caller.
    fn known(&self, key: &K, now: u32) -> Option<(Arc<V>, u32)> {
        let mut kept = self.kept();
        let entry = kept.get_mut(key)?;
        // A clock that was set back makes nothing older.
        let age = now.saturating_sub(entry.at);
        if age < self.fresh {
            return Some((entry.value.clone(), age));
        }
        // Whoever renews it may fail: then the next one tries.
        match entry.renewing {
            Some(since) if now.saturating_sub(since) < self.fresh && age < 2 * self.fresh => {
                Some((entry.value.clone(), age))
            }
            _ => {
                entry.renewing = Some(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn ask(recent: &Recent<&'static str, u32>, key: &'static str, now: u32, value: u32) -> (u32, u32) {
        let (value, age) = recent
            .get(&key, now, || Ok::<_, Infallible>(value))
            .unwrap_or_else(|never| match never {});
        (*value, age)
    }

    #[test]
    fn an_answer_is_kept_for_a_time() {
        let recent = Recent::new(60, 2);
        assert_eq!(ask(&recent, "a", 1000, 1), (1, 0));
        assert_eq!(ask(&recent, "a", 1059, 2), (1, 59));
        assert_eq!(ask(&recent, "a", 1060, 3), (3, 0));
        assert_eq!(ask(&recent, "a", 500, 4), (3, 0), "a clock that was set back");
        assert_eq!(ask(&recent, "b", 1070, 5), (5, 0));
        assert_eq!(ask(&recent, "c", 1080, 6), (6, 0));
        assert_eq!(ask(&recent, "a", 1081, 7), (7, 0), "the oldest made room");
    }

    #[test]
    fn while_one_asks_the_others_get_the_old_one() {
        let recent = Recent::new(60, 9);
        ask(&recent, "a", 1000, 1);
        let inside = recent.get(&"a", 1070, || {
            assert_eq!(ask(&recent, "a", 1071, 9), (1, 71));
            Err("no")
        });
        assert_eq!(inside.unwrap_err(), "no");
        assert_eq!(
            ask(&recent, "a", 1072, 9),
            (1, 72),
            "just failed: not at once again"
        );
        assert_eq!(ask(&recent, "a", 1130, 2), (2, 0));
    }

    #[test]
    fn many_who_ask_first_find_it_out_once() {
        const MANY: usize = 32;
        let (recent, found) = (Recent::new(60, 2), AtomicUsize::new(0));
        let together = Barrier::new(MANY);
        thread::scope(|scope| {
            for _ in 0..MANY {
                scope.spawn(|| {
                    together.wait();
                    let find = || {
                        thread::yield_now();
                        Ok::<_, Infallible>(found.fetch_add(1, Ordering::SeqCst))
                    };
                    let answer = recent
                        .get(&"a", 1000, find)
                        .unwrap_or_else(|never| match never {});
                    assert_eq!((*answer.0, answer.1), (0, 0));
                });
            }
        });
        assert_eq!(found.load(Ordering::SeqCst), 1);
    }
}
