//! Reads what callgrind writes: how many instructions were spent inside one shared object, called from outside.
//!
//! Format: "Callgrind Format Specification" of the Valgrind documentation, version 1, one event (Ir).

use std::collections::{BTreeMap, HashMap};

/// Instructions of one dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// All of them.
    pub total: u64,
    /// Those between calls into the object from outside and their returns, with everything called meanwhile.
    pub inside: u64,
    /// Those of each function of the object itself, without what it calls.
    pub functions: BTreeMap<String, u64>,
}

impl Profile {
    /// Reads a dump; the object is the one whose path ends in `object`.
    pub fn read(dump: &str, object: &str) -> Profile {
        let mut reader = Reader {
            object,
            ..Reader::default()
        };
        for line in dump.lines() {
            reader.line(line);
        }
        reader.profile
    }

    /// The functions that took most, largest first.
    pub fn largest(&self, count: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self
            .functions
            .iter()
            .map(|(name, &cost)| (name.as_str(), cost))
            .collect();
        all.sort_by_key(|&(name, cost)| (std::cmp::Reverse(cost), name));
        all.truncate(count);
        all
    }
}

#[derive(Default)]
struct Reader<'a> {
    object: &'a str,
    objects: HashMap<String, String>,
    names: HashMap<String, String>,
    within: bool,
    function: String,
    callee_within: Option<bool>,
    call: bool,
    profile: Profile,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("ob=") {
            self.within = spelled(&mut self.objects, name).ends_with(self.object);
        } else if let Some(name) = line.strip_prefix("cob=") {
            self.callee_within = Some(spelled(&mut self.objects, name).ends_with(self.object));
        } else if let Some(name) = line.strip_prefix("fn=") {
            self.function = spelled(&mut self.names, name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            spelled(&mut self.names, name);
        } else if line.starts_with("calls=") {
            self.call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '*')) {
            self.cost(
                line.split(' ')
                    .nth(1)
                    .and_then(|cost| cost.parse().ok())
                    .unwrap_or(0),
            );
        }
    }

    fn cost(&mut self, cost: u64) {
        if !self.call {
            self.profile.total += cost;
            if self.within {
                *self.profile.functions.entry(self.function.clone()).or_default() += cost;
            }
            return;
        }
        // The line after `calls=` is what the callee took, all included. Without `cob=` it is of the same object.
        let entered = self.callee_within.take().unwrap_or(self.within);
        if entered && !self.within {
            self.profile.inside += cost;
        }
        self.call = false;
    }
}

/// Names are compressed: "(3) name" the first time, "(3)" from then on.
fn spelled(known: &mut HashMap<String, String>, text: &str) -> String {
    match text.split_once(' ') {
        Some((id, name)) if id.starts_with('(') => {
            known.insert(id.to_owned(), name.to_owned());
            name.to_owned()
        }
        _ if text.starts_with('(') => known.get(text).cloned().unwrap_or_default(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
# callgrind format
version: 1
events: Ir
positions: line

ob=(1) /usr/sbin/nginx
fl=(1) ???
fn=(1) main
0 100
cob=(2) /somewhere/module.so
cfi=(2) handler.rs
cfn=(2) preaccess
calls=3 10
0 70
+2 5

ob=(2)
fl=(2)
fn=(2)
10 40
cob=(3) /lib/libc.so.6
cfi=(3) memcpy.c
cfn=(3) memcpy
calls=3 1
* 20
cfn=(4) sip
calls=1 4
+1 10

fn=(4)
4 10

ob=(3)
fl=(3)
fn=(3)
1 20
cob=(1)
cfn=(5) callback
calls=1 1
1 6

ob=(1)
fn=(5)
1 6

totals: 181
";

    #[test]
    fn what_is_called_from_outside_is_inside() {
        let profile = Profile::read(DUMP, "module.so");
        assert_eq!((profile.total, profile.inside), (181, 70));
        assert_eq!(profile.largest(9), [("preaccess", 40), ("sip", 10)]);
        assert_eq!(profile.largest(1), [("preaccess", 40)]);
    }

    #[test]
    fn an_object_that_is_not_there_took_nothing() {
        let profile = Profile::read(DUMP, "other.so");
        assert_eq!(
            (profile.total, profile.inside, profile.functions.len()),
            (181, 0, 0)
        );
    }
}
