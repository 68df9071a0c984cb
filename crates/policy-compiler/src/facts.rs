//! The facts of FHIR that one Service needs, copied into its bundle.
//!
//! Invariant: what R4 and the document do not define is not among them, and so denied. A type of the document's own
//! has no owner, and a parameter of its own has no elements: neither ever opens a patient's data to a patient rule.

use std::collections::{BTreeMap, BTreeSet};

use fhir::{PathDef, SearchParameterDef};
use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::text::TypeName;

use crate::imported::{Imported, ImportedType};
use crate::search::{Declared, declared};

/// The types that the Service serves, and those that their reference parameters lead to, over any number of steps
/// (chains and includes go there); sorted by name. `shared` stands in for the default list of shared types.
pub(crate) fn types(imported: &Imported, shared: Option<&[Box<str>]>) -> Vec<TypeFacts> {
    let tables = fhir::r4();
    let mut names: BTreeSet<TypeName> = BTreeSet::new();
    let mut ahead: Vec<TypeName> = imported.types.iter().map(|served| served.name.clone()).collect();
    while let Some(name) = ahead.pop() {
        for parameter in tables.parameters(name.as_str()).filter(|parameter| parameter.kind == ParameterKind::Reference)
        {
            match parameter.targets {
                [] => ahead.extend(tables.types().filter_map(type_name).filter(|target| !names.contains(target))),
                targets => ahead.extend(
                    targets.iter().filter_map(|target| type_name(target)).filter(|target| !names.contains(target)),
                ),
            }
        }
        names.insert(name);
        ahead.retain(|name| !names.contains(name));
        ahead.sort_unstable();
        ahead.dedup();
    }
    names.into_iter().map(|name| facts(imported.type_named(name.as_str()), name, shared)).collect()
}

/// How resources of a type belong to a patient, under a Service's own list of shared types; a type that it leaves out
/// is what it would be if no list had it.
fn standing(name: &str, shared: Option<&[Box<str>]>) -> Standing {
    match (fhir::r4().standing(name), shared) {
        (Standing::Shared | Standing::Undecidable, Some(list)) => {
            if list.iter().any(|one| **one == *name) {
                Standing::Shared
            } else {
                Standing::Undecidable
            }
        }
        (standing, _) => standing,
    }
}

/// Whether a Service may put the type on its list of shared types: no resource of it belongs to a patient, by the
/// compartment or by a rule of its own.
pub(crate) fn can_be_shared(imported: &Imported, name: &str) -> bool {
    let known = fhir::r4().has_type(name) || imported.type_named(name).is_some();
    known && matches!(fhir::r4().standing(name), Standing::Shared | Standing::Undecidable)
}

/// The search parameters of every type, sorted by name.
pub(crate) fn common() -> Vec<SearchParameter> {
    fhir::r4().common_parameters().map(|parameter| copied(parameter, false)).collect()
}

fn facts(served: Option<&ImportedType>, name: TypeName, shared: Option<&[Box<str>]>) -> TypeFacts {
    let tables = fhir::r4();
    let own = served
        .into_iter()
        .flat_map(|served| &served.search_parameters)
        .filter(|parameter| declared(Some(&name), parameter) == Declared::Own);
    let own = own.map(|parameter| SearchParameter {
        name: parameter.as_str().into(),
        kind: ParameterKind::Special,
        targets: Vec::new(),
        paths: Vec::new(),
        owner: false,
    });
    let defined = tables
        .parameters(name.as_str())
        .map(|parameter| copied(parameter, tables.is_owner(name.as_str(), parameter.name)));
    let parameters: BTreeMap<_, _> = own.chain(defined).map(|parameter| (parameter.name.clone(), parameter)).collect();
    TypeFacts {
        standing: standing(name.as_str(), shared),
        parameters: parameters.into_values().collect(),
        owners: tables.owner_paths(name.as_str()).iter().map(path).collect(),
        name,
    }
}

fn copied(parameter: &SearchParameterDef, owner: bool) -> SearchParameter {
    SearchParameter {
        name: parameter.name.into(),
        kind: parameter.kind,
        targets: parameter.targets.iter().filter_map(|target| type_name(target)).collect(),
        paths: parameter.paths.iter().map(path).collect(),
        owner,
    }
}

fn path(def: &PathDef) -> ElementPath {
    ElementPath {
        elements: def.elements.iter().map(|element| (*element).into()).collect(),
        only: def.only.and_then(type_name),
    }
}

fn type_name(text: &str) -> Option<TypeName> {
    TypeName::try_from(text).ok()
}
