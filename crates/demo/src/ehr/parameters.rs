//! The search parameters that the sample EHR knows: a name, a kind, and the elements it looks at.

/// How the values of a search parameter compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Token,
    Date,
    Reference,
}

/// One search parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Paths of elements, any of which may match.
    pub(super) paths: &'static [&'static str],
    /// For references: the types that it looks for; empty means any.
    pub(super) targets: &'static [&'static str],
}

const fn text(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Text, paths, targets: &[] }
}

const fn token(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Token, paths, targets: &[] }
}

const fn date(name: &'static str, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Date, paths, targets: &[] }
}

const fn reference(name: &'static str, paths: &'static [&'static str], targets: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Reference, paths, targets }
}

const PATIENT: &[&str] = &["Patient"];
const ENCOUNTER: &[&str] = &["Encounter"];
const ORGANIZATION: &[&str] = &["Organization"];
const PERSON_NAME: &[&str] = &["name.family", "name.given", "name.text", "name.prefix"];

const COMMON: &[Parameter] = &[token("_id", &["id"]), date("_lastUpdated", &["meta.lastUpdated"])];

const TYPES: &[(&str, &[Parameter])] = &[
    (
        "AllergyIntolerance",
        &[
            reference("patient", &["patient"], PATIENT),
            token("code", &["code"]),
            token("clinical-status", &["clinicalStatus"]),
            token("criticality", &["criticality"]),
            reference("recorder", &["recorder"], &[]),
        ],
    ),
    (
        "Condition",
        &[
            reference("patient", &["subject"], PATIENT),
            reference("subject", &["subject"], &[]),
            token("category", &["category"]),
            token("code", &["code"]),
            token("clinical-status", &["clinicalStatus"]),
            date("onset-date", &["onsetDateTime"]),
            reference("encounter", &["encounter"], ENCOUNTER),
            reference("asserter", &["asserter"], &[]),
        ],
    ),
    (
        "DocumentReference",
        &[
            reference("patient", &["subject"], PATIENT),
            reference("subject", &["subject"], &[]),
            token("type", &["type"]),
            token("category", &["category"]),
            token("status", &["status"]),
            date("date", &["date"]),
            reference("author", &["author"], &[]),
            reference("encounter", &["context.encounter"], ENCOUNTER),
        ],
    ),
    (
        "Encounter",
        &[
            reference("patient", &["subject"], PATIENT),
            reference("subject", &["subject"], &[]),
            token("status", &["status"]),
            token("class", &["class"]),
            date("date", &["period"]),
            reference("participant", &["participant.individual"], &[]),
            reference("service-provider", &["serviceProvider"], ORGANIZATION),
        ],
    ),
    (
        "Immunization",
        &[
            reference("patient", &["patient"], PATIENT),
            token("vaccine-code", &["vaccineCode"]),
            token("status", &["status"]),
            date("date", &["occurrenceDateTime"]),
            reference("performer", &["performer.actor"], &[]),
        ],
    ),
    (
        "MedicationRequest",
        &[
            reference("patient", &["subject"], PATIENT),
            reference("subject", &["subject"], &[]),
            token("code", &["medicationCodeableConcept"]),
            token("status", &["status"]),
            date("authoredon", &["authoredOn"]),
            reference("encounter", &["encounter"], ENCOUNTER),
            reference("requester", &["requester"], &[]),
        ],
    ),
    (
        "Observation",
        &[
            reference("patient", &["subject"], PATIENT),
            reference("subject", &["subject"], &[]),
            token("category", &["category"]),
            token("code", &["code"]),
            token("status", &["status"]),
            date("date", &["effectiveDateTime"]),
            reference("encounter", &["encounter"], ENCOUNTER),
            reference("performer", &["performer"], &[]),
            reference("focus", &["focus"], &[]),
        ],
    ),
    ("Organization", &[text("name", &["name", "alias"]), token("identifier", &["identifier"])]),
    (
        "Patient",
        &[
            text("name", PERSON_NAME),
            text("family", &["name.family"]),
            text("given", &["name.given"]),
            date("birthdate", &["birthDate"]),
            token("gender", &["gender"]),
            token("identifier", &["identifier"]),
            reference("organization", &["managingOrganization"], ORGANIZATION),
            reference("general-practitioner", &["generalPractitioner"], &[]),
        ],
    ),
    (
        "Practitioner",
        &[text("name", PERSON_NAME), text("family", &["name.family"]), token("identifier", &["identifier"])],
    ),
];

/// The types that the server stores, sorted.
pub(super) fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, _)| *name)
}

/// The parameters of a type, without those that every type has; none for a type that is not stored.
pub(super) fn of(type_name: &str) -> Option<&'static [Parameter]> {
    TYPES.iter().find(|(name, _)| *name == type_name).map(|(_, parameters)| *parameters)
}

/// The parameter of that name on that type.
pub(super) fn find(type_name: &str, name: &str) -> Option<&'static Parameter> {
    of(type_name)?.iter().chain(COMMON).find(|parameter| parameter.name == name)
}
