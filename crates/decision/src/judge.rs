//! The phases in their order, over one request.
//!
//! Invariant: the first deny wins. `decide` and `respond` both come through here, so an answer is
//! checked by what its request was permitted by, and by nothing else.

use policy::decision::{Obligation, Phase, Related, Upstream};
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};
use policy::reason::Reason;
use policy::request::Request;
use policy::text::TypeName;

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
    pub(crate) upstream: Option<Upstream<'static>>,
    /// What stands between the base and FHIR's own part of the path; mostly nothing.
    pub(crate) prefix: String,
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
    pub(crate) obligations: Vec<Obligation<'static>>,
    pub(crate) related: Vec<Related<'static>>,
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
        entry @ (Entry::Public | Entry::Excluded) => {
            let query = query::open(engine, &call, matches!(entry, Entry::Public), trace)?;
            let upstream = upstream::plain(engine, request, &call, None, trace);
            let judged = Judged::open(Plan::Unchecked, Some(Upstream { query: query.into(), ..upstream }));
            can_be_carried_out(request, &judged, trace)?;
            return Ok(judged);
        }
        Entry::Caller(claims, issuer) => (claims, issuer),
    };
    trace.phase = Some(Phase::Operation);
    let (index, operation) = find(engine, &call)?;
    let target = Target::of(engine, &call, operation)?;
    trace.operation = Some(index);
    trace.interaction = target.interaction;
    trace.resource_type.clone_from(&target.resource_type);
    trace.resource_id.clone_from(&target.id);

    trace.phase = Some(Phase::Rules);
    let rules = rules::collect(engine, claims, issuer);
    let asked = Asked {
        operation: index,
        interaction: target.interaction,
        resource_type: target.resource_type.as_deref(),
        letters: target.letters(operation, request),
        path_patient: target.path_patient.as_deref(),
    };
    named_by_a_role(operation, index, &rules)?;
    let fitting = rules::fitting(engine, &rules, &asked)?;
    if engine.is_fhir() {
        async_only_for_systems(&call, &rules, &fitting)?;
    }
    built(&target)?;

    let scene = Scene { engine, request, call: &call, operation, rules: &rules, fitting: &fitting };
    let Planned { plan, permitting, upstream } = match (target.interaction, target.resource_type) {
        (None, _) => scene.plain(trace)?,
        (Some(Interaction::Read), Some(resource_type)) => {
            scene.read(resource_type, target.id.ok_or_else(internal)?, trace)?
        }
        (Some(Interaction::SearchType | Interaction::SearchCompartment), Some(resource_type)) => {
            scene.search(&resource_type, &target.prefix, trace)?
        }
        (Some(Interaction::Create), Some(resource_type)) => scene.create(resource_type, &target.prefix, trace)?,
        _ => return Err(internal()),
    };
    let judged = Judged { rules, plan, permitting, upstream: Some(upstream), prefix: target.prefix };
    can_be_carried_out(request, &judged, trace)?;
    Ok(judged)
}

/// What phases 5 and 6 are about.
struct Scene<'s, 'a> {
    engine: &'a Engine,
    request: &'s Request<'a>,
    call: &'s Call<'a>,
    operation: &'a Operation,
    rules: &'s Rules<'a>,
    fitting: &'s [usize],
}

struct Planned {
    plan: Plan,
    permitting: Vec<usize>,
    upstream: Upstream<'static>,
}

impl Scene<'_, '_> {
    /// An operation outside FHIR: the query that its document declares, and the body as it came.
    fn plain(&self, trace: &mut Trace) -> Result<Planned, Denial> {
        trace.phase = Some(Phase::Query);
        let query = query::declared(self.call, self.operation, trace)?;
        let upstream = upstream::plain(self.engine, self.request, self.call, Some(self.operation), trace);
        let upstream = Upstream { query: query.into(), ..upstream };
        Ok(Planned { plan: Plan::Unchecked, permitting: self.fitting.to_vec(), upstream })
    }

    fn read(&self, resource_type: String, id: String, trace: &mut Trace) -> Result<Planned, Denial> {
        trace.phase = Some(Phase::Query);
        let shaped = query::shape_only(self.engine, self.call, &resource_type, self.rules, trace)?;
        let upstream = upstream::fhir(self.request, self.call, self.operation, shaped.query, None, trace);
        let plan = Plan::Read { resource_type, id, added: shaped.added, partial: shaped.partial };
        Ok(Planned { plan, permitting: self.fitting.to_vec(), upstream })
    }

    fn search(&self, resource_type: &str, prefix: &str, trace: &mut Trace) -> Result<Planned, Denial> {
        trace.phase = Some(Phase::Query);
        let home = format!("{}{prefix}", self.engine.base.url);
        let facts = self.engine.facts(resource_type).ok_or_else(internal)?;
        let scene = query::Scene { engine: self.engine, facts, rules: self.rules, home: &home };
        let query::Planned { query, form, search, permitting } =
            query::search(&scene, self.call, self.operation, self.fitting, trace)?;
        let upstream = upstream::fhir(self.request, self.call, self.operation, query, form, trace);
        Ok(Planned { plan: Plan::Search(Box::new(search)), permitting, upstream })
    }

    fn create(&self, resource_type: String, prefix: &str, trace: &mut Trace) -> Result<Planned, Denial> {
        trace.phase = Some(Phase::Query);
        if upstream::is_conditional(self.request) {
            return Err(Denial::new(Phase::Query, Reason::NotBuilt));
        }
        let query = query::shape_only(self.engine, self.call, &resource_type, self.rules, trace)?.query;
        trace.phase = Some(Phase::Body);
        let home = format!("{}{prefix}", self.engine.base.url);
        let facts = self.engine.facts(&resource_type).ok_or_else(internal)?;
        let write = body::Write { engine: self.engine, facts, home: &home, rules: self.rules };
        let permitting = write.check_new(self.request.body, self.fitting, trace)?;
        let mut upstream = upstream::fhir(self.request, self.call, self.operation, query, None, trace);
        let reads = self.rules.list.iter().any(|rule| rule.gives(self.engine, &resource_type, Letters::READ));
        upstream::prefer(&mut upstream, self.call, reads, trace);
        Ok(Planned { plan: Plan::Create { resource_type }, permitting, upstream })
    }
}

impl Judged<'_> {
    fn open(plan: Plan, upstream: Option<Upstream<'static>>) -> Self {
        Self { rules: Rules::default(), plan, permitting: Vec::new(), upstream, prefix: String::new() }
    }

    /// Whether the answer goes through phase 9.
    pub(crate) const fn is_checked(&self) -> bool {
        !matches!(self.plan, Plan::Local | Plan::Unchecked)
    }
}

/// What an operation works on, in this request.
#[derive(Default)]
struct Target {
    interaction: Option<Interaction>,
    resource_type: Option<String>,
    /// The instance.
    id: Option<String>,
    /// The Patient that the path names, as the instance or as the compartment.
    path_patient: Option<String>,
    /// What stands in the path before FHIR's own part (`/tenants/7/fhir`).
    prefix: String,
}

impl Target {
    fn of(engine: &Engine, call: &Call<'_>, operation: &Operation) -> Result<Self, Denial> {
        let Some(fhir) = operation.fhir.as_ref().filter(|_| engine.is_fhir()) else {
            return Ok(Self::default());
        };
        let resource_type =
            call.segment(fhir.type_segment).or_else(|| fhir.resource_type.as_ref().map(TypeName::as_str));
        if resource_type.is_some_and(|name| engine.facts(name).is_none()) {
            return Err(Denial::new(Phase::Operation, Reason::NotInService));
        }
        let id = call.segment(fhir.id_segment).map(str::to_owned);
        let compartment = fhir.interaction == Interaction::SearchCompartment;
        let (id, path_patient) = match (compartment, resource_type) {
            (true, _) => (None, id),
            (false, Some("Patient")) => (id.clone(), id),
            (false, _) => (id, None),
        };
        Ok(Self {
            interaction: Some(fhir.interaction),
            resource_type: resource_type.map(str::to_owned),
            id,
            path_patient,
            prefix: upstream::prefix(call, fhir),
        })
    }

    fn letters(&self, operation: &Operation, request: &Request<'_>) -> Letters {
        match (self.interaction, operation.method) {
            (Some(Interaction::Create), _) if upstream::is_conditional(request) => Letters::CREATE | Letters::SEARCH,
            (Some(Interaction::Conditional), Method::Delete) => Letters::SEARCH | Letters::DELETE,
            (Some(Interaction::Conditional), _) => Letters::SEARCH | Letters::UPDATE,
            (Some(Interaction::Operation), _) => Letters::READ | Letters::SEARCH,
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

/// No letter gives a `$operation`, but for the two that read whole charts.
fn named_by_a_role(operation: &Operation, index: u32, rules: &Rules<'_>) -> Result<(), Denial> {
    let Some(fhir) = operation.fhir.as_ref().filter(|fhir| fhir.interaction == Interaction::Operation) else {
        return Ok(());
    };
    let systems = || rules.list.iter().any(|rule| rule.context == Some(policy::scope::Context::System));
    let reason = match fhir.code.as_deref() {
        _ if !rules.any => Reason::NoPermission,
        _ if rules.list.iter().any(|rule| rule.names(index)) => Reason::NotBuilt,
        Some("everything") => return Ok(()),
        Some("export") if systems() => Reason::NotBuilt,
        Some("export") => Reason::NoRule,
        _ => Reason::OperationDenied,
    };
    Err(Denial::new(Phase::Rules, reason))
}

/// What the semantics define and this version does not decide is denied, after all that it does check.
fn built(target: &Target) -> Result<(), Denial> {
    let decided = match target.interaction {
        None | Some(Interaction::Read | Interaction::Create | Interaction::SearchType) => true,
        Some(Interaction::SearchCompartment) => {
            // `Patient/ME/*` asks for every type.
            target.resource_type.is_some()
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
