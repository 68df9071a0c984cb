//! `explain`: a decision for the person who asks why - phases, rules considered, the tables in force, and what would have
//! to change.
//!
//! Invariant: it never contradicts [`decide`]. The verdict is `decide`'s own; whatever else it says is found by asking
//! the same phases again, with one rule, one parameter or one scope more or less, and by looking at the same tables. It
//! says names only, never a value of the request or of what is stored.

mod asked;
mod next;
mod phases;
mod rules;
mod tables;

use policy::Reason;
use policy::decision::{Action, Decision, Lookup, Obligation, Phase, Verdict};
use policy::explanation::{Caller, Effect, Entry, Explanation};
use policy::request::{self, Request};
use policy::settings::Confidentiality;

use crate::arena::Arena;
use crate::decide::{MAX_LOOKUPS, decide};
use crate::denial::Denial;
use crate::judge::{Halt, Trace, judge};
use crate::rules::{Grants, ceiling_of};
use crate::{Engine, normalise};

use asked::Subject;

/// More types than these are not told one by one; a request that names more is about the whole system.
const MAX_TABLES: usize = 20;

/// Explains the decision on one request of a caller with these grants; [`Request::stored`] is what is known to be stored.
///
/// It asks the phases once for each rule and each parameter, and so takes as long as some hundred decisions: for
/// people, not for each request of a gateway.
#[must_use]
pub fn explain(engine: &Engine, request: &Request<'_>, grants: &Grants, arena: &Arena) -> Explanation {
    let decision = decide(engine, request, grants, arena);
    let call = if request.stale { None } else { normalise::read(engine, request, arena).ok() };
    let subject = Subject::new(engine, call.as_ref(), &decision, arena);
    let why = Why { engine, request, grants, decision: &decision, subject: &subject };
    let (effect, status) = effect(&decision);
    let reason = decision.reason();
    let told = rules::told(&why);
    Explanation {
        effect,
        status,
        reason,
        because: reason.map(|reason| reason.remedy().says),
        phase: decision.phase.as_str(),
        next: next::steps(&why),
        asked: asked::told(&why),
        phases: phases::told(&why, &told),
        caller: caller(&why),
        rules: told,
        without_effect: rules::without_effect(&why),
        tables: subject.places.iter().take(MAX_TABLES).filter_map(|place| tables::table(engine, *place)).collect(),
        shared_types: tables::shared(engine),
        settings: tables::settings(&subject.matters(engine, grants)),
        obligations: decision.obligations.iter().map(Obligation::name).collect(),
        lookups: lookups(&decision),
        related: decision
            .related
            .iter()
            .map(|one| {
                let verdict = if one.permit { "permit" } else { "deny" };
                format!("{verdict} {} {}", one.via.split('=').next().unwrap_or_default(), one.resource_type)
            })
            .collect(),
        fields_used: decision.fields_used.iter().map(ToString::to_string).collect(),
        fields_ignored: decision.fields_ignored.iter().map(ToString::to_string).collect(),
        entries: decision.entries.iter().map(entry).collect(),
    }
}

/// All that an explanation is made of.
#[derive(Clone, Copy)]
struct Why<'w, 'a> {
    engine: &'w Engine,
    request: &'w Request<'w>,
    grants: &'w Grants,
    decision: &'w Decision<'a>,
    subject: &'w Subject<'a>,
}

/// How a request ends by some grants.
#[derive(Debug)]
enum End {
    /// Permitted, by the rules at these places.
    Permit(Vec<u16>),
    /// What is stored has to be looked at.
    Lookup(Phase),
    /// Denied; with the names that it rests on.
    Deny(Denial, Vec<String>),
}

impl End {
    /// Asks the phases.
    fn of(engine: &Engine, request: &Request<'_>, grants: &Grants) -> Self {
        let arena = Arena::new();
        let mut trace = Trace::new(&arena);
        let end = judge(engine, request, grants, &arena, &mut trace).map(|judged| judged.permitting.to_vec());
        match end {
            Ok(permitting) => Self::Permit(permitting),
            Err(Halt::Deny(denial)) => Self::Deny(denial, trace.used.iter().map(ToString::to_string).collect()),
            Err(Halt::Lookup(_)) if !request.capabilities.lookup => {
                Self::Deny(Denial::new(trace.phase, Reason::ObligationUnsupported), Vec::new())
            }
            Err(Halt::Lookup(lookups)) if lookups.is_empty() || lookups.len() > MAX_LOOKUPS => {
                Self::Deny(Denial::new(trace.phase, Reason::ResponseUnreadable), Vec::new())
            }
            Err(Halt::Lookup(_)) => Self::Lookup(trace.phase),
        }
    }

    /// The same, as the end of a sentence.
    fn says(&self) -> String {
        match self {
            Self::Permit(_) => "the request is permitted".to_owned(),
            Self::Lookup(_) => "what is stored decides".to_owned(),
            Self::Deny(denial, _) => {
                format!("it is still denied, {} {} in phase {}", denial.status, denial.reason, denial.phase.as_str())
            }
        }
    }
}

const fn effect(decision: &Decision<'_>) -> (Effect, Option<u16>) {
    match decision.verdict {
        Verdict::Permit => (Effect::Permit, None),
        Verdict::Undecided => (Effect::Undecided, None),
        Verdict::Deny { status, .. } => (Effect::Deny, Some(status)),
    }
}

fn entry(decision: &Decision<'_>) -> Entry {
    let (effect, status) = effect(decision);
    let reason = decision.reason();
    let asked = [decision.interaction.map(policy::operation::Interaction::as_str), decision.resource_type.as_deref()];
    let denied = matches!(decision.verdict, Verdict::Deny { .. });
    Entry {
        effect,
        status,
        reason,
        because: reason.map(|reason| reason.remedy().says),
        phase: decision.phase.as_str(),
        asked: asked.into_iter().flatten().collect::<Vec<_>>().join(" "),
        rules: decision.rules.iter().map(ToString::to_string).collect(),
        next: reason.filter(|_| denied).map(next::usual).into_iter().collect(),
    }
}

fn lookups(decision: &Decision<'_>) -> Vec<String> {
    let Action::Lookup(lookups) = &decision.action else { return Vec::new() };
    let line = |lookup: &Lookup| {
        let names: Vec<&str> = lookup.query.split('&').filter_map(|part| part.split('=').next()).collect();
        let query = if lookup.query.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
        format!("GET {}{query}", lookup.path)
    };
    lookups.iter().map(line).collect()
}

fn caller(why: &Why<'_, '_>) -> Caller {
    use request::Caller as C;
    let Why { engine, request, grants, .. } = *why;
    let kind = match request.caller {
        C::Missing => "nobody",
        C::Refused(_) => "refused",
        C::Verified(..) => "token",
        C::Basic(_) => "basic",
        C::Both(..) => "token and basic",
    };
    Caller {
        kind,
        patient: grants.patient.as_deref().map(str::to_owned),
        account: grants.account.map(|account| account.to_string()),
        ceiling: ceiling_of(engine, &request.caller),
        tags: grants.tags.keys().cloned().collect(),
        clearance: engine.enforces_labels().then(|| code(grants.clearance).to_owned()),
    }
}

const fn code(clearance: Confidentiality) -> &'static str {
    match clearance {
        Confidentiality::U => "U",
        Confidentiality::L => "L",
        Confidentiality::M => "M",
        Confidentiality::N => "N",
        Confidentiality::R => "R",
        Confidentiality::V => "V",
    }
}
