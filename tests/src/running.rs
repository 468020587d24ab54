//! What runs on this machine.

use std::fs;
use std::path::Path;

/// Command lines of running processes that name a directory.
pub fn naming(directory: &Path) -> Vec<String> {
    let name = directory.display().to_string();
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
        .filter(|line| line.contains(&name))
        .collect()
}
