//! The runtime form of a bundle: what is worked out once, so that no request pays for it.
//!
//! Invariant: an engine never changes. It is made on a background thread from a bundle that is
//! already valid, so making it cannot fail; what it cannot place, no request can reach.

mod kind;

use policy::Bundle;
use policy::bundle::{Parts, Subscription};
use policy::facts::{SearchParameter, TypeFacts};
use policy::id::{AccountId, RoleId};
use policy::letters::Letters;
use policy::operation::{Interaction, Method, Operation};
use policy::role::Role;
use policy::settings::{Labels, ServiceKind, Settings, UntaggedResources};
use rustc_hash::FxHashMap;

use crate::base::Base;
use crate::routes::Routes;

pub(crate) use kind::{Kind, Known, Place};

/// A bundle, ready to decide.
#[derive(Debug)]
pub struct Engine {
    bundle: Bundle,
    pub(crate) base: Base,
    pub(crate) routes: Routes,
    /// The types, beside the bundle's.
    kinds: Vec<Kind>,
    places: FxHashMap<Box<str>, Place>,
    roles: FxHashMap<u128, u32>,
    /// What each operation gives as letters, beside the bundle's operations.
    given: Vec<Given>,
    /// The excluded paths, as segments.
    excluded: Vec<Vec<Box<str>>>,
    /// Whether the default match of tags binds rules.
    pub(crate) tags_bind: bool,
}

/// The letters that an operation counts as, when a role names it, for joins, includes and answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) letters: Letters,
    pub(crate) on: On,
}

/// The types that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// None that the Service knows.
    Nothing,
    /// This one.
    One(Place),
    /// Every one: the path itself names it.
    Every,
}

impl Engine {
    /// Works out what decisions need; tens of milliseconds for a full FHIR Service, so never on a request's thread.
    #[must_use]
    pub fn new(bundle: Bundle) -> Self {
        let parts = bundle.parts();
        let fhir = parts.service.kind == ServiceKind::Fhirv4;
        let places: FxHashMap<Box<str>, Place> =
            parts.types.iter().zip(0..).map(|(facts, place)| (facts.name.as_str().into(), Place(place))).collect();
        let roles = parts.roles.iter().zip(0..).map(|(role, index)| (role.id.uuid().as_u128(), index)).collect();
        let tags_bind = !parts.tag_keys.is_empty()
            || !parts.tagged.is_empty()
            || parts.settings.untagged_resources != UntaggedResources::ByRole;
        Self {
            base: Base::new(&parts.service.base_url),
            routes: Routes::new(&parts.operations, fhir),
            kinds: parts.types.iter().map(|facts| Kind::new(facts, &parts.common, &parts.settings)).collect(),
            given: parts.operations.iter().map(|operation| given(operation, &places)).collect(),
            excluded: parts.settings.excluded_paths.iter().map(|path| segments(path)).collect(),
            places,
            roles,
            tags_bind,
            bundle,
        }
    }

    /// The bundle that it decides by.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub(crate) const fn parts(&self) -> &Parts {
        self.bundle.parts()
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.parts().settings
    }

    pub(crate) fn is_fhir(&self) -> bool {
        self.parts().service.kind == ServiceKind::Fhirv4
    }

    pub(crate) fn enforces_labels(&self) -> bool {
        self.settings().labels == Labels::Enforce
    }

    pub(crate) fn operation(&self, index: u32) -> Option<&Operation> {
        self.parts().operations.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn given(&self, index: u32) -> Option<Given> {
        self.given.get(usize::try_from(index).ok()?).copied()
    }

    /// Where a type stands in the bundle; none for a type that the Service does not know.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).copied()
    }

    pub(crate) fn kind(&self, place: Place) -> Option<&Kind> {
        self.kinds.get(usize::from(place.0))
    }

    pub(crate) fn kind_named(&self, name: &str) -> Option<&Kind> {
        self.kind(self.place(name)?)
    }

    /// Every type, with its place.
    pub(crate) fn all_places(&self) -> impl Iterator<Item = Place> {
        (0..u16::try_from(self.kinds.len()).unwrap_or(u16::MAX)).map(Place)
    }

    pub(crate) fn facts_at(&self, place: Place) -> Option<&TypeFacts> {
        self.parts().types.get(usize::from(place.0))
    }

    /// The facts of a type; none for a type that the Service does not know.
    pub(crate) fn facts(&self, name: &str) -> Option<&TypeFacts> {
        self.facts_at(self.place(name)?)
    }

    /// A search parameter of a type, its own or one that every type has.
    pub(crate) fn parameter(&self, facts: &TypeFacts, name: &str) -> Option<&SearchParameter> {
        self.parameter_at(self.place(facts.name.as_str())?, name).map(|(parameter, _)| parameter)
    }

    /// A search parameter of the type at that place, and whether it names the owner.
    pub(crate) fn parameter_at(&self, place: Place, name: &str) -> Option<(&SearchParameter, bool)> {
        match self.kind(place)?.known(name)? {
            Known::Own { index, owner } => Some((self.facts_at(place)?.parameters.get(usize::from(index))?, owner)),
            Known::Common { index, owner } => Some((self.parts().common.get(usize::from(index))?, owner)),
        }
    }

    /// A search parameter that every type has.
    pub(crate) fn common(&self, name: &str) -> Option<&SearchParameter> {
        let common = &self.parts().common;
        common.get(common.binary_search_by(|one| (*one.name).cmp(name)).ok()?)
    }

    /// A role's index in the bundle.
    pub(crate) fn role_index(&self, id: RoleId) -> Option<u32> {
        self.roles.get(&id.uuid().as_u128()).copied()
    }

    pub(crate) fn role_at(&self, index: u32) -> Option<&Role> {
        self.parts().roles.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn subscription(&self, account: AccountId) -> Option<&Subscription> {
        let all = &self.parts().subscriptions;
        all.get(all.binary_search_by(|one| one.account_id.cmp(&account)).ok()?)
    }

    /// Whether a path, as segments below the base, needs no token.
    pub(crate) fn is_excluded(&self, path: &[&str]) -> bool {
        self.excluded.iter().any(|excluded| match excluded.split_last() {
            Some((last, before)) if &**last == "*" => {
                path.len() > before.len() && path.iter().zip(before).all(|(one, other)| **one == **other)
            }
            _ => path.len() == excluded.len() && path.iter().zip(excluded).all(|(one, other)| **one == **other),
        })
    }
}

/// The bare question of a role: whether one of these roles names the operation of method and path.
///
/// No token, no FHIR, no query: what a plain Service's rule comes down to. The path is below the Service's base
/// and decoded already; one that is not in the Service is `false`.
#[must_use]
pub fn permits_operation(engine: &Engine, method: Method, path: &str, roles: &[RoleId]) -> bool {
    let mut segments = [""; crate::normalise::MAX_PATH_SEGMENTS];
    let mut count = 0;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let Some(slot) = segments.get_mut(count) else { return false };
        *slot = segment;
        count += 1;
    }
    let operations = segments.get(..count).and_then(|path| engine.routes.find(path)).unwrap_or_default();
    let Some((_, index)) = operations.iter().find(|(known, _)| *known == method) else { return false };
    let names = |id: &RoleId| {
        let role = engine.role_index(*id).and_then(|role| engine.role_at(role));
        role.is_some_and(|role| role.operations.binary_search(index).is_ok())
    };
    roles.iter().any(names)
}

fn segments(path: &str) -> Vec<Box<str>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(Into::into).collect()
}

/// What a role's operation counts as beyond the operation itself: for joins, includes and charts, and `c` for an update that
/// creates (D14).
fn given(operation: &Operation, places: &FxHashMap<Box<str>, Place>) -> Given {
    let none = Given { letters: Letters::NONE, on: On::Nothing };
    let Some(fhir) = &operation.fhir else { return none };
    let letters = match fhir.interaction {
        Interaction::Read
        | Interaction::Vread
        | Interaction::HistoryInstance
        | Interaction::SearchType
        | Interaction::SearchSystem
        | Interaction::SearchCompartment
        | Interaction::HistoryType
        | Interaction::HistorySystem
        | Interaction::Create
        | Interaction::Update
        | Interaction::Patch
        | Interaction::Delete => fhir.interaction.letters(),
        _ => return none,
    };
    let on = match (fhir.interaction, &fhir.resource_type) {
        // `Patient/{id}/*` is of all types, too.
        (Interaction::SearchSystem | Interaction::HistorySystem, _) | (Interaction::SearchCompartment, None) => {
            On::Every
        }
        (_, _) if fhir.type_segment.is_some() => On::Every,
        (_, Some(name)) => places.get(name.as_str()).map_or(On::Nothing, |place| On::One(*place)),
        (_, None) => return none,
    };
    Given { letters, on }
}
