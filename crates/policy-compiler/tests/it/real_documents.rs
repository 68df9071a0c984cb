//! Documents of others, read from `../shared/data/openapi` (or `$FIREWARDEN_SHARED/data/openapi`), never copied.

use std::path::{Path, PathBuf};
use std::time::Instant;

use policy::settings::ServiceKind;
use policy_compiler::{Imported, Limits, Severity, import};

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
