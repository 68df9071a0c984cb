//! The R4 tables, held against decisions of the project and against HL7's own compartment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fhir::PathDef;
use fhir::SearchParameterDef;
use fhir::r4;
use policy::facts::ParameterKind;
use policy::facts::Standing;
use policy::text::TypeName;

fn all_parameters() -> impl Iterator<Item = (&'static str, &'static SearchParameterDef)> {
    r4().types().flat_map(|name| r4().parameters(name).map(move |parameter| (name, parameter)))
}

#[expect(clippy::panic, reason = "a parameter that the tests name is missing")]
fn parameter(type_name: &str, name: &str) -> &'static SearchParameterDef {
    r4().parameter(type_name, name).unwrap_or_else(|| panic!("{type_name} has {name}"))
}

/// Paths as text: `subject`, `subject (Patient)`, `component.code`.
fn shown(paths: &[PathDef]) -> Vec<String> {
    let one = |path: &PathDef| {
        let elements = path.elements.join(".");
        path.only.map_or(elements.clone(), |only| format!("{elements} ({only})"))
    };
    paths.iter().map(one).collect()
}

/// The types of one standing, sorted.
fn types_that_are(standing: Standing) -> Vec<&'static str> {
    r4().types().filter(|name| r4().standing(name) == standing).collect()
}

#[test]
fn the_tables_are_as_large_as_r4() {
    assert_eq!(r4().types().len(), 145, "146 concrete types, without Parameters");
    assert_eq!(all_parameters().count(), 1697);
    assert_eq!(r4().types().filter(|name| r4().patient_compartment(name).is_some()).count(), 66);
    let without_paths = all_parameters().filter(|(_, parameter)| parameter.paths.is_empty()).count();
    assert_eq!(without_paths, 62, "`scripts/fhir-tables --unsayable` lists them");
}

#[test]
fn types_are_the_concrete_ones_with_an_end_point() {
    for name in ["Account", "Binary", "Bundle", "Observation", "OperationOutcome", "Patient", "VisionPrescription"] {
        assert!(r4().has_type(name), "{name}");
    }
    for name in
        ["", "Parameters", "Resource", "DomainResource", "patient", "Patients", "SubscriptionTopic", "HumanName"]
    {
        assert!(!r4().has_type(name), "{name}");
    }
}

#[test]
fn tables_are_sorted_and_name_nothing_twice() {
    assert!(r4().types().is_sorted_by(|one, next| one < next));
    assert!(r4().common_parameters().is_sorted_by(|one, next| one.name < next.name));
    for name in r4().types() {
        assert!(TypeName::accepts(name), "{name}");
        assert!(r4().parameters(name).is_sorted_by(|one, next| one.name < next.name), "{name}");
    }
    for (name, parameter) in all_parameters() {
        assert!(parameter.targets.is_sorted_by(|one, next| one < next), "{name}.{}", parameter.name);
        assert!(parameter.paths.is_sorted_by(|one, next| one < next), "{name}.{}", parameter.name);
    }
}

#[test]
fn paths_are_json_property_names() {
    for (name, parameter) in all_parameters() {
        for path in parameter.paths {
            assert!(!path.elements.is_empty(), "{name}.{}", parameter.name);
            for element in path.elements {
                let mut bytes = element.bytes();
                assert!(bytes.next().is_some_and(|first| first.is_ascii_lowercase()), "{name}.{}", parameter.name);
                assert!(bytes.all(|byte| byte.is_ascii_alphanumeric()), "{name}.{}", parameter.name);
            }
        }
    }
}

#[test]
fn only_references_have_targets_and_these_are_types() {
    for (name, parameter) in all_parameters() {
        let only = parameter.paths.iter().filter_map(|path| path.only);
        let named: Vec<_> = parameter.targets.iter().copied().chain(only).collect();
        assert!(named.iter().all(|target| r4().has_type(target)), "{name}.{}", parameter.name);
        assert!(named.is_empty() || parameter.kind == ParameterKind::Reference, "{name}.{}", parameter.name);
    }
}

#[test]
fn expressions_become_the_paths_that_they_say() {
    let cases: &[(&str, &str, ParameterKind, &[&str])] = &[
        ("Observation", "subject", ParameterKind::Reference, &["subject"]),
        ("Observation", "patient", ParameterKind::Reference, &["subject (Patient)"]),
        ("Observation", "combo-code", ParameterKind::Token, &["code", "component.code"]),
        ("Observation", "value-string", ParameterKind::String, &["valueCodeableConcept.text", "valueString"]),
        ("Observation", "code-value-quantity", ParameterKind::Composite, &["code", "valueQuantity"]),
        // `value.as(DateTime)` in the definition; the data type is `dateTime`
        ("Observation", "code-value-date", ParameterKind::Composite, &["code", "valueDateTime", "valuePeriod"]),
        // a choice without `as`: every type that a date can search
        (
            "Observation",
            "date",
            ParameterKind::Date,
            &["effectiveDateTime", "effectiveInstant", "effectivePeriod", "effectiveTiming"],
        ),
        ("Condition", "onset-age", ParameterKind::Quantity, &["onsetAge", "onsetRange"]),
        ("Condition", "abatement-string", ParameterKind::String, &["abatementString"]),
        ("MedicationRequest", "medication", ParameterKind::Reference, &["medicationReference"]),
        ("MedicationRequest", "code", ParameterKind::Token, &["medicationCodeableConcept"]),
        ("Appointment", "practitioner", ParameterKind::Reference, &["participant.actor (Practitioner)"]),
        ("AuditEvent", "patient", ParameterKind::Reference, &["agent.who (Patient)", "entity.what (Patient)"]),
        ("ConceptMap", "source", ParameterKind::Reference, &["sourceCanonical"]),
        ("Task", "subject", ParameterKind::Reference, &["for"]),
        // `name | alias` in the definition, without the type
        ("InsurancePlan", "name", ParameterKind::String, &["alias", "name"]),
        ("Location", "near", ParameterKind::Special, &["position"]),
        ("Patient", "given", ParameterKind::String, &["name.given"]),
    ];
    for (type_name, name, kind, paths) in cases {
        assert_eq!(parameter(type_name, name).kind, *kind, "{type_name}.{name}");
        assert_eq!(shown(parameter(type_name, name).paths), *paths, "{type_name}.{name}");
    }
}

#[test]
fn what_cannot_be_said_has_no_path() {
    for (type_name, name) in [
        ("Patient", "phone"),
        ("Patient", "email"),
        ("Patient", "deceased"),
        ("Bundle", "message"),
        ("Bundle", "composition"),
        ("PlanDefinition", "depends-on"),
        ("MolecularSequence", "chromosome-variant-coordinate"),
    ] {
        assert_eq!(parameter(type_name, name).paths, &[], "{type_name}.{name}");
    }
}

#[test]
fn targets_are_what_parameter_and_element_both_allow() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("Observation", "subject", &["Device", "Group", "Location", "Patient"]),
        // declared as Patient or Group, for all clinical types at once
        ("Observation", "patient", &["Patient"]),
        ("AllergyIntolerance", "patient", &["Patient"]),
        // declared as Encounter or EpisodeOfCare
        ("Procedure", "encounter", &["Encounter"]),
        ("Appointment", "practitioner", &["Practitioner"]),
        // any type
        ("Observation", "focus", &[]),
        ("Provenance", "target", &[]),
    ];
    for (type_name, name, targets) in cases {
        assert_eq!(parameter(type_name, name).targets, *targets, "{type_name}.{name}");
    }
}

#[test]
fn common_parameters_read_the_resource() {
    let found: Vec<_> = r4().common_parameters().map(|one| (one.name, one.kind, shown(one.paths).join(" "))).collect();
    let expected = [
        ("_content", ParameterKind::Special, ""),
        ("_id", ParameterKind::Token, "id"),
        ("_lastUpdated", ParameterKind::Date, "meta.lastUpdated"),
        ("_profile", ParameterKind::Uri, "meta.profile"),
        ("_security", ParameterKind::Token, "meta.security"),
        ("_source", ParameterKind::Uri, "meta.source"),
        ("_tag", ParameterKind::Token, "meta.tag"),
        ("_text", ParameterKind::Special, ""),
    ];
    assert_eq!(found, expected.map(|(name, kind, paths)| (name, kind, paths.to_owned())));
}

#[test]
fn the_patient_compartment_is_the_one_that_hl7_publishes() {
    let shared = std::env::var_os("FIREWARDEN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let file = shared.join("data/fhir/compartments-r4.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("SKIPPED: {} is absent; set FIREWARDEN_SHARED to the folder of shared data", file.display());
        return;
    };
    let bundle: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let patient = entries.iter().map(|entry| &entry["resource"]).find(|one| one["code"] == "Patient").unwrap();
    let published: BTreeMap<&str, Vec<&str>> = patient["resource"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| Some((row["code"].as_str()?, row["param"].as_array()?)))
        .map(|(name, codes)| (name, codes.iter().filter_map(serde_json::Value::as_str).collect()))
        .collect();
    let ours: BTreeMap<&str, Vec<&str>> =
        r4().types().filter_map(|name| Some((name, r4().patient_compartment(name)?.to_vec()))).collect();
    assert_eq!(published.len(), 66);
    assert_eq!(ours, published, "types, parameters and their order");
}

#[test]
fn each_type_stands_as_decided() {
    assert_eq!(types_that_are(Standing::Patient), ["Patient"]);
    assert_eq!(types_that_are(Standing::Binary), ["Binary"]);
    assert_eq!(types_that_are(Standing::Provenance), ["Provenance"]);
    assert_eq!(types_that_are(Standing::NamesPatients), ["Group", "List", "Person"]);
    assert_eq!(types_that_are(Standing::PatientElement), ["Contract", "Device", "GuidanceResponse", "Task"]);
    assert_eq!(
        types_that_are(Standing::Compartment).len(),
        66 - ["Patient", "Provenance", "Group", "List", "Person"].len()
    );
    for name in ["Bundle", "MessageHeader", "Slot", "Subscription", "PaymentNotice", "Parameters", "Unheard"] {
        assert_eq!(r4().standing(name), Standing::Undecidable, "{name}");
    }
}

#[test]
fn the_shared_list_is_the_decided_one_and_names_no_patient() {
    let mut decided: Vec<&str> = "Organization OrganizationAffiliation Practitioner PractitionerRole Location \
        HealthcareService Endpoint Medication MedicationKnowledge Substance CodeSystem ValueSet ConceptMap NamingSystem \
        TerminologyCapabilities CapabilityStatement StructureDefinition StructureMap SearchParameter OperationDefinition \
        CompartmentDefinition ImplementationGuide GraphDefinition MessageDefinition Questionnaire Library Measure \
        PlanDefinition ActivityDefinition"
        .split_whitespace()
        .collect();
    decided.sort_unstable();
    assert_eq!(r4().shared_types().collect::<Vec<_>>(), decided);
    assert!(decided.iter().all(|name| r4().patient_compartment(name).is_none()));
    assert!(decided.iter().all(|name| r4().owner_paths(name).is_empty()));
}

#[test]
fn owner_paths_are_the_elements_of_the_compartment_parameters() {
    for name in types_that_are(Standing::Compartment) {
        let mut expected: Vec<&[&str]> = Vec::new();
        for code in r4().patient_compartment(name).unwrap() {
            assert!(!parameter(name, code).paths.is_empty(), "{name}.{code} has to be sayable");
            for path in parameter(name, code).paths {
                if !expected.contains(&path.elements) {
                    expected.push(path.elements);
                }
            }
        }
        let found: Vec<_> = r4().owner_paths(name).iter().map(|path| path.elements).collect();
        assert_eq!(found, expected, "{name}");
        assert!(r4().owner_paths(name).iter().all(|path| path.only.is_none()), "{name}");
    }
    for (name, paths) in [
        ("Observation", &["subject", "performer"][..]),
        ("Encounter", &["subject"]),
        ("EnrollmentRequest", &["candidate"]),
        ("SupplyRequest", &["deliverTo"]),
        ("AuditEvent", &["agent.who", "entity.what"]),
        ("Coverage", &["policyHolder", "subscriber", "beneficiary", "payor"]),
        ("Contract", &["subject"]),
        ("Device", &["patient"]),
        ("GuidanceResponse", &["subject"]),
        ("Task", &["for"]),
    ] {
        assert_eq!(shown(r4().owner_paths(name)), paths, "{name}");
    }
    for name in ["Patient", "Group", "List", "Person", "Provenance", "Binary", "Slot", "Unheard"] {
        assert_eq!(r4().owner_paths(name), &[], "{name} is not decided by owner elements");
    }
}

#[test]
fn every_compartment_parameter_is_an_ownership_parameter_but_the_link_of_a_patient() {
    for name in r4().types().filter(|name| *name != "Patient") {
        for code in r4().patient_compartment(name).unwrap_or_default() {
            assert!(r4().is_owner(name, code), "{name}.{code}");
        }
    }
    assert!(r4().is_owner("Patient", "_id"));
    let owners: Vec<_> = r4().parameters("Patient").filter(|one| r4().is_owner("Patient", one.name)).collect();
    assert!(owners.is_empty(), "{owners:?}");
}

/// Every ownership parameter that is not in the compartment table itself, apart from `patient` and `subject`.
#[test]
fn an_alias_reads_only_owner_elements() {
    let mut surprising = Vec::new();
    let mut plain = 0;
    for (name, parameter) in all_parameters() {
        let in_table = r4().patient_compartment(name).is_some_and(|codes| codes.contains(&parameter.name));
        if in_table || !r4().is_owner(name, parameter.name) {
            continue;
        }
        match parameter.name {
            "patient" | "subject" => plain += 1,
            other => surprising.push(format!("{name}.{other}")),
        }
    }
    assert_eq!(surprising, ["AuditEvent.agent", "AuditEvent.entity", "Person.link", "Provenance.target"]);
    assert_eq!(plain, 43);
}

#[test]
fn a_parameter_that_targets_patient_is_no_owner_by_that() {
    for (type_name, name) in [
        ("Observation", "focus"),
        ("MedicationRequest", "requester"),
        ("MedicationRequest", "intended-performer"),
        ("MedicationStatement", "source"),
        ("ServiceRequest", "requester"),
        ("QuestionnaireResponse", "source"),
        ("Consent", "actor"),
        ("Consent", "consentor"),
        ("List", "item"),
        ("Task", "focus"),
        ("Task", "owner"),
        ("Task", "requester"),
        ("Contract", "signer"),
        ("AuditEvent", "source"),
        // the same element as `actor`, but for other types
        ("Appointment", "practitioner"),
        ("Appointment", "location"),
        ("Observation", "identifier"),
        ("Observation", "_id"),
        ("Observation", "unheard"),
        ("Unheard", "patient"),
        ("Linkage", "item"),
    ] {
        assert!(!r4().is_owner(type_name, name), "{type_name}.{name}");
    }
}
