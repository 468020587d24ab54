//! The board of workers, as data: the module's own source, without nginx. What the workers of a real nginx put
//! there is in `module_model`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[path = "../../nginx-module/src/watch.rs"]
mod watch;
#[path = "../../nginx-module/src/workers.rs"]
mod workers;

use watch::{Seen, Watch, look};
use workers::{Board, Digest, ROWS, Totals, WorkerStatus};

fn status(pid: u32, number: u32) -> WorkerStatus {
    WorkerStatus {
        pid,
        generation: number,
        started_at: number,
        champion: Some(Digest([number as u8 | 1; 32])),
        champion_at: number,
        challenger: None,
        challenger_at: number,
        swaps: number,
        refusals: number,
        refused_at: number,
    }
}

const ALL_LIVE: fn(u32) -> bool = |_| false;

#[test]
fn a_row_reads_back_until_its_worker_leaves_or_is_gone() {
    let board = Board::new();
    assert!(board.is_ours());
    let rows: Vec<_> = [11, 12, 13]
        .map(|pid| board.claim(pid, ALL_LIVE).expect("a row"))
        .into();
    assert_eq!(board.workers(ALL_LIVE).count(), 0, "nothing is told yet");
    for (row, pid) in rows.iter().zip(11..) {
        board.publish(*row, &status(pid, pid));
    }
    assert_eq!(board.claim(12, ALL_LIVE), Some(rows[1]), "its own row again");
    let listed = |is_gone: fn(u32) -> bool| board.workers(is_gone).collect::<Vec<_>>();
    assert_eq!(listed(ALL_LIVE), [11, 12, 13].map(|pid| status(pid, pid)));
    assert_eq!(listed(|pid| pid == 12), [11, 13].map(|pid| status(pid, pid)));
    assert_eq!(
        board.claim(14, |pid| pid == 12),
        Some(rows[1]),
        "the row of one that is gone"
    );
    assert_eq!(listed(ALL_LIVE).len(), 2, "what 12 said is not told of 14");
    board.publish(rows[1], &status(12, 99));
    assert_eq!(listed(ALL_LIVE).len(), 2, "the row is no longer 12's");
    board.leave(rows[0], 11);
    assert_eq!(listed(ALL_LIVE), [status(13, 13)]);
    assert_eq!(board.claim(15, ALL_LIVE), Some(rows[0]));
}

#[test]
fn a_full_board_leaves_the_next_one_unlisted() {
    let board = Board::new();
    let rows: BTreeSet<_> = (1..=ROWS as u32).map(|pid| board.claim(pid, ALL_LIVE)).collect();
    assert_eq!((rows.len(), rows.contains(&None)), (ROWS, false));
    assert_eq!(board.claim(9999, ALL_LIVE), None);
    assert_eq!(board.next_generation(), 1);
    assert_eq!(board.next_generation(), 2);
}

#[test]
fn nobody_reads_half_a_row() {
    let board = Arc::new(Board::new());
    let row = board.claim(7, ALL_LIVE).expect("a row");
    board.publish(row, &status(7, 0));
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (board, done) = (Arc::clone(&board), Arc::clone(&done));
        move || {
            for number in 1.. {
                board.publish(row, &status(7, number));
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
    });
    let mut seen = BTreeSet::new();
    while seen.len() < 100 {
        for found in board.workers(ALL_LIVE) {
            assert_eq!(found, status(7, found.generation));
            seen.insert(found.generation);
        }
    }
    done.store(true, Ordering::Relaxed);
    writer.join().expect("it writes");
}

#[test]
fn one_writes_at_a_time_and_knows_how_the_file_ends() {
    let board = Board::new();
    let write =
        |pid: u32, gone: fn(u32) -> bool, torn: bool| board.write_alone(pid, gone, |before| (torn, before));
    assert_eq!(write(1, ALL_LIVE, false), Some(false));
    assert_eq!(write(1, ALL_LIVE, true), Some(false));
    assert_eq!(write(2, ALL_LIVE, false), Some(true));
    // A writer that never gives its turn back: killed inside.
    let inside = board.write_alone(3, ALL_LIVE, |_| {
        assert_eq!(write(4, ALL_LIVE, false), None, "while 3 lives");
        (false, write(4, |pid| pid == 3, false))
    });
    assert_eq!(inside, Some(Some(true)), "what 3 left may be torn");

    let (board, order) = (Arc::new(Board::new()), Arc::new(Mutex::new(())));
    let threads = (1..=4).map(|pid| {
        let (board, order) = (Arc::clone(&board), Arc::clone(&order));
        std::thread::spawn(move || {
            for _ in 0..20_000 {
                board.write_alone(pid, ALL_LIVE, |_| {
                    let _alone = order.try_lock().expect("alone");
                    (false, ())
                });
            }
        })
    });
    threads
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|thread| thread.join().expect("alone"));
}

#[test]
fn a_digest_reads_back() {
    let hex = "00".repeat(15) + &"9f".repeat(17);
    let digest = Digest::parse(&hex).expect("64 digits");
    assert_eq!(digest.to_string(), hex);
    assert_eq!(format!("{digest:.12} {digest:?}"), "000000000000 000000000000");
    assert_eq!(
        (Digest::parse("12"), Digest::parse(&"xy".repeat(32))),
        (None, None)
    );
}

#[test]
fn totals_grow() {
    let totals = Totals::default();
    Totals::add(&totals.model_swaps, 2);
    let told = totals.all().into_iter().filter(|&(_, value)| value > 0);
    assert_eq!(told.collect::<Vec<_>>(), [("model_swaps", 2)]);
}

#[test]
fn a_file_is_read_when_it_changed_and_settled() {
    #[track_caller]
    fn check(looks: &str, expected: &str) {
        let seen = |letter: char| match letter {
            '-' => Seen::Not(2),
            letter => Seen::There {
                place: (1, 1),
                changed: [(i64::from(letter as u32), 0); 2],
                size: 1,
            },
        };
        let mut watch = Watch::new(seen('a'));
        let due = looks.chars().map(|letter| {
            let due = watch.look(seen(letter));
            if due {
                watch.reading();
            }
            if due { 'r' } else { '.' }
        });
        assert_eq!(due.collect::<String>(), expected, "{looks}");
    }
    check("aaaa", "....");
    check("abbbb", "..r..");
    check("abcdd", "....r");
    check("abaa", "....");
    check("a---a", "..r..");
    check("a---aa", "..r..r");
    check("bbaab", ".r.r.");
}

#[test]
fn a_file_looks_the_same_until_it_changes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("file");
    let missing = look(&path);
    std::fs::write(&path, "one").expect("own directory");
    let first = look(&path);
    assert!(missing != first && first == look(&path));
    std::fs::write(&path, "three").expect("own directory");
    assert!(first != look(&path));
}
