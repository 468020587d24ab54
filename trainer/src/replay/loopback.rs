//! Addresses of this machine.

use std::net::SocketAddr;
use std::str::FromStr;

/// An address and port on this machine; no other can be written as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(SocketAddr);

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoopbackError {
    /// It is no address with a port.
    #[error("not an address and a port, such as http://127.0.0.1:8080")]
    Syntax,
    /// It is another machine's.
    #[error("not an address of this machine: a replay goes to 127.0.0.0/8 or [::1] only")]
    Elsewhere,
}

impl Loopback {
    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Loopback {
    type Err = LoopbackError;

    /// Reads `http://127.0.0.1:8080`, with or without the scheme and a last slash. Names are refused: whether
    /// they mean this machine is up to a resolver.
    fn from_str(text: &str) -> Result<Loopback, LoopbackError> {
        let text = text.strip_prefix("http://").unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let address: SocketAddr = text.parse().map_err(|_| LoopbackError::Syntax)?;
        if address.ip().is_loopback() {
            Ok(Loopback(address))
        } else {
            Err(LoopbackError::Elsewhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        #[track_caller]
        fn check(text: &str, expected: Result<&str, LoopbackError>) {
            let found = text
                .parse::<Loopback>()
                .map(|loopback| loopback.address().to_string());
            assert_eq!(found, expected.map(str::to_owned), "{text}");
        }
        check("http://127.0.0.1:8080", Ok("127.0.0.1:8080"));
        check("http://127.0.0.1:8080/", Ok("127.0.0.1:8080"));
        check("127.1.2.3:1", Ok("127.1.2.3:1"));
        check("http://[::1]:80", Ok("[::1]:80"));
        check("http://10.0.0.1:80", Err(LoopbackError::Elsewhere));
        check("http://0.0.0.0:80", Err(LoopbackError::Elsewhere));
        check("http://[::ffff:127.0.0.1]:80", Err(LoopbackError::Elsewhere));
        check("http://localhost:80", Err(LoopbackError::Syntax));
        check("https://127.0.0.1:80", Err(LoopbackError::Syntax));
        check("http://127.0.0.1", Err(LoopbackError::Syntax));
        check("http://127.0.0.1:80/path", Err(LoopbackError::Syntax));
        check("http://127.0.0.1:80@example.com:80", Err(LoopbackError::Syntax));
    }
}
