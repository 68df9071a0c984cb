//! The phases in their order, over one request.
//!
//! Invariant: the first deny wins. `decide` and `respond` both come through here, so an answer is
//! checked by what its request was permitted by, and by nothing else.

mod history;
pub(crate) mod operation;
mod plain;
mod read;
mod search;
mod target;
mod within;
mod write;

use std::borrow::Cow;

use bumpalo::collections::Vec as List;
use policy::decision::{Decision, Lookup, Obligation, Phase, Related, Upstream};
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};
use policy::reason::Reason;
use policy::request::Request;
use policy::scope::Context;

use crate::Engine;
use crate::admit::{Named, Party};
use crate::arena::Arena;
use crate::batch::{self, Batch};
use crate::condition::Asked;
use crate::denial::Denial;
use crate::engine::Place;
use crate::json::Value;
use crate::normalise::{self, Call, Parameter};
use crate::query::{self, Search};
use crate::rules::{Grants, Rule};
use crate::token::{self, Entry};
use crate::upstream;

pub(crate) use target::Target;
pub(crate) use write::Written;

/// A request that was permitted, and all that its answer is checked by.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) plan: Plan<'a>,
    /// The places of the rules that permitted, in the token's order.
    pub(crate) permitting: &'a [u16],
    /// What goes upstream; none for what the gateway answers itself.
    pub(crate) upstream: Option<Upstream<'a>>,
    /// What stands between the base and FHIR's own part of the path; mostly nothing.
    pub(crate) prefix: &'a str,
    /// A reason beside the permit.
    pub(crate) note: Option<Reason>,
    /// The method that access tags are asked with.
    pub(crate) method: Method,
    /// Every parameter of the request.
    pub(crate) parameters: &'a [Parameter<'a>],
    /// Whether its body is a search form.
    pub(crate) form: bool,
    /// Whether its path names an instance, whose absence is told in our own words.
    pub(crate) on_instance: bool,
}

/// What a permitted request is, as far as its answer is concerned.
#[derive(Debug)]
pub(crate) enum Plan<'a> {
    /// The gateway answers it.
    Local,
    /// Its answer is passed on: open paths, and operations outside FHIR.
    Unchecked,
    /// One instance.
    Read(Instance<'a>),
    /// A result set.
    Search(Search<'a>),
    /// Versions.
    History(History<'a>),
    /// What a `$operation` gives.
    Operation {
        /// Whether its resources have to be the context's, or covered (D12).
        guarded: bool,
    },
    /// The kick-off of a bulk export.
    Export(Export<'a>),
    /// The entries of a batch or transaction.
    Batch(Batch<'a>),
    /// A write.
    Write(Written<'a>),
}

/// One instance that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) id: &'a str,
    /// The version, of a vread.
    pub(crate) version: Option<&'a str>,
    /// Elements that were asked for only to decide.
    pub(crate) added: &'a [&'a str],
    /// Whether it comes with a part of its elements.
    pub(crate) partial: bool,
    /// Whether the context Patient refers to it, which covers it (I26).
    pub(crate) referenced: bool,
}

/// Versions that are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History<'a> {
    /// The instance; none for the history of types.
    pub(crate) instance: Option<(&'a str, &'a str)>,
    /// The types.
    pub(crate) types: &'a [Place],
    /// What covers a version.
    pub(crate) letters: Letters,
    pub(crate) added: &'a [&'a str],
    pub(crate) partial: bool,
    /// Whether every version is covered by a rule that asks for nothing.
    pub(crate) exact: bool,
    /// Whether the state of now needs no look any more.
    pub(crate) current_is_covered: bool,
    /// The query, for the answer's `self`.
    pub(crate) link: &'a str,
}

/// A bulk export that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export<'a> {
    /// The operation's place in the bundle.
    pub(crate) operation: u32,
    /// The types that may be in its files.
    pub(crate) types: &'a [Place],
    /// The query, for the `request` of its manifest.
    pub(crate) link: &'a str,
}

/// Why a request does not go on now.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// It was denied.
    Deny(Denial),
    /// What is stored has to be looked at first.
    Lookup(Vec<Lookup>),
}

impl From<Denial> for Halt {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

/// What becomes known on the way, for the decision's record, whether it ends in a permit or not.
#[derive(Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) phase: Phase,
    pub(crate) operation: Option<u32>,
    pub(crate) interaction: Option<Interaction>,
    pub(crate) resource_type: Option<&'a str>,
    pub(crate) resource_id: Option<&'a str>,
    pub(crate) obligations: List<'a, Obligation<'a>>,
    pub(crate) related: List<'a, Related<'a>>,
    pub(crate) used: List<'a, Cow<'a, str>>,
    pub(crate) ignored: List<'a, Cow<'a, str>>,
    /// The decisions on the entries of a batch, in order.
    pub(crate) entries: Vec<Decision<'a>>,
}

impl<'a> Trace<'a> {
    pub(crate) fn new(arena: &'a Arena) -> Self {
        Self {
            phase: Phase::Normalise,
            operation: None,
            interaction: None,
            resource_type: None,
            resource_id: None,
            obligations: arena.list_of(4),
            related: arena.list(),
            used: arena.list_of(8),
            ignored: arena.list_of(4),
            entries: Vec::new(),
        }
    }
}

/// What phases 3 to 8 are about.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s, 'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'s Request<'a>,
    pub(crate) call: &'s Call<'a>,
    pub(crate) operation: &'a Operation,
    /// The operation's place in the bundle.
    pub(crate) index: u32,
    pub(crate) target: &'s Target<'a>,
    pub(crate) grants: &'a Grants,
    pub(crate) arena: &'a Arena,
    /// The absolute URL that means this server, up to FHIR's own part of the path.
    pub(crate) home: &'a str,
    /// The URLs that mean this server in what is stored: the Service's own, and the upstream's.
    pub(crate) bases: [&'a str; 2],
}

/// What a permitted request came to.
pub(crate) struct Planned<'a> {
    pub(crate) plan: Plan<'a>,
    pub(crate) permitting: &'a [u16],
    pub(crate) upstream: Upstream<'a>,
}

/// Goes through the phases.
pub(crate) fn judge<'a>(
    engine: &'a Engine,
    request: &Request<'a>,
    grants: &'a Grants,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<Judged<'a>, Halt> {
    let call = &normalise::read(engine, request, arena)?;
    trace.phase = Phase::Token;
    let method = call.method.unwrap_or(Method::Get);
    let open = |plan, upstream, note| Judged {
        grants,
        plan,
        permitting: &[],
        upstream,
        prefix: "",
        note,
        method,
        parameters: call.parameters,
        form: call.form,
        on_instance: false,
    };
    match token::enter(engine, request, call, grants)? {
        Entry::Local => Ok(open(Plan::Local, None, None)),
        entry @ (Entry::Public | Entry::Excluded | Entry::Development) => {
            let query = query::open(engine, call, entry == Entry::Public, arena, trace)?;
            let upstream = upstream::plainly(engine, request, call, None, query, arena, trace);
            let note = (entry == Entry::Development).then_some(Reason::DevMode);
            let judged = open(Plan::Unchecked, Some(upstream), note);
            can_be_carried_out(engine, request, &judged)?;
            Ok(judged)
        }
        Entry::Caller => {
            trace.phase = Phase::Operation;
            judge_call(engine, request, call, grants, arena, trace)
        }
    }
}

/// Phases 3 to 8, over a request whose caller counts.
pub(crate) fn judge_call<'a>(
    engine: &'a Engine,
    request: &Request<'a>,
    call: &Call<'a>,
    grants: &'a Grants,
    arena: &'a Arena,
    trace: &mut Trace<'a>,
) -> Result<Judged<'a>, Halt> {
    let (index, operation) = find(engine, call)?;
    let target = Target::of(engine, call, operation, arena)?;
    trace.operation = Some(index);
    trace.interaction = target.interaction;
    trace.resource_type = target.resource_type;
    trace.resource_id = target.id;

    trace.phase = Phase::Rules;
    token::holds_resource(engine, call, grants)?;
    if !grants.any {
        return Err(Denial::new(Phase::Rules, Reason::NoPermission).into());
    }
    let home =
        if target.prefix.is_empty() { &*engine.base.url } else { arena.join(&[&engine.base.url, target.prefix]) };
    let theirs = match request.upstream_base {
        "" => "",
        base if target.prefix.is_empty() => base,
        base => arena.join(&[base, target.prefix]),
    };
    let bases = [home, theirs];
    let scene = Scene { engine, request, call, operation, index, target: &target, grants, arena, home, bases };
    let (plan, permitting, upstream) = if target.interaction == Some(Interaction::Batch) {
        batch::judge(&scene, trace)?
    } else {
        let Planned { plan, permitting, upstream } = scene.plan(trace)?;
        (plan, permitting, Some(upstream))
    };
    let judged = Judged {
        grants,
        plan,
        permitting,
        upstream,
        prefix: target.prefix,
        note: None,
        method: call.asked_as(operation.method),
        parameters: call.parameters,
        form: call.form,
        on_instance: target.id.is_some(),
    };
    can_be_carried_out(engine, request, &judged)?;
    Ok(judged)
}

impl<'a> Scene<'_, 'a> {
    fn plan(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        use Interaction as I;
        let Some(interaction) = self.target.interaction else { return Ok(self.plain(trace)?) };
        match interaction {
            I::Read => self.read(trace),
            I::Vread => self.vread(trace),
            I::HistoryInstance => self.history(trace),
            I::HistoryType | I::HistorySystem => Ok(self.history_of_types(interaction, trace)?),
            I::Operation => self.operate(trace),
            I::SearchType | I::SearchSystem | I::SearchCompartment => Ok(self.search(interaction, trace)?),
            I::Create => self.create(trace),
            I::Update => self.update(trace),
            I::Patch => self.patch(trace),
            I::Delete => self.delete(trace),
            I::Conditional => self.conditional(trace),
            // A batch has entries of its own; the statement of capabilities needs no rule.
            I::Batch => Err(internal().into()),
            // It is open to everybody, so only an entry of a batch comes here: whose answer nobody checks.
            I::Capabilities => Err(Denial::new(Phase::Rules, Reason::NoRule).into()),
        }
    }

    /// The type that the request works on.
    fn place(&self) -> Result<Place, Denial> {
        self.target.place.ok_or_else(internal)
    }

    /// The rules at these places.
    fn rules<'r>(&self, places: &'r [u16]) -> impl Iterator<Item = &'a Rule> + use<'r, 'a> {
        let grants = self.grants;
        places.iter().filter_map(|index| grants.list.get(usize::from(*index)))
    }

    /// Who asks; `asked` is what `$request` reads.
    fn party<'p>(&'p self, asked: Asked<'p>) -> Party<'p> {
        Party { engine: self.engine, grants: self.grants, method: self.call.asked_as(self.operation.method), asked }
    }

    /// Phase 8, before the resource is there: which of the rules are left (D21, D24). `body` is the request's own.
    fn tags(&self, permitting: &'a [u16], body: Option<Value<'_>>, trace: &mut Trace<'a>) -> Result<&'a [u16], Denial> {
        let binds =
            self.engine.tags_bind || self.rules(permitting).any(|rule| rule.conditions(self.engine).next().is_some());
        if !binds {
            return Ok(permitting);
        }
        trace.phase = Phase::Tags;
        let asked = body.map_or(Asked::Query(self.call.parameters), Asked::Body);
        let party = self.party(asked);
        let named = self.target.resource_type.map(|resource_type| Named { resource_type, id: self.target.id });
        let mut left = self.arena.list_of(permitting.len());
        let mut refused = None;
        for index in permitting {
            let Some(rule) = self.grants.list.get(usize::from(*index)) else { continue };
            let outcome = if self.target.interaction.is_some() {
                party.before(rule, named)
            } else {
                party.plainly(rule, plain::resource(self.call, self.operation))
            };
            match outcome {
                Ok(()) => left.push(*index),
                Err(denial) => refused = refused.or(Some(denial)),
            }
        }
        match refused {
            Some(denial) if left.is_empty() => Err(denial),
            _ => Ok(left.into_bump_slice()),
        }
    }

    /// `respond-async` is for `$export`: without a `system/` rule it is refused, and else left out.
    pub(crate) fn async_only_for_systems(&self, fitting: &[u16]) -> Result<(), Denial> {
        let system = |rule: &Rule| rule.context == Some(Context::System);
        if !self.call.prefer.respond_async || self.rules(fitting).any(system) {
            return Ok(());
        }
        Err(Denial::new(Phase::Rules, Reason::NoRule))
    }
}

impl Judged<'_> {
    /// Whether the answer goes through phase 9.
    pub(crate) const fn is_checked(&self) -> bool {
        !matches!(self.plan, Plan::Local | Plan::Unchecked)
    }
}

#[cold]
pub(crate) const fn internal() -> Denial {
    Denial::new(Phase::Rules, Reason::Internal)
}

/// Phase 3: the operation of path and method.
fn find<'a>(engine: &'a Engine, call: &Call<'a>) -> Result<(u32, &'a Operation), Denial> {
    if call.operations.is_none() {
        return Err(Denial::new(Phase::Operation, Reason::NotInService));
    }
    if let Some(found) = call.operation(engine) {
        return Ok(found);
    }
    // A template has other methods; but of a type that the Service has not there is no path at all.
    let of = |(_, index): &(Method, u32)| engine.operation(*index).and_then(|operation| operation.fhir.as_ref());
    let unknown = |segment| call.segment(Some(segment)).is_some_and(|name| engine.place(name).is_none());
    let mut types = call.operations.into_iter().flatten().filter_map(of).filter_map(|fhir| fhir.type_segment);
    let reason = if types.any(unknown) { Reason::NotInService } else { Reason::MethodNotAllowed };
    Err(Denial::new(Phase::Operation, reason))
}

/// A decision that needs what the gateway cannot do is a denial.
fn can_be_carried_out(engine: &Engine, request: &Request<'_>, judged: &Judged<'_>) -> Result<(), Denial> {
    if request.capabilities.rewrite && request.capabilities.check_response {
        return Ok(());
    }
    let phase = if matches!(judged.plan, Plan::Batch(_)) { Phase::Batch } else { Phase::Response };
    let unsupported = Err(Denial::new(phase, Reason::ObligationUnsupported));
    // Denied entries are answered in their place, and an export's links are sealed: the answer is never the upstream's own.
    if matches!(judged.plan, Plan::Batch(_) | Plan::Export(_)) {
        return unsupported;
    }
    if !request.capabilities.rewrite && !goes_as_it_came(request, judged) {
        return unsupported;
    }
    let free = |rule: &Rule| rule.is_role() && !rule.is_tagged(engine) && !engine.enforces_labels();
    let mut rules = judged.permitting.iter().filter_map(|index| judged.grants.list.get(usize::from(*index)));
    let includes = matches!(&judged.plan, Plan::Search(search) if search.has_includes());
    if judged.is_checked() && !request.capabilities.check_response && (!rules.any(free) || includes) {
        return unsupported;
    }
    Ok(())
}

/// Headers that change what a request means.
const MEANING: &[&str] = &["if-match", "if-modified-since", "if-none-exist", "if-none-match", "prefer", "range"];

/// Whether the upstream gets just what the client sent (D67): no parameter left out, added, written out, or said once where
/// it stood twice, whatever their order; and no header left out or set.
///
/// To look something up, or at the answer, is no rewriting.
fn goes_as_it_came(request: &Request<'_>, judged: &Judged<'_>) -> bool {
    let Some(upstream) = &judged.upstream else { return true };
    let arena = Arena::new();
    // A form that nobody rewrote goes as the body that it is.
    let form = upstream.body.as_deref().filter(|_| judged.form);
    let own = judged.parameters.iter().filter(|one| form.is_some() || !one.form);
    let own: Vec<_> = own.map(|one| (one.name, one.value)).collect();
    let sorted = |text: &str| {
        let mut parts: Vec<String> = text.split('&').map(str::to_owned).collect();
        parts.sort_unstable();
        parts
    };
    let query = form.unwrap_or(&upstream.query);
    let headers = MEANING.iter().all(|name| {
        let asked = request.headers.iter().filter(|one| one.name == *name).map(|one| one.value.trim_ascii());
        asked.eq(upstream.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value))
    });
    headers && sorted(upstream::encode(&own, &arena)) == sorted(query)
}
