//! What a path is in FHIR's terms, whatever stands before it (R4 http.html).

use policy_compiler::Severity;

use crate::{api, said, taken};

/// `interaction type $code type-segment id-segment` of the last of these operations.
fn classified(operations: &[&str]) -> String {
    let imported = taken(&api(true, operations));
    let (method, path) = operations.last().unwrap().split_once(' ').unwrap();
    let key = format!("{method}:{path}");
    let operation =
        imported.operations.iter().find(|operation| operation.key() == key).unwrap_or_else(|| panic!("{key}"));
    operation.fhir.as_ref().map_or("-".to_owned(), |fhir| {
        let kind = fhir.resource_type.as_ref().map_or("-", policy::text::TypeName::as_str);
        let code = fhir.code.as_deref().map(|code| format!(" ${code}")).unwrap_or_default();
        let at = |segment: Option<u32>| segment.map_or("-".to_owned(), |segment| segment.to_string());
        format!("{} {kind}{code} {} {}", fhir.interaction, at(fhir.type_segment), at(fhir.id_segment))
    })
}

const TABLE: [(&str, &str); 45] = [
    ("GET /Patient", "search-type Patient - -"),
    ("HEAD /Patient", "search-type Patient - -"),
    ("POST /Patient", "create Patient - -"),
    ("PUT /Patient", "conditional Patient - -"),
    ("PATCH /Patient", "conditional Patient - -"),
    ("DELETE /Patient", "conditional Patient - -"),
    ("OPTIONS /Patient", "-"),
    ("POST /Patient/_search", "search-type Patient - -"),
    ("GET /Patient/_search", "-"),
    ("GET /Patient/{id}", "read Patient - 1"),
    ("PUT /Patient/{id}", "update Patient - 1"),
    ("PATCH /Patient/{id}", "patch Patient - 1"),
    ("DELETE /Patient/{id}", "delete Patient - 1"),
    ("POST /Patient/{id}", "-"),
    ("GET /Patient/{id}.json", "-"),
    ("GET /Patient/{id}/_history", "history-instance Patient - 1"),
    ("GET /Patient/{id}/_history/{vid}", "vread Patient - 1"),
    ("DELETE /Patient/{id}/_history/{vid}", "-"),
    ("GET /Patient/_history", "history-type Patient - -"),
    ("GET /_history", "history-system - - -"),
    ("POST /_search", "search-system - - -"),
    ("GET /", "search-system - - -"),
    ("POST /", "batch - - -"),
    ("DELETE /", "-"),
    ("GET /metadata", "capabilities - - -"),
    ("POST /metadata", "-"),
    ("GET /Patient/{id}/$everything", "operation Patient $everything - 1"),
    ("POST /Patient/$match", "operation Patient $match - -"),
    ("GET /$export", "operation - $export - -"),
    ("DELETE /$export", "-"),
    ("GET /Patient/{id}/Observation", "search-compartment Observation - 1"),
    ("POST /Patient/{id}/Observation/_search", "search-compartment Observation - 1"),
    ("GET /Patient/{id}/*", "search-compartment - - 1"),
    ("GET /Patient/{id}/{type}", "search-compartment - 2 1"),
    ("POST /Patient/{id}/Observation", "-"),
    ("GET /Encounter/{id}/Observation", "-"),
    ("GET /Patient/{id}/Observation/{oid}", "-"),
    ("GET /{type}/{id}", "read - 0 1"),
    ("POST /{resourceType}", "create - 0 -"),
    ("GET /{resource_type}/{id}/_history/{vid}", "vread - 0 1"),
    ("GET /Widget/{id}", "read Widget - 1"),
    ("GET /MedicationOrder/{id}", "read MedicationOrder - 1"),
    ("GET /widget/{id}", "-"),
    ("GET /health", "-"),
    ("GET /Patient/list", "-"),
];

#[test]
fn each_form_is_classified_and_nothing_else_is() {
    for (operation, expected) in TABLE {
        assert_eq!(classified(&["GET /Observation/{id}", operation]), expected, "{operation}");
    }
}

#[test]
fn the_same_stands_below_any_base_with_its_segments_moved() {
    for (base, depth) in [("/FHIR/R4", 2), ("/{tenant}", 1), ("/v1beta1/{parent}/fhir", 3), ("/api/v1", 2)] {
        for (operation, expected) in TABLE {
            let (method, path) = operation.split_once(' ').unwrap();
            let path = path.strip_suffix('/').unwrap_or(path);
            let moved = classified(&[&format!("GET {base}/Observation/{{id}}"), &format!("{method} {base}{path}")]);
            let mut words: Vec<_> = expected.split(' ').map(str::to_owned).collect();
            let count = words.len();
            for word in words.iter_mut().skip(count.saturating_sub(2)) {
                if let Ok(segment) = word.parse::<usize>() {
                    *word = (segment + depth).to_string();
                }
            }
            assert_eq!(moved, words.join(" "), "{base} {operation}");
        }
    }
}

#[test]
fn several_bases_are_told_and_a_document_without_types_has_one_too() {
    let imported = taken(&api(true, &["GET /api/v1/Patient/{id}", "GET /api/v2/Patient/{id}", "GET /api/v3/metadata"]));
    assert_eq!(imported.operations.iter().filter(|operation| operation.fhir.is_some()).count(), 2);
    assert!(said(&imported.findings, Severity::Warning).contains(&"several_fhir_bases ".to_owned()));
    assert_eq!(classified(&["GET /bulk/metadata", "GET /bulk/$export"]), "operation - $export - -");
    assert_eq!(classified(&["GET /x/Widget", "GET /x/Widget/{id}"]), "read Widget - 2");
}

#[test]
fn types_are_of_r4_of_another_version_or_the_apis_own_and_the_report_says_which() {
    let imported = taken(&api(
        true,
        &["GET /Patient/{id}", "GET /MedicationOrder/{id}", "GET /Widget/{id}", "DELETE /Widget/{id}"],
    ));
    let types: Vec<_> =
        imported.types.iter().map(|found| (found.name.as_str(), found.in_r4, found.interactions.len())).collect();
    assert_eq!(types, [("MedicationOrder", false, 1), ("Patient", true, 1), ("Widget", false, 2)]);
    let said = said(&imported.findings, Severity::Info);
    assert!(said.contains(&"type_not_in_r4 /paths/~1MedicationOrder~1{id}/get".to_owned()), "{said:?}");
    assert!(said.contains(&"custom_type /paths/~1Widget~1{id}/get".to_owned()), "{said:?}");
}

#[test]
fn a_path_that_bears_the_type_serves_every_type() {
    let imported = taken(&api(true, &["GET /{type}/{id}", "POST /Patient"]));
    assert!(imported.types.len() > 140);
    let patient = imported.types.iter().find(|found| found.name.as_str() == "Patient").unwrap();
    assert_eq!(patient.interactions.len(), 2);
}

#[test]
fn k13_without_the_extension_fhir_is_suggested_and_never_switched_on() {
    let imported = taken(&api(false, &["GET /Patient/{id}", "POST /Patient/_search"]));
    assert!(imported.fhir_like);
    assert_eq!(imported.types.len(), 1);
    assert!(imported.operations.iter().all(|operation| operation.fhir.is_none()));
    assert!(said(&imported.findings, Severity::Info).contains(&"looks_like_fhir ".to_owned()));
    for plain in [&["GET /Account/{id}", "POST /Account"][..], &["GET /pet/{id}"], &["GET /Widget/$run"]] {
        let imported = taken(&api(false, plain));
        assert!(!imported.fhir_like && imported.types.is_empty(), "{plain:?}");
    }
}

#[test]
fn k16_search_parameters_of_the_apis_own_are_listed_and_impostors_do_not_count() {
    let text = api(true, &["GET /Patient"]).replace(
        "get: {",
        "get: {parameters: [{in: query, name: nhs-area}, {in: query, name: PATIENT}, {in: query, name: Name}, {in: query, name: name}, {in: query, name: 'name:exact'}, {in: query, name: _Id}, {in: query, name: _mine}, {in: query, name: 'x[]'}, {in: query, name: access_token}], ",
    );
    let imported = taken(&text);
    assert_eq!(imported.types[0].search_parameters.len(), 9);
    let own = imported.findings.iter().find(|finding| finding.code == "own_search_parameter").unwrap();
    assert!(own.message.ends_with("`PATIENT`, `nhs-area`"), "{}", own.message);
    let unusable = imported.findings.iter().find(|finding| finding.code == "unusable_search_parameter").unwrap();
    assert!(unusable.message.ends_with("`Name`, `_Id`, `_mine`, `access_token`, `x[]`"), "{}", unusable.message);
}
