//! The phases in their order, over one request.
//!
//! Invariant: the first deny wins. `decide` and `respond` both come through here, so an answer is
//! checked by what its request was permitted by, and by nothing else.

use policy::decision::{Obligation, Phase, Related, Upstream};
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};
use policy::reason::Reason;
use policy::request::Request;

use crate::Engine;
use crate::body;
use crate::denial::Denial;
use crate::normalise::{self, Call};
use crate::query::{self, Search};
use crate::rules::{self, Asked, Rules};
use crate::token::{self, Entry};
use crate::upstream;

/// A request that was permitted, and all that its answer is checked by.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) rules: Rules<'a>,
    pub(crate) plan: Plan,
    /// The places of the rules that permitted, in the token's order.
    pub(crate) permitting: Vec<usize>,
    /// What goes upstream; none for what the gateway answers itself.
    pub(crate) upstream: Option<Upstream>,
}

/// What a permitted request is, as far as its answer is concerned.
#[derive(Debug)]
pub(crate) enum Plan {
    /// The gateway answers it.
    Local,
    /// Its answer is passed on: open paths, and operations outside FHIR.
    Unchecked,
    /// One instance.
    Read {
        /// The type.
        resource_type: String,
        /// The id.
        id: String,
        /// Elements that were asked for only to decide.
        added: Vec<String>,
        /// Whether it comes with a part of its elements.
        partial: bool,
    },
    /// A result set.
    Search(Box<Search>),
    /// A new instance.
    Create {
        /// The type.
        resource_type: String,
    },
}

/// What becomes known on the way, for the decision's record, whether it ends in a permit or not.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) phase: Option<Phase>,
    pub(crate) operation: Option<u32>,
    pub(crate) interaction: Option<Interaction>,
    pub(crate) resource_type: Option<String>,
    pub(crate) resource_id: Option<String>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) related: Vec<Related>,
    pub(crate) used: Vec<String>,
    pub(crate) ignored: Vec<String>,
}

/// Goes through the phases.
pub(crate) fn judge<'a>(engine: &'a Engine, request: &Request<'a>, trace: &mut Trace) -> Result<Judged<'a>, Denial> {
    trace.phase = Some(Phase::Normalise);
    let call = normalise::read(engine, request)?;
    trace.phase = Some(Phase::Token);
    let (claims, issuer) = match token::enter(engine, request, &call)? {
        Entry::Local => return Ok(Judged::open(Plan::Local, None)),
        Entry::Open => {
            let upstream = upstream::plain(engine, request, &call, None, trace);
            return Ok(Judged::open(Plan::Unchecked, Some(upstream)));
        }
        Entry::Caller(claims, issuer) => (claims, issuer),
    };
    trace.phase = Some(Phase::Operation);
    let (index, operation) = find(engine, &call)?;
    let target = Target::of(engine, &call, operation)?;
    trace.operation = Some(index);
    trace.interaction = target.interaction;
    trace.resource_type = target.resource_type.clone();
    trace.resource_id = target.id.clone();

    trace.phase = Some(Phase::Rules);
    let rules = rules::collect(engine, claims, issuer);
    let asked = Asked {
        operation: index,
        interaction: target.interaction,
        resource_type: target.resource_type.as_deref(),
        letters: target.letters(operation),
        path_patient: target.path_patient.as_deref(),
    };
    let fitting = rules::fitting(engine, &rules, &asked)?;
    async_only_for_systems(&call, &rules, &fitting)?;
    built(&target)?;

    let judged = match (target.interaction, target.resource_type) {
        (None, _) => {
            trace.phase = Some(Phase::Query);
            let parameters = query::declared(&call, operation, trace)?;
            let mut upstream = upstream::plain(engine, request, &call, Some(operation), trace);
            upstream.query = parameters;
            Judged { rules, plan: Plan::Unchecked, permitting: fitting, upstream: Some(upstream) }
        }
        (Some(Interaction::Read), Some(resource_type)) => {
            trace.phase = Some(Phase::Query);
            let query::Shaped { query, added, partial } =
                query::shape_only(engine, &call, &resource_type, &rules, trace)?;
            let upstream = upstream::fhir(request, &call, operation, query, None, trace);
            let id = target.id.ok_or_else(internal)?;
            let plan = Plan::Read { resource_type, id, added, partial };
            Judged { rules, plan, permitting: fitting, upstream: Some(upstream) }
        }
        (Some(Interaction::SearchType | Interaction::SearchCompartment), Some(resource_type)) => {
            trace.phase = Some(Phase::Query);
            let planned = query::search(engine, &call, operation, &resource_type, &rules, &fitting, trace)?;
            let upstream = upstream::fhir(request, &call, operation, planned.query, planned.form, trace);
            let plan = Plan::Search(Box::new(planned.search));
            Judged { rules, plan, permitting: planned.permitting, upstream: Some(upstream) }
        }
        (Some(Interaction::Create), Some(resource_type)) => {
            trace.phase = Some(Phase::Query);
            let query = query::shape_only(engine, &call, &resource_type, &rules, trace)?.query;
            trace.phase = Some(Phase::Body);
            let permitting = body::check_new(engine, request.body, &resource_type, &rules, &fitting, trace)?;
            let mut upstream = upstream::fhir(request, &call, operation, query, None, trace);
            upstream::prefer(&mut upstream, engine, &call, &rules, &resource_type, trace);
            Judged { rules, plan: Plan::Create { resource_type }, permitting, upstream: Some(upstream) }
        }
        _ => return Err(internal()),
    };
    can_be_carried_out(request, &judged, trace)?;
    Ok(judged)
}

impl Judged<'_> {
    fn open(plan: Plan, upstream: Option<Upstream>) -> Self {
        Self { rules: Rules::default(), plan, permitting: Vec::new(), upstream }
    }

    /// Whether the answer goes through phase 9.
    pub(crate) const fn is_checked(&self) -> bool {
        !matches!(self.plan, Plan::Local | Plan::Unchecked)
    }
}

/// What an operation works on, in this request.
struct Target {
    interaction: Option<Interaction>,
    resource_type: Option<String>,
    id: Option<String>,
    path_patient: Option<String>,
}

impl Target {
    fn of(engine: &Engine, call: &Call<'_>, operation: &Operation) -> Result<Self, Denial> {
        let Some(fhir) = operation.fhir.as_ref().filter(|_| engine.is_fhir()) else {
            return Ok(Self { interaction: None, resource_type: None, id: None, path_patient: None });
        };
        let unknown = || Denial::new(Phase::Operation, Reason::NotInService);
        let compartment = fhir.interaction == Interaction::SearchCompartment;
        let resource_type = if compartment {
            // Its type is the third segment, whatever stands in the document: `Patient/ME/Observation`.
            call.segments().get(2).map(|segment| &**segment)
        } else {
            call.segment(fhir.type_segment).or_else(|| fhir.resource_type.as_ref().map(policy::text::TypeName::as_str))
        };
        let known = |name: &str| engine.facts(name).is_some();
        if resource_type.is_some_and(|name| !known(name) && !(compartment && name == "*")) {
            return Err(unknown());
        }
        let id = call.segment(fhir.id_segment).map(str::to_owned);
        let path_patient = match call.segments() {
            [kind, id, ..] if kind == "Patient" && policy::text::FhirId::accepts(id) => Some(id.to_string()),
            _ => None,
        };
        Ok(Self {
            interaction: Some(fhir.interaction),
            resource_type: resource_type.map(str::to_owned),
            id,
            path_patient,
        })
    }

    fn letters(&self, operation: &Operation) -> Letters {
        match (self.interaction, operation.method) {
            (Some(Interaction::Conditional), Method::Delete) => Letters::SEARCH | Letters::DELETE,
            (Some(Interaction::Conditional), _) => Letters::SEARCH | Letters::UPDATE,
            (Some(interaction), _) => interaction.letters(),
            (None, _) => Letters::NONE,
        }
    }
}

fn internal() -> Denial {
    Denial::new(Phase::Rules, Reason::Internal)
}

/// Phase 3: the operation of path and method.
fn find<'a>(engine: &'a Engine, call: &Call<'a>) -> Result<(u32, &'a Operation), Denial> {
    if call.operations.is_none() {
        return Err(Denial::new(Phase::Operation, Reason::NotInService));
    }
    call.operation(engine).ok_or(Denial::new(Phase::Operation, Reason::MethodNotAllowed))
}

/// What the semantics define and this version does not decide is denied, after all that it does check.
fn built(target: &Target) -> Result<(), Denial> {
    let decided = match target.interaction {
        None | Some(Interaction::Read | Interaction::Create | Interaction::SearchType) => true,
        Some(Interaction::SearchCompartment) => {
            if target.path_patient.is_none() {
                // Only the Patient compartment has tables.
                return Err(Denial::new(Phase::Rules, Reason::NoRule));
            }
            target.resource_type.as_deref() != Some("*")
        }
        Some(_) => false,
    };
    if decided { Ok(()) } else { Err(Denial::new(Phase::Rules, Reason::NotBuilt)) }
}

fn async_only_for_systems(call: &Call<'_>, rules: &Rules<'_>, fitting: &[usize]) -> Result<(), Denial> {
    if !call.prefer.respond_async {
        return Ok(());
    }
    let system =
        |index: &usize| rules.list.get(*index).is_some_and(|rule| rule.context == Some(policy::scope::Context::System));
    let reason = if fitting.iter().any(system) { Reason::NotBuilt } else { Reason::NoRule };
    Err(Denial::new(Phase::Rules, reason))
}

/// A decision that needs what the gateway cannot do is a denial.
fn can_be_carried_out(request: &Request<'_>, judged: &Judged<'_>, trace: &Trace) -> Result<(), Denial> {
    let phase = trace.phase.unwrap_or(Phase::Rules);
    let unsupported = Err(Denial::new(phase, Reason::ObligationUnsupported));
    if !request.capabilities.rewrite && !trace.obligations.is_empty() {
        return unsupported;
    }
    let whole = judged.permitting.iter().filter_map(|index| judged.rules.list.get(*index)).any(rules::Rule::is_role);
    let includes = matches!(&judged.plan, Plan::Search(search) if search.has_includes());
    if judged.is_checked() && !request.capabilities.check_response && (!whole || includes) {
        return unsupported;
    }
    Ok(())
}
