//! The compiler as its callers see it: text in; operations, roles, bundle and findings out.

#![allow(
    clippy::expect_used,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod bundles;
mod conditions;
mod documents;
mod fhir_paths;
mod field_lists;
mod hostile;
mod mutations;
mod real_documents;
mod reports;
mod roles;
mod sources;

use policy_compiler::{Finding, Imported, Limits, Severity, import};

/// The document must be taken.
fn taken(text: &str) -> Imported {
    import(text.as_bytes(), &Limits::default()).unwrap_or_else(|findings| panic!("{text:.400}\n{findings:#?}"))
}

/// The document must be refused.
fn refused(bytes: &[u8]) -> Vec<Finding> {
    let findings = import(bytes, &Limits::default()).expect_err("it must be refused");
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error));
    findings
}

/// `code pointer` of each finding of this severity or worse.
fn said(findings: &[Finding], severity: Severity) -> Vec<String> {
    let worse = findings.iter().filter(|finding| finding.severity <= severity);
    worse.map(|finding| format!("{} {}", finding.code, finding.pointer)).collect()
}

/// A document in YAML with these paths, `METHOD /path` each; FHIR if asked.
fn api(fhir: bool, operations: &[&str]) -> String {
    let mut text =
        String::from("openapi: 3.0.3\ninfo: {title: T, version: '1'}\nservers: [{url: 'https://a.example/r4'}]\n");
    if fhir {
        text.push_str("x-katanemo-open-api-service-type: fhirv4\n");
    }
    text.push_str("paths:\n");
    let mut paths: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in operations {
        let (method, path) = line.split_once(' ').unwrap();
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => methods.push(method),
            None => paths.push((path, vec![method])),
        }
    }
    for (path, methods) in paths {
        text.push_str(&format!("  '{path}':\n"));
        for method in methods {
            text.push_str(&format!("    {}: {{responses: {{'200': {{description: ok}}}}}}\n", method.to_lowercase()));
        }
    }
    text
}
