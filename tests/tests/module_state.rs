//! What a zone's state file keeps: over restarts, kills, upgrades, other sizes; and what is refused.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sekisho_tests::nginx::{Module, Nginx, Site, program, wait_for};
use sekisho_tests::visitors::{COUNTERS, START, checked, counters, crawl, site};

const STATE: &str = "state/zone.state";

/// `http` text of an enforcing site whose zone is saved.
fn kept() -> String {
    let http = checked("sekisho_dry_run off;", COUNTERS);
    http.replace("clients:1m", &format!("clients:1m state=%DIR%/{STATE}"))
}

/// A site with a directory that workers may write to.
fn writable(module: Module) -> Site {
    let site = site(module);
    let directory = site.path().join("state");
    fs::create_dir(&directory).expect("own directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("own directory");
    site
}

fn start() -> Nginx {
    writable(Module::TestClock).start(&kept())
}

fn state_of(nginx: &Nginx) -> PathBuf {
    nginx.path().join(STATE)
}

/// Waits until the zone was saved so many times.
fn wait_for_saves(nginx: &Nginx, saves: u64) {
    wait_for(|| (counters(nginx)["state_saves"] >= saves).then_some(())).unwrap_or_else(|| {
        panic!(
            "not saved {saves} times: {:?}\n{}",
            counters(nginx),
            nginx.error_log()
        );
    });
}

/// A banned client and one that is a request short of it.
fn fill(nginx: &Nginx) {
    assert_eq!(crawl(nginx, "192.0.2.1", 0, 12)[9..], [429; 3]);
    assert_eq!(crawl(nginx, "192.0.2.2", 0, 9), [200; 9]);
}

#[track_caller]
fn remembers(nginx: &Nginx) {
    assert_eq!(crawl(nginx, "192.0.2.1", 13, 1), [429], "{}", nginx.error_log());
    assert_eq!(crawl(nginx, "192.0.2.2", 13, 1), [429], "{}", nginx.error_log());
}

fn files_beside(state: &Path) -> Vec<String> {
    let files = fs::read_dir(state.parent().expect("a directory")).expect("own directory");
    let names = files.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn bans_and_records_outlive_a_restart() {
    for signal in [libc::SIGQUIT, libc::SIGTERM] {
        let mut nginx = start();
        fill(&nginx);
        nginx.restart(signal, &kept());
        assert_eq!(counters(&nginx)["restored_records"], 2, "{}", nginx.error_log());
        let words = "sekisho_zone \"clients\" has 2 records from \"";
        assert!(nginx.error_log().contains(words), "{}", nginx.error_log());
        remembers(&nginx);
        // A worker that saves just now has a file of its own beside it.
        let alone = || (files_beside(&state_of(&nginx)) == ["zone.state"]).then_some(());
        wait_for(alone).expect("nothing is left of a save");
        let mode = fs::metadata(state_of(&nginx))
            .expect("saved")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "the secret of the hashes is in it");
    }
}

#[test]
fn a_production_build_takes_its_secret_back() {
    let http = kept().replace(COUNTERS, "");
    let mut nginx = writable(Module::Production).start(&http);
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[9..], [429; 3]);
    nginx.restart(libc::SIGQUIT, &http);
    assert_eq!(crawl(&nginx, "192.0.2.1", 12, 1), [429], "{}", nginx.error_log());
}

#[test]
fn what_the_timer_saved_outlives_a_kill_of_everything() {
    let mut nginx = start();
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    let saved = counters(&nginx)["state_saves"];
    wait_for_saves(&nginx, saved.max(1));
    // The first saving may have begun between the requests.
    crawl(&nginx, "192.0.2.3", 0, 1);
    wait_for_saves(&nginx, saved + 1);
    nginx.restart(libc::SIGKILL, &kept());
    assert_eq!(counters(&nginx)["restored_records"], 3);
    remembers(&nginx);
}

#[test]
fn a_zone_of_another_size_takes_the_records_too() {
    let mut nginx = start();
    fill(&nginx);
    nginx.restart(libc::SIGQUIT, &kept().replace("clients:1m", "clients:5m"));
    remembers(&nginx);
    nginx.restart(libc::SIGQUIT, &kept().replace("clients:1m", "clients:32k"));
    assert_eq!(counters(&nginx)["restored_records"], 2);
    assert_eq!(crawl(&nginx, "192.0.2.1", 14, 1), [429]);
}

#[test]
fn a_smaller_zone_keeps_the_banned() {
    let mut nginx = start();
    assert_eq!(crawl(&nginx, "192.0.2.1", 0, 12)[9..], [429; 3]);
    for client in 0..200 {
        crawl(&nginx, &format!("198.51.100.{client}"), 100, 1);
    }
    nginx.restart(libc::SIGQUIT, &kept().replace("clients:1m", "clients:32k"));
    let restored = counters(&nginx)["restored_records"];
    assert!((56..=201).contains(&restored), "{restored}");
    // In the clock of nginx, which restores, the ban of virtual time is long over: what counts is that a full zone
    // takes what it can and goes on.
    assert_eq!(crawl(&nginx, "203.0.113.1", 200, 12)[9..], [429; 3]);
}

#[test]
fn a_reload_keeps_the_memory_and_the_new_workers_save() {
    let mut nginx = start();
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    assert!(nginx.reload(&kept()));
    let before = counters(&nginx);
    assert_eq!(before["restored_records"], 0, "nothing is read on a reload");
    crawl(&nginx, "192.0.2.3", 0, 1);
    wait_for_saves(&nginx, before["state_saves"] + 1);
    remembers(&nginx);
    nginx.restart(libc::SIGQUIT, &kept());
    assert_eq!(counters(&nginx)["restored_records"], 3);
}

#[test]
fn a_reload_to_another_size_starts_from_the_file() {
    let nginx = start();
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    crawl(&nginx, "192.0.2.3", 0, 1);
    let saves = counters(&nginx)["state_saves"];
    wait_for_saves(&nginx, saves + 1);
    assert!(nginx.reload(&kept().replace("clients:1m", "clients:2m")));
    remembers(&nginx);
}

#[test]
fn a_binary_upgrade_starts_from_the_file() {
    let mut nginx = start();
    nginx.restart_as_daemon(&kept());
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    crawl(&nginx, "192.0.2.3", 0, 1);
    let saves = counters(&nginx)["state_saves"];
    wait_for_saves(&nginx, saves + 1);
    nginx.upgrade(|| ());
    remembers(&nginx);
    // What the new master's zone has learnt is what is kept, whatever the old workers saved at their end.
    assert_eq!(crawl(&nginx, "192.0.2.9", 0, 9), [200; 9]);
    let saves = counters(&nginx)["state_saves"];
    crawl(&nginx, "192.0.2.3", 1, 1);
    wait_for_saves(&nginx, saves + 1);
    nginx.restart(libc::SIGQUIT, &kept());
    assert_eq!(crawl(&nginx, "192.0.2.9", 9, 1), [429], "{}", nginx.error_log());
}

/// Requests of a crawler on a connection that is kept, from its first page on.
fn crawl_on(connection: &mut TcpStream, client: &str, requests: u32) {
    for number in 0..requests {
        let time = START + number;
        let request = format!(
            "GET /page.html?item={number} HTTP/1.1\r\nHost: shop.test\r\nX-Real-IP: {client}\r\n\
             X-Sekisho-Time: {time}\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).expect("nginx reads");
        let mut answer = [0; 4096];
        assert!(connection.read(&mut answer).expect("nginx answers") > 0);
    }
}

#[test]
fn what_old_workers_learn_until_an_upgrade_ends_is_known_to_the_new_ones() {
    let mut nginx = start();
    nginx.restart_as_daemon(&kept());
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    let mut connection = nginx.connect();
    crawl_on(&mut connection, "192.0.2.5", 1);
    nginx.upgrade(|| crawl_on(&mut connection, "192.0.2.5", 12));
    let left = nginx.path().join("state/zone.state.left");
    // The new zone is not saved before it took what was there to take.
    wait_for_saves(&nginx, 1);
    wait_for(|| (!left.exists()).then_some(())).expect("it is taken once");
    assert_eq!(crawl(&nginx, "192.0.2.5", 14, 1), [429], "{}", nginx.error_log());
    remembers(&nginx);
    assert_eq!(files_beside(&state_of(&nginx)), ["zone.state"]);
}

#[test]
fn another_worker_saves_when_the_one_that_did_is_killed() {
    let nginx = start();
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    for worker in nginx.workers() {
        nginx.kill_worker(worker);
    }
    let saves = counters(&nginx)["state_saves"];
    crawl(&nginx, "192.0.2.3", 0, 1);
    wait_for_saves(&nginx, saves + 1);
}

#[test]
fn rests_of_killed_workers_are_removed() {
    let site = writable(Module::TestClock);
    // No process has a pid above the kernel's limit.
    site.write("state/zone.state.tmp.4194305", b"half");
    site.write("state/zone.state.tmp.1", b"of a living process");
    site.write("state/other", b"somebody else's");
    let nginx = site.start(&kept());
    let cleaned = || !nginx.path().join("state/zone.state.tmp.4194305").exists();
    wait_for(|| cleaned().then_some(())).expect("removed");
    wait_for(|| {
        (files_beside(&state_of(&nginx)) == ["other", "zone.state", "zone.state.tmp.1"]).then_some(())
    })
    .expect("the others stay");
}

#[test]
fn a_file_that_is_not_this_zones_is_refused_and_the_zone_starts_empty() {
    let mut nginx = start();
    fill(&nginx);
    nginx.restart(libc::SIGQUIT, &kept());
    nginx.restart(libc::SIGQUIT, &kept());
    let good = fs::read(state_of(&nginx)).expect("saved");
    let mut check = |content: &[u8], reason: &str| {
        fs::write(nginx.path().join("next.state"), content).expect("own directory");
        fs::set_permissions(nginx.path().join("next.state"), fs::Permissions::from_mode(0o666)).expect("own");
        let other = kept().replace(STATE, "next.state");
        nginx.restart(libc::SIGKILL, &other);
        let words = format!(
            "starts empty, its state file \"{}/next.state\" is refused: {reason}",
            nginx.path().display()
        );
        let log = nginx.error_log();
        assert!(log.contains(&words), "{reason}\n{log}");
        assert_eq!(counters(&nginx)["restored_records"], 0);
        assert_eq!(crawl(&nginx, "192.0.2.1", 13, 1), [200], "{reason}");
        assert_eq!(
            fs::read(nginx.path().join("next.state.refused")).expect("set aside"),
            content
        );
    };
    check(b"", "it is not a state file");
    check(b"\x7fELF and more", "it is not a state file");
    check(&good[..good.len() - 1], "it is torn: size or checksum is wrong");
    check(&good[..good.len() / 2], "it is torn: size or checksum is wrong");
    check(&good[..good.len() - 280], "it is torn: size or checksum is wrong");
    for place in [good.len() - 1, good.len() - 9, good.len() - 100, good.len() / 2] {
        let mut flipped = good.clone();
        flipped[place] ^= 1;
        check(&flipped, "it is torn: size or checksum is wrong");
    }
    let end = good.iter().position(|byte| *byte == b'\n').expect("a head");
    let head = String::from_utf8(good[..end].to_vec()).expect("text");
    let mut with_head = |from: &str, to: &str, reason: &str| {
        assert!(head.contains(from), "{head}");
        let mut file = head.replace(from, to).into_bytes();
        file.extend_from_slice(&good[end..]);
        check(&file, reason);
    };
    with_head(
        "$binary_remote_addr",
        "$remote_user",
        "it holds the records of the \"$remote_user\" key",
    );
    with_head(
        "\"layout\":",
        "\"layout\":9",
        "it was written by another version of the module",
    );
    with_head(
        std::env::consts::ARCH,
        "pdp11",
        "it was written on another kind of machine, \"pdp11 little-endian\"",
    );
    let schema = sekisho_core::feature::schema_hash();
    with_head(schema, "0123", "it was written for feature schema 0123");
    with_head("\"sketch_width\":", "\"sketch_width\":1", "it is torn");
    with_head("\"sketch_width\":", "\"sketch_width\":9999", "");
    with_head("\"saved_at\":", "\"saved_at\":1", "");
}

#[test]
fn what_is_no_plain_file_is_not_followed() {
    let site = writable(Module::TestClock);
    let link = site.path().join(STATE);
    std::os::unix::fs::symlink("/etc/passwd", &link).expect("own directory");
    let nginx = site.start(&kept());
    let words = "starts empty, its state file \"";
    assert!(nginx.error_log().contains(words), "{}", nginx.error_log());
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    assert!(
        fs::symlink_metadata(&link).expect("there").is_file(),
        "replaced, not written through"
    );

    let site = writable(Module::TestClock);
    let pipe = site.path().join(STATE);
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("coreutils")
            .success()
    );
    let nginx = site.start(&kept());
    let words = "is refused: it is no plain file, or larger than any zone";
    assert!(nginx.error_log().contains(words), "{}", nginx.error_log());
}

#[test]
fn a_test_of_the_configuration_neither_reads_nor_writes_the_file() {
    let nginx = start();
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    fs::write(state_of(&nginx), b"rubbish").expect("own directory");
    let output = Command::new(program())
        .arg("-t")
        .arg("-p")
        .arg(nginx.path())
        .arg("-c")
        .arg(nginx.path().join("nginx.conf"))
        .output()
        .expect("nginx is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("refused"), "{said}");
}

#[test]
fn a_directory_that_workers_cannot_write_to_is_told_once_and_disturbs_nobody() {
    let site = writable(Module::TestClock);
    let directory = site.path().join("state");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("own directory");
    let nginx = site.start(&kept());
    let words = "its directory must be writable for the workers' user";
    wait_for(|| nginx.error_log().contains(words).then_some(())).expect("told without a request");
    fill(&nginx);
    let failures = || counters(&nginx)["state_failures"];
    wait_for(|| (failures() >= 2).then_some(())).expect("tried again, counted");
    assert_eq!(
        nginx.error_log().matches(words).count(),
        1,
        "{}",
        nginx.error_log()
    );
    remembers(&nginx);

    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("own directory");
    wait_for_saves(&nginx, 1);
    let again = "sekisho_zone \"clients\" is saved to \"";
    assert!(nginx.error_log().contains(again), "{}", nginx.error_log());
}

#[test]
fn a_full_disk_leaves_the_earlier_file() {
    let site = writable(Module::TestClock);
    let directory = site.path().join("state");
    let mount = |size: &str| {
        let options = format!("size={size},mode=0777");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(&directory);
        command.status().is_ok_and(|status| status.success())
    };
    if !mount("400k") {
        println!("no right to mount a small disk: left out");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(directory.clone());
    let mut nginx = site.start(&kept());
    fill(&nginx);
    wait_for_saves(&nginx, 1);
    crawl(&nginx, "192.0.2.3", 0, 1);
    let saves = counters(&nginx)["state_saves"];
    wait_for_saves(&nginx, saves + 1);
    // What is left of the disk is not enough for another file beside the first.
    let filler = directory.join("filler");
    let taken = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k", "count=1000"])
        .arg(format!("of={}", filler.display()))
        .stderr(std::process::Stdio::null())
        .status();
    assert!(!taken.expect("coreutils").success(), "the disk is full");
    let failures = counters(&nginx)["state_failures"];
    crawl(&nginx, "192.0.2.4", 0, 3);
    wait_for(|| (counters(&nginx)["state_failures"] > failures + 1).then_some(())).expect("counted");
    let log = nginx.error_log();
    assert_eq!(log.matches("No space left on device").count(), 1, "{log}");
    assert_eq!(
        files_beside(&state_of(&nginx)),
        ["filler", "zone.state"],
        "the torn one is removed"
    );
    nginx.restart(libc::SIGTERM, &kept());
    assert_eq!(counters(&nginx)["restored_records"], 3, "{}", nginx.error_log());
    remembers(&nginx);
}
