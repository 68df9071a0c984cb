//! One call in a line of text: `GET /Observation?patient=ME + Prefer: return=minimal`.

use policy::request::{Caller, Capabilities, Header, Request, Stored};

use crate::ehr;
use crate::token::Token;

/// How a body is written, and the media type that it is sent with unless a header says otherwise.
const BODIES: [(&str, &str); 5] = [
    (" json: ", "application/fhir+json"),
    (" batch: ", "application/fhir+json"),
    (" transaction: ", "application/fhir+json"),
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
    /// ` batch: …` and ` transaction: …` are a Bundle of the entries between ` ; `, each `GET Observation/1`, with
    /// ` + ifMatch: W/"3"` for a member of its request, ` + fullUrl: …`, and ` @NAME` or ` {…}` for its resource.
    ///
    /// # Panics
    /// When the text has no method and path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let body = |(mark, media): (&str, &'static str)| {
            let (head, body) = text.split_once(mark)?;
            let body = match mark.trim() {
                "batch:" => bundle("batch", body),
                "transaction:" => bundle("transaction", body),
                _ => body.to_owned(),
            };
            Some((head, media, body))
        };
        // The mark that comes first is the body's; what follows it is the body, whatever it looks like.
        let found = BODIES.into_iter().filter_map(body).min_by_key(|(head, ..)| head.len());
        let (head, media, body) =
            found.map_or((text, None, String::new()), |(head, media, body)| (head, Some(media), body));
        let body = body.strip_prefix('@').map_or(&*body, |name| crate::records::text(name));
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
        Request { now, stored, ..self.asked_by(headers, caller) }
    }

    /// The call of this caller as the decision point is asked it at first, one second after 1970, by a gateway that can do
    /// everything.
    #[must_use]
    pub fn asked_by<'a>(&'a self, headers: &'a [Header<'a>], caller: Caller<'a>) -> Request<'a> {
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
            upstream_base: ehr::UPSTREAM,
        }
    }
}

/// A Bundle of requests, of the entries in a line.
fn bundle(kind: &str, text: &str) -> String {
    let entries: Vec<String> = text.split(" ; ").map(str::trim).filter(|text| !text.is_empty()).map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","))
}

fn entry(text: &str) -> String {
    let at = [" @", " {"].into_iter().filter_map(|mark| text.find(mark)).min();
    let (head, resource) = at.map_or((text, ""), |at| text.split_at(at));
    let resource = resource.trim_start();
    let resource = resource.strip_prefix('@').map_or(resource, |name| crate::records::text(name));
    let mut parts = head.split(" + ");
    let line = parts.next().unwrap_or_default();
    let (method, url) = line.split_once(' ').unwrap_or((line, ""));
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut request = format!(r#""method":{},"url":{}"#, quoted(method), quoted(url));
    let mut members = String::new();
    for part in parts {
        let (name, value) = part.split_once(": ").expect("a member's name and value");
        let member = format!("{}:{}", quoted(name), quoted(value));
        if name == "fullUrl" {
            members.push_str(&format!("{member},"));
        } else {
            request.push_str(&format!(",{member}"));
        }
    }
    if !resource.is_empty() {
        members.push_str(&format!(r#""resource":{resource},"#));
    }
    format!(r#"{{{members}"request":{{{request}}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_line_of_entries() {
        let call = Call::parse(
            r#"POST / transaction: GET Patient/ME ; POST  + fullUrl: urn:1 + ifMatch: W/"3" {"a":1} ; PUT x @ME"#,
        );
        let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((&body["type"], body["entry"].as_array().map(Vec::len)), (&"transaction".into(), Some(3)));
        assert_eq!(body["entry"][0], serde_json::json!({"request": {"method": "GET", "url": "Patient/ME"}}));
        let second = &body["entry"][1];
        assert_eq!((&second["fullUrl"], &second["resource"]["a"]), (&"urn:1".into(), &1.into()));
        assert_eq!((&second["request"]["url"], &second["request"]["ifMatch"]), (&"".into(), &"W/\"3\"".into()));
        assert_eq!(body["entry"][2]["resource"]["id"], "ME");
        assert!(call.headers.contains(&("content-type".to_owned(), b"application/fhir+json".to_vec())));
    }

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
