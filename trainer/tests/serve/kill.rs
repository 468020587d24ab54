//! `sekisho serve` is killed 200 times while samples are written and rotated: each is stored once.

use std::fs;

use crate::support::{Bench, Daemon, copy_and_truncate, until};

const KILLS: u64 = 200;

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A run of lines, written in two pieces that may part within a line.
fn write(bench: &mut Bench, dice: &mut Dice) {
    let count = 1 + dice.throw(40);
    let lines: Vec<u8> = (0..count).flat_map(|_| bench.line()).collect();
    let cut = dice.throw(lines.len() as u64) as usize;
    bench.append(&lines[..cut]);
    bench.append(&lines[cut..]);
}

fn rotate(bench: &Bench, dice: &mut Dice, number: u64) {
    let (path, to) = (bench.path("samples"), bench.path(&format!("samples.{number}")));
    if dice.throw(2) == 0 {
        fs::rename(&path, &to).expect("renamed");
    } else {
        copy_and_truncate(&path, &to);
    }
}

/// Number of the newest sample, which is how many there are while none was deleted.
fn newest(bench: &Bench) -> u64 {
    bench.number("SELECT MAX(seq) FROM sample").unwrap_or_default()
}

#[test]
fn each_sample_is_stored_once_whenever_the_daemon_is_killed() {
    let mut bench = Bench::new("[api]\nlisten = \"127.0.0.1:0\"\n");
    let mut dice = Dice(4);
    let (mut rotations, mut during) = (0, 0);
    write(&mut bench, &mut dice);
    for _ in 0..KILLS {
        let daemon = Daemon::start(bench.command(&["serve"]));
        // Some are killed while they start, most after they stored something.
        let early = dice.throw(8) == 0;
        let wanted = newest(&bench) + if early { 0 } else { 1 + dice.throw(200) };
        let writes = 1 + dice.throw(8);
        let mut written = 0;
        until("it stores", || {
            written += 1;
            if written <= writes {
                write(&mut bench, &mut dice);
            }
            if written == 1 && dice.throw(2) == 0 || dice.throw(60) == 0 {
                rotations += 1;
                rotate(&bench, &mut dice, rotations);
                write(&mut bench, &mut dice);
            }
            let stored = newest(&bench) >= wanted.min(bench.written());
            stored || early && written > writes
        });
        during += u64::from(!early);
        daemon.kill();
    }
    let once = bench.output(&["serve", "--once"]);
    assert_eq!(once, "");
    assert!(
        rotations > 100 && during > KILLS / 2,
        "{rotations} rotations, {during} kills while it stored"
    );
    assert_eq!(bench.stored(), bench.written(), "none lost");
    let distinct = bench.number("SELECT COUNT(DISTINCT id) FROM sample");
    assert_eq!(distinct, Some(bench.written()), "none twice");
    let sums = bench.number("SELECT SUM(samples) FROM client");
    assert_eq!(sums, Some(bench.written()), "clients are kept up");
    let broken = bench.number("SELECT broken + newer FROM source");
    assert_eq!(broken, Some(0), "no line was cut in two");
    let check: String = bench
        .database()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("checked");
    assert_eq!(check, "ok");
}
