//! One call in a line of text: `GET /Observation?patient=ME + Prefer: return=minimal`.

use policy::request::{Caller, Capabilities, Header, Request};

use crate::ehr;
use crate::token::Token;

/// A call, owned; [`Call::request`] borrows it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method's token.
    pub method: String,
    /// The request target, the Service's base path included.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// Reads a call: method, path below the base (or a whole URL), then ` + Name: value` for each
    /// header, then ` json: …` or ` form: …` for a body. A body `@NAME` is that record.
    ///
    /// # Panics
    /// When the text has no method and path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (head, media, body) = if let Some((head, body)) = text.split_once(" json: ") {
            (head, Some("application/fhir+json"), body)
        } else if let Some((head, body)) = text.split_once(" form: ") {
            (head, Some("application/x-www-form-urlencoded"), body)
        } else {
            (text, None, "")
        };
        let body = body.strip_prefix('@').map_or(body, |name| crate::records::text(name));
        let mut parts = head.split(" + ");
        let (method, path) = parts.next().and_then(|line| line.split_once(' ')).expect("a method and a path");
        let mut headers = vec![("host".to_owned(), ehr::HOST.as_bytes().to_vec())];
        for part in parts {
            let (name, value) = part.split_once(": ").expect("a header's name and value");
            headers.push((name.trim().to_ascii_lowercase(), value.as_bytes().to_vec()));
        }
        if let Some(media) = media.filter(|_| !headers.iter().any(|(name, _)| name == "content-type")) {
            headers.push(("content-type".to_owned(), media.as_bytes().to_vec()));
        }
        let target = if path.starts_with('/') { format!("{}{path}", ehr::BASE_PATH) } else { path.to_owned() };
        Self { method: method.to_owned(), target, headers, body: body.as_bytes().to_vec() }
    }

    /// The headers, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| Header { name, value }).collect()
    }

    /// The call as the decision point is asked it, by a gateway that can do everything.
    #[must_use]
    pub fn request<'a>(&'a self, headers: &'a [Header<'a>], token: &'a Token) -> Request<'a> {
        let caller = match token {
            Token::Missing => Caller::Missing,
            Token::Refused(reason) => Caller::Refused(*reason),
            Token::Claims(claims, issuer) => Caller::Verified(claims, issuer),
        };
        Request {
            method: &self.method,
            target: &self.target,
            headers,
            body: &self.body,
            caller,
            capabilities: Capabilities::ALL,
            stale: false,
            now: 1,
            stored: &[],
        }
    }
}
