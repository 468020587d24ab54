//! The decision log over syslog: RFC 5424, one datagram a line.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::time::Duration;

use super::ecs::time;
use crate::config::SyslogTarget;

/// Facility `authpriv` (10), severity `notice` (5): `10 * 8 + 5`.
const PRIORITY: u8 = 85;
/// Name of the program in each message.
const PROGRAM: &str = "sekisho";
/// Longest that one datagram waits for room in the daemon's queue.
const PATIENCE: Duration = Duration::from_millis(500);

/// A syslog daemon.
#[derive(Debug)]
pub struct Syslog {
    target: SyslogTarget,
    host: String,
    open: Option<Socket>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Syslog {
    /// A daemon that is looked for at the first line.
    pub fn new(target: SyslogTarget) -> Syslog {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Syslog {
            target,
            host: host_name(&host),
            open: None,
        }
    }

    /// Sends a line of the log, of unix second `at`.
    ///
    /// # Errors
    /// Nobody listens, or his queue is full. Over UDP nobody tells.
    pub fn send(&mut self, at: u32, event: &str, line: &str) -> io::Result<()> {
        let text = message(at, &self.host, process::id(), event, line);
        if self.open.is_none() {
            self.open = Some(connect(&self.target)?);
        }
        let sent = match &self.open {
            Some(Socket::Unix(socket)) => socket.send(text.as_bytes()),
            Some(Socket::Udp(socket)) => socket.send(text.as_bytes()),
            None => Ok(0),
        };
        if sent.is_err() {
            // The daemon may have been started anew, with another socket.
            self.open = None;
        }
        sent.map(|_| ())
    }
}

fn connect(target: &SyslogTarget) -> io::Result<Socket> {
    match target {
        SyslogTarget::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Socket::Unix(socket))
        }
        SyslogTarget::Udp(host) => {
            let address = host
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::other("the host has no address"))?;
            let any = if address.is_ipv4() {
                SocketAddr::from(([0, 0, 0, 0], 0))
            } else {
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
            };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(Socket::Udp(socket))
        }
    }
}

/// `<PRI>1 TIME HOST APP PID MSGID - MSG`, RFC 5424 section 6.
fn message(at: u32, host: &str, pid: u32, event: &str, line: &str) -> String {
    format!(
        "<{PRIORITY}>1 {} {host} {PROGRAM} {pid} {event} - {line}",
        time(at)
    )
}

/// What may stand as a host's name: visible ASCII, at most 255 of it; `-` for none.
fn host_name(text: &str) -> String {
    let name: String = text
        .trim()
        .chars()
        .filter(char::is_ascii_graphic)
        .take(255)
        .collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_message_is_as_the_standard_has_it() {
        assert_eq!(
            message(1_800_000_000, "edge-1", 42, "ban-begun", "{\"a\":1}"),
            "<85>1 2027-01-15T08:00:00Z edge-1 sekisho 42 ban-begun - {\"a\":1}"
        );
        assert_eq!(
            (host_name("edge 1\n"), host_name("\n")),
            ("edge1".into(), "-".into())
        );
    }

    #[test]
    fn a_daemon_that_was_started_anew_is_found_again() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::new(SyslogTarget::Unix(path.clone()));
        assert!(syslog.send(1, "ban-begun", "one").is_err(), "nobody listens");
        let receive = |socket: &UnixDatagram| {
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.send(1, "ban-begun", "two").unwrap();
        assert!(receive(&daemon).ends_with(" ban-begun - two"));
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        assert!(syslog.send(1, "ban-begun", "three").is_err());
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.send(1, "ban-begun", "four").unwrap();
        assert!(receive(&daemon).ends_with(" ban-begun - four"));
    }

    #[test]
    fn lines_go_over_udp() {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = SyslogTarget::parse(&format!("udp://{}", daemon.local_addr().unwrap())).unwrap();
        Syslog::new(target).send(1, "ban-begun", "one").unwrap();
        let mut buffer = [0; 512];
        let length = daemon.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"<85>1 1970-01-01T00:00:01Z "));
    }
}
