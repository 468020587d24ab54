//! The Python that tests compare with, installed on first use into `target/venv`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed, with versions.
const PACKAGES: &str = include_str!("../../../tests/python/requirements.txt");

/// The interpreter, with all packages.
pub fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let venv = target.join("venv");
    let (python, stamp) = (venv.join("bin/python"), venv.join("requirements.txt"));
    let ready = || fs::read_to_string(&stamp).is_ok_and(|installed| installed == PACKAGES);
    if ready() {
        return python;
    }
    // Tests are processes of their own, and only one may install.
    let lock = File::create(target.join("venv.lock")).expect("own directory");
    lock.lock().expect("a lock");
    if !ready() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/requirements.txt");
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(list));
        fs::write(&stamp, PACKAGES).expect("own directory");
    }
    python
}

/// A script of `tests/python`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/python")
        .join(name)
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
