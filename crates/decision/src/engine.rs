//! The runtime form of a bundle: what is worked out once, so that no request pays for it.
//!
//! Invariant: an engine never changes. It is made on a background thread from a bundle that is
//! already valid, so making it cannot fail; what it cannot place, no request can reach.

use policy::Bundle;
use policy::bundle::{Parts, Subscription};
use policy::facts::{SearchParameter, TypeFacts};
use policy::id::{AccountId, RoleId};
use policy::letters::Letters;
use policy::operation::{Interaction, Operation};
use policy::role::Role;
use policy::settings::{ServiceKind, Settings};

use crate::base::Base;
use crate::routes::Routes;

/// A bundle, ready to decide.
#[derive(Debug)]
pub struct Engine {
    bundle: Bundle,
    pub(crate) base: Base,
    pub(crate) routes: Routes,
    /// What each operation gives as letters, beside the bundle's operations.
    given: Vec<Given>,
    /// The excluded paths, as segments.
    excluded: Vec<Vec<Box<str>>>,
}

/// The letters that an operation counts as, when a role names it, for joins, includes and answers.
#[derive(Debug)]
struct Given {
    letters: Letters,
    /// The type; none where the path itself names it: every type.
    resource_type: Option<Box<str>>,
}

impl Engine {
    /// Works out what decisions need; tens of milliseconds for a full FHIR Service, so never on a request's thread.
    #[must_use]
    pub fn new(bundle: Bundle) -> Self {
        let parts = bundle.parts();
        let fhir = parts.service.kind == ServiceKind::Fhirv4;
        Self {
            base: Base::new(&parts.service.base_url),
            routes: Routes::new(&parts.operations, fhir),
            given: parts.operations.iter().map(given).collect(),
            excluded: parts.settings.excluded_paths.iter().map(|path| segments(path)).collect(),
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

    pub(crate) fn operation(&self, index: u32) -> Option<&Operation> {
        self.parts().operations.get(usize::try_from(index).ok()?)
    }

    /// The facts of a type; none for a type that the Service does not know.
    pub(crate) fn facts(&self, name: &str) -> Option<&TypeFacts> {
        let types = &self.parts().types;
        types.get(types.binary_search_by(|facts| facts.name.as_str().cmp(name)).ok()?)
    }

    /// A search parameter of a type, its own or one that every type has.
    pub(crate) fn parameter<'e>(&'e self, facts: &'e TypeFacts, name: &str) -> Option<&'e SearchParameter> {
        named(&facts.parameters, name).or_else(|| self.common(name))
    }

    /// A search parameter that every type has.
    pub(crate) fn common(&self, name: &str) -> Option<&SearchParameter> {
        named(&self.parts().common, name)
    }

    pub(crate) fn role(&self, id: RoleId) -> Option<&Role> {
        let roles = &self.parts().roles;
        roles.get(roles.binary_search_by(|role| role.id.cmp(&id)).ok()?)
    }

    pub(crate) fn subscription(&self, account: AccountId) -> Option<&Subscription> {
        let all = &self.parts().subscriptions;
        all.get(all.binary_search_by(|one| one.account_id.cmp(&account)).ok()?)
    }

    /// The letters that these operations give on a type.
    pub(crate) fn letters_on(&self, operations: &[u32], name: &str) -> Letters {
        operations
            .iter()
            .filter_map(|index| self.given.get(usize::try_from(*index).ok()?))
            .filter(|given| given.resource_type.as_deref().is_none_or(|own| own == name))
            .fold(Letters::NONE, |all, given| all | given.letters)
    }

    /// Whether a path, as segments below the base, needs no token.
    pub(crate) fn is_excluded(&self, path: &[std::borrow::Cow<'_, str>]) -> bool {
        self.excluded.iter().any(|excluded| match excluded.split_last() {
            Some((last, before)) if &**last == "*" => {
                path.len() > before.len() && path.iter().zip(before).all(|(one, other)| **one == **other)
            }
            _ => path.len() == excluded.len() && path.iter().zip(excluded).all(|(one, other)| **one == **other),
        })
    }
}

fn named<'e>(parameters: &'e [SearchParameter], name: &str) -> Option<&'e SearchParameter> {
    parameters.get(parameters.binary_search_by(|one| (*one.name).cmp(name)).ok()?)
}

fn segments(path: &str) -> Vec<Box<str>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(Into::into).collect()
}

/// Reading and searching only: what a role's operation counts as beyond the operation itself.
fn given(operation: &Operation) -> Given {
    let none = Given { letters: Letters::NONE, resource_type: Some(Box::default()) };
    let Some(fhir) = &operation.fhir else { return none };
    let letters = match fhir.interaction {
        Interaction::Read
        | Interaction::Vread
        | Interaction::HistoryInstance
        | Interaction::SearchType
        | Interaction::SearchSystem
        | Interaction::SearchCompartment
        | Interaction::HistoryType
        | Interaction::HistorySystem => fhir.interaction.letters(),
        _ => return none,
    };
    let resource_type = match (fhir.interaction, &fhir.resource_type) {
        (Interaction::SearchSystem | Interaction::HistorySystem, _) => None,
        (_, _) if fhir.type_segment.is_some() => None,
        (_, Some(name)) => Some(name.as_str().into()),
        (_, None) => return none,
    };
    Given { letters, resource_type }
}
