//! From claims to rules: scopes, roles, an assumed role, and the ceilings above them.

use std::borrow::Cow;

use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::facts::{ParameterKind, SearchParameter};
use policy::id::RoleId;
use policy::scope::{Constraint, Context, Scope, Types, Word, words};
use policy::settings::DefaultUserRole;
use policy::text::FhirId;

use super::{Gives, Rule, Rules, Source};
use crate::Engine;

/// More words of a scope are left out, which gives less; tokens in use have under 100.
const MAX_WORDS: usize = 500;
/// More rules under ceilings are left out, which gives less.
const MAX_RULES: usize = 1_000;

/// What the caller's Account may have at most.
enum Ceiling<'a> {
    /// No ceiling: the owner's own, and callers that the owner's issuer vouches for.
    Open,
    /// A partner's.
    Under {
        /// Its scopes that can be compared.
        scopes: Vec<&'a Scope>,
        /// Its roles, with their operations.
        roles: Vec<(RoleId, &'a [u32])>,
    },
    /// A partner without a Subscription.
    Nothing,
}

/// The rules that a token gives in this Service.
pub(crate) fn collect<'a>(engine: &'a Engine, claims: &'a Claims, issuer: &Issuer) -> Rules<'a> {
    let patient = claims.patient.as_deref().filter(|patient| FhirId::accepts(patient));
    let person = claims.fhir_user.is_some() || claims.kind == TokenKind::User;
    let mut own: Vec<Rule<'a>> = Vec::new();
    let mut smart = false;
    for word in words(claims.scope.as_deref().unwrap_or_default()).take(MAX_WORDS) {
        match word {
            Word::Resource(scope) => {
                smart = true;
                let speaks = scope.context() != Context::System || !person;
                let known = own.iter().any(|rule| rule.is_scope(&scope));
                if speaks && !known && is_comparable(engine, &scope) {
                    own.push(Rule::of_scope(Cow::Owned(scope)));
                }
            }
            // It gives nothing, and does not open the door to roles either.
            Word::Invalid(..) => smart = true,
            Word::Extension(_) | Word::Other(_) => {}
        }
    }
    let trusted = issuer.trusted_for_roles;
    let known = claims.role_ids.iter().filter(|_| trusted).filter_map(|id| engine.role(*id));
    let bounds: Vec<&[u32]> = known.clone().map(|role| &*role.operations).collect();
    if smart && trusted && !claims.role_ids.is_empty() {
        own = own.into_iter().flat_map(|rule| bound_user(rule, &bounds)).take(MAX_RULES).collect();
    } else if !smart {
        own.extend(known.map(|role| Rule::of_role(Source::Role(role.id), Gives::Operations(&role.operations))));
        let default = engine.settings().default_user_role == DefaultUserRole::GetAll;
        if default && claims.role_ids.is_empty() {
            own.push(Rule::of_role(Source::Default, Gives::EveryGet));
        }
    }
    let mut rules = Rules { any: !own.is_empty(), patient, ..Rules::default() };
    let ceiling = ceiling(engine, claims);
    for rule in own {
        under(rule, &ceiling, patient, &mut rules);
    }
    rules
}

impl<'a> Rule<'a> {
    fn of_scope(scope: Cow<'a, Scope>) -> Self {
        Self {
            context: Some(scope.context()),
            gives: Gives::Letters(scope.types().clone(), scope.letters()),
            constraints: Cow::Owned(scope.constraints().to_vec()),
            within: Vec::new(),
            source: Source::Scope(scope),
        }
    }

    fn is_scope(&self, other: &Scope) -> bool {
        matches!(&self.source, Source::Scope(own) if **own == *other)
    }

    const fn of_role(source: Source<'a>, gives: Gives<'a>) -> Self {
        Self { source, context: None, gives, constraints: Cow::Borrowed(&[]), within: Vec::new() }
    }
}

/// Beside SMART scopes roles add nothing: they bound what `user/` gives, one role at a time.
fn bound_user<'a>(rule: Rule<'a>, bounds: &[&'a [u32]]) -> Vec<Rule<'a>> {
    if rule.context != Some(Context::User) {
        return vec![rule];
    }
    bounds.iter().map(|bound| within(&rule, bound)).collect()
}

fn within<'a>(rule: &Rule<'a>, operations: &'a [u32]) -> Rule<'a> {
    let mut narrower = rule.clone();
    narrower.within.push(operations);
    narrower
}

fn ceiling<'a>(engine: &'a Engine, claims: &Claims) -> Ceiling<'a> {
    match claims.account_id {
        Some(account) if account == engine.parts().service.account_id => Ceiling::Open,
        Some(account) => engine.subscription(account).map_or(Ceiling::Nothing, |subscription| Ceiling::Under {
            scopes: subscription.scopes.iter().filter(|limit| is_comparable(engine, limit)).collect(),
            roles: subscription.roles.iter().filter_map(|id| Some((*id, &*engine.role(*id)?.operations))).collect(),
        }),
        None if claims.kind == TokenKind::Foreign => Ceiling::Open,
        None => Ceiling::Nothing,
    }
}

/// Adds what is left of a rule under the ceiling: one narrower rule for each part of it.
fn under<'a>(rule: Rule<'a>, ceiling: &Ceiling<'a>, patient: Option<&str>, all: &mut Rules<'a>) {
    let mut add = |rule: Rule<'a>| {
        let list = if rule.is_patient() && patient.is_none() { &mut all.waiting } else { &mut all.list };
        if list.len() < MAX_RULES {
            list.push(rule);
        }
    };
    let (scopes, roles) = match ceiling {
        Ceiling::Open => return add(rule),
        Ceiling::Nothing => return,
        Ceiling::Under { scopes, roles } => (scopes, roles),
    };
    match &rule.source {
        Source::Role(id) if roles.iter().any(|(known, _)| known == id) => return add(rule),
        Source::Scope(scope) => scopes.iter().filter_map(|limit| intersect(&rule, scope, limit)).for_each(&mut add),
        Source::Role(_) | Source::Default => {}
    }
    roles.iter().map(|(_, operations)| within(&rule, operations)).for_each(add);
}

/// What both a scope and one scope of a ceiling give; the stricter of two contexts counts, where one narrows the other.
fn intersect<'a>(rule: &Rule<'a>, own: &Scope, limit: &Scope) -> Option<Rule<'a>> {
    let fits =
        own.context() == limit.context() || (own.context(), limit.context()) == (Context::Patient, Context::System);
    let types = match (own.types(), limit.types()) {
        (Types::All, other) | (other, Types::All) => other.clone(),
        (Types::One(one), Types::One(other)) if one == other => own.types().clone(),
        (Types::One(_), Types::One(_)) => return None,
    };
    let letters = own.letters() & limit.letters();
    if !fits || letters.is_empty() {
        return None;
    }
    let mut constraints: Vec<Constraint> = own.constraints().iter().chain(limit.constraints()).cloned().collect();
    constraints.sort();
    constraints.dedup();
    Some(Rule { gives: Gives::Letters(types, letters), constraints: Cow::Owned(constraints), ..rule.clone() })
}

/// Whether every constraint of a scope can be compared on the resource itself; else the whole scope gives nothing.
fn is_comparable(engine: &Engine, scope: &Scope) -> bool {
    scope.constraints().iter().all(|constraint| {
        let parameter = match scope.types() {
            Types::All => engine.common(&constraint.name),
            Types::One(name) => engine.facts(name.as_str()).and_then(|facts| engine.parameter(facts, &constraint.name)),
        };
        parameter.is_some_and(|parameter| can_compare(parameter, &constraint.value))
    })
}

fn can_compare(parameter: &SearchParameter, value: &str) -> bool {
    let kind = matches!(parameter.kind, ParameterKind::Token | ParameterKind::Reference | ParameterKind::Uri);
    kind && !parameter.paths.is_empty() && crate::normalise::alternatives(value).all(|one| !matches!(one, "" | "|"))
}
