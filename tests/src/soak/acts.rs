//! The things that are done to the two servers, one after another, while the load goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Counts;
use super::daemon::{Daemon, FATAL, FATAL_TARGET, WORKERS};
use super::evidence::{complaints, dead, first, is_once, steps};
use super::load::{Load, Tally, Visitor, header, request};
use super::report::{Growth, Phase, Report};
use crate::nginx::Module;
use crate::simple_model;

/// Who is banned at the start and must stay so.
const MARKED: &str = "203.0.113.77";
/// Requests after which a crawler must be banned, whatever was lost meanwhile.
const SOON: usize = 60;
/// Requests that one injected fault is tried with; scores and turns come within the first twelve.
const TRIES: usize = 40;
/// Requests that get a client its first score: `min_requests` of the default.
const SCORED: usize = 10;
/// One in so many reloads, the first ones, is left out of the memory's figures.
const WARM_UP: usize = 10;
/// Requests of the load between two acts.
const BETWEEN: u64 = 40;
/// How long a worker may take to notice a new model.
const MODEL_PATIENCE: Duration = Duration::from_secs(30);

/// Two servers under load.
pub struct Stage {
    name: &'static str,
    bare: Daemon,
    ours: Daemon,
    /// Whether bans survive a new binary: the module has `state=`.
    keeps_state: bool,
    load: Load,
}

impl Stage {
    /// Starts both servers.
    pub fn start(name: &'static str, module: Module, counts: &Counts) -> Stage {
        let model = simple_model::file(&simple_model::card());
        let zone = format!(
            "sekisho_zone $binary_remote_addr zone=clients:{}k",
            counts.zone_kb
        );
        let keeps_state = Daemon::accepts(module, &format!("{zone} state=%DIR%/clients.state;"));
        // Where only clocks jump and workers die, the disk of the state is full as well.
        let state = match (keeps_state, module) {
            (false, _) => "",
            (true, Module::TestClock) => " state=%DIR%/full/clients.state",
            (true, _) => " state=%DIR%/state/clients.state",
        };
        let realip = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; keepalive_requests 100000;";
        let counters = match module {
            Module::TestClock => "location = /counters { return 200 $sekisho_counters; }",
            _ => "",
        };
        // Bans without number would push out the one that must last.
        let unstopped = "location = /unstopped { sekisho zone=clients threshold=1 suspect=1; try_files /page.html =404; }";
        let ours = format!(
            "{zone}{state}; sekisho_model %DIR%/model.onnx; sekisho zone=clients; sekisho_dry_run off; \
             sekisho_breaker off; sekisho_samples %DIR%/full/samples.jsonl; sekisho_log_level info; {realip} \
             add_header X-Score $sekisho_score always; server {{ listen 127.0.0.1:%PORT%; {counters} {unstopped} }}"
        );
        let bare = format!("{realip} server {{ listen 127.0.0.1:%PORT%; {FATAL} }}");
        Stage {
            name,
            bare: Daemon::start(Module::Absent, &bare, &[]),
            ours: Daemon::start(module, &ours, &[("model.onnx", model)]),
            keeps_state,
            load: Load::default(),
        }
    }

    /// Runs `acts` under load, then looks at what is left.
    pub fn run(self, counts: &Counts, report: &mut Report, acts: impl FnOnce(&mut Act<'_>)) {
        let pause = Duration::from_micros(counts.pause);
        std::thread::scope(|scope| {
            for thread in 0..counts.threads as u64 {
                let (load, bare, ours) = (&self.load, &self.bare, &self.ours);
                scope.spawn(move || load.drive(bare, ours, thread, pause));
            }
            let mut act = Act {
                stage: &self,
                counts,
                report,
                tally: Tally::default(),
                kills: BTreeSet::new(),
            };
            // The load must end, or the scope would wait for it for ever.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                act.mark();
                acts(&mut act);
                act.look_back();
            }));
            self.load.stop();
            if let Err(panic) = ended {
                std::panic::resume_unwind(panic);
            }
        });
        let mistakes = self.load.people_stopped.load(Relaxed);
        if mistakes > 0 {
            report.failures.push(format!(
                "{}: {mistakes} requests of people were stopped",
                self.name
            ));
        }
    }
}

/// What is being done.
pub struct Act<'a> {
    stage: &'a Stage,
    counts: &'a Counts,
    report: &'a mut Report,
    /// What came of our own requests.
    tally: Tally,
    /// Workers that were killed.
    kills: BTreeSet<u32>,
}

impl Act<'_> {
    /// Ten times the clients that the zone holds.
    pub fn flood(&mut self) {
        let load = &self.stage.load;
        let goal = load.strangers.load(Relaxed) + self.counts.flood() as u64;
        self.phase("clients", self.counts.flood(), |act| {
            load.flood.store(true, Relaxed);
            let came = act
                .stage
                .ours
                .wait("the flood", |_| load.strangers.load(Relaxed) >= goal);
            load.flood.store(false, Relaxed);
            act.note(came);
            act.still_banned("a full zone");
        });
    }

    /// Reloads of both, and what memory they leave.
    pub fn reloads(&mut self) {
        let mut memory: [Vec<u64>; 2] = Default::default();
        self.phase("reloads", self.counts.reloads, |act| {
            for number in 0..act.counts.reloads {
                act.tell("reload", number, act.counts.reloads);
                let stage = act.stage;
                for (daemon, samples) in [&stage.bare, &stage.ours].into_iter().zip(&mut memory) {
                    act.note(daemon.reload());
                    act.note(daemon.wait("the end of old workers", |daemon| daemon.retiring() == 0));
                    samples.extend(daemon.memory());
                }
                act.still_banned("a reload");
                act.let_load_pass();
            }
        });
        for samples in &mut memory {
            samples.drain(..samples.len() / WARM_UP);
        }
        for (name, samples) in ["without the module", "with it"].into_iter().zip(&memory) {
            let Some(growth) = Growth::of(samples) else {
                continue;
            };
            if name == "with it" && growth.percent() > self.counts.growth {
                self.report
                    .failures
                    .push(format!("memory grew by {:.2} %", growth.percent()));
            }
            self.report.memory.push((name.to_owned(), growth));
        }
    }

    /// Binary upgrades of both.
    pub fn upgrades(&mut self) {
        self.phase("binary upgrades", self.counts.upgrades, |act| {
            for number in 0..act.counts.upgrades {
                act.tell("upgrade", number, act.counts.upgrades);
                act.note(act.stage.bare.upgrade());
                act.note(act.stage.ours.upgrade());
                if act.stage.keeps_state {
                    act.still_banned("a binary upgrade");
                } else {
                    act.mark();
                }
                act.let_load_pass();
            }
        });
        if !self.stage.keeps_state {
            let note =
                "this build has no state=: bans do not survive a binary upgrade, and were not looked for";
            self.report.notes.push(note.to_owned());
        }
    }

    /// Workers killed wherever they are.
    pub fn random_kills(&mut self) {
        self.phase("kills at random", self.counts.random_kills, |act| {
            for number in 0..act.counts.random_kills {
                act.tell("kill", number, act.counts.random_kills);
                act.kill_one(&act.stage.bare, number);
                let killed = act.kill_one(&act.stage.ours, number);
                act.kills.extend(killed);
                act.still_banned("a kill");
                act.let_load_pass();
            }
        });
    }

    fn kill_one(&mut self, daemon: &Daemon, number: usize) -> Option<u32> {
        let worker = daemon.workers().iter().nth(number % WORKERS).copied()?;
        daemon.kill(worker);
        self.note(daemon.wait_for_all(worker));
        Some(worker)
    }

    /// Workers that die at the named steps, in turn; of the other server as many are killed while they serve.
    pub fn injected_kills(&mut self) {
        let steps = steps();
        // How often, and how many requests of the load were lost with it.
        let mut reached: BTreeMap<&str, (usize, u64)> =
            steps.iter().map(|step| (step.as_str(), (0, 0))).collect();
        let before = self.tally.figures().lost;
        self.phase("kills at a named step", self.counts.kills, |act| {
            for number in 0..act.counts.kills {
                act.tell("injected kill", number, act.counts.kills);
                let step = steps[number % steps.len()].as_str();
                let round = number / steps.len();
                let times = if is_once(step) { 1 } else { 1 + round % 2 };
                let lost = act.stage.load.ours.figures().lost;
                let (died, there) = act.die_at(step, times, number);
                let lost = act.stage.load.ours.figures().lost - lost;
                (0..died).for_each(|_| act.kill_serving());
                let so_far = reached.entry(step).or_default();
                *so_far = (so_far.0 + usize::from(there), so_far.1 + lost);
                act.still_banned("a kill at a named step");
                act.let_load_pass();
            }
        });
        let lost = self.tally.figures().lost - before;
        for (step, (count, lost)) in reached {
            let note = format!("died {count} times at {step}; {lost} requests were lost");
            self.report.notes.push(note);
            if count == 0 && self.counts.kills >= steps.len() {
                self.report.failures.push(format!("no request reached {step}"));
            }
        }
        self.report
            .notes
            .push(format!("{lost} requests were sacrificed to the kills"));
    }

    /// A crawler nobody has seen walks until its worker dies at the step, reached so many times. How many workers
    /// died, and whether one did at the step.
    fn die_at(&mut self, step: &str, times: usize, number: usize) -> (usize, bool) {
        let [_, a, b, c] = (number as u32).to_be_bytes();
        let address = format!("172.{}.{b}.{c}", 16 + a);
        let before = first(step).map(|first| format!("die {first}"));
        let fault = format!("die {step} {times}");
        let faults = before.as_ref().into_iter().chain([&fault]);
        let deaths: Vec<Option<u32>> = faults.map(|fault| self.walk(&address, fault)).collect();
        let there = deaths.last().is_some_and(Option::is_some);
        (deaths.iter().flatten().count(), there)
    }

    /// Walks on with a fault in each request until a worker is gone.
    fn walk(&mut self, address: &str, fault: &str) -> Option<u32> {
        let ours = &self.stage.ours;
        let before = ours.workers();
        let gone = (0..TRIES).find_map(|item| {
            let head = format!("X-Sekisho-Fault: {fault}\r\nConnection: close\r\n");
            let bytes = request(address, &format!("/page.html?{item}"), &head);
            Visitor::new(ours, &self.tally).ask(&bytes);
            before.difference(&ours.workers()).next().copied()
        });
        if let Some(worker) = gone {
            self.kills.insert(worker);
            self.note(ours.wait_for_all(worker));
        }
        gone
    }

    /// A worker of the other server dies while it serves: an end from outside finds most workers waiting, with nobody
    /// to take along.
    fn kill_serving(&mut self) {
        let bare = &self.stage.bare;
        let before = bare.workers();
        let bytes = request(MARKED, FATAL_TARGET, "Connection: close\r\n");
        Visitor::new(bare, &self.tally).ask(&bytes);
        let gone = before.difference(&bare.workers()).next().copied();
        self.note(match gone {
            Some(worker) => bare.wait_for_all(worker),
            None => Err("no worker died where one had to".to_owned()),
        });
    }

    /// Model files replaced, good and bad in turn; the last one is good.
    pub fn swaps(&mut self) {
        let card = simple_model::card();
        self.phase("model files replaced", self.counts.swaps, |act| {
            for number in 0..act.counts.swaps {
                act.tell("model", number, act.counts.swaps);
                let leaf = simple_model::CRAWLER + 1.0 + number as f32 / 64.0;
                let good = simple_model::file_of(&card, leaf);
                let bad = match number % 3 {
                    0 => b"no model at all".to_vec(),
                    1 => good[..good.len() / 2].to_vec(),
                    _ => Vec::new(),
                };
                act.stage.ours.replace("model.onnx", &bad);
                act.still_banned("a bad model file");
                act.stage.ours.replace("model.onnx", &good);
                act.still_banned("a good model file");
                act.let_load_pass();
                if act.counts.live_models {
                    act.await_score(1.0 / (1.0 + (-leaf).exp()), number);
                }
            }
        });
    }

    /// Waits until a crawler nobody has seen is scored by the new model.
    fn await_score(&mut self, expected: f32, number: usize) {
        let start = Instant::now();
        let mut last = String::new();
        for round in 0u32.. {
            let [_, a, b, c] = (number as u32 * 4096 + round).to_be_bytes();
            let mut visitor = Visitor::new(&self.stage.ours, &self.tally);
            for item in 0..SCORED {
                let target = format!("/unstopped?{item}");
                if let Some(answer) = visitor.ask(&request(&format!("100.{}.{b}.{c}", 64 + a), &target, "")) {
                    last = header(&answer.head, "x-score").unwrap_or_default().to_owned();
                }
            }
            if last
                .parse::<f32>()
                .is_ok_and(|score| (score - expected).abs() < 1e-4)
            {
                return;
            }
            if start.elapsed() > MODEL_PATIENCE {
                let what = format!("model {number} is not in force: scored {last}, expected {expected}");
                self.report.failures.push(what);
                return;
            }
        }
    }

    /// Requests whose clock jumps by years, back and forth.
    pub fn jumps(&mut self) {
        const TIMES: [&str; 8] = [
            "1700000000",
            "0",
            "4294967295",
            "1",
            "2147483648",
            "946684800",
            "2500000000",
            "-5",
        ];
        self.phase("jumps of the clock", self.counts.jumps, |act| {
            let mut visitor = Visitor::new(&act.stage.ours, &act.tally);
            for number in 0..act.counts.jumps {
                let time = TIMES[number * 5 % TIMES.len()];
                let address = format!("203.0.113.{}", number % 7);
                let head = format!("X-Sekisho-Time: {time}\r\n");
                visitor.ask(&request(&address, &format!("/page.html?{number}"), &head));
            }
        });
        // Samples wait in the worker for a second before the disk is found to be full.
        let mut counters = self.counters();
        let refused = self.stage.ours.wait("the full disk's first refusal", |_| {
            counters = self.counters();
            number(&counters, "sample_failures=").is_some_and(|failures| failures > 0)
        });
        self.note(refused);
        self.report
            .notes
            .push(format!("{}: {}", self.stage.name, counters.trim()));
        if number(&counters, "panics=") != Some(0) {
            self.report.failures.push(format!("panics, in {counters}"));
        }
    }

    fn counters(&self) -> String {
        let answer = Visitor::new(&self.stage.ours, &self.tally)
            .ask(b"GET /counters HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        answer.map(|answer| answer.body).unwrap_or_default()
    }

    /// Makes a crawler of one address until it is stopped.
    fn mark(&mut self) {
        let mut visitor = Visitor::new(&self.stage.ours, &self.tally);
        for item in 0..SOON {
            let answer = visitor.ask(&request(MARKED, &format!("/page.html?m{item}"), ""));
            if answer.is_some_and(|answer| answer.status == 429) {
                return;
            }
        }
        self.report
            .failures
            .push(format!("{}: {MARKED} could not be banned", self.stage.name));
    }

    fn still_banned(&mut self, after: &str) {
        let mut visitor = Visitor::new(&self.stage.ours, &self.tally);
        // A killed worker may take the first request with it.
        let answer = visitor.ask(&request(MARKED, "/page.html?still", ""));
        let answer = answer.or_else(|| visitor.ask(&request(MARKED, "/page.html?still", "")));
        let status = answer.map_or(0, |answer| answer.status);
        if status != 429 {
            self.report.failures.push(format!(
                "{}: a ban is lost after {after}: {status}",
                self.stage.name
            ));
            self.mark();
        }
    }

    /// Waits until some requests have been made by those who come and go.
    fn let_load_pass(&mut self) {
        let tally = &self.stage.load.ours;
        let goal = tally.figures().requests + BETWEEN;
        let came = self
            .stage
            .ours
            .wait("the load", |_| tally.figures().requests >= goal);
        self.note(came);
    }

    /// Does something, and adds to the report what happened to both servers meanwhile.
    fn phase(&mut self, name: &str, times: usize, act: impl FnOnce(&mut Self)) {
        if times == 0 {
            return;
        }
        let (bare, ours) = (self.stage.load.bare.figures(), self.stage.load.ours.figures());
        let start = Instant::now();
        act(self);
        self.report.phase(Phase {
            name: format!("{name} ({})", self.stage.name),
            times,
            seconds: start.elapsed().as_secs_f64(),
            bare: self.stage.load.bare.figures().since(&bare),
            ours: self.stage.load.ours.figures().since(&ours),
        });
    }

    fn note(&mut self, outcome: Result<Duration, String>) {
        if let Err(what) = outcome {
            self.report.failures.push(format!("{}: {what}", self.stage.name));
        }
    }

    fn tell(&self, what: &str, number: usize, of: usize) {
        if number.is_multiple_of((of / 20).max(1)) {
            eprintln!("soak: {}: {what} {} of {of}", self.stage.name, number + 1);
        }
    }

    /// After it all: nobody hangs, the error logs say nothing that they should not, and our own requests went well.
    fn look_back(&mut self) {
        let stage = self.stage;
        self.note(
            stage
                .ours
                .wait("the end of old workers", |daemon| daemon.retiring() == 0),
        );
        let own = self.tally.figures();
        if own.errors + own.strange + own.hung > 0 {
            self.report
                .failures
                .push(format!("{}: our own requests: {own:?}", stage.name));
        }
        let known = complaints(&stage.bare.read("error.log"));
        let log = stage.ours.read("error.log");
        for (line, count) in complaints(&log) {
            if !known.contains_key(&line) {
                self.report
                    .failures
                    .push(format!("{}: {count} times in the error log: {line}", stage.name));
            }
        }
        let died = dead(&log);
        if died != self.kills {
            let more: Vec<_> = died.symmetric_difference(&self.kills).collect();
            let what = format!(
                "{}: {} workers died, {} were killed; {more:?}",
                stage.name,
                died.len(),
                self.kills.len()
            );
            self.report.failures.push(what);
        }
    }
}

fn number(counters: &str, name: &str) -> Option<u64> {
    let mut pairs = counters.split_whitespace();
    pairs.find_map(|pair| pair.strip_prefix(name))?.parse().ok()
}
