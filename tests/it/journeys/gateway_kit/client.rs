//! A client that writes its requests byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::{ArcProxy, HOST, PATIENCE};

/// An answer, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The ids of a searchset's entries.
    pub(crate) fn ids(&self) -> Vec<String> {
        let entries = self.json()["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn next(&self) -> Option<String> {
        let links = self.json()["link"].as_array().cloned().unwrap_or_default();
        let next = links.iter().find(|link| link["relation"] == "next")?;
        Some(next["url"].as_str().unwrap().to_owned())
    }
}

/// Sends bytes and reads the answer until the connection closes; none when it closes without one.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Option<Got> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Got { status, headers, body: answer[end + 4..].to_vec() })
}

/// One request with a token, as an ordinary client sends it.
pub(crate) fn ask(address: SocketAddr, method: &str, target: &str, token: Option<&str>, body: &str) -> Got {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let form = if target.ends_with("/_search") { "application/x-www-form-urlencoded" } else { "application/fhir+json" };
    let media = if body.is_empty() { String::new() } else { format!("content-type: {form}\r\n") };
    let text = format!(
        "{method} {target} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n{authorization}{length}{media}\r\n{body}"
    );
    send(address, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {target}"))
}

pub(crate) fn get(gateway: &ArcProxy, target: &str, token: &str) -> Got {
    ask(gateway.address, "GET", target, Some(token), "")
}
