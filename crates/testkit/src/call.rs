//! One call in a line of text: `GET /Observation?patient=ME + Prefer: return=minimal`.

use policy::request::{Caller, Capabilities, Header, Request, Stored};

use crate::ehr;
use crate::token::Token;

/// How a body is written, and the media type that it is sent with unless a header says otherwise.
const BODIES: [(&str, &str); 3] = [
    (" json: ", "application/fhir+json"),
    (" form: ", "application/x-www-form-urlencoded"),
    (" patch: ", "application/json-patch+json"),
];

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
    /// header, then ` json: …`, ` form: …` or ` patch: …` (JSON Patch) for a body. A body `@NAME` is that record.
    ///
    /// # Panics
    /// When the text has no method and path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let body = |(mark, media)| {
            let (head, body) = text.split_once(mark)?;
            Some((head, media, body))
        };
        // The mark that comes first is the body's; what follows it is the body, whatever it looks like.
        let found = BODIES.into_iter().filter_map(body).min_by_key(|(head, ..)| head.len());
        let (head, media, body) = found.map_or((text, None, ""), |(head, media, body)| (head, Some(media), body));
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

    /// The call as the decision point is asked it at first, one second after 1970, by a gateway that can do everything.
    #[must_use]
    pub fn request<'a>(&'a self, headers: &'a [Header<'a>], token: &'a Token) -> Request<'a> {
        self.asked(headers, token, 1, &[])
    }

    /// The call as the decision point is asked it at `now`, with what was fetched for it.
    #[must_use]
    pub fn asked<'a>(
        &'a self,
        headers: &'a [Header<'a>],
        token: &'a Token,
        now: i64,
        stored: &'a [Stored<'a>],
    ) -> Request<'a> {
        let caller = match token {
            Token::Missing => Caller::Missing,
            Token::Refused(reason) => Caller::Refused(*reason),
            Token::Claims(claims, issuer) => Caller::Verified(claims, issuer),
            Token::Basic(key) => Caller::Basic(key),
            Token::Both(claims, issuer, key) => Caller::Both(claims, issuer, key),
        };
        Request {
            method: &self.method,
            target: &self.target,
            headers,
            body: &self.body,
            caller,
            capabilities: Capabilities::ALL,
            stale: false,
            now,
            stored,
            upstream_base: ehr::UPSTREAM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_line_of_text() {
        let call = Call::parse(r#"PATCH /Observation/1 + If-Match: W/"3" patch: [{"op":"test","value":" json: "}]"#);
        assert_eq!((&*call.method, &*call.target), ("PATCH", "/fhir/Observation/1"));
        assert_eq!(call.body, br#"[{"op":"test","value":" json: "}]"#);
        let header = |name: &str| call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!(header("content-type"), Some(&b"application/json-patch+json"[..]));
        assert_eq!(header("if-match"), Some(&b"W/\"3\""[..]));
        let (headers, token) = (call.borrowed(), Token::parse("basic:reader"));
        let request = call.asked(&headers, &token, 7, &[]);
        assert!(request.now == 7 && matches!(request.caller, Caller::Basic(_)));
        assert_eq!(Call::parse("PUT /x json: @ME").body, crate::records::text("ME").as_bytes());
    }
}
