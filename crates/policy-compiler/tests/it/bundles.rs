//! From a Service to its bundle.

use policy::bundle::{Bundle, Revocation, Service};
use policy::facts::{ParameterKind, Standing, TypeFacts};
use policy::id::{AccountId, KeyId, RoleId, ServiceId};
use policy::settings::{ServiceKind, Settings};
use policy_compiler::{Imported, RoleSource, Source, compile};
use uuid::Uuid;

use crate::{api, said, taken};

pub(crate) fn source(imported: &Imported) -> Source<'_> {
    let service = Service {
        id: ServiceId::new(Uuid::from_u128(1)),
        account_id: AccountId::new(Uuid::from_u128(2)),
        kind: imported.kind,
        base_url: "https://a.example/r4".into(),
    };
    Source::new(service, Settings::for_kind(imported.kind), imported)
}

/// A role with these lines and this `where`.
pub(crate) fn role(id: u128, lines: &[&str], condition: Option<&str>) -> RoleSource {
    RoleSource {
        id: RoleId::new(Uuid::from_u128(id)),
        name: "r".into(),
        operations: lines.iter().map(|line| (*line).to_owned()).collect(),
        condition: condition.map(str::to_owned),
    }
}

fn facts<'b>(bundle: &'b Bundle, name: &str) -> &'b TypeFacts {
    bundle.parts().types.iter().find(|facts| facts.name.as_str() == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn a_bundle_holds_the_facts_of_its_types_and_of_those_that_they_lead_to() {
    let imported = taken(&api(true, &["GET /Observation", "GET /Observation/{id}"]));
    let bundle = compile(source(&imported)).unwrap();
    let observation = facts(&bundle, "Observation");
    assert_eq!(observation.standing, Standing::Compartment);
    let owners: Vec<_> = observation.owners.iter().map(|owner| owner.elements.join(".")).collect();
    assert_eq!(owners, ["subject", "performer"]);
    for (name, owner) in [
        ("subject", true),
        ("patient", true),
        ("performer", true),
        ("encounter", false),
        ("focus", false),
        ("code", false),
    ] {
        let parameter = observation.parameters.iter().find(|parameter| &*parameter.name == name).unwrap();
        assert_eq!(parameter.owner, owner, "{name}");
    }
    assert_eq!(facts(&bundle, "Patient").standing, Standing::Patient);
    assert_eq!(facts(&bundle, "Encounter").standing, Standing::Compartment);
    for facts in &bundle.parts().types {
        for target in facts.parameters.iter().flat_map(|parameter| &parameter.targets) {
            assert!(bundle.parts().types.iter().any(|known| known.name == *target), "{target}");
        }
    }
    assert!(bundle.parts().common.iter().any(|parameter| &*parameter.name == "_id"));
}

#[test]
fn k16_what_is_the_apis_own_is_known_by_name_only() {
    let text = api(true, &["GET /Widget", "GET /Patient"]).replace(
        "get: {",
        "get: {parameters: [{in: query, name: area}, {in: query, name: Name}, {in: query, name: _mine}], ",
    );
    let imported = taken(&text);
    let bundle = compile(source(&imported)).unwrap();
    for name in ["Widget", "Patient"] {
        let area = facts(&bundle, name).parameters.iter().find(|parameter| &*parameter.name == "area").unwrap();
        assert_eq!((area.kind, area.paths.len(), area.owner), (ParameterKind::Special, 0, false));
        assert!(!facts(&bundle, name).parameters.iter().any(|parameter| &*parameter.name == "_mine"));
    }
    assert_eq!(facts(&bundle, "Widget").standing, Standing::Undecidable);
    assert!(facts(&bundle, "Widget").parameters.iter().any(|parameter| &*parameter.name == "Name"));
    assert!(!facts(&bundle, "Patient").parameters.iter().any(|parameter| &*parameter.name == "Name"));
}

#[test]
fn the_same_source_gives_the_same_bytes_in_whatever_order_it_comes() {
    let text = api(true, &["GET /Observation", "GET /Patient/{id}", "POST /Patient", "GET /health"]);
    let imported = taken(&text);
    let revoked = |id| Revocation::Key(KeyId::new(Uuid::from_u128(id)));
    let one = Source {
        roles: vec![role(1, &["GET:/Observation", "GET:/health"], None), role(2, &["POST:/Patient"], None)],
        revocations: vec![revoked(1), revoked(2)],
        ..source(&imported)
    };
    let again = taken(&text);
    let other = Source {
        roles: vec![
            role(2, &["POST:/Patient", "POST:/Patient"], None),
            role(1, &["GET:/health", "GET:/Observation"], None),
        ],
        revocations: vec![revoked(2), revoked(1), revoked(2)],
        ..source(&again)
    };
    let bytes = compile(one).unwrap().encode().unwrap();
    assert_eq!(bytes, compile(other).unwrap().encode().unwrap());
    assert_eq!(Bundle::decode(&bytes).unwrap().encode().unwrap(), bytes);
    assert_eq!(imported.encode().unwrap(), again.encode().unwrap());
    println!("the bundle of a small FHIR Service has {} bytes", bytes.len());
}

#[test]
fn a_plain_service_has_no_fhir_in_its_bundle() {
    let imported = taken(&api(true, &["GET /Patient/{id}"]));
    let mut plain = source(&imported);
    plain.service.kind = ServiceKind::Plain;
    let parts = compile(plain).unwrap().into_parts();
    assert!(
        parts.types.is_empty()
            && parts.common.is_empty()
            && parts.operations.iter().all(|operation| operation.fhir.is_none())
    );
}

#[test]
fn settings_out_of_bounds_are_told_all_at_once() {
    let imported = taken(&api(false, &["GET /a"]));
    let mut wrong = source(&imported);
    wrong.service.base_url = "a.example".into();
    wrong.settings.patient_claim = "".into();
    wrong.settings.max_staleness_seconds = 59;
    wrong.settings.excluded_paths =
        ["/health", "health", "/", "/a/../b", "/a?b", "/{a}", "/a//b", "/%2e"].map(Into::into).to_vec();
    assert_eq!(
        said(&compile(wrong).unwrap_err(), policy_compiler::Severity::Error),
        [
            "bad_setting /settings/patient_claim",
            "bad_setting /settings/max_staleness_seconds",
            "bad_setting /settings/excluded_paths/1",
            "bad_setting /settings/excluded_paths/2",
            "bad_setting /settings/excluded_paths/3",
            "bad_setting /settings/excluded_paths/4",
            "bad_setting /settings/excluded_paths/5",
            "bad_setting /settings/excluded_paths/6",
            "bad_setting /settings/excluded_paths/7",
            "bad_base_url /base_url",
        ]
    );
}

#[test]
fn a_role_that_names_what_the_document_has_not_makes_no_bundle() {
    let imported = taken(&api(false, &["GET /a"]));
    let wrong = role(1, &["GET:/a", "GET:/b"], None);
    let id = wrong.id;
    let findings = compile(Source { roles: vec![wrong], ..source(&imported) }).unwrap_err();
    assert_eq!(
        said(&findings, policy_compiler::Severity::Error),
        [format!("unknown_operation /roles/{id}/operations/1")]
    );
}
