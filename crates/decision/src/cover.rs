//! Whether a rule covers a resource: its owner, and what a granular scope asks of it.
//!
//! Invariant: membership is read off the resource itself, by the element paths of the bundle. What
//! cannot be told from it is not covered.

use std::borrow::Cow;
use std::cell::OnceCell;

use policy::facts::{ElementPath, SearchParameter, Standing, TypeFacts};
use policy::settings::Shared;

use crate::Engine;
use crate::admit::{Named, Party};
use crate::json::{Kind, Value};
use crate::normalise::{alternatives, unescape};
use crate::reference::{self, Names, Reference, names};
use crate::rules::Rule;

/// The tag of a resource that holds a part of what is stored (R4 resource.html, "meta").
const SUBSETTED: &str = "SUBSETTED";

/// How the references of a resource count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eyes<'a> {
    /// The absolute URLs that mean this server.
    pub(crate) bases: &'a [&'a str],
    /// The patient context.
    pub(crate) patient: Option<&'a str>,
    /// Who asks.
    pub(crate) party: Party<'a>,
    /// Other resources that are kept in the same answer, as `Type/id`, sorted: what Provenance may rest on.
    pub(crate) kept: &'a [String],
    /// Whether resources lack elements, so that what is not there proves nothing.
    pub(crate) partial: bool,
}

/// Calls `visit` with every value at a path, going through lists; stops at the first `true`.
fn any_at<'d>(value: Value<'d>, path: &[Box<str>], visit: &mut dyn FnMut(Value<'d>) -> bool) -> bool {
    if value.is_array() && value.elements().next().is_some() {
        return value.elements().any(|element| any_at(element, path, visit));
    }
    match path.split_first() {
        Some((name, rest)) => value.get(name).is_some_and(|next| any_at(next, rest, visit)),
        None => visit(value),
    }
}

/// Calls `visit` with every value at a path, going through lists.
pub(crate) fn each_at<'d>(value: Value<'d>, path: &[Box<str>], visit: &mut dyn FnMut(Value<'d>)) {
    any_at(value, path, &mut |found| {
        visit(found);
        false
    });
}

/// The elements that make a resource of this type a patient's, under the Service's setting.
pub(crate) fn owner_paths<'e>(engine: &'e Engine, facts: &TypeFacts) -> &'e [ElementPath] {
    engine.kind_named(facts.name.as_str()).map(|kind| &*kind.owners).unwrap_or_default()
}

/// A resource, as it is stored, that one rule after the other is asked about: what is the same for each is found out once,
/// however many there are.
#[derive(Debug)]
pub(crate) struct Subject<'s> {
    engine: &'s Engine,
    facts: &'s TypeFacts,
    pub(crate) resource: Value<'s>,
    eyes: Eyes<'s>,
    is_member: OnceCell<bool>,
}

impl<'s> Subject<'s> {
    pub(crate) const fn new(engine: &'s Engine, facts: &'s TypeFacts, resource: Value<'s>, eyes: Eyes<'s>) -> Self {
        Self { engine, facts, resource, eyes, is_member: OnceCell::new() }
    }

    /// Whether a rule covers it.
    pub(crate) fn is_covered_by(&self, rule: &Rule) -> bool {
        let Self { engine, facts, resource, eyes, .. } = self;
        (!rule.is_patient() || self.is_members())
            && meets(engine, rule, facts, resource, eyes)
            && is_admitted(rule, facts, resource, eyes)
    }

    fn is_members(&self) -> bool {
        let Self { engine, facts, resource, eyes, .. } = self;
        let member = || eyes.patient.is_some_and(|patient| is_member(engine, facts, resource, patient, eyes));
        *self.is_member.get_or_init(member)
    }
}

/// Whether tags, the rule's `where` and labels let the caller at a resource.
pub(crate) fn is_admitted(rule: &Rule, facts: &TypeFacts, resource: &Value<'_>, eyes: &Eyes<'_>) -> bool {
    let id = resource.text("id");
    let named = Named { resource_type: facts.name.as_str(), id: id.as_deref() };
    eyes.party.admits(rule, named, *resource) && eyes.party.is_cleared(*resource)
}

/// Whether a resource meets every constraint of a rule.
pub(crate) fn meets(engine: &Engine, rule: &Rule, facts: &TypeFacts, resource: &Value<'_>, eyes: &Eyes<'_>) -> bool {
    rule.constraints.iter().all(|constraint| {
        engine.parameter(facts, &constraint.name).is_some_and(|parameter| {
            alternatives(&constraint.value).any(|value| matches(parameter, value, resource, eyes))
        })
    })
}

/// Whether a resource is in one patient's compartment itself, and not only open to its rules as what is nobody's is.
pub(crate) fn is_own(engine: &Engine, facts: &TypeFacts, resource: &Value<'_>, patient: &str, eyes: &Eyes<'_>) -> bool {
    let nobodys = match facts.standing {
        Standing::Shared => true,
        Standing::PatientElement => {
            !owner_paths(engine, facts).iter().any(|path| any_at(*resource, &path.elements, &mut |_| true))
        }
        _ => false,
    };
    !nobodys && is_member(engine, facts, resource, patient, eyes)
}

/// Whether a resource is one patient's own or stands open to its rules, as "Compartment and shared types" says.
pub(crate) fn is_member(
    engine: &Engine,
    facts: &TypeFacts,
    resource: &Value<'_>,
    patient: &str,
    eyes: &Eyes<'_>,
) -> bool {
    if contains_patient(resource) {
        return false;
    }
    let is_patient = |element: Value<'_>| names(element, eyes.bases).is_patient(patient);
    let owned = |paths: &[ElementPath]| {
        paths.iter().any(|path| any_at(*resource, &path.elements, &mut |found| is_patient(found)))
    };
    match facts.standing {
        Standing::Patient => resource.get("id").is_some_and(|id| id.is_text(patient)),
        Standing::Compartment => owned(owner_paths(engine, facts)),
        Standing::PatientElement => {
            let paths = owner_paths(engine, facts);
            // A Device that is nobody's is shared; one whose owner cannot be told is not.
            let nobody = !paths.iter().any(|path| any_at(*resource, &path.elements, &mut |_| true));
            let open = engine.settings().shared != Shared::Referenced;
            owned(paths)
                || (nobody
                    && open
                    && !is_partial(resource, eyes)
                    && !paths.is_empty()
                    && facts.name.as_str() == "Device")
        }
        // What is open only where something refers to it is found by that reference, never by itself.
        Standing::Shared => engine.settings().shared != Shared::Referenced,
        Standing::NamesPatients => !is_partial(resource, eyes) && names_only(facts, resource, patient, eyes),
        Standing::Binary => resource.get("securityContext").is_some_and(is_patient),
        Standing::Provenance => !is_partial(resource, eyes) && targets_covered(resource, patient, eyes),
        Standing::Undecidable => false,
    }
}

/// Whether elements may be missing of a resource: then what has to hold of all of them cannot be told (D69).
pub(crate) fn is_partial(resource: &Value<'_>, eyes: &Eyes<'_>) -> bool {
    eyes.partial || is_subsetted(resource)
}

/// Whether a resource says of itself that it is a part of what is stored.
pub(crate) fn is_subsetted(resource: &Value<'_>) -> bool {
    let tags = resource.get("meta").and_then(|meta| meta.get("tag"));
    tags.is_some_and(|tags| tags.elements().any(|tag| says(&tag, "code", SUBSETTED)))
}

/// Whether a value is the resource of that type and id, and can be read in one way.
pub(crate) fn is_instance(resource: &Value<'_>, name: &str, id: &str) -> bool {
    !resource.is_ambiguous() && says(resource, "resourceType", name) && says(resource, "id", id)
}

/// Whether the member of that name is a string that says this.
fn says(value: &Value<'_>, name: &str, what: &str) -> bool {
    value.get(name).is_some_and(|own| own.is_text(what))
}

/// Whether a Patient lies within a resource; whose it is, nobody can tell. To some clients `Contained` is `contained`.
pub(crate) fn contains_patient(resource: &Value<'_>) -> bool {
    let mut members = resource.members();
    members.any(|member| member.name.eq_ignore_ascii_case("contained") && holds_patient(member.value))
}

/// Whether a value is a Patient or has one in it, at any depth: a contained Bundle may hold others.
fn holds_patient(value: Value<'_>) -> bool {
    says(&value, "resourceType", "Patient") || value.values().any(holds_patient)
}

/// Whether every Patient that a resource names, wherever, is this one, and one is named.
pub(crate) fn names_only(facts: &TypeFacts, resource: &Value<'_>, patient: &str, eyes: &Eyes<'_>) -> bool {
    let (mut found, mut other) = (false, false);
    each_reference(*resource, &mut |element| match names(element, eyes.bases) {
        Names::Patient(named) if named == patient => found = true,
        Names::Other => {}
        _ => other = true,
    });
    // A member that is no more than a display name is somebody, and nobody can tell who.
    let to_patients = |parameter: &&SearchParameter| {
        let mut targets = parameter.targets.iter();
        parameter.kind == policy::facts::ParameterKind::Reference
            && (parameter.targets.is_empty() || targets.any(|target| target.as_str() == "Patient"))
    };
    for path in facts.parameters.iter().filter(to_patients).flat_map(|parameter| &parameter.paths) {
        each_at(*resource, &path.elements, &mut |element| other |= names(element, eyes.bases) == Names::Unknown);
    }
    found && !other
}

/// Calls `visit` with every element that looks like a Reference, at any depth below the resource: it has a
/// `reference` that is a text, or one `identifier` and no list of them.
pub(crate) fn each_reference<'d>(value: Value<'d>, visit: &mut dyn FnMut(Value<'d>)) {
    let refers = |element: Value<'_>| {
        element.get("reference").is_some_and(|reference| reference.kind() == Kind::String)
            || element.get("identifier").is_some_and(|identifier| identifier.is_object())
    };
    for element in value.values() {
        if refers(element) {
            visit(element);
        }
        each_reference(element, visit);
    }
}

fn targets_covered(resource: &Value<'_>, patient: &str, eyes: &Eyes<'_>) -> bool {
    let Some(targets) = resource.get("target") else { return false };
    let covered = |element: Value<'_>| {
        let Some(target) = reference::instance(element, eyes.bases) else { return false };
        target.strip_prefix("Patient/") == Some(patient) || eyes.kept.binary_search(&target).is_ok()
    };
    targets.elements().next().is_some() && targets.elements().all(covered)
}

/// Whether a resource has this value (one of an OR list, escapes left in) under a parameter.
fn matches(parameter: &SearchParameter, value: &str, resource: &Value<'_>, eyes: &Eyes<'_>) -> bool {
    use policy::facts::ParameterKind as K;
    let any = |test: &dyn Fn(Value<'_>, Option<&str>) -> bool| {
        parameter.paths.iter().any(|path| {
            let only = path.only.as_ref().map(policy::text::TypeName::as_str);
            any_at(*resource, &path.elements, &mut |element| test(element, only))
        })
    };
    // The value is read once, however many elements it is compared with.
    match parameter.kind {
        K::Token => {
            let token = Token::read(value);
            token.is_some_and(|token| any(&|element, _| token.is_in(element)))
        }
        K::Uri => {
            let uri = unescape(value);
            any(&|element, _| element.is_text(&uri))
        }
        K::Reference => any(&|element, only| has_reference(element, value, parameter, only, eyes)),
        _ => false,
    }
}

/// A token to search for (R4 search.html, "token"), compared exactly.
struct Token<'v> {
    system: Option<Cow<'v, str>>,
    code: Cow<'v, str>,
}

impl<'v> Token<'v> {
    /// None for what is no token, as it has more than two parts.
    fn read(value: &'v str) -> Option<Self> {
        match split_bar(value) {
            Some((_, code)) if split_bar(code).is_some() => None,
            Some((system, code)) => Some(Self { system: Some(unescape(system)), code: unescape(code) }),
            None => Some(Self { system: None, code: unescape(value) }),
        }
    }

    /// Whether an element is or has it: a code, a Coding, a CodeableConcept, an Identifier, a boolean.
    fn is_in(&self, element: Value<'_>) -> bool {
        match element.kind() {
            // The system of a plain code is not in the resource, so it cannot be compared.
            Kind::String => self.system.is_none() && element.is_text(&self.code),
            Kind::Bool(flag) => self.system.is_none() && *self.code == *if flag { "true" } else { "false" },
            Kind::Object => match element.get("coding") {
                Some(codings) => codings.elements().any(|coding| self.is_coded(coding)),
                None => self.is_coded(element),
            },
            _ => false,
        }
    }

    fn is_coded(&self, coding: Value<'_>) -> bool {
        let own = coding.get("code").filter(|code| code.as_str().is_some()).or_else(|| coding.get("value"));
        let same_code =
            if self.code.is_empty() { self.system.is_some() } else { own.is_some_and(|own| own.is_text(&self.code)) };
        same_code
            && match self.system.as_deref() {
                None => true,
                Some("") => coding.get("system").is_none(),
                Some(system) => says(&coding, "system", system),
            }
    }
}

/// The first bar that no backslash stands before.
fn split_bar(value: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = value.char_indices().find_map(|(at, char)| {
        let splits = char == '|' && !escaped;
        escaped = char == '\\' && !escaped;
        splits.then_some(at)
    })?;
    Some((value.get(..at)?, value.get(at + 1..)?))
}

fn has_reference(
    element: Value<'_>,
    value: &str,
    parameter: &SearchParameter,
    only: Option<&str>,
    eyes: &Eyes<'_>,
) -> bool {
    let Some(text) = element.text("reference") else { return false };
    let Reference::Local { resource_type, id, .. } = Reference::read(&text, eyes.bases) else { return false };
    if only.is_some_and(|only| only != resource_type) || reference::is_at_odds(element, resource_type) {
        return false;
    }
    let value = unescape(value);
    match Reference::read(&value, eyes.bases) {
        Reference::Local { resource_type: wanted, id: wanted_id, versioned: false } => {
            (wanted, wanted_id) == (resource_type, id)
        }
        // A bare id names a resource only where the parameter has one target.
        _ => *value == *id && matches!(&*parameter.targets, [target] if target.as_str() == resource_type),
    }
}
