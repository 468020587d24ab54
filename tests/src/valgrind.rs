//! nginx under valgrind's memcheck, when `SEKISHO_TEST_VALGRIND` is 1: everything a test does, watched byte by byte.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// By how much longer everything may take.
const SLOWDOWN: u32 = 15;

/// Whether tests run under valgrind.
pub fn is_on() -> bool {
    std::env::var_os("SEKISHO_TEST_VALGRIND").is_some_and(|value| value == "1")
}

/// A program, under valgrind when that is on. What valgrind finds goes into `directory`, a file a process.
pub fn command(program: &Path, directory: &Path) -> Command {
    if !is_on() {
        return Command::new(program);
    }
    let mut command = Command::new("valgrind");
    command
        .args([
            "--quiet",
            "--vgdb=no",
            "--trace-children=yes",
            "--error-exitcode=99",
        ])
        .args([
            "--leak-check=full",
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
        ])
        .arg(concat!(
            "--suppressions=",
            env!("CARGO_MANIFEST_DIR"),
            "/../contrib/valgrind.supp"
        ))
        .arg(format!("--log-file={}/valgrind.%p.log", directory.display()))
        .arg(program);
    command
}

/// How long something may take, that takes so long without valgrind.
pub fn patience(plain: Duration) -> Duration {
    if is_on() { plain * SLOWDOWN } else { plain }
}

/// What valgrind found in the processes of a directory; empty when all is well.
pub fn findings(directory: &Path) -> String {
    let entries = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let logs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("valgrind."));
    logs.filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn what_valgrind_writes_is_found() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("own directory")
        };
        write("valgrind.1.log", "");
        write("error.log", "nothing of ours");
        assert_eq!(findings(directory.path()), "");
        write("valgrind.2.log", "==2== Invalid read of size 8\n");
        assert_eq!(findings(directory.path()), "==2== Invalid read of size 8\n");
    }
}
