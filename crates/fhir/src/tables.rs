//! The shape of a table, and how it is asked.
//!
//! Invariant: types and, in each type, parameters are sorted by name and named once.

use policy::facts::ParameterKind;
use policy::facts::Standing;

use crate::standing;

/// The facts of one FHIR version; `crate::r4` gives the only ones so far.
#[derive(Debug)]
pub struct Tables {
    pub(crate) types: &'static [TypeDef],
    pub(crate) common: &'static [SearchParameterDef],
}

/// One resource type, as its version defines it.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) name: &'static str,
    /// The parameters of CompartmentDefinition/patient, in its order.
    pub(crate) compartment: Option<&'static [&'static str]>,
    /// The elements of these parameters; outside the compartment, of `patient` if that decides.
    pub(crate) owners: &'static [PathDef],
    pub(crate) parameters: &'static [SearchParameterDef],
}

/// One search parameter of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchParameterDef {
    /// Its code, as in a query.
    pub name: &'static str,
    /// Its type.
    pub kind: ParameterKind,
    /// For a reference, the types it may point at: what the parameter declares and its elements
    /// allow, sorted; empty means any type.
    pub targets: &'static [&'static str],
    /// The elements it reads, sorted; for a composite those of its components. Empty when its
    /// expression cannot be said as paths: what it reads is then unknown, not nothing.
    pub paths: &'static [PathDef],
}

/// Where an element stands in a resource; see [`policy::facts::ElementPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathDef {
    /// JSON property names, outermost first; a choice element bears its type (`valueQuantity`).
    pub elements: &'static [&'static str],
    /// Only references that resolve to this type count.
    pub only: Option<&'static str>,
}

impl Tables {
    /// The names of all types that can stand in a RESTful path, sorted.
    ///
    /// In R4 these are the 146 concrete resource types but `Parameters`, which has no end point;
    /// the abstract `Resource` and `DomainResource` are not among them.
    #[must_use]
    pub fn types(&self) -> impl ExactSizeIterator<Item = &'static str> + use<> {
        self.types.iter().map(|def| def.name)
    }

    /// Whether a type of that name can stand in a RESTful path.
    #[must_use]
    pub fn has_type(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The type's own search parameters, sorted by name; none for an unknown type.
    #[must_use]
    pub fn parameters(&self, type_name: &str) -> impl ExactSizeIterator<Item = &'static SearchParameterDef> + use<> {
        self.own(type_name).iter()
    }

    /// The type's own search parameter of that name.
    #[must_use]
    pub fn parameter(&self, type_name: &str, name: &str) -> Option<&'static SearchParameterDef> {
        let own = self.own(type_name);
        own.get(own.binary_search_by(|parameter| parameter.name.cmp(name)).ok()?)
    }

    /// The search parameters that every type has (those of `Resource` and `DomainResource`), sorted by name.
    ///
    /// Only those that read the resource: not `_query`, `_list`, `_has`, `_type` or what shapes a
    /// result. `_content` and `_text` read all of its text and have no paths.
    #[must_use]
    pub fn common_parameters(&self) -> impl ExactSizeIterator<Item = &'static SearchParameterDef> + use<> {
        self.common.iter()
    }

    /// The parameters by which the type's resources are members of a Patient compartment, in the order
    /// of CompartmentDefinition/patient; none for a type that is not in it.
    ///
    /// The table as published: [`Tables::standing`] says which types are decided otherwise
    /// (Patient itself is in it by `link`).
    #[must_use]
    pub fn patient_compartment(&self, type_name: &str) -> Option<&'static [&'static str]> {
        self.find(type_name)?.compartment
    }

    /// The elements whose references to a Patient make a resource a member of that patient's compartment.
    ///
    /// In the order of [`Tables::patient_compartment`], each once, with no `only`: references to other
    /// types stand there too and prove nothing. Empty unless the standing is `Compartment` or `PatientElement`.
    #[must_use]
    pub fn owner_paths(&self, type_name: &str) -> &'static [PathDef] {
        match (self.standing(type_name), self.find(type_name)) {
            (Standing::Compartment | Standing::PatientElement, Some(def)) => def.owners,
            _ => &[],
        }
    }

    /// Whether a parameter is an ownership parameter of the type: each of its values must name the
    /// patient in context.
    ///
    /// That is a compartment parameter, or an alias of one: a reference that reads only elements of
    /// compartment parameters, of whatever type or of Patient. On Patient it is `_id` alone, because
    /// `Patient.link` is not followed.
    #[must_use]
    pub fn is_owner(&self, type_name: &str, parameter: &str) -> bool {
        if type_name == "Patient" {
            return parameter == "_id";
        }
        let (Some(def), Some(parameter)) = (self.find(type_name), self.parameter(type_name, parameter)) else {
            return false;
        };
        let is_owner_path = |path: &PathDef| {
            matches!(path.only, None | Some("Patient"))
                && def.owners.iter().any(|owner| owner.elements == path.elements)
        };
        def.compartment.is_some_and(|names| names.contains(&parameter.name))
            || (parameter.kind == ParameterKind::Reference
                && !parameter.paths.is_empty()
                && parameter.paths.iter().all(is_owner_path))
    }

    /// How resources of the type belong to a patient; `Undecidable` for an unknown type.
    #[must_use]
    pub fn standing(&self, type_name: &str) -> Standing {
        match self.find(type_name) {
            Some(def) => standing::of(def.name, def.compartment.is_some()),
            None => Standing::Undecidable,
        }
    }

    /// The shared list that a Service starts with, sorted.
    pub fn shared_types(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().filter(move |def| self.standing(def.name) == Standing::Shared).map(|def| def.name)
    }

    fn own(&self, type_name: &str) -> &'static [SearchParameterDef] {
        self.find(type_name).map_or(&[], |def| def.parameters)
    }

    fn find(&self, type_name: &str) -> Option<&'static TypeDef> {
        self.types.get(self.types.binary_search_by(|def| def.name.cmp(type_name)).ok()?)
    }
}
