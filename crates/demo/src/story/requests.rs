//! The table of requests: each shows one thing that the gateway does or refuses to do.

use policy::Reason;
use reqwest::Method;
use serde_json::{Value, json};

use super::rows::{Check, Row, With};

/// What patient A's app was given: some types, and to create and update Observations.
pub(crate) const PATIENT_A_SCOPES: &str = "patient/Patient.rs patient/Observation.crus \
                                           patient/Condition.rs patient/Immunization.rs";
/// What patient B's app was given.
pub(crate) const PATIENT_B_SCOPES: &str = "patient/Patient.rs patient/Observation.rs";
/// What the partner's machine may ask for when no patient is named.
pub(crate) const SYSTEM_SCOPES: &str = "system/*.rs";

/// A home measurement of this patient, stored under that id.
fn weight_at(id: &str, patient: Option<&str>) -> Value {
    let mut body = weight(patient);
    if let Some(members) = body.as_object_mut() {
        members.insert("id".to_owned(), json!(id));
    }
    body
}

/// A home measurement of this patient.
fn weight(patient: Option<&str>) -> Value {
    let mut body = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": 63.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    });
    if let (Some(patient), Some(members)) = (patient, body.as_object_mut()) {
        members.insert("subject".to_owned(), json!({"reference": format!("Patient/{patient}")}));
    }
    body
}

/// Reading, and what a read must not tell.
pub(crate) fn reads() -> Vec<Row> {
    use With::{PatientA, PatientB, System};
    vec![
        Row::get("own_patient", PatientA, "/Patient/{a}").permit(200, "the patient of the token"),
        Row::get("other_patient", PatientA, "/Patient/{b}").deny(
            403,
            Reason::OtherPatient,
            "another patient: the path says so, nothing is forwarded",
        ),
        Row::get("own_observation", PatientA, "/Observation/{a_observation}").permit(200, "a record of that patient"),
        Row::get("decimal", PatientA, "/Observation/amara-creatinine-1")
            .permit(200, "its decimals come as they are stored: 1.00 is not 1.0")
            .check(Check::Contains("\"value\":1.00,"))
            .of_records(),
        Row::get("missing", PatientA, "/Observation/no-such-record")
            .permit(404, "a record that does not exist: the gateway's own not-found answer"),
        Row::get("foreign", PatientA, "/Observation/{b_observation}")
            .withhold("patient B's record: the same answer, byte for byte")
            .check(Check::SameAs("missing")),
        Row::get("by_identifier", PatientA, "/Observation/by-identifier")
            .withhold("its subject is an identifier only, which proves nothing")
            .check(Check::SameAs("missing"))
            .of_records(),
        Row::get("foreign_base", PatientA, "/Observation/foreign-base")
            .withhold("its subject is the Patient amara of another server")
            .check(Check::SameAs("missing"))
            .of_records(),
        Row::get("not_an_owner", PatientA, "/Observation/two-owners")
            .withhold("patient A is only its focus, and a focus is no owner")
            .check(Check::SameAs("missing"))
            .of_records(),
        Row::get("performer", PatientA, "/Observation/bruno-weight-by-amara")
            .permit(200, "about B, performed by A: R4's compartment counts performers (`subject_only` would not)")
            .of_records(),
        Row::get("b_own_patient", PatientB, "/Patient/{b}").permit(200, "the other patient's app reads its own"),
        Row::get("system_read", System, "/Patient/{b}").permit(200, "a system scope reaches every patient"),
    ]
}

/// Searches, and what they must not widen to.
pub(crate) fn searches() -> Vec<Row> {
    use With::{PatientA, PatientB, System};
    vec![
        Row::get("narrowed", PatientA, "/Observation?category=laboratory")
            .permit(200, "no patient is named: the gateway adds the token's")
            .check(Check::Exactly("Observation/amara-a1c-1 Observation/amara-a1c-2 Observation/amara-creatinine-1"))
            .of_records(),
        Row::get("narrowed_all", PatientA, "/Observation?_count=100")
            .permit(200, "every Observation, and only the token's patient's")
            .check(Check::OnlyOf("{a}".to_owned())),
        Row::get("other_search", PatientA, "/Observation?patient={b}").deny(
            403,
            Reason::OtherPatient,
            "a search that names another patient",
        ),
        Row::get("or_list", PatientA, "/Observation?subject=Patient/{a},Patient/{b}").deny(
            403,
            Reason::OtherPatient,
            "one foreign patient in a list is enough",
        ),
        Row::search("post_search", PatientA, "/Observation/_search", "code=http://loinc.org|8867-4")
            .permit(200, "the same search as a form")
            .check(Check::Exactly("Observation/amara-heart-1 Observation/amara-heart-2"))
            .of_records(),
        Row::search("post_other", PatientA, "/Observation/_search", "subject=Patient/{b}").deny(
            403,
            Reason::OtherPatient,
            "the form counts as the query does",
        ),
        Row::get("chain", PatientA, "/Observation?patient.name={a_family}")
            .permit(200, "a chain to a type that the token may search")
            .check(Check::OnlyOf("{a}".to_owned())),
        Row::get("chain_denied", PatientA, "/Observation?encounter.status=finished").deny(
            403,
            Reason::ChainDenied,
            "a chain to a type that it may not",
        ),
        Row::get("include", PatientA, "/Observation?code=2160-0&_include=Observation:subject")
            .permit(200, "an include that the token covers")
            .check(Check::Exactly("Observation/amara-creatinine-1 Patient/amara"))
            .of_records(),
        Row::get("include_shared", PatientA, "/Observation?code=2160-0&_include=Observation:performer")
            .permit(200, "a shared resource, because a record of the patient references it")
            .check(Check::Exactly("Observation/amara-creatinine-1 Organization/northlab"))
            .of_records(),
        Row::get("include_dropped", PatientA, "/Observation?code=2160-0&_include=Observation:encounter")
            .permit(200, "an include without a scope is left out")
            .check(Check::Exactly("Observation/amara-creatinine-1"))
            .of_records(),
        Row::get("reverse_include", PatientA, "/Patient?_revinclude=Condition:patient")
            .permit(200, "the patient and what points at it")
            .check(Check::OnlyOf("{a}".to_owned())),
        Row::get("first_page", PatientA, "/Observation?_sort=date&_count=2")
            .permit(200, "a page; its `next` link is sealed and leads back to the gateway")
            .check(Check::NextPage),
        Row::get("second_page", PatientA, "")
            .next_of("first_page")
            .permit(200, "the next page, decided anew")
            .check(Check::OnlyOf("{a}".to_owned())),
        Row::get("b_search", PatientB, "/Observation?_count=100")
            .permit(200, "the same search with the other patient's token")
            .check(Check::OnlyOf("{b}".to_owned())),
        Row::get("system_search", System, "/Patient?_count=100")
            .permit(200, "a system scope sees every patient")
            .check(Check::AtLeast(2)),
    ]
}

/// An update by patient A's app of the Observation with that id.
fn update(key: &'static str, id: &str, patient: Option<&str>) -> Row {
    let body = weight_at(id, patient);
    Row::write(key, With::PatientA, Method::PUT, (&format!("/Observation/{id}"), body))
}

/// Writes, and what is refused before it is sent.
pub(crate) fn writes() -> Vec<Row> {
    use With::{PatientA, PatientB};
    vec![
        Row::write("create_own", PatientA, Method::POST, ("/Observation", weight(Some("{a}"))))
            .permit(201, "a home measurement of the token's patient"),
        Row::write("create_other", PatientA, Method::POST, ("/Observation", weight(Some("{b}")))).deny(
            403,
            Reason::OtherOwner,
            "into another patient's chart",
        ),
        Row::write("create_nobody", PatientA, Method::POST, ("/Observation", weight(None))).deny(
            403,
            Reason::NoOwner,
            "without saying whose it is",
        ),
        update("update_own", "{a_observation}", Some("{a}"))
            .permit(200, "over its own record, in the version looked at"),
        Row { if_match: Some("W/\"no-such-version\""), ..update("update_lost", "{a_observation}", Some("{a}")) }.deny(
            412,
            Reason::ChangedMeanwhile,
            "over a version that is not the stored one",
        ),
        update("update_away", "{a_observation}", Some("{b}")).deny(
            403,
            Reason::OtherOwner,
            "its own record, pushed into another patient's chart",
        ),
        update("update_missing", "no-such-record", Some("{a}")).deny(404, Reason::NotFound, "over what is not there"),
        update("update_foreign", "{b_observation}", Some("{a}"))
            .deny(404, Reason::NotFound, "patient B's record, pulled into its own chart: as if it were not there")
            .check(Check::SameAs("update_missing")),
        Row::write("create_without_scope", PatientB, Method::POST, ("/Observation", weight(Some("{b}")))).deny(
            403,
            Reason::NoRule,
            "with a token that may only read",
        ),
    ]
}

/// What is refused whoever asks, and who is not known.
pub(crate) fn refusals() -> Vec<Row> {
    use With::{Forged, Garbage, Nothing, PatientA};
    vec![
        Row::get("no_rule", PatientA, "/MedicationRequest").deny(403, Reason::NoRule, "a type without a scope"),
        Row::get("not_in_service", PatientA, "/Device").deny(
            404,
            Reason::NotInService,
            "a path that the document has not",
        ),
        Row { method: Method::DELETE, ..Row::get("method", PatientA, "/Observation/{a_observation}") }.deny(
            405,
            Reason::MethodNotAllowed,
            "a method that the path has not",
        ),
        Row::get("everything", PatientA, "/Patient/{a}/$everything").deny(
            403,
            Reason::NoRule,
            "a whole chart needs a scope on every type that may come back",
        ),
        Row::get("double_encoded", PatientA, "/Patient/%2561mara").deny(
            400,
            Reason::MalformedUrl,
            "an id that is encoded twice",
        ),
        Row::get("wrong_case", PatientA, "/Observation?Patient={b}").deny(
            400,
            Reason::UnknownParameter,
            "a parameter in another case: a lenient server might take it",
        ),
        Row::get("no_token", Nothing, "/Patient/{a}").deny(401, Reason::NoToken, "nobody"),
        Row::get("garbage", Garbage, "/Patient/{a}").deny(401, Reason::MalformedToken, "something that is no token"),
        Row::get("forged", Forged, "/Patient/{a}").deny(401, Reason::BadSignature, "a token that somebody changed"),
        Row::get("metadata", Nothing, "/metadata").permit(200, "what the server can do is for everybody"),
    ]
}

/// What the custom role permits, and nothing beside.
pub(crate) fn front_desk() -> Vec<Row> {
    vec![
        Row::get("role_read", With::FrontDesk, "/Patient/{a}").permit(200, "an operation of the role"),
        Row::get("role_search", With::FrontDesk, "/Patient?name={a_family}").permit(200, "another"),
        Row::get("role_denied", With::FrontDesk, "/Observation/{a_observation}").deny(
            403,
            Reason::NoRule,
            "an operation that the role has not",
        ),
    ]
}

/// What the assumed role permits.
pub(crate) fn assumed() -> Vec<Row> {
    vec![
        Row::get("assumed_search", With::Assumed, "/Observation?_count=100")
            .permit(200, "an operation of the role that was lent")
            .check(Check::AtLeast(2)),
        Row::get("assumed_denied", With::Assumed, "/Condition").deny(403, Reason::NoRule, "and nothing beside"),
    ]
}

/// What the gateway goes on deciding while the control plane is away.
pub(crate) fn alone() -> Vec<Row> {
    vec![
        Row::get("alone_permit", With::PatientA, "/Patient/{a}")
            .permit(200, "the control plane is down: still the patient's own"),
        Row::get("alone_deny", With::PatientA, "/Patient/{b}").deny(
            403,
            Reason::OtherPatient,
            "and still not another's",
        ),
        Row::get("alone_no_token", With::Nothing, "/Patient/{a}").deny(
            401,
            Reason::NoToken,
            "and nobody's without a token",
        ),
    ]
}

/// The same after the gateway was killed and started while the control plane was away.
pub(crate) fn alone_from_disk() -> Vec<Row> {
    vec![
        Row::get("from_disk_permit", With::PatientA, "/Patient/{a}")
            .permit(200, "from the last good bundle on its disk"),
        Row::get("from_disk_deny", With::PatientA, "/Observation?patient={b}").deny(
            403,
            Reason::OtherPatient,
            "the same verdicts",
        ),
    ]
}

/// Tokens that are fresh, of a partner that was suspended.
pub(crate) fn suspended() -> Vec<Row> {
    vec![
        Row::get("suspended_patient", With::PatientA, "/Patient/{a}").deny(
            401,
            Reason::Revoked,
            "the same token as before: it has not expired, and counts no more",
        ),
        Row::get("suspended_assumed", With::Assumed, "/Observation").deny(
            401,
            Reason::Revoked,
            "the session in the lent role has ended too",
        ),
    ]
}

/// New tokens after the suspension was taken back.
pub(crate) fn resumed() -> Vec<Row> {
    vec![
        Row::get("resumed_patient", With::PatientA, "/Patient/{a}").permit(200, "with a new token"),
        Row::get("resumed_assumed", With::Assumed, "/Observation").deny(
            401,
            Reason::Revoked,
            "the old session stays ended",
        ),
    ]
}

/// The answer that turns when the owner changes the role: before.
pub(crate) fn before_change() -> Vec<Row> {
    vec![Row::get("before_change", With::FrontDesk, "/Encounter?patient={a}").deny(
        403,
        Reason::NoRule,
        "the front desk asks for visits, which its role has not",
    )]
}

/// And after, with the same token.
pub(crate) fn after_change() -> Vec<Row> {
    vec![
        Row::get("after_change", With::FrontDesk, "/Encounter?patient={a}")
            .permit(200, "the same request with the same token, under the new bundle"),
    ]
}
