//! The request that goes upstream: path, query and headers rebuilt from what was read, nothing copied unseen.

use std::fmt::Write as _;

use policy::decision::{Obligation, Upstream, UpstreamHeader};
use policy::operation::{FhirOperation, Method, Operation};
use policy::request::Request;

use crate::Engine;
use crate::judge::Trace;
use crate::normalise::Call;

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

/// What stands in a path segment as it is, beside letters and digits (RFC 3986 section 3.3).
const SEGMENT: &[u8] = b"-._~$@:*!'()+,=&";

/// What goes upstream where the answer is not checked.
pub(crate) fn plain(
    engine: &Engine,
    request: &Request<'_>,
    call: &Call<'_>,
    operation: Option<&Operation>,
    trace: &mut Trace,
) -> Upstream<'static> {
    let mut headers = passed(request, operation, PASSED_PLAIN, trace);
    if engine.is_fhir() && call.segments().first().is_some_and(|first| first == "metadata") {
        headers.retain(|(name, _)| name != "accept");
        headers.push(("accept".into(), call.accept.as_bytes().into()));
    }
    let pairs = call.parameters.iter().filter(|one| !one.form).map(|one| (&*one.name, &*one.value));
    Upstream {
        method: call.method.unwrap_or(Method::Get),
        path: path(call).into(),
        query: encode(pairs).into(),
        body: None,
        headers: headers.into(),
    }
}

/// What goes upstream for a FHIR interaction.
pub(crate) fn fhir(
    request: &Request<'_>,
    call: &Call<'_>,
    operation: &Operation,
    query: String,
    form: Option<String>,
    trace: &mut Trace,
) -> Upstream<'static> {
    let mut headers = passed(request, Some(operation), &[], trace);
    headers.push(("accept".into(), call.accept.as_bytes().into()));
    if form.is_some() {
        headers.push(("content-type".into(), b"application/x-www-form-urlencoded".into()));
    } else if !request.body.is_empty() {
        headers.push(("content-type".into(), b"application/fhir+json".into()));
    }
    if call.prefer.present && call.method == Some(Method::Get) || call.form {
        strip(trace, request, "prefer");
    }
    Upstream {
        method: operation.method,
        path: path(call).into(),
        query: query.into(),
        body: form.map(Into::into),
        headers: headers.into(),
    }
}

/// Sets what a create prefers: nothing comes back to a caller whose rules do not let it read.
pub(crate) fn prefer(upstream: &mut Upstream<'_>, call: &Call<'_>, reads: bool, trace: &mut Trace) {
    let value = match (reads, call.prefer.returns) {
        (false, _) => "minimal",
        (true, Some(value)) => value,
        (true, None) => return,
    };
    let header = format!("return={value}");
    if call.prefer.returns != Some(value) {
        trace.obligations.push(Obligation::SetHeader("prefer".into(), header.clone().into()));
    }
    upstream.headers.to_mut().push(("prefer".into(), header.into_bytes().into()));
}

/// Whether a create depends on a search (`If-None-Exist`).
pub(crate) fn is_conditional(request: &Request<'_>) -> bool {
    request.headers.iter().any(|header| header.name == "if-none-exist")
}

/// What stands in the path before FHIR's own part, encoded; mostly nothing.
pub(crate) fn prefix(call: &Call<'_>, fhir: &FhirOperation) -> String {
    let path = call.segments();
    let searched = path.last().is_some_and(|last| last == "_search");
    let depth = match fhir.id_segment.and_then(|index| usize::try_from(index).ok()) {
        Some(id) => id.saturating_sub(1),
        None => path.len().saturating_sub(if searched { 2 } else { 1 }),
    };
    let mut out = String::new();
    for segment in path.iter().take(depth) {
        out.push('/');
        escape(segment, SEGMENT, &mut out);
    }
    out
}

fn passed(
    request: &Request<'_>,
    operation: Option<&Operation>,
    extra: &[&str],
    trace: &mut Trace,
) -> Vec<UpstreamHeader<'static>> {
    let own = ["accept", "content-type", "prefer"];
    let declared = |name: &str| {
        operation.is_some_and(|operation| operation.headers.binary_search_by(|one| (**one).cmp(name)).is_ok())
            && !own.contains(&name)
            && !NOTED.contains(&name)
            && !name.starts_with("x-forwarded-")
    };
    let mut headers = Vec::new();
    for header in request.headers {
        let name = header.name;
        let goes = (PASSED.contains(&name) || extra.contains(&name) || declared(name))
            && !NEVER.contains(&name)
            && !name.contains('_');
        if goes {
            headers.push((name.to_owned().into(), header.value.to_vec().into()));
        } else if NOTED.contains(&name) {
            strip(trace, request, name);
        }
    }
    headers
}

fn strip(trace: &mut Trace, request: &Request<'_>, name: &str) {
    let note = Obligation::StripHeader(name.to_owned().into());
    if request.headers.iter().any(|header| header.name == name) && !trace.obligations.contains(&note) {
        trace.obligations.push(note);
    }
}

/// The path below the base, encoded anew.
fn path(call: &Call<'_>) -> String {
    if call.segments().is_empty() {
        return "/".to_owned();
    }
    let mut out = String::with_capacity(64);
    for segment in call.segments() {
        out.push('/');
        escape(segment, SEGMENT, &mut out);
    }
    out
}

/// A query or form, encoded anew.
pub(crate) fn encode<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name, b"-._~:", &mut out);
        out.push('=');
        escape(value, b"-._~:,/$*", &mut out);
    }
    out
}

/// Percent-encodes all but letters, digits and `plain`.
fn escape(text: &str, plain: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
