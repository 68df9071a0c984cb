//! Phase 1: what a request says, read in the one way that everything after relies on.
//!
//! Invariant: nothing after this phase looks at the request's own bytes again (but the body of a
//! write), and what goes upstream is rebuilt from what was read here. What two readers could read
//! differently is refused.

mod head;
mod headers;
mod media;
mod path;
mod query;

use policy::decision::Phase;
use policy::operation::{Interaction, Method, Operation};
use policy::reason::Reason;
use policy::request::Request;

use crate::Engine;
use crate::arena::Arena;
use crate::body::Sibling;
use crate::denial::Denial;
use crate::json;

pub(crate) use head::Head;
pub(crate) use media::Prefer;
pub(crate) use query::{Parameter, alternatives, over_limits, tokenise, unescape};

/// The longest path; the longest real ones, with four ids, stay under 500.
pub(crate) const MAX_PATH_BYTES: usize = 4 * 1024;
/// The most segments in a path; FHIR's own have six, Google's healthcare API twelve.
pub(crate) const MAX_PATH_SEGMENTS: usize = 64;
/// The longest query.
pub(crate) const MAX_QUERY_BYTES: usize = 8 * 1024;
/// The most parameters in query and form together.
pub(crate) const MAX_PARAMETERS: usize = 200;
/// The most values in an OR list.
pub(crate) const MAX_ALTERNATIVES: usize = 64;
/// The most hops in a chained search.
pub(crate) const MAX_HOPS: usize = 5;
/// The most includes in a search.
pub(crate) const MAX_INCLUDES: usize = 20;
/// The largest body, but for a Bundle that is to be executed.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The largest batch or transaction.
pub const MAX_BUNDLE_BYTES: usize = 10 * 1024 * 1024;

/// A request, read.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The method as it is decided: `HEAD` is `GET`; none for one that HTTP does not name.
    pub(crate) method: Option<Method>,
    /// The decoded segments below the base; none for a path outside it.
    pub(crate) path: Option<&'a [&'a str]>,
    /// The path below the base as it came, where it goes upstream in the very same form.
    pub(crate) plain_path: Option<&'a str>,
    /// The operations of the path, by method; none when no template fits.
    pub(crate) operations: Option<&'a [(Method, u32)]>,
    /// Every parameter of URL and search form, in order.
    pub(crate) parameters: &'a [Parameter<'a>],
    /// Whether the body is a search form.
    pub(crate) form: bool,
    /// The media type that goes upstream as `Accept`, in a FHIR Service.
    pub(crate) accept: &'static str,
    /// What the client prefers.
    pub(crate) prefer: Prefer,
    /// Whether the body is a JSON Patch.
    pub(crate) json_patch: bool,
    /// The header fields.
    pub(crate) head: Head<'a>,
    /// What the `urn:`s of the transaction stand for that this is an entry of (D33).
    pub(crate) siblings: &'a [Sibling<'a>],
    /// Whether it is an entry of a transaction, which fails as a whole.
    pub(crate) in_transaction: bool,
}

impl<'a> Call<'a> {
    /// The operation of path and method, with its index; none when the path has not that method.
    pub(crate) fn operation(&self, engine: &'a Engine) -> Option<(u32, &'a Operation)> {
        let (_, index) = self.operations?.iter().find(|(method, _)| Some(*method) == self.method)?;
        Some((*index, engine.operation(*index)?))
    }

    /// The method that access tags are asked with: a search is a `GET`, whichever way it comes (D22).
    pub(crate) const fn asked_as(&self, method: Method) -> Method {
        if self.form { Method::Get } else { method }
    }

    /// The segments below the base, none of them for a path outside.
    pub(crate) fn segments(&self) -> &'a [&'a str] {
        self.path.unwrap_or_default()
    }

    /// The segment at that place, if the operation has one.
    pub(crate) fn segment(&self, index: Option<u32>) -> Option<&'a str> {
        self.segments().get(usize::try_from(index?).ok()?).copied()
    }
}

/// Reads a request, or says why it cannot be read in one way only.
pub(crate) fn read<'a>(engine: &'a Engine, request: &Request<'a>, arena: &'a Arena) -> Result<Call<'a>, Denial> {
    let target = path::Target::split(request.target)?;
    let path::Segments { list: whole, plain } = path::segments(target.path, arena)?;
    let path = engine.base.below(whole);
    let operations = path.and_then(|path| engine.routes.find(path));
    let method = match Method::parse(request.method) {
        Some(Method::Head) => Some(Method::Get),
        other => other,
    };
    let mut call = Call {
        method,
        path,
        plain_path: path.and(plain).and_then(|plain| plain.get(engine.base.path_bytes()..)),
        operations,
        parameters: &[],
        form: false,
        accept: media::FHIR,
        prefer: Prefer::default(),
        json_patch: false,
        head: Head::read(request.headers),
        siblings: &[],
        in_transaction: false,
    };
    let fhir = call.operation(engine).and_then(|(_, operation)| operation.fhir.as_ref());
    let interaction = fhir.map(|fhir| fhir.interaction);
    if engine.is_fhir() {
        check_ids(engine, &call)?;
    }
    // By the path alone, so that what is not in the Service is told in phase 3, whatever its body is.
    let searches = engine.is_fhir() && method == Some(Method::Post) && whole.last() == Some(&"_search");
    let mut parameters = arena.list_of(8);
    let read = query::tokenise(target.query, false, arena, &mut parameters);
    read.map_err(|denial| if target.query.contains('#') { path::malformed() } else { denial })?;
    let mut outside = arena.list();
    if media::is_form(request, &call.head) {
        // A form that is no search is read only to find what must not be in it.
        call.form = searches;
        let form = std::str::from_utf8(request.body).map_err(|_| query::malformed())?;
        query::tokenise(form, true, arena, if call.form { &mut parameters } else { &mut outside })?;
    }
    // A search by POST has one place for its parameters, though all of them stand in the URL.
    call.form |= searches && request.body.is_empty();
    call.parameters = parameters.into_bump_slice();
    headers::check(&call.head)?;
    let parameters = [call.parameters, &outside];
    headers::credentials(engine, &call.head, parameters)?;
    headers::framing(&call.head)?;
    headers::host(engine, &call.head, &target)?;
    headers::overrides(&call.head, parameters)?;
    // A write without the precondition that its author gave is another write (D64).
    let writes = matches!(method, Some(Method::Put | Method::Patch | Method::Delete));
    if call.head.conditions > 0 || (writes && call.head.of_reads) {
        return Err(Denial::new(Phase::Normalise, Reason::MalformedUrl));
    }
    limits(engine, request, &target, &call, whole, interaction)?;
    let bears = |method| match method {
        Method::Post | Method::Put | Method::Patch => true,
        Method::Get | Method::Head | Method::Options => false,
        Method::Delete | Method::Trace => !engine.is_fhir(),
    };
    if request.body.is_empty() || method.map_or(!engine.is_fhir(), bears) {
        media::check(engine, request, &mut call, searches)?;
        return Ok(call);
    }
    Err(Denial::new(Phase::Normalise, Reason::MalformedBody))
}

/// The parameters of a query that stands elsewhere than in the URL, read as if it stood there.
pub(crate) fn query_of<'a>(text: &'a str, arena: &'a Arena) -> Result<&'a [Parameter<'a>], Denial> {
    let mut parameters = arena.list_of(4);
    query::tokenise(text, false, arena, &mut parameters)?;
    if text.len() > MAX_QUERY_BYTES || parameters.len() > MAX_PARAMETERS || query::over_limits(&parameters) {
        return Err(Denial::new(Phase::Normalise, Reason::TooLarge).with_status(414));
    }
    Ok(parameters.into_bump_slice())
}

/// In a FHIR Service an id has one form, whatever the upstream would make of another.
fn check_ids(engine: &Engine, call: &Call<'_>) -> Result<(), Denial> {
    let segments = call.segments();
    let fits = |index: usize| {
        segments.get(index).is_none_or(|id| id.starts_with(['_', '$']) || policy::text::FhirId::accepts(id))
    };
    let known = || segments.first().is_some_and(|name| engine.place(name).is_some());
    let version = || {
        segments.get(2).is_none_or(|segment| *segment != "_history")
            || segments.get(3).is_none_or(|version| policy::text::FhirId::accepts(version))
    };
    let own =
        call.operation(engine).and_then(|(_, operation)| operation.fhir.as_ref()).and_then(|fhir| fhir.id_segment);
    let own = call.segment(own).is_none_or(policy::text::FhirId::accepts);
    if ((fits(1) && version()) || !known()) && own {
        Ok(())
    } else {
        Err(Denial::new(Phase::Normalise, Reason::MalformedUrl))
    }
}

fn limits(
    engine: &Engine,
    request: &Request<'_>,
    target: &path::Target<'_>,
    call: &Call<'_>,
    whole: &[&str],
    interaction: Option<Interaction>,
) -> Result<(), Denial> {
    const OVER: Denial = Denial::new(Phase::Normalise, Reason::TooLarge);
    let url = target.path.len() > MAX_PATH_BYTES
        || whole.len() > MAX_PATH_SEGMENTS
        || target.query.len() > MAX_QUERY_BYTES
        || call.parameters.len() > MAX_PARAMETERS
        || (engine.is_fhir() && query::over_limits(call.parameters));
    if url {
        return Err(OVER.with_status(414));
    }
    let limit = if interaction == Some(Interaction::Batch) { MAX_BUNDLE_BYTES } else { MAX_BODY_BYTES };
    if request.body.is_empty() {
        return Ok(());
    }
    if request.body.len() > limit || (!call.form && media::is_json(request, &call.head) && json::too_deep(request.body))
    {
        return Err(OVER);
    }
    Ok(())
}
