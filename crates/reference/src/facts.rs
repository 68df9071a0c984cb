//! What the interpreter knows of its Service: types, search parameters, and how resources belong to a patient.
//!
//! Invariant: facts of FHIR come from the `fhir` tables; the document adds types and parameters, and changes none.

use policy::facts::{ParameterKind, Standing};
use policy::operation::{Interaction, Method};
use policy::settings::{Compartment, ServiceKind, Shared};
use policy::text::TypeName;

use crate::document::{self, Operation};
use crate::{Interpreter, Service};

/// A path of elements, and the only type of reference that counts on it.
pub(crate) type Path = (Vec<String>, Option<String>);

/// One search parameter of a type.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: ParameterKind,
    /// Empty: any type.
    pub(crate) targets: Vec<String>,
    pub(crate) paths: Vec<Path>,
}

impl From<&fhir::SearchParameterDef> for Parameter {
    fn from(def: &fhir::SearchParameterDef) -> Self {
        let path = |one: &fhir::PathDef| (strings(one.elements), one.only.map(str::to_owned));
        Self {
            name: def.name.to_owned(),
            kind: def.kind,
            targets: strings(def.targets),
            paths: def.paths.iter().map(path).collect(),
        }
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

impl Interpreter {
    /// Reads the Service's document once.
    #[must_use]
    pub fn new(service: Service) -> Self {
        let spec = document::read(&service.document, service.kind);
        Self { service, operations: spec.operations, types: spec.types }
    }

    pub(crate) fn is_fhir(&self) -> bool {
        self.service.kind == ServiceKind::Fhirv4
    }

    pub(crate) fn has_type(&self, name: &str) -> bool {
        self.types.iter().any(|one| one == name)
    }

    /// How resources of a type belong to a patient; a Service may have its own shared list.
    pub(crate) fn standing(&self, name: &str) -> Standing {
        let usual = fhir::r4().standing(name);
        match &self.service.settings.shared_types {
            Some(list) if list.iter().any(|one| &**one == name) => match usual {
                Standing::Shared | Standing::Undecidable => Standing::Shared,
                other => other,
            },
            Some(_) if usual == Standing::Shared => Standing::Undecidable,
            _ => usual,
        }
    }

    /// Whether a type is on the shared list, and a kept reference opens it.
    pub(crate) fn shared_by_reference(&self, name: &str) -> bool {
        self.standing(name) == Standing::Shared && self.service.settings.shared != Shared::Scope
    }

    /// The parameters that every type has.
    pub(crate) fn common(&self, name: &str) -> Option<Parameter> {
        fhir::r4().common_parameters().find(|one| one.name == name).map(Parameter::from)
    }

    /// A search parameter of a type: its own, one of every type, or one that the document declares for it.
    pub(crate) fn parameter(&self, type_name: &str, name: &str) -> Option<Parameter> {
        if let Some(own) = fhir::r4().parameter(type_name, name) {
            return Some(own.into());
        }
        if let Some(common) = self.common(name) {
            return Some(common);
        }
        // The page names it beside those of R4.
        if name == "_language" {
            let paths = vec![(vec!["language".to_owned()], None)];
            return Some(Parameter { name: name.to_owned(), kind: ParameterKind::Token, targets: Vec::new(), paths });
        }
        let declared = self.declared(type_name).any(|one| one == name) && !name.starts_with('_');
        let special = || Parameter {
            name: name.to_owned(),
            kind: ParameterKind::Special,
            targets: Vec::new(),
            paths: Vec::new(),
        };
        declared.then(special)
    }

    /// Every name of a search parameter of a type.
    pub(crate) fn parameter_names(&self, type_name: &str) -> Vec<String> {
        let own = fhir::r4().parameters(type_name).map(|one| one.name.to_owned());
        let common = fhir::r4().common_parameters().map(|one| one.name.to_owned());
        own.chain(common).chain(self.declared(type_name).map(str::to_owned)).collect()
    }

    /// The query parameters that the document declares for searches of a type.
    fn declared<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = &'a str> {
        let searches = move |one: &&Operation| {
            one.interaction == Some(Interaction::SearchType)
                && matches!(one.method, Method::Get | Method::Post)
                && one.literal_type.as_deref().is_none_or(|name| name == type_name)
        };
        self.operations.iter().filter(searches).flat_map(|one| one.query.iter().map(String::as_str))
    }

    /// The elements whose references make a resource of a type a patient's ("Membership"), outermost names first.
    pub(crate) fn owner_paths(&self, type_name: &str) -> Vec<Vec<String>> {
        let table = fhir::r4().owner_paths(type_name);
        if self.service.settings.compartment == Compartment::R4 || self.standing(type_name) == Standing::PatientElement
        {
            return table.iter().map(|one| strings(one.elements)).collect();
        }
        let first = fhir::r4().patient_compartment(type_name).and_then(|list| list.first().copied());
        let subject = fhir::r4().parameter(type_name, "patient").or_else(|| fhir::r4().parameter(type_name, first?));
        subject.map(|one| one.paths.iter().map(|path| strings(path.elements)).collect()).unwrap_or_default()
    }

    /// Whether a parameter is in the class "ownership" of its type.
    pub(crate) fn is_owner(&self, type_name: &str, name: &str) -> bool {
        if !fhir::r4().is_owner(type_name, name) {
            return false;
        }
        if self.service.settings.compartment == Compartment::R4 || type_name == "Patient" {
            return true;
        }
        let Some(parameter) = fhir::r4().parameter(type_name, name) else { return false };
        let owners = self.owner_paths(type_name);
        match self.standing(type_name) {
            Standing::Compartment => {
                !parameter.paths.is_empty()
                    && parameter.paths.iter().all(|path| owners.contains(&strings(path.elements)))
            }
            _ => true,
        }
    }

    /// The ownership parameter that a search is narrowed by, where the client's own is no proof.
    pub(crate) fn narrowing_parameter(&self, type_name: &str) -> Option<String> {
        if type_name == "Patient" {
            return Some("_id".to_owned());
        }
        // They are whose their targets are, or what names them is: a parameter would leave out most.
        if matches!(self.standing(type_name), Standing::Provenance | Standing::Binary) {
            return None;
        }
        if self.is_owner(type_name, "patient") {
            return Some("patient".to_owned());
        }
        let table = fhir::r4().patient_compartment(type_name).unwrap_or_default();
        table.iter().find(|name| self.is_owner(type_name, name)).map(|name| (*name).to_owned())
    }

    /// The types that a reference parameter can lead to, of those that the Service has; none for any type.
    pub(crate) fn targets(&self, parameter: &Parameter) -> Option<Vec<String>> {
        if parameter.targets.is_empty() { None } else { Some(parameter.targets.clone()) }
    }

    /// The names of elements that decisions read on a type, for keys that differ only in case.
    pub(crate) fn element_names(&self, type_name: &str) -> Vec<String> {
        const ALWAYS: &[&str] = &[
            "resourceType",
            "id",
            "meta",
            "tag",
            "security",
            "system",
            "code",
            "coding",
            "contained",
            "reference",
            "type",
            "identifier",
            "securityContext",
            "versionId",
            "target",
            "value",
        ];
        let paths = fhir::r4().parameters(type_name).flat_map(|one| one.paths).chain(fhir::r4().owner_paths(type_name));
        let elements = paths.flat_map(|path| path.elements.iter().copied());
        ALWAYS.iter().copied().chain(elements).map(str::to_owned).collect()
    }

    /// The bases under which a literal reference is the Service's own.
    pub(crate) fn own_base(&self) -> String {
        self.service.base_url.clone()
    }
}

/// Whether a text has the form of a resource type.
pub(crate) fn is_type_name(text: &str) -> bool {
    TypeName::accepts(text)
}
