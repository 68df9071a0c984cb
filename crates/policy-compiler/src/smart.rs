//! SMART scopes as roles: which operations of a Service each scope stands for (K15, K31, K32).
//!
//! Invariant: computed from the grammar of scopes and the document, never stored and never edited. The list says what the
//! letters reach; a `patient/` or `user/` rule is bound further when a request is decided ("Rules", phases 4 to 9).

use std::collections::BTreeMap;

use policy::letters::Letters;
use policy::operation::{FhirOperation, Interaction, Method};
use policy::scope::{Context, Scope, Types};
use policy::settings::ServiceKind;

use crate::imported::Imported;

/// A role that bears a scope's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartRole {
    /// The scope, which is its id and its name.
    pub scope: Scope,
    /// What it reaches: indexes into [`Imported::operations`], ascending, never empty.
    pub operations: Vec<u32>,
}

/// The suffixes that are listed: each letter, and the combinations in use.
const SUFFIXES: [&str; 8] = ["c", "r", "u", "d", "s", "rs", "cud", "cruds"];

/// The roles that are listed for a Service: every context, `*` and every type, every suffix of the list that reaches
/// an operation. Sorted by context, then type. Empty in a plain Service.
#[must_use]
pub fn smart_roles(imported: &Imported) -> Vec<SmartRole> {
    if imported.kind == ServiceKind::Plain {
        return Vec::new();
    }
    let by_type = Reach::by_type(imported);
    let mut roles = Vec::new();
    for context in [Context::Patient, Context::User, Context::System] {
        for (types, reaches) in &by_type {
            for letters in SUFFIXES.into_iter().filter_map(Letters::parse) {
                let operations: Vec<_> =
                    reaches.iter().filter(|reach| reach.by(context, letters)).map(|reach| reach.operation).collect();
                if let (Some(scope), false) = (Scope::new(context, types.clone(), letters), operations.is_empty()) {
                    roles.push(SmartRole { scope, operations });
                }
            }
        }
    }
    roles
}

/// What any scope reaches: indexes into [`Imported::operations`], ascending. Nothing in a plain Service, nor for a type
/// that the document has not. Granular parts do not change it; they bind resources, not operations.
#[must_use]
pub fn operations_of(imported: &Imported, scope: &Scope) -> Vec<u32> {
    let known = match scope.types() {
        Types::All => true,
        Types::One(name) => imported.type_named(name.as_str()).is_some(),
    };
    if imported.kind == ServiceKind::Plain || !known {
        return Vec::new();
    }
    reaches(imported)
        .filter(|(fhir, reach)| reach.on(fhir, scope.types()) && reach.by(scope.context(), scope.letters()))
        .map(|(_, reach)| reach.operation)
        .collect()
}

/// What it takes to reach one operation.
#[derive(Clone, Copy)]
struct Reach {
    operation: u32,
    letters: Letters,
    /// `$export` is for machines only.
    system_only: bool,
    /// Whether it takes a rule on every type.
    every_type: bool,
}

impl Reach {
    fn new(operation: u32, method: Method, fhir: &FhirOperation) -> Option<Self> {
        let (letters, system_only) = match (fhir.interaction, fhir.code.as_deref()) {
            (Interaction::Operation, Some("everything")) => (Letters::READ | Letters::SEARCH, false),
            (Interaction::Operation, Some("export")) => (Letters::READ | Letters::SEARCH, true),
            (Interaction::Operation | Interaction::Batch | Interaction::Capabilities, _) => return None,
            (Interaction::Conditional, _) if method == Method::Delete => (Letters::DELETE | Letters::SEARCH, false),
            (Interaction::Conditional, _) => (Letters::UPDATE | Letters::SEARCH, false),
            (other, _) => (other.letters(), false),
        };
        let every_type =
            fhir.interaction == Interaction::Operation || fhir.resource_type.is_none() && fhir.type_segment.is_none();
        Some(Self { operation, letters, system_only, every_type })
    }

    fn on(self, fhir: &FhirOperation, types: &Types) -> bool {
        match (types, &fhir.resource_type) {
            (Types::All, _) => true,
            (Types::One(_), _) if self.every_type => false,
            (Types::One(asked), own) => own.as_ref().is_none_or(|own| asked == own),
        }
    }

    fn by(self, context: Context, letters: Letters) -> bool {
        letters.contains(self.letters) && (!self.system_only || context == Context::System)
    }

    /// The same for each type of the document, in one pass over the operations.
    fn by_type(imported: &Imported) -> BTreeMap<Types, Vec<Self>> {
        let names = imported.types.iter().map(|found| Types::One(found.name.clone()));
        let mut by_type: BTreeMap<_, Vec<_>> =
            std::iter::once(Types::All).chain(names).map(|types| (types, Vec::new())).collect();
        for (fhir, reach) in reaches(imported) {
            match &fhir.resource_type {
                Some(name) if !reach.every_type => {
                    for types in [Types::All, Types::One(name.clone())] {
                        by_type.entry(types).or_default().push(reach);
                    }
                }
                None if !reach.every_type => by_type.values_mut().for_each(|list| list.push(reach)),
                Some(_) | None => by_type.entry(Types::All).or_default().push(reach),
            }
        }
        by_type
    }
}

fn reaches(imported: &Imported) -> impl Iterator<Item = (&FhirOperation, Reach)> {
    (0_u32..).zip(&imported.operations).filter_map(|(index, operation)| {
        let fhir = operation.fhir.as_ref()?;
        Some((fhir, Reach::new(index, operation.method, fhir)?))
    })
}
