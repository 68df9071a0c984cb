//! The answers of our own: closed texts, one for each status, whatever the reason was.
//!
//! Invariant: [`not_found`] is the only not-found answer there is, so that a foreign instance and a
//! missing one look the same, byte for byte. No answer holds an id, a reason or an upstream's text.

use policy::decision::{Decision, Released, Verdict};
use policy::reason::Reason;

use crate::Engine;

/// The media type of FHIR answers.
pub(crate) const FHIR_JSON: &[u8] = b"application/fhir+json; charset=utf-8";

/// The answer for a denial: an OperationOutcome in a FHIR Service, `{code, message}` in a plain one.
///
/// It tells what the status tells, and nothing of why. A 401 has `WWW-Authenticate: Bearer` (and `Basic` where it is on), with
/// `error="invalid_token"` unless there was no token (RFC 6750 section 3).
#[must_use]
pub fn refuse(engine: Option<&Engine>, decision: &Decision<'_>) -> Released {
    match decision.verdict {
        Verdict::Deny { status, reason } => refused(engine, status, reason),
        // Whoever asks for the refusal of a permit is at fault, and gets one.
        Verdict::Permit | Verdict::Undecided => refused(engine, 500, Reason::Internal),
    }
}

/// The one answer for an instance that is not there, or must look so.
pub(crate) fn not_found(engine: &Engine) -> Released {
    refused(Some(engine), 404, Reason::NotFound)
}

/// The closed answer of a status.
pub(crate) fn refused(engine: Option<&Engine>, status: u16, reason: Reason) -> Released {
    let legacy = engine.is_some_and(|engine| engine.settings().legacy_400);
    let status = if legacy && !matches!(status, 401 | 403) { 400 } else { status };
    with_status(engine, status, reason)
}

/// The closed answer of just this status.
pub(crate) fn with_status(engine: Option<&Engine>, status: u16, reason: Reason) -> Released {
    let fhir = engine.is_none_or(Engine::is_fhir);
    let (code, text) = words(status);
    let (media, body) = if fhir {
        let body = format!(
            r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"{code}","diagnostics":"{text}"}}]}}"#
        );
        (FHIR_JSON, body)
    } else {
        (&b"application/json; charset=utf-8"[..], format!(r#"{{"code":"{code}","message":"{text}"}}"#))
    };
    let mut headers = vec![("content-type".to_owned(), media.to_vec())];
    if status == 401 {
        let challenge: &[u8] = if reason == Reason::NoToken { b"Bearer" } else { b"Bearer error=\"invalid_token\"" };
        headers.push(("www-authenticate".to_owned(), challenge.to_vec()));
        if engine.is_some_and(|engine| engine.settings().basic.is_some()) {
            let basic = b"Basic realm=\"fhir\", charset=\"UTF-8\"";
            headers.push(("www-authenticate".to_owned(), basic.to_vec()));
        }
    }
    headers.extend(private());
    Released { status, headers, body: body.into(), reason: Some(reason), released: 0, dropped: 0, read_on: None }
}

/// What keeps an answer out of every cache that others read.
pub(crate) fn private() -> [(String, Vec<u8>); 2] {
    [("cache-control".to_owned(), b"private, no-store".to_vec()), ("vary".to_owned(), b"Authorization".to_vec())]
}

/// A status as an entry of a Bundle says it: `404 Not Found`.
pub(crate) fn status_line(status: u16) -> String {
    let phrase = match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => return status.to_string(),
    };
    format!("{status} {phrase}")
}

/// The issue type (R4 issue-type) and the sentence of a status.
const fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("login", "A valid access token is needed."),
        403 => ("forbidden", "The access token does not permit this request."),
        404 | 410 => ("not-found", "There is no such resource."),
        405 => ("not-supported", "The path does not have this method."),
        406 => ("not-supported", "Only JSON answers of FHIR R4 are given."),
        409 => ("conflict", "The write is at odds with what is stored."),
        412 => ("conflict", "What is stored changed meanwhile."),
        413 | 414 => ("too-long", "The request is over a limit."),
        415 => ("not-supported", "The body has a form that cannot be checked."),
        422 => ("processing", "The upstream refused the content."),
        429 => ("throttled", "Too many requests."),
        502 => ("exception", "The upstream's answer cannot be used."),
        503 => ("transient", "The service cannot answer now."),
        400..=499 => ("invalid", "The request is not well formed."),
        _ => ("exception", "The request failed."),
    }
}
