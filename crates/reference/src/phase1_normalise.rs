//! Phase 1, Normalise: a request is read in one way, or refused.
//!
//! The order is the page's: path, query, anywhere, base, limits, headers, media.

use policy::Reason as R;
use policy::decision::Phase::Normalise;
use policy::operation::Method;
use policy::request::Request;

use crate::call::{Body, Call};
use crate::denial::{Denial, deny};
use crate::document::{Operation, same_shape};
use crate::{Interpreter, url};

/// The limits, at their defaults.
const MAX_QUERY_BYTES: usize = 8 * 1024;
const MAX_PARAMETERS: usize = 200;
const MAX_OR_VALUES: usize = 64;
const MAX_HOPS: usize = 5;
const MAX_INCLUDES: usize = 20;
const MAX_BODY_BYTES: usize = 1024 * 1024;
const MAX_BUNDLE_BYTES: usize = 10 * 1024 * 1024;

type Pairs = Vec<(String, String)>;

const fn fault(reason: R) -> Denial {
    deny(Normalise, reason)
}

/// A URL over a limit: 414, where a body over one is 413.
const fn too_long() -> Denial {
    Denial { phase: Normalise, status: 414, reason: R::TooLarge }
}

impl Interpreter {
    /// Reads a request.
    pub(crate) fn normalise<'a>(&self, request: &Request<'a>) -> Result<Call<'a>, Denial> {
        let headers = headers(request);
        let (raw_path, raw_query, authority_ok) = self.split_target(request.target)?;
        let segments = url::segments(&raw_path).ok_or(fault(R::MalformedUrl))?;
        let path = self.below_base(&segments);
        if let Some(path) = &path {
            self.check_ids(request.method, path)?;
        }
        let query = url::pairs(&raw_query).ok_or(fault(R::MalformedQuery))?;
        let is_search_form = request.method == "POST" && segments.last().is_some_and(|last| last == "_search");
        let typed = request.headers.iter().filter(|one| one.name == "content-type");
        let is_form = |text: &str| media_type(text).0 == "application/x-www-form-urlencoded";
        let form_typed = typed.filter_map(|one| std::str::from_utf8(one.value).ok()).any(is_form);
        let form = if is_search_form && self.is_fhir() && form_typed {
            let text = std::str::from_utf8(request.body).map_err(|_| fault(R::MalformedQuery))?;
            Some(url::pairs(text).ok_or(fault(R::MalformedQuery))?)
        } else {
            None
        };
        // A form that is no search is read only to find what must not be in it.
        let outside = if form.is_none() && form_typed {
            let text = std::str::from_utf8(request.body).map_err(|_| fault(R::MalformedQuery))?;
            url::pairs(text).ok_or(fault(R::MalformedQuery))?
        } else {
            Pairs::new()
        };
        let headers = headers?;
        let all: Pairs = query.iter().chain(form.iter().flatten()).cloned().collect();
        let anywhere: Pairs = all.iter().chain(&outside).cloned().collect();
        self.check_credentials(&headers, &anywhere)?;
        check_framing(&headers)?;
        self.check_authority(&headers, authority_ok)?;
        check_override(&headers, &anywhere)?;
        check_preconditions(&headers, request.method)?;
        check_limits(request, &raw_query, &all, self.is_bundle(path.as_deref(), request.method))?;
        if self.is_fhir() {
            if !request.body.is_empty() && !matches!(request.method, "POST" | "PUT" | "PATCH") {
                return Err(fault(R::MalformedBody));
            }
            check_accept(&headers, &all)?;
            check_body_form(request, &headers, is_search_form)?;
        } else if matches!(request.method, "GET" | "HEAD" | "OPTIONS") && !request.body.is_empty() {
            return Err(fault(R::MalformedBody));
        }
        Ok(Call {
            method: if request.method == "HEAD" { "GET".to_owned() } else { request.method.to_owned() },
            path,
            query,
            form: form.or_else(|| (is_search_form && self.is_fhir()).then(Vec::new)),
            headers,
            body: Body::Bytes(if is_search_form && self.is_fhir() { Vec::new() } else { request.body.to_vec() }),
            capabilities: request.capabilities,
            stored: request.stored,
            upstream_base: request.upstream_base,
            siblings: std::collections::BTreeMap::new(),
            in_transaction: false,
        })
    }

    /// Path and query of a target; and whether an absolute one is of the Service's own authority.
    fn split_target(&self, target: &str) -> Result<(String, String, Option<bool>), Denial> {
        let (rest, authority_ok) = if target.starts_with('/') {
            (target.to_owned(), None)
        } else {
            let given = url::absolute(target).ok_or(fault(R::MalformedUrl))?;
            let own = url::absolute(&self.service.base_url).ok_or(fault(R::MalformedUrl))?;
            let same = given.scheme == own.scheme && given.authority == own.authority;
            let rest = if given.rest.starts_with('/') { given.rest.to_owned() } else { format!("/{}", given.rest) };
            (rest, Some(same))
        };
        let (path, query) = rest.split_once('?').unwrap_or((&rest, ""));
        if rest.contains('#') {
            return Err(fault(R::MalformedUrl));
        }
        Ok((path.to_owned(), query.to_owned(), authority_ok))
    }

    /// The segments below the Service's base path.
    fn below_base(&self, segments: &[String]) -> Option<Vec<String>> {
        let base = url::absolute(&self.service.base_url)
            .and_then(|own| url::segments(if own.rest.is_empty() { "/" } else { own.rest }))?;
        segments.strip_prefix(base.as_slice()).map(<[String]>::to_vec)
    }

    /// In a FHIR Service, an id that is none: after a type, after `_history` of an instance, and where an operation has one,
    /// whatever stands for its type.
    pub(crate) fn check_ids(&self, method: &str, path: &[String]) -> Result<(), Denial> {
        if !self.is_fhir() {
            return Ok(());
        }
        let method = Method::parse(if method == "HEAD" { "GET" } else { method });
        let fits = |one: &&Operation| one.fits(path, &|_: &str| true);
        let best = self.operations.iter().filter(fits).min_by_key(|one| one.rank());
        let same = |one: &&Operation| best.is_some_and(|best| same_shape(&one.template, &best.template));
        let found = self.operations.iter().filter(same).find(|one| Some(one.method) == method);
        let own = found.and_then(|one| one.id_at).and_then(|at| path.get(at));
        if own.is_some_and(|id| !policy::text::FhirId::accepts(id)) {
            return Err(fault(R::MalformedUrl));
        }
        if !path.first().is_some_and(|first| self.has_type(first)) {
            return Ok(());
        }
        let is_id = |text: &String| policy::text::FhirId::accepts(text);
        let id_ok = path.get(1).is_none_or(|id| id.starts_with(['_', '$']) || is_id(id));
        let version_ok = path.get(2).is_none_or(|word| word != "_history") || path.get(3).is_none_or(is_id);
        if id_ok && version_ok { Ok(()) } else { Err(fault(R::MalformedUrl)) }
    }

    /// One credential of a kind, in `Authorization` only.
    fn check_credentials(&self, headers: &[(String, String)], parameters: &[(String, String)]) -> Result<(), Denial> {
        let sent: Vec<&str> =
            headers.iter().filter(|(name, _)| name == "authorization").map(|(_, value)| value.as_str()).collect();
        let scheme = |value: &&str| value.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let both = self.service.settings.basic.is_some() && sent.len() == 2 && {
            let mut kinds: Vec<String> = sent.iter().map(scheme).collect();
            kinds.sort();
            kinds == ["basic", "bearer"]
        };
        if sent.len() > 1 && !both {
            return Err(fault(R::TwoCredentials));
        }
        match parameters.iter().any(|(name, _)| name == "access_token") {
            true if sent.is_empty() => Err(fault(R::MalformedQuery)),
            true => Err(fault(R::TwoCredentials)),
            false => Ok(()),
        }
    }

    /// `Host` and an absolute target name the Service's own authority.
    fn check_authority(&self, headers: &[(String, String)], target: Option<bool>) -> Result<(), Denial> {
        let own = url::absolute(&self.service.base_url).ok_or(fault(R::MalformedUrl))?;
        let hosts: Vec<&String> = headers.iter().filter(|(name, _)| name == "host").map(|(_, value)| value).collect();
        let host_ok = match hosts.as_slice() {
            [] => target.is_some(),
            [host] => url::canonical_authority(&own.scheme, host) == own.authority,
            _ => false,
        };
        if host_ok && target.unwrap_or(true) { Ok(()) } else { Err(fault(R::MalformedUrl)) }
    }

    /// Whether the body may be as large as a Bundle.
    fn is_bundle(&self, path: Option<&[String]>, method: &str) -> bool {
        self.is_fhir() && method == "POST" && path.is_some_and(<[String]>::is_empty)
    }
}

fn headers(request: &Request<'_>) -> Result<Pairs, Denial> {
    let one = |header: &policy::request::Header<'_>| {
        let value = std::str::from_utf8(header.value).ok()?;
        let clean = !value.chars().any(|char| char.is_control() && char != '\t');
        clean.then(|| (header.name.to_owned(), value.trim().to_owned()))
    };
    request.headers.iter().map(one).collect::<Option<_>>().ok_or(fault(R::MalformedUrl))
}

fn check_framing(headers: &[(String, String)]) -> Result<(), Denial> {
    let count = |wanted: &str| headers.iter().filter(|(name, _)| name == wanted).count();
    let lengths = count("content-length");
    if lengths > 1 || (lengths == 1 && count("transfer-encoding") > 0) { Err(fault(R::MalformedBody)) } else { Ok(()) }
}

/// D37: a precondition that stands twice could be read in two ways.
///
/// D64: a write without the precondition that its author gave is another write.
fn check_preconditions(headers: &[(String, String)], method: &str) -> Result<(), Denial> {
    let twice = |wanted: &str| headers.iter().filter(|(name, _)| name == wanted).count() > 1;
    let of_reads = ["if-none-match", "if-modified-since", "if-unmodified-since"];
    let lost = matches!(method, "PUT" | "PATCH" | "DELETE")
        && headers.iter().any(|(name, _)| of_reads.contains(&name.as_str()));
    if lost || twice("if-match") || twice("if-none-exist") { Err(fault(R::MalformedUrl)) } else { Ok(()) }
}

fn check_override(headers: &[(String, String)], parameters: &[(String, String)]) -> Result<(), Denial> {
    const HEADERS: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];
    let by_header = headers.iter().any(|(name, _)| HEADERS.contains(&name.replace('_', "-").as_str()));
    let by_parameter = parameters.iter().any(|(name, _)| name == "_method");
    if by_header || by_parameter { Err(fault(R::MethodOverride)) } else { Ok(()) }
}

fn check_limits(
    request: &Request<'_>,
    raw_query: &str,
    parameters: &[(String, String)],
    bundle: bool,
) -> Result<(), Denial> {
    if raw_query.len() > MAX_QUERY_BYTES {
        return Err(too_long());
    }
    check_query_limits(parameters)?;
    let most = if bundle { MAX_BUNDLE_BYTES } else { MAX_BODY_BYTES };
    if request.body.len() > most { Err(fault(R::TooLarge)) } else { Ok(()) }
}

/// The limits of parameters, lists, chains and includes; they hold for inner queries too.
pub(crate) fn check_query_limits(parameters: &[(String, String)]) -> Result<(), Denial> {
    let is_include = |name: &str| matches!(name.split(':').next(), Some("_include" | "_revinclude"));
    let hops = |name: &str| {
        let reverse = name.matches("_has:").count();
        reverse + name.matches('.').count()
    };
    let over = parameters.len() > MAX_PARAMETERS
        || parameters.iter().any(|(_, value)| url::values(value).len() > MAX_OR_VALUES)
        || parameters.iter().any(|(name, _)| hops(name) > MAX_HOPS)
        || parameters.iter().filter(|(name, _)| is_include(name)).count() > MAX_INCLUDES;
    if over { Err(too_long()) } else { Ok(()) }
}

/// A media type in lower case, and its parameters.
pub(crate) fn media_type(text: &str) -> (String, Pairs) {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
    };
    (kind, parts.filter_map(parameter).collect())
}

/// `Accept` and `_format` ask for JSON, of a version with tables.
fn check_accept(headers: &[(String, String)], parameters: &[(String, String)]) -> Result<(), Denial> {
    let formats = parameters.iter().filter(|(name, _)| name == "_format").all(|(_, value)| is_json_format(value));
    if formats && accepted(headers).is_some() { Ok(()) } else { Err(fault(R::NotAcceptable)) }
}

/// The kind of JSON to ask the upstream for: the first that the client names, else FHIR's; none if it takes neither.
pub(crate) fn accepted(headers: &[(String, String)]) -> Option<&'static str> {
    let accepts: Vec<&str> =
        headers.iter().filter(|(name, _)| name == "accept").flat_map(|(_, value)| value.split(',')).collect();
    let ranges: Vec<(String, Pairs)> =
        accepts.iter().map(|one| one.trim()).filter(|one| !one.is_empty()).map(media_type).collect();
    let asked =
        |pairs: &Pairs, name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let known_version = |pairs: &Pairs| asked(pairs, "fhirversion").is_none_or(|version| version == "4.0");
    let weighs = |pairs: &Pairs| asked(pairs, "q").is_none_or(|q| q.parse::<f64>().is_ok_and(|q| q > 0.0));
    if !ranges.iter().all(|(_, pairs)| known_version(pairs)) {
        return None;
    }
    let taken: Vec<&str> = ranges.iter().filter(|(_, pairs)| weighs(pairs)).map(|(kind, _)| kind.as_str()).collect();
    let own = |kind: &&str| match *kind {
        "application/json" => Some("application/json"),
        "application/fhir+json" => Some("application/fhir+json"),
        _ => None,
    };
    let any = ranges.is_empty() || taken.iter().any(|kind| matches!(*kind, "application/*" | "*/*"));
    taken.iter().find_map(own).or(any.then_some("application/fhir+json"))
}

/// Whether a `_format` asks for JSON. A `+` came as a space.
pub(crate) fn is_json_format(value: &str) -> bool {
    let (kind, pairs) = media_type(value);
    let version = pairs.iter().all(|(name, value)| name != "fhirversion" || value == "4.0");
    matches!(kind.as_str(), "json" | "application/json" | "application/fhir+json" | "application/fhir json") && version
}

/// The body's form, by what the method and path ask for.
fn check_body_form(request: &Request<'_>, headers: &[(String, String)], is_search: bool) -> Result<(), Denial> {
    let types: Vec<&str> =
        headers.iter().filter(|(name, _)| name == "content-type").map(|(_, value)| value.as_str()).collect();
    let coded =
        headers.iter().any(|(name, value)| name == "content-encoding" && !value.eq_ignore_ascii_case("identity"));
    if request.body.is_empty() && (!is_search || (types.is_empty() && !coded)) {
        return Ok(());
    }
    let [one] = types.as_slice() else { return Err(fault(R::UnsupportedMediaType)) };
    let (kind, pairs) = media_type(one);
    let parameters_ok = pairs.iter().all(|(name, value)| match name.as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8"),
        "fhirversion" => value == "4.0",
        _ => true,
    });
    let json = matches!(kind.as_str(), "application/fhir+json" | "application/json");
    let kind_ok = match request.method {
        "POST" if is_search => kind == "application/x-www-form-urlencoded",
        "PATCH" => matches!(kind.as_str(), "application/fhir+json" | "application/json-patch+json"),
        _ => json,
    };
    if kind_ok && parameters_ok && !coded { Ok(()) } else { Err(fault(R::UnsupportedMediaType)) }
}
