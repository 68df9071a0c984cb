//! Joins: `a.b`, `a:T.b`, `_has:T:p:q`. Every type on the way needs search, and stays in the context.
//!
//! Invariant: under a `patient/` rule no hop leads to another patient's data: each hop into the
//! compartment is tied to the context by a parameter of its own, or the search is denied.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bumpalo::collections::Vec as List;
use policy::decision::Phase;
use policy::facts::{ParameterKind, Standing, TypeFacts};
use policy::letters::Letters;
use policy::reason::Reason;
use policy::settings::Chains;

use super::class::{self, Modifier};
use super::{Pair, Scene, ownership};
use crate::denial::Denial;
use crate::normalise::Parameter;
use crate::rules::Rule;

/// More target types of one untyped hop are not followed; the widest that real searches use has 12.
const MAX_TARGETS: usize = 32;

fn denied() -> Denial {
    Denial::new(Phase::Query, Reason::ChainDenied)
}

/// What the token's rules give on the types that hops lead to, each worked out once.
#[derive(Debug, Default)]
pub(super) struct Reach<'a>(RefCell<BTreeMap<&'a str, Given>>);

/// Which rules give search on a type.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    /// One that reaches every resource.
    free: bool,
    /// One that reaches the patient's.
    own: bool,
    /// One with constraints, tags or a `where`, which a hop cannot carry.
    limited: bool,
}

/// Checks a join, under a `patient/` rule or another; what its hops need is added to `hops`.
#[inline(never)]
pub(super) fn check<'a>(
    scene: &Scene<'a>,
    reach: &Reach<'a>,
    patient: bool,
    one: &Parameter<'_>,
    hops: &mut List<'a, Pair<'a>>,
) -> Result<(), Denial> {
    let mut walk = Walk { scene, reach, patient, value: one.value, owned: false, hops };
    let types: Vec<_> = scene.places.iter().filter_map(|place| scene.engine.facts_at(*place)).collect();
    walk.from(&types, "", one.name)
}

struct Walk<'w, 'a> {
    scene: &'w Scene<'a>,
    reach: &'w Reach<'a>,
    /// Whether this is for rules that are limited to the patient.
    patient: bool,
    value: &'w str,
    /// Whether the types that the walk stands on must be the context's.
    owned: bool,
    hops: &'w mut List<'a, Pair<'a>>,
}

impl<'a> Walk<'_, 'a> {
    /// Goes on from these types with what is left of the name; `prefix` is what came before.
    fn from(&mut self, types: &[&'a TypeFacts], prefix: &str, rest: &str) -> Result<(), Denial> {
        if let Some(reverse) = rest.strip_prefix("_has:") {
            return self.reverse(types, prefix, reverse);
        }
        match rest.split_once('.') {
            Some((hop, left)) => self.forward(types, prefix, hop, left),
            None => types.iter().try_for_each(|facts| self.last(facts, rest)),
        }
    }

    /// `code.` or `code:Type.`
    fn forward(&mut self, types: &[&'a TypeFacts], prefix: &str, hop: &str, rest: &str) -> Result<(), Denial> {
        let (code, only) = hop.split_once(':').map_or((hop, None), |(code, name)| (code, Some(name)));
        let mut targets: Vec<&'a TypeFacts> = Vec::new();
        for facts in types {
            let parameter = self.scene.engine.parameter(facts, code).ok_or_else(class::unknown)?;
            if parameter.kind != ParameterKind::Reference {
                return Err(class::unknown());
            }
            let any = parameter.targets.is_empty();
            let mut add = |name: &str| {
                let known = self.scene.engine.facts(name).ok_or_else(denied)?;
                if !targets.iter().any(|target| target.name == known.name) {
                    targets.push(known);
                }
                if targets.len() > MAX_TARGETS { Err(denied()) } else { Ok(()) }
            };
            match only {
                Some(name) if any || class::is_target(parameter, name) => add(name)?,
                Some(_) => return Err(class::unknown()),
                // It may point at anything, and nobody holds everything.
                None if any => return Err(denied()),
                None => class::targets(parameter).try_for_each(add)?,
            }
        }
        let through = format!("{prefix}{hop}");
        let bare = format!("{prefix}{code}");
        let owned = self.step(types, &targets, &through, &bare)?;
        let before = std::mem::replace(&mut self.owned, owned);
        let outcome = self.from(&targets, &format!("{through}."), rest);
        self.owned = before;
        outcome
    }

    /// `_has:T:p:`, with `rest` after the first colon.
    fn reverse(&mut self, types: &[&'a TypeFacts], prefix: &str, rest: &str) -> Result<(), Denial> {
        let (name, rest) = rest.split_once(':').ok_or_else(class::unknown)?;
        let (code, rest) = rest.split_once(':').ok_or_else(class::unknown)?;
        let facts = self.scene.engine.facts(name).ok_or_else(class::unknown)?;
        let parameter = self.scene.engine.parameter(facts, code).ok_or_else(class::unknown)?;
        let points =
            types.iter().all(|one| parameter.targets.is_empty() || class::is_target(parameter, one.name.as_str()));
        if parameter.kind != ParameterKind::Reference || !points {
            return Err(class::unknown());
        }
        let owned = self.access(facts)?;
        // What owns the other end ties it to the patient only if this end is that patient.
        let tied = ownership::is_owner(self.scene.engine, facts, parameter)
            && types.iter().all(|one| one.standing == Standing::Patient);
        if owned && !(tied && self.patient) {
            return Err(denied());
        }
        let before = std::mem::replace(&mut self.owned, owned);
        let outcome = self.from(&[facts], &format!("{prefix}_has:{name}:{code}:"), rest);
        self.owned = before;
        outcome
    }

    /// The last part: a predicate on each type it may stand on.
    fn last(&self, facts: &'a TypeFacts, rest: &str) -> Result<(), Denial> {
        let (code, modifier) = rest.split_once(':').map_or((rest, None), |(code, modifier)| (code, Some(modifier)));
        let parameter = match code {
            "_content" | "_text" => None,
            _ => self.scene.engine.parameter(facts, code),
        };
        let parameter = parameter.ok_or_else(class::unknown)?;
        let owner = ownership::is_owner(self.scene.engine, facts, parameter)
            || (facts.standing == Standing::Patient && code == "_id");
        if self.owned && owner && modifier == Some("not") {
            return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
        }
        class::check_modifier(parameter, modifier)?;
        if !self.owned || !owner {
            return Ok(());
        }
        let modifier = match modifier {
            None | Some("Patient") => Modifier::Plain,
            Some("missing" | "identifier") => Modifier::NoProof,
            Some(_) => Modifier::Other,
        };
        ownership::prove(self.scene.grants, self.scene.home, parameter, modifier, self.value).map(|_| ())
    }

    /// Takes one forward hop; whether its far end must be the context's.
    fn step(&mut self, from: &[&TypeFacts], to: &[&'a TypeFacts], through: &str, bare: &str) -> Result<bool, Denial> {
        let mut owned = false;
        let mut tie: Option<(String, &'a str)> = None;
        for facts in to {
            if !self.access(facts)? {
                continue;
            }
            let shared = facts.standing == Standing::Shared;
            if !shared && from.iter().any(|one| one.standing == Standing::Shared) {
                return Err(denied());
            }
            if shared {
                continue;
            }
            owned = true;
            if self.scene.grants.patient.is_none() {
                return Err(denied());
            }
            let own = match facts.standing {
                Standing::Patient => (bare.to_owned(), &*self.scene.grants.patient_reference),
                Standing::Compartment | Standing::PatientElement => {
                    let name = ownership::narrowing(self.scene.engine, facts).ok_or_else(denied)?;
                    (format!("{through}.{name}"), ownership::value(name, self.scene.grants))
                }
                _ => return Err(denied()),
            };
            // One AND can tie an untyped hop only where all its types are tied in the same way.
            if to.len() > 1 && tie.as_ref().is_some_and(|known| *known != own) {
                return Err(denied());
            }
            tie = Some(own);
        }
        // A tie to one type would cut off the other: shared ones have no owner to name.
        if tie.is_some() && to.iter().any(|facts| facts.standing == Standing::Shared) {
            return Err(denied());
        }
        if let Some((name, value)) = tie
            && !self.hops.contains(&(name.as_str(), value))
        {
            self.hops.push((self.scene.arena.text(&name), value));
        }
        Ok(owned)
    }

    /// Whether a type may be hopped to at all, and whether only in the context.
    fn access(&self, facts: &'a TypeFacts) -> Result<bool, Denial> {
        let Given { free, own, limited } = self.given(facts.name.as_str());
        let context = self.scene.engine.settings().chains == Chains::Context && !limited;
        if !free && !own && !context {
            return Err(denied());
        }
        Ok(self.patient || (!free && own))
    }

    fn given(&self, name: &'a str) -> Given {
        *self.reach.0.borrow_mut().entry(name).or_insert_with(|| {
            let mut given = Given::default();
            let engine = self.scene.engine;
            let rules = self.scene.grants.list.iter();
            let place = engine.place(name);
            let searches = |rule: &Rule| place.is_some_and(|place| rule.reaches_at(engine, place, Letters::SEARCH));
            for rule in rules.filter(|rule| searches(rule)) {
                let plain =
                    rule.constraints.is_empty() && !rule.is_tagged(engine) && rule.conditions(engine).next().is_none();
                match (plain, rule.is_patient()) {
                    (false, _) => given.limited = true,
                    (true, true) => given.own = true,
                    (true, false) => given.free = true,
                }
            }
            given
        })
    }
}
