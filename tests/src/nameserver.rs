//! A name server on a free loopback port that knows a few names (RFC 1035), for nginx's resolver.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const PTR: u16 = 12;
const A: u16 = 1;

/// What it answers. Ends when it is dropped.
pub struct NameServer {
    port: u16,
    questions: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts with pairs of an address and the name it leads to; `leads_back` are the names' addresses.
    pub fn start(names: &[(Ipv4Addr, &str)], leads_back: &[(&str, Ipv4Addr)]) -> NameServer {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        let port = socket.local_addr().expect("bound").port();
        let mut answers = BTreeMap::new();
        for (address, name) in names {
            let [a, b, c, d] = address.octets();
            answers.insert((PTR, format!("{d}.{c}.{b}.{a}.in-addr.arpa")), encode(name));
        }
        for (name, address) in leads_back {
            answers.insert((A, (*name).to_owned()), address.octets().to_vec());
        }
        let (questions, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (questions.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while !over.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = socket.send_to(&answer(&buffer[..length], &answers), from);
                }
            }
        });
        NameServer {
            port,
            questions,
            end,
            thread: Some(thread),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Questions so far.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn encode(name: &str) -> Vec<u8> {
    let labels = name
        .split('.')
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn decode(mut labels: &[u8]) -> (String, usize) {
    let (mut name, mut length) = (Vec::new(), 1);
    while let Some((&count, rest)) = labels.split_first().filter(|(count, _)| **count != 0) {
        let (label, rest) = rest.split_at(usize::from(count).min(rest.len()));
        name.push(String::from_utf8_lossy(label).to_lowercase());
        length += label.len() + 1;
        labels = rest;
    }
    (name.join("."), length)
}

fn answer(question: &[u8], answers: &BTreeMap<(u16, String), Vec<u8>>) -> Vec<u8> {
    let (name, length) = decode(&question[12..]);
    let kind = u16::from_be_bytes([question[12 + length], question[13 + length]]);
    let found = answers.get(&(kind, name.clone()));
    let exists = answers.keys().any(|(_, known)| *known == name);
    // Answer, recursion available; 3 is "no such name".
    let code = if exists { 0 } else { 3 };
    let mut reply = question[..2].to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
    reply.extend(&question[12..16 + length]);
    if let Some(data) = found {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
    }
    reply
}
