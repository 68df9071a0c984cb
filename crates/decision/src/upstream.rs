//! The request that goes upstream: path, query and headers rebuilt from what was read, nothing copied unseen.

mod text;

use std::borrow::Cow;

use bumpalo::collections::Vec as List;
use policy::decision::{Obligation, Upstream, UpstreamHeader};
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::request::Request;

use crate::Engine;
use crate::arena::Arena;
use crate::judge::Trace;
use crate::normalise::Call;

use text::encoded;
pub(crate) use text::{Query, encode, path};

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
        path: own_path(call, arena).into(),
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
        path: own_path(call, arena).into(),
        query: sends.query.into(),
        body: sends.form.map(Into::into),
        headers: Cow::Borrowed(headers.into_bump_slice()),
    }
}

/// The path of the request itself.
fn own_path<'a>(call: &Call<'a>, arena: &'a Arena) -> &'a str {
    match call.plain_path {
        Some(same) if !same.is_empty() => same,
        _ => path(call.segments(), arena),
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
