//! Several people behind one address.

use super::{Actor, Person, Request, Stage};

/// People who share an address, each with a browser of their own.
pub struct Office {
    people: Vec<(Person, Option<Request>)>,
}

impl Office {
    /// Puts people behind one address.
    pub fn new(people: Vec<Person>, stage: &Stage) -> Office {
        let begin = |mut person: Person| {
            let first = person.next(stage);
            (person, first)
        };
        Office {
            people: people.into_iter().map(begin).collect(),
        }
    }
}

impl Actor for Office {
    fn next(&mut self, stage: &Stage) -> Option<Request> {
        let waiting = self.people.iter_mut().filter(|(_, request)| request.is_some());
        let (person, request) = waiting.min_by_key(|(_, request)| request.map(|request| request.at))?;
        std::mem::replace(request, person.next(stage))
    }

    fn notes(&self) -> String {
        format!("{} people behind one address", self.people.len())
    }
}
