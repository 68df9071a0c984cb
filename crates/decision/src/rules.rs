//! Phase 4: the rules that a caller has, and those of them that fit a request.
//!
//! Invariant: a rule is used whole. Whatever narrows it (a ceiling, the roles that bound `user/`
//! scopes) makes a narrower rule; nothing ever joins the context of one rule with the type of another.

mod collect;
mod fit;
mod focus;
mod left;
mod told;

use std::collections::BTreeMap;

use policy::condition::Condition;
use policy::id::AccountId;
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};
use policy::reason::Reason;
use policy::role::{Field, Role};
use policy::scope::{Constraint, Context};
use policy::settings::Confidentiality;

use crate::Engine;
use crate::engine::{On, Place};
use crate::tags::PrincipalTags;

pub(crate) use fit::{Asked, Group, Places, Several, fitting, fitting_all};
pub(crate) use focus::Focus;
pub(crate) use left::{ceiling_of, without_effect};

/// The rules of one caller under one bundle: worked out once for a token, and used for each of its requests.
///
/// Invariant: they hold for the engine that made them, and for no other.
#[derive(Debug)]
pub struct Grants {
    /// Those that count, in the token's order.
    pub(crate) list: Vec<Rule>,
    /// `patient/` rules that would count if the token named a patient.
    pub(crate) waiting: Vec<Rule>,
    /// Whether the caller has any permission, before ceilings.
    pub(crate) any: bool,
    /// The patient context.
    pub(crate) patient: Option<Box<str>>,
    /// The patient context as a reference: `Patient/ME`.
    pub(crate) patient_reference: Box<str>,
    /// The Account that the caller belongs to.
    pub(crate) account: Option<AccountId>,
    /// The caller's tags, if its issuer is trusted for them.
    pub(crate) tags: PrincipalTags,
    /// What the caller may see at most, where labels are enforced.
    pub(crate) clearance: Confidentiality,
    /// Why there is no caller.
    pub(crate) refusal: Option<Reason>,
    /// What Basic credentials hold on the required resource, where they came.
    pub(crate) basic: Option<Access>,
}

/// What Basic credentials give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// What one scope or role gives.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its name in decision and audit.
    pub(crate) name: Box<str>,
    source: Source,
    /// Whose data; none for a role of operations.
    pub(crate) context: Option<Context>,
    gives: Gives,
    /// What every resource must match, all of them.
    pub(crate) constraints: Vec<Constraint>,
    /// Sets of operations that it counts in only.
    within: Vec<Operations>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Scope,
    Role(u32),
    Extension,
    Default,
    Basic,
}

/// The types that a scope names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Types {
    All,
    One(Place),
    /// One that the Service does not have.
    None,
}

#[derive(Clone, Debug)]
enum Gives {
    Letters(Types, Letters),
    Operations(Operations),
    EveryGet,
    Access(Access),
}

/// A set of operations, and what they count as on each type.
#[derive(Clone, Debug)]
struct Operations {
    set: Set,
    /// Sorted by place.
    on: Vec<(Place, Letters)>,
    everywhere: Letters,
}

#[derive(Clone, Copy, Debug)]
enum Set {
    Role(u32),
    Extension(u32),
    /// None at all.
    Nothing,
}

impl Operations {
    fn new(engine: &Engine, set: Set) -> Self {
        Self::among(engine, set, |_| true)
    }

    /// Of the set's operations only some count as letters.
    fn among(engine: &Engine, set: Set, counts: impl Fn(u32) -> bool) -> Self {
        let mut operations = Self { set, on: Vec::new(), everywhere: Letters::NONE };
        let mut on: BTreeMap<Place, Letters> = BTreeMap::new();
        let counted = set.list(engine).iter().copied().filter(|index| counts(*index));
        for given in counted.filter_map(|index| engine.given(index)) {
            match given.on {
                On::Nothing => {}
                On::Every => operations.everywhere = operations.everywhere | given.letters,
                On::One(place) => {
                    let letters = on.entry(place).or_insert(Letters::NONE);
                    *letters = *letters | given.letters;
                }
            }
        }
        operations.on = on.into_iter().collect();
        operations
    }

    fn letters(&self, place: Place) -> Letters {
        self.everywhere | self.named(place)
    }

    /// The letters of the operations that name the type themselves.
    fn named(&self, place: Place) -> Letters {
        let own = self.on.binary_search_by_key(&place, |(known, _)| *known).ok().and_then(|index| self.on.get(index));
        own.map_or(Letters::NONE, |(_, letters)| *letters)
    }

    fn contains(&self, engine: &Engine, index: u32) -> bool {
        self.set.list(engine).binary_search(&index).is_ok()
    }
}

impl Set {
    fn list(self, engine: &Engine) -> &[u32] {
        match self {
            Self::Role(role) => engine.role_at(role).map(|role| &*role.operations),
            Self::Extension(index) => usize::try_from(index)
                .ok()
                .and_then(|index| engine.parts().extension_scopes.get(index))
                .map(|scope| &*scope.operations),
            Self::Nothing => None,
        }
        .unwrap_or_default()
    }
}

impl Rule {
    /// Whether it reaches one patient's data only.
    pub(crate) fn is_patient(&self) -> bool {
        self.context == Some(Context::Patient)
    }

    /// Whether it reaches every resource of its types, tags and labels apart.
    pub(crate) fn is_unconstrained(&self) -> bool {
        !self.is_patient() && self.constraints.is_empty()
    }

    /// Whether it names operations, and so has no context.
    pub(crate) const fn is_role(&self) -> bool {
        !matches!(self.gives, Gives::Letters(..))
    }

    /// Its own `where`, which stands in for the match of tags.
    pub(crate) fn condition<'e>(&self, engine: &'e Engine) -> Option<&'e Condition> {
        self.role(engine)?.condition.as_ref()
    }

    /// Every `where` that has to hold: its own, and those of the roles that bound it (D41).
    pub(crate) fn conditions<'e>(&self, engine: &'e Engine) -> impl Iterator<Item = &'e Condition> {
        self.roles(engine).filter_map(|role| role.condition.as_ref())
    }

    /// The lists of the only fields that it lets this operation carry, all of them; none: any field.
    pub(crate) fn fields<'e>(&self, engine: &'e Engine, operation: u32) -> impl Iterator<Item = &'e [Field]> {
        self.roles(engine).filter_map(move |role| {
            let index = role.fields.binary_search_by_key(&operation, |list| list.operation).ok()?;
            role.fields.get(index).map(|list| &*list.fields)
        })
    }

    /// Whether it lets only some fields pass with this operation.
    pub(crate) fn lists_fields(&self, engine: &Engine, operation: u32) -> bool {
        self.fields(engine, operation).next().is_some()
    }

    fn role<'e>(&self, engine: &'e Engine) -> Option<&'e Role> {
        match self.source {
            Source::Role(role) => engine.role_at(role),
            _ => None,
        }
    }

    /// The role that it is, and those that bound it.
    fn roles<'e>(&self, engine: &'e Engine) -> impl Iterator<Item = &'e Role> {
        let bounds = self.within.iter().filter_map(|within| match within.set {
            Set::Role(role) => engine.role_at(role),
            Set::Extension(_) | Set::Nothing => None,
        });
        self.role(engine).into_iter().chain(bounds)
    }

    /// Whether the default match of tags binds it (D20).
    pub(crate) fn matches_tags(&self, engine: &Engine) -> bool {
        self.condition(engine).is_none() && engine.tags_bind && self.source != Source::Basic
    }

    /// Whether tags bind it, by the default match or by a `where` (D20).
    pub(crate) fn is_tagged(&self, engine: &Engine) -> bool {
        self.matches_tags(engine) || self.conditions(engine).any(Condition::reads_resource)
    }

    /// Whether only the rule itself decides: no context, no constraint, no tags, no list of fields, no labels (D5).
    pub(crate) fn is_plain(&self, engine: &Engine, operation: u32) -> bool {
        self.is_unconstrained()
            && !self.is_tagged(engine)
            && !engine.enforces_labels()
            && !self.lists_fields(engine, operation)
    }

    /// Whether it gives these letters on a type, for joins, includes and answers.
    pub(crate) fn gives_at(&self, place: Place, letters: Letters) -> bool {
        let own = match &self.gives {
            Gives::Letters(Types::All, own) => *own,
            Gives::Letters(Types::One(one), own) if *one == place => *own,
            Gives::Operations(operations) => operations.letters(place),
            Gives::EveryGet => Letters::READ | Letters::SEARCH,
            Gives::Access(access) if access.read => Letters::READ | Letters::SEARCH,
            Gives::Letters(..) | Gives::Access(_) => Letters::NONE,
        };
        own.contains(letters) && self.within.iter().all(|within| within.letters(place).contains(letters))
    }

    /// The same, where the tables can tell whose a resource of that type is.
    pub(crate) fn reaches_at(&self, engine: &Engine, place: Place, letters: Letters) -> bool {
        self.gives_at(place, letters) && (!self.is_patient() || fit::is_told(engine, place))
    }

    /// Whether it gives these letters to write a type; types that carry security are outside `*`.
    pub(crate) fn writes_at(&self, engine: &Engine, place: Place, letters: Letters) -> bool {
        let secures = engine.kind(place).is_none_or(|kind| kind.is_security);
        let own = match &self.gives {
            Gives::Access(access) => return access.write && self.within.is_empty(),
            Gives::Letters(Types::All, _) => !secures,
            Gives::Operations(operations) => !secures || operations.named(place).contains(letters),
            Gives::Letters(..) | Gives::EveryGet => true,
        };
        own && self.gives_at(place, letters)
    }

    /// The same by the type's name.
    pub(crate) fn gives(&self, engine: &Engine, name: &str, letters: Letters) -> bool {
        engine.place(name).is_some_and(|place| self.gives_at(place, letters))
    }

    /// Whether it is a scope on `*` that gives these letters.
    pub(crate) fn gives_everywhere(&self, letters: Letters) -> bool {
        let own = match &self.gives {
            Gives::Letters(Types::All, own) => own.contains(letters),
            Gives::Access(access) => access.read,
            _ => false,
        };
        own && self.within.iter().all(|within| within.everywhere.contains(letters))
    }

    /// Whether it is a role, or a scope of the Service's own, that names this operation.
    pub(crate) fn names(&self, engine: &Engine, index: u32) -> bool {
        let named = match &self.gives {
            Gives::Operations(operations) => operations.contains(engine, index),
            Gives::Access(access) => engine.operation(index).is_some_and(|operation| access.allows(operation)),
            Gives::EveryGet => engine.operation(index).is_some_and(is_plain_get),
            Gives::Letters(..) => false,
        };
        named && self.is_within(engine, index)
    }

    /// Whether it may make a bulk export: a `system/` rule, or a Basic key.
    pub(crate) fn exports(&self, engine: &Engine, index: u32) -> bool {
        let own = self.context == Some(Context::System) || matches!(self.gives, Gives::Access(_));
        own && self.is_within(engine, index)
    }

    fn is_within(&self, engine: &Engine, index: u32) -> bool {
        self.within.iter().all(|within| within.contains(engine, index))
    }

    /// Whether it gives this operation: these letters on this type, or the operation itself.
    pub(crate) fn gives_operation(&self, engine: &Engine, index: u32, place: Option<Place>, letters: Letters) -> bool {
        // A create on a condition searches too, and its operation does not say so (D18).
        let searches = letters.contains(Letters::CREATE | Letters::SEARCH);
        let may_search =
            |operations: &Operations| place.is_some_and(|place| operations.letters(place).contains(Letters::SEARCH));
        let has = |operations: &Operations| operations.contains(engine, index) && (!searches || may_search(operations));
        let own = match &self.gives {
            Gives::Letters(types, own) => {
                let writes = Letters::CREATE | Letters::UPDATE | Letters::DELETE;
                let reaches = match (types, place) {
                    (Types::All, Some(place)) => {
                        (letters & writes).is_empty() || engine.kind(place).is_some_and(|kind| !kind.is_security)
                    }
                    (Types::One(one), Some(place)) => *one == place,
                    _ => false,
                };
                reaches && !letters.is_empty() && own.contains(letters)
            }
            Gives::Operations(operations) => has(operations) && !secures_by_template(engine, index, place),
            Gives::EveryGet => engine.operation(index).is_some_and(is_plain_get),
            Gives::Access(access) => engine.operation(index).is_some_and(|operation| access.allows(operation)),
        };
        own && self.within.iter().all(has)
    }
}

impl Grants {
    /// About how much memory they hold beside themselves, for whoever remembers many.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let rules = self.list.iter().chain(&self.waiting);
        let operations = |operations: &Operations| size_of_val(operations.on.as_slice());
        let rule = |rule: &Rule| {
            let own = if let Gives::Operations(own) = &rule.gives { operations(own) } else { 0 };
            let constraints = rule.constraints.iter().map(|one| size_of_val(one) + one.name.len() + one.value.len());
            let within = rule.within.iter().map(|one| size_of_val(one) + operations(one));
            size_of_val(rule) + rule.name.len() + own + constraints.sum::<usize>() + within.sum::<usize>()
        };
        let tags = self.tags.iter().map(|(key, values)| key.len() + values.iter().map(String::len).sum::<usize>());
        rules.map(rule).sum::<usize>() + 2 * self.patient_reference.len() + tags.sum::<usize>()
    }

    /// Whether a rule of them has a `where`.
    pub(crate) fn has_conditions(&self, engine: &Engine) -> bool {
        self.list.iter().any(|rule| rule.conditions(engine).next().is_some())
    }

    /// Whether labels are enforced and something is above the caller's clearance.
    pub(crate) fn is_cleared_below_all(&self, engine: &Engine) -> bool {
        engine.enforces_labels() && self.clearance < Confidentiality::V
    }
}

/// Every GET but a `$operation`, which only its name opens (D11).
fn is_plain_get(operation: &Operation) -> bool {
    let interaction = operation.fhir.as_ref().map(|fhir| fhir.interaction);
    operation.method == Method::Get && interaction != Some(Interaction::Operation)
}

/// Whether an operation writes a type that carries security without naming it (`PUT /{type}/{id}`).
fn secures_by_template(engine: &Engine, index: u32, place: Option<Place>) -> bool {
    use Interaction as I;
    let Some(fhir) = engine.operation(index).and_then(|operation| operation.fhir.as_ref()) else { return false };
    let writes = matches!(fhir.interaction, I::Create | I::Update | I::Patch | I::Delete | I::Conditional);
    let secures = place.and_then(|place| engine.kind(place)).is_some_and(|kind| kind.is_security);
    writes && secures && fhir.type_segment.is_some()
}

impl Access {
    /// Whether it allows an operation (D29).
    pub(crate) fn allows(self, operation: &Operation) -> bool {
        use Interaction as I;
        let Some(fhir) = &operation.fhir else {
            return if matches!(operation.method, Method::Get | Method::Head) { self.read } else { self.write };
        };
        match fhir.interaction {
            I::Create | I::Update | I::Patch | I::Delete | I::Conditional => self.write,
            I::Batch => self.read || self.write,
            _ => self.read,
        }
    }
}
