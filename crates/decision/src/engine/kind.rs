//! One resource type at run time: its search parameters by name, and what narrows it to one patient.

use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::settings::{Compartment, Settings};
use rustc_hash::FxHashMap;

/// Types that carry security: to write them a scope names them, `*` is not enough.
const SECURITY_TYPES: &[&str] = &["AccessPolicy", "AuditEvent", "Consent", "Provenance", "Subscription"];

/// Where a type stands in the bundle's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u16);

/// Where a search parameter stands, and whether it names the owner under the Service's setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// Among the type's own.
    Own { index: u16, owner: bool },
    /// Among those of every type.
    Common { index: u16, owner: bool },
}

impl Known {
    pub(crate) const fn is_owner(self) -> bool {
        match self {
            Self::Own { owner, .. } | Self::Common { owner, .. } => owner,
        }
    }
}

/// One type.
#[derive(Debug)]
pub(crate) struct Kind {
    parameters: FxHashMap<Box<str>, Known>,
    /// The elements that make a resource of this type a patient's, under the Service's setting.
    pub(crate) owners: Vec<ElementPath>,
    /// The parameter that narrows a search of this type to one patient; none where nothing can.
    pub(crate) narrowing: Option<Box<str>>,
    /// Whether only a scope that names the type may write it.
    pub(crate) is_security: bool,
    pub(crate) standing: Standing,
    /// The names of the elements that its search parameters and its owners stand on, sorted.
    pub(crate) elements: Vec<Box<str>>,
}

impl Kind {
    pub(super) fn new(facts: &TypeFacts, common: &[SearchParameter], settings: &Settings) -> Self {
        let owners = owners(facts, settings);
        let shared = common.iter().zip(0..).map(|(one, index)| {
            let owner = facts.standing == Standing::Patient && &*one.name == "_id";
            (one.name.clone(), Known::Common { index, owner })
        });
        let own = facts.parameters.iter().zip(0..).map(|(one, index)| {
            (one.name.clone(), Known::Own { index, owner: is_owner(facts, one, settings, &owners) })
        });
        let mut kind = Self {
            parameters: shared.chain(own).collect(),
            narrowing: None,
            is_security: SECURITY_TYPES.contains(&facts.name.as_str()),
            standing: facts.standing,
            owners,
            elements: elements(facts),
        };
        kind.narrowing = kind.narrowing(facts).map(Into::into);
        kind
    }

    pub(crate) fn known(&self, name: &str) -> Option<Known> {
        self.parameters.get(name).copied()
    }

    /// The names of its ownership parameters, in no order.
    pub(crate) fn owner_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|(_, known)| known.is_owner()).map(|(name, _)| &**name)
    }

    fn narrowing<'f>(&self, facts: &'f TypeFacts) -> Option<&'f str> {
        match facts.standing {
            Standing::Patient => return Some("_id"),
            Standing::Shared | Standing::Binary | Standing::Provenance | Standing::Undecidable => return None,
            Standing::Compartment | Standing::PatientElement | Standing::NamesPatients => {}
        }
        let owners = || facts.parameters.iter().filter(|one| self.known(&one.name).is_some_and(Known::is_owner));
        let first = self.owners.first();
        let by_table = || {
            owners().find(|one| first.is_some_and(|first| one.paths.iter().any(|path| path.elements == first.elements)))
        };
        let found = owners().find(|one| &*one.name == "patient").or_else(by_table).or_else(|| owners().next());
        found.map(|parameter| &*parameter.name)
    }
}

fn elements(facts: &TypeFacts) -> Vec<Box<str>> {
    let paths = facts.parameters.iter().flat_map(|one| &one.paths).chain(&facts.owners);
    let mut names: Vec<Box<str>> = paths.flat_map(|path| path.elements.iter().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn owners(facts: &TypeFacts, settings: &Settings) -> Vec<ElementPath> {
    match settings.compartment {
        Compartment::R4 => facts.owners.clone(),
        Compartment::SubjectOnly => {
            let subject = facts.parameters.iter().find(|one| &*one.name == "patient" && one.owner);
            let paths = subject.map_or_else(|| facts.owners.get(..1).unwrap_or_default(), |one| &one.paths);
            paths.to_vec()
        }
    }
}

fn is_owner(facts: &TypeFacts, parameter: &SearchParameter, settings: &Settings, owners: &[ElementPath]) -> bool {
    if facts.standing == Standing::Patient || !parameter.owner || parameter.kind != ParameterKind::Reference {
        return false;
    }
    match settings.compartment {
        Compartment::R4 => true,
        // Of those that are decided by another way it is not the elements that count.
        Compartment::SubjectOnly if !matches!(facts.standing, Standing::Compartment | Standing::PatientElement) => true,
        Compartment::SubjectOnly => {
            let owns = |path: &ElementPath| owners.iter().any(|owner| owner.elements == path.elements);
            !parameter.paths.is_empty() && parameter.paths.iter().all(owns)
        }
    }
}
