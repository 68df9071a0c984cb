//! A small clinic: its Service, and claims of tokens for it.

use policy::bundle::Parts;
use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::id::TokenId;
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::settings::ServiceKind;
use policy::text::TypeName;
use serde_json::{Value, json};
use testkit::bundles::{self, ISSUER};
use testkit::jws::SigningKey;
use uuid::Uuid;

use super::{BASE, now};

fn type_name(text: &str) -> TypeName {
    text.try_into().unwrap()
}

fn path(elements: &[&str], only: Option<&str>) -> ElementPath {
    ElementPath { elements: elements.iter().map(|one| (*one).into()).collect(), only: only.map(type_name) }
}

fn operation(method: Method, template: &str, interaction: Interaction, resource_type: Option<&str>) -> Operation {
    let fhir = FhirOperation {
        interaction,
        resource_type: resource_type.map(type_name),
        code: None,
        type_segment: None,
        id_segment: template.contains("{id}").then_some(1),
    };
    Operation { method, template: template.parse().unwrap(), fhir: Some(fhir), query: Vec::new(), headers: Vec::new() }
}

fn parameter(name: &str, kind: ParameterKind, paths: Vec<ElementPath>, owner: bool) -> SearchParameter {
    let targets = if owner { vec![type_name("Patient")] } else { Vec::new() };
    SearchParameter { name: name.into(), kind, targets, paths, owner }
}

/// A FHIR Service with patients and observations.
pub(crate) fn clinic(token_keys: &[&SigningKey]) -> Parts {
    let mut parts = bundles::parts(ServiceKind::Fhirv4, BASE, token_keys);
    parts.operations = vec![
        operation(Method::Get, "/Observation", Interaction::SearchType, Some("Observation")),
        operation(Method::Post, "/Observation", Interaction::Create, Some("Observation")),
        operation(Method::Post, "/Observation/_search", Interaction::SearchType, Some("Observation")),
        operation(Method::Get, "/Observation/{id}", Interaction::Read, Some("Observation")),
        operation(Method::Get, "/Patient", Interaction::SearchType, Some("Patient")),
        operation(Method::Get, "/Patient/{id}", Interaction::Read, Some("Patient")),
        operation(Method::Get, "/metadata", Interaction::Capabilities, None),
    ];
    parts.operations.sort_by_key(|one| (one.template.shape(), one.method));
    let subject = || path(&["subject"], Some("Patient"));
    parts.types = vec![
        TypeFacts {
            name: type_name("Observation"),
            standing: Standing::Compartment,
            parameters: vec![
                parameter("code", ParameterKind::Token, vec![path(&["code"], None)], false),
                parameter("patient", ParameterKind::Reference, vec![subject()], true),
                parameter("subject", ParameterKind::Reference, vec![path(&["subject"], None)], true),
            ],
            owners: vec![subject()],
        },
        TypeFacts {
            name: type_name("Patient"),
            standing: Standing::Patient,
            parameters: vec![parameter("birthdate", ParameterKind::Date, vec![path(&["birthDate"], None)], false)],
            owners: Vec::new(),
        },
    ];
    parts.common = vec![parameter("_id", ParameterKind::Token, vec![path(&["id"], None)], false)];
    parts
}

/// Claims of a key that may read one patient's observations for five minutes.
pub(crate) fn claims(scope: &str, patient: Option<&str>) -> Value {
    let jti = TokenId::new(Uuid::from_u128(u128::from(now().unsigned_abs())));
    let mut claims = json!({
        "iss": ISSUER, "sub": "key_1", "client_id": "key_1", "aud": BASE, "exp": now() + 300, "nbf": now(), "iat": now(),
        "jti": jti, "token_kind": "key", "scope": scope, "account_id": bundles::parts(ServiceKind::Plain, BASE, &[]).service.account_id,
    });
    if let Some(patient) = patient {
        claims["patient"] = json!(patient);
    }
    claims
}
