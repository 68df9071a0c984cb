//! The forms of body and answer: in a FHIR Service only what can be checked, which is JSON.

use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;
use policy::request::{Header, Request};

use super::head::Head;
use super::{Call, Parameter};
use crate::Engine;
use crate::denial::Denial;

/// FHIR's JSON.
pub(super) const FHIR: &str = "application/fhir+json";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON_PATCH: &str = "application/json-patch+json";
/// The FHIR version whose tables are known, as media types name it (R4 http.html, "version parameter").
const FHIR_VERSION: &str = "4.0";

/// What the client prefers (RFC 7240), as far as FHIR defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    /// `return=…`, if it is one that FHIR defines.
    pub(crate) returns: Option<&'static str>,
    /// `respond-async`.
    pub(crate) respond_async: bool,
    /// Whether there was any preference at all.
    pub(crate) present: bool,
}

/// Nothing that the client takes can be checked.
const UNACCEPTABLE: Denial = Denial::new(Phase::Normalise, Reason::NotAcceptable);

/// Whether the body says that it is a form.
pub(super) fn is_form(request: &Request<'_>, head: &Head<'_>) -> bool {
    head.content_types > 0 && content_types(request.headers).any(|media| media.is(FORM))
}

/// Whether the body says that it is JSON of some kind.
pub(super) fn is_json(request: &Request<'_>, head: &Head<'_>) -> bool {
    head.content_types > 0
        && content_types(request.headers).any(|media| media.is(JSON) || media.is(FHIR) || media.is(JSON_PATCH))
}

/// Refuses forms that cannot be checked, and notes what the client accepts and prefers.
pub(super) fn check(engine: &Engine, request: &Request<'_>, call: &mut Call<'_>, searches: bool) -> Result<(), Denial> {
    if call.head.prefers {
        call.prefer = prefer(request.headers);
    }
    if !engine.is_fhir() {
        return Ok(());
    }
    // What FHIR clients send is told at once.
    if call.head.accepts > 0 && !(call.head.accepts == 1 && call.head.accept == FHIR.as_bytes()) {
        call.accept = accept(request.headers).ok_or(UNACCEPTABLE)?;
    }
    if !call.parameters.iter().filter(|one| one.name == "_format").all(is_json_format) {
        return Err(UNACCEPTABLE);
    }
    if call.head.content_types > 0 && content_types(request.headers).any(|media| !media.known_version()) {
        return Err(UNACCEPTABLE);
    }
    // What is not there has no form, but for a search's, whose parameters may all stand in the URL.
    if request.body.is_empty() && !searches {
        return Ok(());
    }
    let media = (call.head.content_types > 0).then_some(Media(call.head.content_type));
    let fits = match (media, call.method) {
        (Some(media), Some(Method::Patch)) => media.is(JSON_PATCH) || media.is(FHIR),
        (Some(media), Some(Method::Post)) if searches => media.is(FORM),
        (Some(media), Some(Method::Post | Method::Put)) => media.is(JSON) || media.is(FHIR),
        // A body has a type; without one its type says nothing.
        _ => request.body.is_empty(),
    };
    let utf8 = media.is_none_or(|media| media.parameter("charset").is_none_or(|set| set.eq_ignore_ascii_case("utf-8")));
    if fits && utf8 && !call.head.coded && call.head.content_types < 2 {
        call.json_patch = media.is_some_and(|media| media.is(JSON_PATCH));
        Ok(())
    } else {
        Err(Denial::new(Phase::Normalise, Reason::UnsupportedMediaType))
    }
}

/// The values of a header, in order.
fn all<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name == name).map(|header| header.value)
}

/// The media type to ask the upstream for: the first kind of JSON that the client names. None when it takes nothing that
/// can be checked, or names a version without tables anywhere.
#[inline(never)]
fn accept(headers: &[Header<'_>]) -> Option<&'static str> {
    let (mut named, mut any, mut asked) = (None, false, false);
    let ranges =
        all(headers, "accept").filter_map(|value| std::str::from_utf8(value).ok()).flat_map(|value| value.split(','));
    for range in ranges.map(str::trim).filter(|range| !range.is_empty()) {
        asked = true;
        let media = Media(range);
        if !media.known_version() {
            return None;
        }
        if media.refused() {
            continue;
        }
        any |= media.is("*/*") || media.is("application/*");
        named = named.or_else(|| [FHIR, JSON].into_iter().find(|kind| media.is(kind)));
    }
    named.or((any || !asked).then_some(FHIR))
}

fn is_json_format(parameter: &Parameter<'_>) -> bool {
    // A bare `+` in a query is a space: `application/fhir+json` arrives as `application/fhir json`.
    let media = Media(parameter.value);
    let named = ["json", JSON, FHIR, "application/fhir json"];
    media.known_version() && named.iter().any(|name| media.is(name))
}

#[inline(never)]
fn prefer(headers: &[Header<'_>]) -> Prefer {
    let values = all(headers, "prefer").filter_map(|value| std::str::from_utf8(value).ok());
    let mut prefer = Prefer::default();
    for preference in values.flat_map(|value| value.split([',', ';'])).map(str::trim) {
        prefer.present = true;
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        if name.trim().eq_ignore_ascii_case("respond-async") {
            prefer.respond_async = true;
        }
        if name.trim().eq_ignore_ascii_case("return") && prefer.returns.is_none() {
            let value = value.trim().trim_matches('"');
            prefer.returns =
                ["minimal", "representation", "OperationOutcome"].into_iter().find(|known| *known == value);
        }
    }
    prefer
}

fn content_types<'a>(headers: &'a [Header<'a>]) -> impl Iterator<Item = Media<'a>> {
    all(headers, "content-type").map(|value| Media(std::str::from_utf8(value).unwrap_or_default()))
}

/// One media type or range with its parameters.
#[derive(Clone, Copy, Debug)]
struct Media<'a>(&'a str);

impl<'a> Media<'a> {
    fn is(&self, name: &str) -> bool {
        self.0.split(';').next().is_some_and(|own| own.trim().eq_ignore_ascii_case(name))
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.0
            .split(';')
            .skip(1)
            .filter_map(|part| part.split_once('='))
            .find_map(|(own, value)| own.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"')))
    }

    /// `q=0`: the client does not take it (RFC 9110 section 12.4.2).
    fn refused(&self) -> bool {
        self.parameter("q").is_some_and(|weight| !weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    }

    fn known_version(&self) -> bool {
        self.parameter("fhirVersion").is_none_or(|version| version == FHIR_VERSION)
    }
}
