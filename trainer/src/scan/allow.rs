//! Networks that nothing is held against.

use std::fs;
use std::io;

use sekisho_core::key::ClientKey;
use sekisho_core::lines::LineError;
use sekisho_core::networks::Networks;

/// Networks, from the command line.
#[derive(Debug, Default)]
pub struct AllowList(Networks);

/// Why an allow-list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// Neither a network nor a file.
    #[error("--allow {text}: neither a network such as 192.0.2.0/24 nor a readable file")]
    Unreadable {
        /// What was given.
        text: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a file is no network.
    #[error("--allow {file}, {error}")]
    Line {
        /// The file.
        file: String,
        /// Its line, and what is wrong with it.
        error: LineError,
    },
}

impl AllowList {
    /// Each item is a network, an address, or a file of them as `sekisho_allow` reads it.
    pub fn load(items: &[String]) -> Result<AllowList, AllowError> {
        let mut all = Networks::default();
        for item in items {
            if let Ok(network) = Networks::from_cidr(item) {
                all.extend(&network);
                continue;
            }
            let text = fs::read(item).map_err(|source| AllowError::Unreadable {
                text: item.clone(),
                source,
            })?;
            let (networks, errors) = Networks::parse(&text);
            if let Some(error) = errors.into_iter().next() {
                let file = item.clone();
                return Err(AllowError::Line { file, error });
            }
            all.extend(&networks);
        }
        Ok(AllowList(all))
    }

    /// Whether a client, as the log names it, is in one of the networks.
    pub fn contains(&self, client: &[u8]) -> bool {
        !self.0.is_empty()
            && match ClientKey::from_text(client) {
                ClientKey::Text(_) => false,
                address => self.0.contains(address.as_bytes()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_addresses_and_files() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("allow.txt");
        fs::write(&file, "# monitors\n198.51.100.7 # probe\n\n2001:db8::/32\n").unwrap();
        let list = AllowList::load(&["192.0.2.0/24".to_owned(), file.display().to_string()]).unwrap();
        #[track_caller]
        fn check(list: &AllowList, client: &str, expected: bool) {
            assert_eq!(list.contains(client.as_bytes()), expected, "{client}");
        }
        check(&list, "192.0.2.77", true);
        check(&list, "::ffff:192.0.2.77", true);
        check(&list, "192.0.3.1", false);
        check(&list, "198.51.100.7", true);
        check(&list, "198.51.100.8", false);
        check(&list, "2001:db8:9::1", true);
        check(&list, "shop.example", false);
    }

    #[test]
    fn errors_name_the_place() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("allow.txt").display().to_string();
        fs::write(&file, "192.0.2.0/24\n192.0.2.0/33\n").unwrap();
        let error = AllowList::load(std::slice::from_ref(&file)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "--allow {file}, line 2, \"192.0.2.0/33\": neither an address nor a network such as 192.0.2.0/24 or \
                 2001:db8::/32"
            )
        );
        assert!(matches!(
            AllowList::load(&["no/such".to_owned()]),
            Err(AllowError::Unreadable { .. })
        ));
    }
}
