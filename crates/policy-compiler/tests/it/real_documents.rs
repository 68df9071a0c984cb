//! Documents of others, read from `../shared/data/openapi` (or `$FIREWARDEN_SHARED/data/openapi`), never copied.

use std::path::{Path, PathBuf};
use std::time::Instant;

use policy::settings::ServiceKind;
use policy_compiler::{Imported, Limits, Severity, compile, import, operations_of};

/// One document, and what the counts of an independent parser say of it.
struct Document {
    file: &'static str,
    openapi: &'static str,
    paths: usize,
    operations: usize,
    fhir_like: bool,
}

const DOCUMENTS: [Document; 10] = [
    document("rbren-fhir-swagger2.json", "2.0", 460, 736, true),
    document("nhs-immunisation-fhir-api.yaml", "3.0.0", 3, 6, true),
    document("nhs-nrlf-producer.yaml", "3.0.0", 4, 8, true),
    document("nhs-nrlf-consumer.yaml", "3.0.0", 5, 5, true),
    document("cms-bcda-swagger.json", "3.0.1", 17, 19, true),
    document("google-healthcare-v1beta1.json", "3.0.0", 63, 83, true),
    document("gematik-vsdm2.yaml", "3.1.0", 1, 1, false),
    document("petstore.yaml", "3.0.4", 13, 19, false),
    document("github-api.json", "3.0.3", 551, 845, false),
    document("va-facilities.json", "3.0.1", 5, 5, false),
];

const fn document(
    file: &'static str,
    openapi: &'static str,
    paths: usize,
    operations: usize,
    fhir_like: bool,
) -> Document {
    Document { file, openapi, paths, operations, fhir_like }
}

pub(crate) fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("FIREWARDEN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/openapi");
    if !folder.is_dir() {
        println!("SKIPPED: {} is absent", folder.display());
        return None;
    }
    Some(folder)
}

fn imported(name: &str, text: &[u8]) -> Imported {
    let start = Instant::now();
    let imported = import(text, &Limits::default()).unwrap_or_else(|findings| panic!("{name}: {findings:#?}"));
    let count = |severity| imported.findings.iter().filter(|finding| finding.severity == severity).count();
    println!(
        "{name}: {} ms, {} of {} operations, {} types, {} warnings, {} notes",
        start.elapsed().as_millis(),
        imported.operations.len(),
        imported.documented_operations,
        imported.types.len(),
        count(Severity::Warning),
        count(Severity::Info)
    );
    imported
}

/// The same document with the extension that turns on FHIR.
fn with_extension(text: &str) -> String {
    match text.trim_start().strip_prefix('{') {
        Some(rest) => format!("{{\"x-KATANEMO-open-api-service-type\": \"fhirv4\", {rest}"),
        None => format!("x-Katanemo-open-api-service-type: fhirv4\n{text}"),
    }
}

#[test]
fn every_document_is_imported_with_all_its_paths_and_operations() {
    let Some(folder) = folder() else { return };
    for document in &DOCUMENTS {
        let text = std::fs::read(folder.join(document.file)).unwrap();
        let imported = imported(document.file, &text);
        assert_eq!(imported.kind, ServiceKind::Plain, "{}", document.file);
        assert_eq!(imported.openapi, document.openapi, "{}", document.file);
        assert_eq!(
            (imported.paths, imported.documented_operations),
            (document.paths, document.operations),
            "{}",
            document.file
        );
        let joined = imported.findings.iter().filter(|finding| finding.code == "same_shape").count();
        assert_eq!(imported.operations.len() + joined, document.operations, "{}", document.file);
        assert_eq!(imported.fhir_like, document.fhir_like, "{}", document.file);
        assert_eq!(imported.fhir_like, imported.findings.iter().any(|finding| finding.code == "looks_like_fhir"));
        assert!(imported.operations.iter().all(|operation| operation.fhir.is_none()));
        assert_eq!(Imported::decode(&imported.encode().unwrap()).unwrap(), imported);
    }
}

#[test]
fn k13_the_extension_turns_each_into_a_fhir_service() {
    let Some(folder) = folder() else { return };
    for document in &DOCUMENTS {
        let text = std::fs::read_to_string(folder.join(document.file)).unwrap();
        let imported = imported(document.file, with_extension(&text).as_bytes());
        assert_eq!(imported.kind, ServiceKind::Fhirv4, "{}", document.file);
        assert_eq!(
            (imported.paths, imported.documented_operations),
            (document.paths, document.operations),
            "{}",
            document.file
        );
        let classified = imported.operations.iter().filter(|operation| operation.fhir.is_some()).count();
        assert_eq!(classified > 0, document.fhir_like, "{}", document.file);
    }
}

/// The document as a FHIR Service, if the folder is there.
fn fhir(file: &str) -> Option<Imported> {
    let text = std::fs::read_to_string(folder()?.join(file)).unwrap();
    Some(imported(file, with_extension(&text).as_bytes()))
}

#[test]
fn a_whole_server_of_dstu2_is_recognised_and_what_r4_has_not_is_told() {
    let Some(imported) = fhir("rbren-fhir-swagger2.json") else { return };
    assert_eq!(imported.types.len(), 92);
    assert_eq!(imported.types.iter().filter(|found| !found.in_r4).count(), 16);
    assert_eq!(imported.findings.iter().filter(|finding| finding.code == "type_not_in_r4").count(), 16);
    assert!(imported.operations.iter().all(|operation| operation.fhir.is_some()));
    let role = operations_of(&imported, &"patient/Patient.rs".parse().unwrap());
    let keys: Vec<_> = role.iter().map(|index| imported.operations[*index as usize].key()).collect();
    let expected = [
        "GET:/Patient",
        "GET:/Patient/_history",
        "GET:/Patient/{id}",
        "GET:/Patient/{id}/_history",
        "GET:/Patient/{id}/_history/{vid}",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn documents_under_a_prefix_are_recognised_with_their_types_and_interactions() {
    for (file, name, expected) in [
        ("nhs-immunisation-fhir-api.yaml", "Immunization", "read create update delete search-type"),
        ("nhs-nrlf-producer.yaml", "DocumentReference", "read create update delete search-type conditional"),
        ("nhs-nrlf-consumer.yaml", "DocumentReference", "read search-type"),
        ("cms-bcda-swagger.json", "Group", "operation"),
        ("google-healthcare-v1beta1.json", "Observation", "create search-type operation conditional"),
    ] {
        let Some(imported) = fhir(file) else { return };
        let found = imported.types.iter().find(|found| found.name.as_str() == name).unwrap();
        let interactions: Vec<_> = found.interactions.iter().map(|interaction| interaction.as_str()).collect();
        assert_eq!(interactions.join(" "), expected, "{file}");
        let bundle = compile(crate::bundles::source(&imported)).unwrap();
        assert!(bundle.parts().types.iter().any(|facts| facts.name.as_str() == name));
    }
}
