//! An order to every nginx that it concerns: one that refuses or does not answer keeps no other from obeying, and what each
//! did is told by its name.

use std::fmt;
use std::sync::mpsc;
use std::thread;

use super::order::{Done, OrderError};
use crate::causes::with_causes;
use crate::nginx::{Nginx, NginxError};
use crate::store::StoreError;
use crate::watch::{Live, Target};

/// One nginx that did not obey.
#[derive(Debug)]
pub struct NotDone {
    /// Its name.
    pub nginx: String,
    /// Why.
    pub error: OrderError,
}

/// An order that not every nginx carried out.
#[derive(Debug)]
pub struct Partly {
    /// What was ordered, such as `banned`.
    pub what: &'static str,
    /// Those that obeyed.
    pub done: Vec<Done>,
    /// Those that did not.
    pub failed: Vec<NotDone>,
}

impl Partly {
    /// Whether every one that did not obey said that it cannot be ordered so.
    pub fn is_refused(&self) -> bool {
        let refuses = |one: &NotDone| matches!(one.error, OrderError::Nginx(NginxError::Refused { .. }));
        self.failed.iter().all(refuses)
    }
}

impl fmt::Display for Partly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for (place, done) in self.done.iter().enumerate() {
            let before = if place == 0 { " in nginx" } else { "," };
            write!(f, "{before} \"{}\"", done.nginx)?;
        }
        if self.done.is_empty() {
            write!(f, " nowhere")?;
        }
        self.failed.iter().try_for_each(|failed| {
            let why = with_causes(&failed.error);
            write!(f, "; not in nginx \"{}\": {why}", failed.nginx)
        })
    }
}

impl std::error::Error for Partly {}

/// What became of an order, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Told {
    /// Those that did what was ordered.
    pub done: Vec<Done>,
    /// Those that did not.
    pub failed: Vec<NotDone>,
    /// How many have the zone, or may have it.
    pub concerned: usize,
}

impl Told {
    /// What was done, where all obeyed.
    ///
    /// # Errors
    /// The only nginx' error, or [`Partly`].
    pub fn all(mut self, what: &'static str) -> Result<Vec<Done>, OrderError> {
        match (self.failed.pop(), self.concerned) {
            (None, _) => Ok(self.done),
            (Some(only), 1) => Err(only.error),
            (Some(last), _) => {
                self.failed.push(last);
                Err(OrderError::Partly(Partly {
                    what,
                    done: self.done,
                    failed: self.failed,
                }))
            }
        }
    }
}

/// Asks all targets at the same time, so that one that does not answer costs its own patience and no more, and writes down
/// what each did. There are no more threads than nginx may be configured.
///
/// No look at an nginx comes between its answer and what `keep` writes of it.
pub fn each<T: Send>(
    live: &Live,
    targets: &[Target],
    ask: impl Fn(&Nginx) -> Result<T, NginxError> + Sync,
    mut keep: impl FnMut(&Target, T) -> Result<Option<Done>, StoreError>,
) -> Told {
    let (sender, answers) = mpsc::channel();
    let mut became: Vec<(usize, Result<Option<Done>, OrderError>)> = Vec::new();
    thread::scope(|scope| {
        for (place, target) in targets.iter().enumerate() {
            let (sender, ask) = (sender.clone(), &ask);
            scope.spawn(move || {
                let _order = live.orders(target.place);
                let (writing, written) = mpsc::channel::<()>();
                let _ = sender.send((place, ask(&target.nginx), writing));
                // Ends when the other side has written it down, and drops its end.
                let _ = written.recv();
            });
        }
        drop(sender);
        for (place, answer, _writing) in answers {
            let kept = answer.map_err(OrderError::from);
            let kept = kept.and_then(|answer| keep(&targets[place], answer).map_err(OrderError::from));
            became.push((place, kept));
        }
    });
    became.sort_by_key(|(place, _)| *place);
    let mut told = Told::default();
    for (place, kept) in became {
        match kept {
            // It has not had the zone since it read another configuration, or never had it.
            Err(OrderError::Nginx(NginxError::Refused { code, .. })) if code == "no_zone" => continue,
            Ok(done) => told.done.extend(done),
            Err(error) => told.failed.push(NotDone {
                nginx: targets[place].nginx.name().to_owned(),
                error,
            }),
        }
        told.concerned += 1;
    }
    told
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Barrier;

    use super::*;
    use crate::config::NginxSection;

    /// Answers one request so.
    fn answering(status: u16, body: &'static str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let api = format!("http://{}/sekisho/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        });
        api
    }

    fn live(apis: &[String]) -> Live {
        let section = |(place, api): (usize, &String)| NginxSection {
            name: format!("n{place}"),
            api: api.clone(),
            allow_file: None,
            poll_seconds: 5,
        };
        let sections: Vec<NginxSection> = apis.iter().enumerate().map(section).collect();
        Live::new(&sections)
    }

    fn done(target: &Target) -> Done {
        Done {
            nginx: target.nginx.name().to_owned(),
            client: None,
            decision: None,
            expires: None,
            effect: Default::default(),
        }
    }

    #[test]
    fn one_that_does_not_obey_keeps_no_other_from_it() {
        #[track_caller]
        fn check(apis: &[String], expected: Result<usize, &str>) {
            let live = live(apis);
            let lift = |nginx: &Nginx| nginx.lift("clients", "192.0.2.7");
            let told = each(&live, &live.with_zone("clients"), lift, |target, is_done| {
                Ok(is_done.then(|| done(target)))
            });
            match (told.all("lifted"), expected) {
                (Ok(done), Ok(count)) => assert_eq!(done.len(), count),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
        let refuse = || answering(500, r#"{"error":{"code":"internal","message":"no"}}"#);
        let obey = || answering(204, "");
        let elsewhere = || answering(404, r#"{"error":{"code":"no_zone","message":"no"}}"#);
        let free = || answering(404, r#"{"error":{"code":"no_decision","message":"no"}}"#);
        check(&[obey(), obey()], Ok(2));
        check(&[obey(), free(), elsewhere()], Ok(1));
        check(&[refuse()], Err("refuses: no"));
        check(&[refuse(), elsewhere()], Err("refuses: no"));
        check(
            &[refuse(), obey(), obey()],
            Err("lifted in nginx \"n1\", \"n2\"; not in nginx \"n0\": http"),
        );
        check(
            &[free(), refuse()],
            Err("lifted nowhere; not in nginx \"n1\": http"),
        );
    }

    #[test]
    fn a_slow_one_keeps_nobody_else_waiting() {
        let live = live(&[
            "http://a".to_owned(),
            "http://b".to_owned(),
            "http://c".to_owned(),
        ]);
        let targets = &live.with_zone("clients")[..2];
        // Each answers when both were asked, and somebody looked at the third.
        let all = Barrier::new(2);
        let ask = |_: &Nginx| {
            drop(live.orders(2));
            all.wait();
            Ok(())
        };
        let told = each(&live, targets, ask, |target, ()| Ok(Some(done(target))));
        let names: Vec<&str> = told.done.iter().map(|done| done.nginx.as_str()).collect();
        assert_eq!(names, ["n0", "n1"]);
    }
}
