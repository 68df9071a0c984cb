//! From credentials to rules: scopes, roles, an assumed role, Basic privileges, and the ceilings above them.

use std::collections::BTreeMap;

use policy::basic::BasicKey;
use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::facts::{ParameterKind, SearchParameter};
use policy::id::AccountId;
use policy::reason::Reason;
use policy::request::Caller;
use policy::scope::{Constraint, Context, Scope, Types as Named, Word, words};
use policy::settings::{Confidentiality, DefaultUserRole};
use policy::text::FhirId;

use super::{Access, Gives, Grants, Operations, Rule, Set, Source, Types};
use crate::Engine;
use crate::labels;
use crate::normalise::alternatives;

/// More words of a scope are left out, which gives less; tokens in use have under 100.
pub(super) const MAX_WORDS: usize = 500;
/// More rules under ceilings are left out, which gives less.
const MAX_RULES: usize = 1_000;

/// What the caller's Account may have at most.
pub(super) enum Ceiling<'a> {
    /// No ceiling: the owner's own, and callers that the owner's issuer vouches for.
    Open,
    /// A partner's: its scopes that can be compared, and its roles.
    Under { scopes: Vec<&'a Scope>, roles: Vec<u32> },
    /// A partner without a Subscription.
    Nothing,
}

impl Grants {
    /// The rules of a caller. A caller whose credentials do not count has none, and the reason for it.
    #[must_use]
    pub fn new(engine: &Engine, caller: &Caller<'_>) -> Self {
        match *caller {
            Caller::Missing => Self::refused(Reason::NoToken),
            Caller::Refused(reason) => Self::refused(reason),
            // No gateway takes them there; were they to come, they would be no credentials of this Service.
            Caller::Basic(_) | Caller::Both(..) if engine.settings().basic.is_none() => {
                Self::refused(Reason::MalformedToken)
            }
            Caller::Verified(claims, issuer) => Self::of_token(engine, claims, issuer),
            Caller::Basic(key) => Self::of_basic(engine, key),
            Caller::Both(claims, issuer, key) => {
                Self { basic: Some(privilege(engine, key)), ..Self::of_token(engine, claims, issuer) }
            }
        }
    }

    fn empty() -> Self {
        Self {
            list: Vec::new(),
            waiting: Vec::new(),
            any: false,
            patient: None,
            patient_reference: "".into(),
            account: None,
            tags: BTreeMap::new(),
            clearance: Confidentiality::U,
            refusal: None,
            basic: None,
        }
    }

    fn refused(reason: Reason) -> Self {
        Self { refusal: Some(reason), ..Self::empty() }
    }

    fn of_basic(engine: &Engine, key: &BasicKey) -> Self {
        let access = privilege(engine, key);
        let any = access.read || access.write;
        let rule = Rule {
            name: format!("basic:{}", key.id).into(),
            source: Source::Basic,
            context: None,
            gives: Gives::Access(access),
            constraints: Vec::new(),
            within: Vec::new(),
        };
        let mut grants = Self { any, account: Some(key.account_id), ..Self::empty() };
        if any {
            let ceiling = ceiling(engine, Some(key.account_id), TokenKind::Key);
            under(engine, Own { rule, scope: None }, &ceiling, &mut grants);
        }
        grants
    }

    fn of_token(engine: &Engine, claims: &Claims, issuer: &Issuer) -> Self {
        let patient = claims.patient.as_deref().filter(|patient| FhirId::accepts(patient));
        let trusted = issuer.trusted_for_roles;
        let mut grants = Self {
            patient: patient.map(Into::into),
            patient_reference: patient.map(|patient| format!("Patient/{patient}")).unwrap_or_default().into(),
            account: claims.account_id,
            ..Self::empty()
        };
        if trusted {
            grants.tags.clone_from(&claims.tags);
        }
        grants.clearance = labels::clearance(claims.clearance.as_deref(), trusted);
        let own = own(engine, claims, trusted);
        grants.any = !own.is_empty();
        let ceiling = ceiling(engine, claims.account_id, claims.kind);
        for rule in own {
            under(engine, rule, &ceiling, &mut grants);
        }
        grants
    }
}

/// What a key holds on the required resource (I05 to I09); everything where none is required (I04).
fn privilege(engine: &Engine, key: &BasicKey) -> Access {
    let Some(basic) = &engine.settings().basic else { return Access::default() };
    let Some(required) = &basic.required_resource else { return Access { read: true, write: true } };
    let held = key.privileges.iter().find(|privilege| privilege.resource == *required);
    let public = engine.parts().security_resources.iter().any(|one| one.name == *required && one.public_read);
    Access {
        read: public || held.is_some_and(|privilege| privilege.read),
        write: held.is_some_and(|privilege| privilege.write),
    }
}

/// A rule, and the scope that it is, to be compared with a ceiling's.
struct Own {
    rule: Rule,
    scope: Option<Scope>,
}

/// What the token itself says, before ceilings.
fn own(engine: &Engine, claims: &Claims, trusted: bool) -> Vec<Own> {
    let person = claims.fhir_user.is_some() || claims.kind == TokenKind::User;
    let mut own: Vec<Own> = Vec::new();
    let (mut smart, mut extension) = (false, false);
    for word in words(claims.scope.as_deref().unwrap_or_default()).take(MAX_WORDS) {
        match word {
            Word::Resource(scope) => {
                smart = true;
                let speaks = scope.context() != Context::System || !person;
                let known = own.iter().any(|one| one.scope.as_ref() == Some(&scope));
                if speaks && !known && (!engine.is_fhir() || is_comparable(engine, &scope)) {
                    own.push(Own { rule: of_scope(engine, &scope), scope: Some(scope) });
                }
            }
            // It gives nothing, and does not open the door to roles either.
            Word::Invalid(..) => smart = true,
            Word::Extension(name) => {
                extension = true;
                own.extend(of_extension(engine, name));
            }
            Word::Other(_) => {}
        }
    }
    let known = || claims.role_ids.iter().filter(|_| trusted).filter_map(|id| engine.role_index(*id));
    if smart && trusted && !claims.role_ids.is_empty() {
        let bounds: Vec<Operations> = known().map(|role| Operations::new(engine, Set::Role(role))).collect();
        own = own.into_iter().flat_map(|one| bound_user(engine, one, &bounds)).take(MAX_RULES).collect();
    } else if !smart {
        own.extend(known().map(|role| Own { rule: of_role(engine, role), scope: None }));
        let default = engine.settings().default_user_role == DefaultUserRole::GetAll;
        if default && !extension && claims.role_ids.is_empty() {
            let rule = Rule {
                name: "default_user_role".into(),
                source: Source::Default,
                context: None,
                gives: Gives::EveryGet,
                constraints: Vec::new(),
                within: Vec::new(),
            };
            own.push(Own { rule, scope: None });
        }
    }
    own
}

fn of_scope(engine: &Engine, scope: &Scope) -> Rule {
    let types = match scope.types() {
        Named::All => Types::All,
        Named::One(name) => engine.place(name.as_str()).map_or(Types::None, Types::One),
    };
    Rule {
        name: scope.to_string().into(),
        source: Source::Scope,
        context: Some(scope.context()),
        gives: Gives::Letters(types, scope.letters()),
        constraints: scope.constraints().to_vec(),
        within: Vec::new(),
    }
}

fn of_role(engine: &Engine, role: u32) -> Rule {
    Rule {
        name: engine.role_at(role).map(|role| role.id.to_string()).unwrap_or_default().into(),
        source: Source::Role(role),
        context: None,
        gives: Gives::Operations(Operations::new(engine, Set::Role(role))),
        constraints: Vec::new(),
        within: Vec::new(),
    }
}

/// A scope of the Service's own (S14); one that it does not define gives nothing.
fn of_extension(engine: &Engine, name: &str) -> Option<Own> {
    let all = &engine.parts().extension_scopes;
    let index = all.binary_search_by(|scope| (*scope.name).cmp(name)).ok()?;
    let set = Set::Extension(u32::try_from(index).ok()?);
    let rule = Rule {
        name: name.into(),
        source: Source::Extension,
        context: None,
        gives: Gives::Operations(Operations::new(engine, set)),
        constraints: Vec::new(),
        within: Vec::new(),
    };
    Some(Own { rule, scope: None })
}

/// Beside SMART scopes roles add nothing: they bound what `user/` gives, one role at a time.
fn bound_user(engine: &Engine, own: Own, bounds: &[Operations]) -> Vec<Own> {
    if own.rule.context != Some(Context::User) {
        return vec![own];
    }
    let bounded = |bound: &Operations| Own { rule: within(engine, &own.rule, bound.clone()), scope: own.scope.clone() };
    bounds.iter().map(bounded).collect()
}

/// A rule where it counts in these operations only: what two sets of operations give are the letters of those in both.
fn within(engine: &Engine, rule: &Rule, operations: Operations) -> Rule {
    let mut narrower = rule.clone();
    let within = match &mut narrower.gives {
        Gives::Operations(own) => {
            let is_in_all = |index| rule.within.iter().chain([&operations]).all(|bound| bound.contains(engine, index));
            *own = Operations::among(engine, own.set, is_in_all);
            operations
        }
        Gives::EveryGet => {
            let is_get = |index| engine.operation(index).is_some_and(super::is_plain_get);
            Operations::among(engine, operations.set, is_get)
        }
        Gives::Letters(..) | Gives::Access(_) => operations,
    };
    narrower.within.push(within);
    narrower
}

pub(super) fn ceiling(engine: &Engine, account: Option<AccountId>, kind: TokenKind) -> Ceiling<'_> {
    match account {
        Some(account) if account == engine.parts().service.account_id => Ceiling::Open,
        Some(account) => engine.subscription(account).map_or(Ceiling::Nothing, |subscription| Ceiling::Under {
            scopes: subscription.scopes.iter().filter(|limit| is_comparable(engine, limit)).collect(),
            roles: subscription.roles.iter().filter_map(|id| engine.role_index(*id)).collect(),
        }),
        None if kind == TokenKind::Foreign => Ceiling::Open,
        None => Ceiling::Nothing,
    }
}

/// Adds what is left of a rule under the ceiling: one narrower rule for each part of it.
fn under(engine: &Engine, own: Own, ceiling: &Ceiling<'_>, all: &mut Grants) {
    let Own { rule, scope } = own;
    let waits = rule.is_patient() && all.patient.is_none();
    let list = if waits { &mut all.waiting } else { &mut all.list };
    let mut add = |rule: Rule| {
        if list.len() < MAX_RULES {
            list.push(rule);
        }
    };
    let (scopes, roles) = match ceiling {
        Ceiling::Open => return add(rule),
        Ceiling::Nothing => return,
        Ceiling::Under { scopes, roles } => (scopes, roles),
    };
    if let Source::Role(role) = rule.source
        && roles.contains(&role)
    {
        return add(rule);
    }
    if let Some(scope) = &scope {
        scopes.iter().filter_map(|limit| intersect(engine, &rule, scope, limit)).for_each(&mut add);
    }
    roles.iter().map(|role| within(engine, &rule, Operations::new(engine, Set::Role(*role)))).for_each(add);
}

/// What both a scope and one scope of a ceiling give; the stricter of two contexts counts, where one narrows the other.
fn intersect(engine: &Engine, rule: &Rule, own: &Scope, limit: &Scope) -> Option<Rule> {
    let fits =
        own.context() == limit.context() || (own.context(), limit.context()) == (Context::Patient, Context::System);
    let types = match (own.types(), limit.types()) {
        (Named::All, other) | (other, Named::All) => other,
        (Named::One(one), Named::One(other)) if one == other => own.types(),
        (Named::One(_), Named::One(_)) => return None,
    };
    let letters = own.letters() & limit.letters();
    if !fits || letters.is_empty() {
        return None;
    }
    let types = match types {
        Named::All => Types::All,
        Named::One(name) => engine.place(name.as_str()).map_or(Types::None, Types::One),
    };
    let mut constraints: Vec<Constraint> = own.constraints().iter().chain(limit.constraints()).cloned().collect();
    constraints.sort();
    constraints.dedup();
    Some(Rule { gives: Gives::Letters(types, letters), constraints, ..rule.clone() })
}

/// Whether every constraint of a scope can be compared on the resource itself; else the whole scope gives nothing.
pub(super) fn is_comparable(engine: &Engine, scope: &Scope) -> bool {
    scope.constraints().iter().all(|constraint| {
        let parameter = match scope.types() {
            Named::All => engine.common(&constraint.name),
            Named::One(name) => engine.facts(name.as_str()).and_then(|facts| engine.parameter(facts, &constraint.name)),
        };
        parameter.is_some_and(|parameter| can_compare(parameter, &constraint.value))
    })
}

fn can_compare(parameter: &SearchParameter, value: &str) -> bool {
    let kind = matches!(parameter.kind, ParameterKind::Token | ParameterKind::Reference | ParameterKind::Uri);
    kind && !parameter.paths.is_empty() && alternatives(value).all(|one| !matches!(one, "" | "|"))
}
