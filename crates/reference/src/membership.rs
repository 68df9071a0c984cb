//! Whose a resource is ("Compartment and shared types").
//!
//! Invariant: only literal references to the own base prove anything.

use policy::facts::Standing;
use policy::settings::Shared;
use policy::text::FhirId;
use serde_json::Value;

use crate::facts::is_type_name;
use crate::{Interpreter, json, url};

/// What a Reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Literally this type and id, on the own base.
    Instance(String, String),
    /// `T?query`, to be resolved by a search.
    Conditional,
    /// `urn:…`.
    Urn(String),
    /// It proves nothing.
    Undecidable,
    /// It is no Reference at all.
    Malformed,
}

/// How a stored resource stands to a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Member,
    NotMember,
    /// A Binary without `securityContext`: a DocumentReference may tell (D8).
    ByDocument,
    /// A Provenance: its targets tell (D9).
    ByTargets,
}

impl Interpreter {
    /// Reads a Reference; `bases` are the own ones.
    pub(crate) fn named(reference: &Value, bases: &[String]) -> Named {
        let Some(map) = reference.as_object() else { return Named::Malformed };
        let text = match map.get("reference") {
            None => return Named::Undecidable,
            Some(Value::String(text)) => text,
            Some(_) => return Named::Malformed,
        };
        let type_ok = |name: &str| match map.get("type") {
            None => true,
            Some(Value::String(given)) => {
                given == name || given.strip_prefix("http://hl7.org/fhir/StructureDefinition/") == Some(name)
            }
            Some(_) => false,
        };
        match literal(text, bases) {
            // D66: in another case it is a Patient to some.
            Named::Instance(name, _) if name != "Patient" && name.eq_ignore_ascii_case("Patient") => Named::Undecidable,
            Named::Instance(name, id) if type_ok(&name) => Named::Instance(name, id),
            Named::Instance(..) => Named::Undecidable,
            other => other,
        }
    }

    /// Whether a stored resource is a member of the patient's compartment, or stands open to its rule.
    pub(crate) fn membership(&self, resource: &Value, patient: &str, bases: &[String], partial: bool) -> Membership {
        use Membership as M;
        let name = json::text(resource, "resourceType").unwrap_or_default();
        let of = |yes: bool| if yes { M::Member } else { M::NotMember };
        let is_context = |reference: &&Value| {
            Self::named(reference, bases) == Named::Instance("Patient".to_owned(), patient.to_owned())
        };
        if has_contained_patient(resource) {
            return M::NotMember;
        }
        match self.standing(name) {
            Standing::Patient => of(json::text(resource, "id") == Some(patient)),
            Standing::Compartment => of(self.owners(resource, name).iter().any(is_context)),
            Standing::PatientElement => {
                let owners = self.owners(resource, name);
                let unowned = owners.is_empty() && name == "Device" && !partial && !is_subsetted(resource);
                of(owners.iter().any(is_context) || (unowned && self.service.settings.shared != Shared::Referenced))
            }
            Standing::Shared => of(self.service.settings.shared != Shared::Referenced),
            Standing::NamesPatients => {
                of(!partial && !is_subsetted(resource) && self.names_only(resource, name, patient, bases))
            }
            Standing::Binary => match resource.get("securityContext") {
                Some(reference) => of(is_context(&reference)),
                None if partial || is_subsetted(resource) => M::NotMember,
                None => M::ByDocument,
            },
            Standing::Provenance if partial || is_subsetted(resource) => M::NotMember,
            Standing::Provenance => M::ByTargets,
            Standing::Undecidable => M::NotMember,
        }
    }

    /// Whether a resource is in the patient's compartment itself, and not only open to its rule.
    pub(crate) fn is_member(&self, resource: &Value, patient: &str, bases: &[String], partial: bool) -> bool {
        let name = json::text(resource, "resourceType").unwrap_or_default();
        let unowned = self.standing(name) == Standing::PatientElement && self.owners(resource, name).is_empty();
        self.standing(name) != Standing::Shared
            && !unowned
            && self.membership(resource, patient, bases, partial) == Membership::Member
    }

    /// The References at the ownership elements.
    pub(crate) fn owners<'a>(&self, resource: &'a Value, name: &str) -> Vec<&'a Value> {
        self.owner_paths(name).iter().flat_map(|path| json::at(resource, path)).collect()
    }

    /// Whether at least one Patient is named, every one is the context, and nothing is left open.
    pub(crate) fn names_only(&self, resource: &Value, name: &str, patient: &str, bases: &[String]) -> bool {
        let to_patients = |one: &&fhir::SearchParameterDef| {
            one.kind == policy::facts::ParameterKind::Reference
                && (one.targets.is_empty() || one.targets.contains(&"Patient"))
        };
        let paths = fhir::r4().parameters(name).filter(to_patients).flat_map(|one| one.paths);
        let at_paths = paths.flat_map(|path| {
            let elements: Vec<String> = path.elements.iter().map(|name| (*name).to_owned()).collect();
            json::at(resource, &elements)
        });
        let refers = |one: &&Value| {
            one.get("reference").is_some_and(Value::is_string) || one.get("identifier").is_some_and(Value::is_object)
        };
        let inside = resource.as_object().into_iter().flat_map(|map| map.values()).flat_map(json::objects);
        let all: Vec<&Value> = at_paths.chain(inside.filter(refers)).collect();
        let context = Named::Instance("Patient".to_owned(), patient.to_owned());
        // Without a reference only its own `type` tells that it is no Patient.
        let typed = |one: &Value| {
            let other = |name: &str| is_type_name(name) && !name.eq_ignore_ascii_case("Patient");
            one.get("reference").is_none() && json::text(one, "type").is_some_and(other)
        };
        let harmless = |one: &&Value| match Self::named(one, bases) {
            Named::Instance(name, id) => name != "Patient" || id == patient,
            _ => typed(one),
        };
        all.iter().any(|one| Self::named(one, bases) == context) && all.iter().all(harmless)
    }

    /// The literal targets of a Provenance; none if one proves nothing.
    pub(crate) fn targets_of(resource: &Value, bases: &[String]) -> Option<Vec<(String, String)>> {
        let targets = resource.get("target")?.as_array()?;
        let one = |target: &Value| match Self::named(target, bases) {
            Named::Instance(name, id) => Some((name, id)),
            _ => None,
        };
        let all: Vec<(String, String)> = targets.iter().map(one).collect::<Option<_>>()?;
        (!all.is_empty()).then_some(all)
    }
}

/// What a literal reference names.
pub(crate) fn literal(text: &str, bases: &[String]) -> Named {
    if text.starts_with("urn:") {
        return Named::Urn(text.to_owned());
    }
    let rest = if text.contains("://") {
        let below = bases.iter().find_map(|base| {
            let (own, given) = (url::absolute(base)?, url::absolute(text)?);
            let same = own.scheme == given.scheme && own.authority == given.authority;
            given.rest.strip_prefix(own.rest).and_then(|rest| rest.strip_prefix('/')).filter(|_| same)
        });
        match below {
            Some(rest) => rest,
            None => return Named::Undecidable,
        }
    } else {
        text
    };
    if rest.contains('?') {
        return Named::Conditional;
    }
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [name, id] | [name, id, "_history", _] if is_type_name(name) && FhirId::accepts(id) => {
            Named::Instance((*name).to_owned(), (*id).to_owned())
        }
        _ => Named::Undecidable,
    }
}

/// Whether a Patient stands inside the resource; to some clients `Contained` is `contained`.
pub(crate) fn has_contained_patient(resource: &Value) -> bool {
    let members = resource.as_object().into_iter().flatten();
    let contained = members.filter(|(name, _)| name.eq_ignore_ascii_case("contained")).map(|(_, value)| value);
    contained.flat_map(json::objects).any(|object| json::text(object, "resourceType") == Some("Patient"))
}

/// Whether a resource says that it is only part of itself.
pub(crate) fn is_subsetted(resource: &Value) -> bool {
    let path = ["meta".to_owned(), "tag".to_owned()];
    json::at(resource, &path).iter().any(|tag| json::text(tag, "code") == Some("SUBSETTED"))
}
