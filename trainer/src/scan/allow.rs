//! Networks that nothing is held against.

use std::fs;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks, from the command line.
#[derive(Debug, Default)]
pub struct AllowList(Vec<IpNet>);

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
    #[error("--allow {file}, line {line}: not a network such as 192.0.2.0/24")]
    Line {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
    },
}

impl AllowList {
    /// Each item is a network, an address, or a file of them, one a line, with `#` comments.
    pub fn load(items: &[String]) -> Result<AllowList, AllowError> {
        let mut networks = Vec::new();
        for item in items {
            if let Some(network) = network(item) {
                networks.push(network);
                continue;
            }
            let text = fs::read_to_string(item).map_err(|source| AllowError::Unreadable {
                text: item.clone(),
                source,
            })?;
            for (index, line) in text.lines().enumerate() {
                let line = line.split('#').next().unwrap_or_default().trim();
                if line.is_empty() {
                    continue;
                }
                let error = || AllowError::Line {
                    file: item.clone(),
                    line: index + 1,
                };
                networks.push(network(line).ok_or_else(error)?);
            }
        }
        Ok(AllowList(IpNet::aggregate(&networks)))
    }

    /// Whether a client, as the log names it, is in one of the networks.
    pub fn contains(&self, client: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let address = std::str::from_utf8(client)
            .ok()
            .and_then(|text| text.parse::<IpAddr>().ok());
        address.is_some_and(|address| {
            let address = address.to_canonical();
            self.0.iter().any(|network| network.contains(&address))
        })
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
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
            format!("--allow {file}, line 2: not a network such as 192.0.2.0/24")
        );
        assert!(matches!(
            AllowList::load(&["no/such".to_owned()]),
            Err(AllowError::Unreadable { .. })
        ));
    }
}
