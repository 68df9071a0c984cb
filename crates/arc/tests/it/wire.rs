//! HTTP/1.1 as bytes: a client that sends whatever it is told, and a small server; each connection carries one request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request or an answer: its first line, its fields with names in lower case, and its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The status, of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one; an answer to `HEAD` has a length and no body.
    fn read(stream: &TcpStream, bodiless: bool) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut message = Self { line: line.trim_end().to_owned(), ..Self::default() };
        loop {
            let mut field = Vec::new();
            reader.read_until(b'\n', &mut field).ok()?;
            let field = String::from_utf8_lossy(&field).trim_end().to_owned();
            let Some((name, value)) = field.split_once(':') else { break };
            message.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if bodiless {
            return Some(message);
        }
        match message.header("content-length").map(|text| text.parse().unwrap()) {
            Some(length) => {
                message.body = vec![0; length];
                reader.read_exact(&mut message.body).ok()?;
            }
            None if message.header("transfer-encoding").is_some() => message.body = chunks(&mut reader)?,
            None => {}
        }
        Some(message)
    }
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// Sends these bytes over a connection of its own; none when it ended before a whole answer.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Option<Message> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // A server that refuses the head may close before it has read the body.
    let _ = stream.write_all(bytes);
    Message::read(&stream, bytes.starts_with(b"HEAD "))
}

/// Serves on a free port until the test ends: `answer` gives status, headers and body.
pub(crate) fn serve(
    answer: impl Fn(&Message) -> (u16, Vec<(String, String)>, Vec<u8>) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = std::sync::Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = std::sync::Arc::clone(&answer);
            thread::spawn(move || {
                let Some(request) = Message::read(&stream, false) else { return };
                let (status, headers, body) = answer(&request);
                let mut head = format!("HTTP/1.1 {status} Answer\r\nConnection: close\r\n");
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            });
        }
    });
    address
}
