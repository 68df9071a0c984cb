//! Which rules permit a search, judged one kind of rule at a time.

use bumpalo::collections::Vec as List;
use policy::decision::Phase;
use policy::reason::Reason;

use super::class::Class;
use super::{Pair, Scene, join, narrow, ownership};
use crate::denial::Denial;
use crate::fields;
use crate::judge::Trace;
use crate::normalise::Parameter;
use crate::rules::{Places, Rule};

/// The rules that permit a search, and what they make of it.
#[derive(Debug)]
pub(super) struct Permits<'a> {
    /// The places of the rules, in the token's order.
    pub(super) rules: Places<'a>,
    /// What `patient/` rules make of it.
    pub(super) own: Option<&'a Permit<'a>>,
    /// What all other rules make of it.
    pub(super) other: Option<&'a Permit<'a>>,
}

/// What a rule makes of a search that it permits.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    /// The ownership parameters that the client proved.
    pub(super) proven: List<'a, &'a str>,
    /// What the hops of joins need.
    pub(super) hops: List<'a, Pair<'a>>,
}

impl<'a> Permits<'a> {
    /// Judges the parameters for each rule by itself; of the denials, the one that got furthest.
    ///
    /// Context and tags make one rule's judgement differ from another's, and lists of fields, which are looked at
    /// last; the judgement of a context is worked out once.
    pub(super) fn of(
        scene: &Scene<'a>,
        judged: &[(&Parameter<'a>, Class<'a>)],
        all: &[Parameter<'a>],
        fitting: &[u16],
        trace: &mut Trace<'a>,
    ) -> Result<Self, Denial> {
        let reach = join::Reach::default();
        let (mut own, mut other) = (None, None);
        let mut permits = Self { rules: scene.arena.list_of(fitting.len()), own: None, other: None };
        let mut furthest: Option<Denial> = None;
        let (mut by_own, mut by_other) = (false, false);
        let known = trace.used.len();
        for index in fitting {
            let Some(rule) = scene.grants.list.get(usize::from(*index)) else { continue };
            let outcome = if rule.is_patient() { &mut own } else { &mut other };
            let outcome = outcome.get_or_insert_with(|| permit(scene, &reach, rule.is_patient(), judged));
            let outcome = match outcome {
                Ok(_) => within_fields(scene, rule, all, trace).and_then(|()| tagged(scene, rule, judged)),
                Err(denial) => Err(*denial),
            };
            match outcome {
                Ok(()) => {
                    permits.rules.push(*index);
                    by_own |= rule.is_patient();
                    by_other |= !rule.is_patient();
                }
                Err(denial) if furthest.is_none_or(|known| denial.step > known.step) => furthest = Some(denial),
                Err(_) => {}
            }
        }
        if permits.rules.is_empty() {
            return Err(furthest.unwrap_or_else(|| Denial::new(Phase::Query, Reason::Internal)));
        }
        // Where another rule permits, nobody's list decided.
        trace.used.truncate(known);
        permits.own = own.and_then(Result::ok).filter(|_| by_own);
        permits.other = other.and_then(Result::ok).filter(|_| by_other);
        Ok(permits)
    }

    /// Leaves only these rules.
    pub(super) fn keep(&mut self, scene: &Scene<'a>, permitting: &[u16]) {
        self.rules.retain(|index| permitting.contains(index));
        let kept = |patient: bool| {
            let mut rules = self.rules.iter().filter_map(|index| scene.grants.list.get(usize::from(*index)));
            rules.any(|rule| rule.is_patient() == patient)
        };
        let (own, other) = (kept(true), kept(false));
        self.own = self.own.take().filter(|_| own);
        self.other = self.other.take().filter(|_| other);
    }
}

/// Whether every parameter is one that the rule's list names (KD04).
fn within_fields<'a>(
    scene: &Scene<'a>,
    rule: &Rule,
    all: &[Parameter<'a>],
    trace: &mut Trace<'a>,
) -> Result<(), Denial> {
    let mut lists = rule.fields(scene.engine, scene.index);
    match lists.find_map(|list| all.iter().find(|one| !fields::query_name_allowed(list, one.name))) {
        None => Ok(()),
        Some(one) => {
            trace.used.push(one.name.into());
            Err(Denial::new(Phase::Query, Reason::FieldDenied).at(u8::MAX))
        }
    }
}

/// What tags or labels hide from the caller, a join could still find, and `_tag` or `_security` could probe (D27).
fn tagged(scene: &Scene<'_>, rule: &Rule, judged: &[(&Parameter<'_>, Class<'_>)]) -> Result<(), Denial> {
    let hides = rule.is_tagged(scene.engine) || scene.grants.is_cleared_below_all(scene.engine);
    if !hides {
        return Ok(());
    }
    for (one, class) in judged {
        if matches!(class, Class::Join) {
            return Err(Denial::new(Phase::Query, Reason::ChainDenied).at(u8::MAX));
        }
        if matches!(one.name.split([':', '.']).next(), Some("_tag" | "_security")) {
            return Err(Denial::new(Phase::Query, Reason::ParameterDenied).at(u8::MAX));
        }
    }
    Ok(())
}

/// What the rules of one kind, those limited to the patient or those that are not, make of a search.
fn permit<'a>(
    scene: &Scene<'a>,
    reach: &join::Reach<'a>,
    patient: bool,
    judged: &[(&Parameter<'a>, Class<'a>)],
) -> Result<&'a Permit<'a>, Denial> {
    let mut permit = Permit { proven: scene.arena.list(), hops: scene.arena.list() };
    for (place, (one, class)) in judged.iter().enumerate() {
        let step = u8::try_from(place + 1).unwrap_or(u8::MAX - 1).min(u8::MAX - 1);
        let outcome = match class {
            Class::Ownership { parameter, modifier } if patient => {
                ownership::prove(scene.grants, scene.home, parameter, *modifier, one.value).map(|proven| {
                    if proven {
                        permit.proven.push(&parameter.name);
                    }
                })
            }
            Class::Join => join::check(scene, reach, patient, one, &mut permit.hops),
            _ => Ok(()),
        };
        outcome.map_err(|denial| denial.at(step))?;
    }
    if patient {
        narrow::required(scene, &permit).map_err(|denial| denial.at(u8::MAX))?;
    }
    Ok(scene.arena.one(permit))
}
