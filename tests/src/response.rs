//! What nginx answered, as a client reads it.

/// What nginx answered.
#[derive(Debug)]
pub struct Response {
    /// Status code; 0 when there was no answer.
    pub status: u16,
    /// Header lines.
    pub headers: String,
    /// Everything after them.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads what came over a connection.
    pub fn parse(bytes: &[u8]) -> Response {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let headers = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = headers
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        Response {
            status,
            headers,
            body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    /// Value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}
