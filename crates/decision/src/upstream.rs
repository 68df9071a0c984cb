//! The request that goes upstream: path, query and headers rebuilt from what was read, nothing copied unseen.

use std::borrow::Cow;

use bumpalo::collections::{String as Text, Vec as List};
use policy::decision::{Obligation, Upstream, UpstreamHeader};
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::request::Request;

use crate::Engine;
use crate::arena::Arena;
use crate::judge::Trace;
use crate::normalise::Call;
use crate::query::Pair;

/// Headers that go upstream in every Service.
const PASSED: &[&str] = &["traceparent", "tracestate"];
/// Headers that go upstream where the answer is not checked; there no precondition is an oracle.
const PASSED_PLAIN: &[&str] = &["accept", "content-type", "if-match", "if-none-exist", "prefer"];
/// Headers that never go, even where the document declares them: framing, credentials, what others
/// than the gateway must not say, and preconditions of reads.
const NEVER: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    // It would name an owner beside the one that the body names, and only that one was checked.
    "x-security-context",
];
/// Of the headers that are left out, those that would have changed the answer.
const NOTED: &[&str] = &["if-match", "if-modified-since", "if-none-match", "range"];

/// Whether a text can stand in a header field (RFC 9110 section 5.5).
pub(crate) fn is_field_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text
}

/// What stands in a path segment as it is, beside letters and digits (RFC 3986 section 3.3).
const fn in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'$' | b'@' | b':' | b'*' | b'!' | b'\'' | b'(' | b')')
        || matches!(byte, b'+' | b',' | b'=' | b'&')
}

/// What stands in the name of a parameter as it is.
const fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':')
}

/// What stands in the value of a parameter as it is.
const fn in_value(byte: u8) -> bool {
    in_name(byte) || matches!(byte, b',' | b'/' | b'$' | b'*')
}

/// What goes upstream where the answer is not checked.
pub(crate) fn plainly<'a>(
    engine: &Engine,
    request: &Request<'a>,
    call: &Call<'a>,
    operation: Option<&Operation>,
    query: &'a str,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Upstream<'a> {
    let mut headers = passed(request, operation, PASSED_PLAIN, &[], arena, trace);
    if engine.is_fhir() && call.segments().first() == Some(&"metadata") {
        headers.retain(|(name, _)| name != "accept" && name != "prefer");
        headers.push(("accept".into(), call.accept.as_bytes().into()));
    }
    Upstream {
        method: call.method.unwrap_or(Method::Get),
        path: path(call.segments(), arena).into(),
        query: query.into(),
        body: None,
        headers: Cow::Borrowed(headers.into_bump_slice()),
    }
}

/// What a FHIR interaction sends upstream beside its path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends<'a> {
    pub(crate) query: &'a str,
    /// The form of a search by POST.
    pub(crate) form: Option<&'a str>,
    /// The type of the body, where it goes as it came.
    pub(crate) media: Option<&'static str>,
    /// Headers of our own.
    pub(crate) headers: &'a [(&'static str, &'a str)],
}

/// What goes upstream for a FHIR interaction.
pub(crate) fn fhir<'a>(
    request: &Request<'a>,
    call: &Call<'a>,
    operation: &Operation,
    sends: Sends<'a>,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Upstream<'a> {
    let mut headers = passed(request, Some(operation), &[], sends.headers, arena, trace);
    headers.push(("accept".into(), call.accept.as_bytes().into()));
    if sends.form.is_some() {
        headers.push(("content-type".into(), b"application/x-www-form-urlencoded".into()));
    } else if let Some(media) = sends.media {
        headers.push(("content-type".into(), media.as_bytes().into()));
    }
    headers.extend(sends.headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into())));
    if call.prefer.present && (call.method == Some(Method::Get) || call.form) {
        strip(trace, "prefer");
    }
    Upstream {
        method: operation.method,
        path: path(call.segments(), arena).into(),
        query: sends.query.into(),
        body: sends.form.map(Into::into),
        headers: Cow::Borrowed(headers.into_bump_slice()),
    }
}

/// What stands in the path before FHIR's own part, encoded; mostly nothing.
pub(crate) fn prefix<'a>(call: &Call<'a>, fhir: &FhirOperation, arena: &'a Arena) -> &'a str {
    use Interaction as I;
    let path = call.segments();
    let searched = usize::from(path.last() == Some(&"_search"));
    let depth = match (fhir.id_segment.and_then(|index| usize::try_from(index).ok()), fhir.interaction) {
        (Some(id), _) => id.saturating_sub(1),
        (None, I::HistoryType) => path.len().saturating_sub(2),
        (None, I::HistorySystem | I::Capabilities) => path.len().saturating_sub(1),
        (None, I::SearchSystem) => path.len().saturating_sub(searched),
        (None, I::Batch) => path.len(),
        (None, I::Operation) => {
            let on_type = fhir.resource_type.is_some() || fhir.type_segment.is_some();
            path.len().saturating_sub(if on_type { 2 } else { 1 })
        }
        (None, _) => path.len().saturating_sub(1 + searched),
    };
    match path.get(..depth) {
        Some(before) if !before.is_empty() => encoded(before, arena),
        _ => "",
    }
}

fn passed<'a>(
    request: &Request<'a>,
    operation: Option<&Operation>,
    extra: &[&str],
    sent: &[(&'static str, &str)],
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> List<'a, UpstreamHeader<'a>> {
    let own = ["accept", "content-type", "prefer"];
    let declared = |name: &str| {
        operation.is_some_and(|operation| {
            !operation.headers.is_empty() && operation.headers.binary_search_by(|one| (**one).cmp(name)).is_ok()
        }) && !own.contains(&name)
            && !NOTED.contains(&name)
            && !name.starts_with("x-forwarded-")
    };
    let mut headers = arena.list_of(4);
    for header in request.headers {
        let name = header.name;
        let goes = PASSED.contains(&name) || extra.contains(&name) || declared(name);
        if goes && !NEVER.contains(&name) && !name.contains('_') {
            headers.push((name.into(), header.value.into()));
        } else if NOTED.contains(&name) && !sent.iter().any(|(known, _)| *known == name) {
            strip(trace, name);
        }
    }
    headers
}

pub(crate) fn strip<'a>(trace: &mut Trace<'a>, name: &'a str) {
    let note = Obligation::StripHeader(name.into());
    if !trace.obligations.contains(&note) {
        trace.obligations.push(note);
    }
}

/// The path below the base, encoded anew.
pub(crate) fn path<'a>(segments: &[&'a str], arena: &'a Arena) -> &'a str {
    if segments.is_empty() { "/" } else { encoded(segments, arena) }
}

fn encoded<'a>(segments: &[&str], arena: &'a Arena) -> &'a str {
    let mut out = arena.builder(segments.iter().map(|segment| segment.len() + 1).sum());
    for segment in segments {
        out.push('/');
        escape(segment, in_segment, &mut out);
    }
    out.into_bump_str()
}

/// A query or form, encoded anew.
pub(crate) fn encode<'a>(pairs: &[Pair<'_>], arena: &'a Arena) -> &'a str {
    if pairs.is_empty() {
        return "";
    }
    let mut out = arena.builder(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('&');
        }
        escape(name, in_name, &mut out);
        out.push('=');
        escape(value, in_value, &mut out);
    }
    out.into_bump_str()
}

/// Percent-encodes all but what is plain.
fn escape(text: &str, plain: impl Fn(u8) -> bool, out: &mut Text<'_>) {
    if text.bytes().all(&plain) {
        out.push_str(text);
        return;
    }
    let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    }
}
