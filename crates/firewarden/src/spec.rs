//! `firewarden spec check`: what a server would say of an API document, without a server.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use policy_compiler::{Finding, Imported, Limits, Severity, import};
use serde_json::{Value, json};

/// What is done with documents.
#[derive(Debug, Subcommand)]
pub(crate) enum Spec {
    /// Read an OpenAPI document (2.0, 3.0, 3.1; JSON or YAML) and say what a Service of it would be. Exit 1 if it is refused.
    #[command(
        after_help = "Examples:\n  firewarden spec check openapi.yaml\n  firewarden spec check --json openapi.json | jq .findings\n  curl -s https://example.org/openapi.json | firewarden spec check -"
    )]
    Check(Check),
}

/// What is checked, and how it is said.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The document; `-` for standard input
    file: PathBuf,
    /// One JSON object, with every operation, type and finding
    #[arg(long)]
    json: bool,
}

/// What was found: the text to print, and whether the document would be taken.
pub(crate) struct Checked {
    pub(crate) text: String,
    pub(crate) taken: bool,
}

/// Checks a document.
pub(crate) fn check(args: &Check) -> io::Result<Checked> {
    let document = read(&args.file)?;
    let imported = import(&document, &Limits::default());
    let taken = imported.is_ok();
    let text = match (imported, args.json) {
        (Ok(imported), true) => line(&shown(&imported)),
        (Err(findings), true) => line(&json!({ "ok": false, "findings": findings })),
        (Ok(imported), false) => summary(&imported),
        (Err(findings), false) => format!("refused\n{}", listed(&findings)),
    };
    Ok(Checked { text, taken })
}

/// Reads one byte more than a document may have, so that a larger one is refused as one, and no more is held.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let limit = Limits::default().bytes as u64 + 1;
    let mut document = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut document)?;
        return Ok(document);
    }
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    File::open(file).map_err(named)?.take(limit).read_to_end(&mut document).map_err(named)?;
    Ok(document)
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn shown(imported: &Imported) -> Value {
    let operations: Vec<_> = imported
        .operations
        .iter()
        .map(|operation| {
            json!({
                "key": format!("{}:{}", operation.method, operation.template),
                "method": operation.method.as_str(),
                "path": operation.template.to_string(),
                "interaction": operation.fhir.as_ref().map(|fhir| fhir.interaction.as_str()),
                "resource_type": operation.fhir.as_ref().and_then(|fhir| fhir.resource_type.as_ref()),
            })
        })
        .collect();
    json!({
        "ok": true,
        "title": imported.title,
        "openapi": imported.openapi,
        "kind": imported.kind,
        "fhir_like": imported.fhir_like,
        "base_url": imported.base_url,
        "paths": imported.paths,
        "operations": operations,
        "types": imported.types,
        "findings": imported.findings,
    })
}

fn summary(imported: &Imported) -> String {
    let kind = match (imported.kind, imported.fhir_like) {
        (policy::settings::ServiceKind::Fhirv4, _) => "FHIR R4",
        (policy::settings::ServiceKind::Plain, true) => {
            "plain, though it looks like FHIR: `x-Katanemo-open-api-service-type: fhirv4` turns FHIR on"
        }
        (policy::settings::ServiceKind::Plain, false) => "plain",
    };
    let base = imported.base_url.as_deref().unwrap_or("none; set it before the first bundle");
    let mut text = format!(
        "{}\n  OpenAPI     {}\n  kind        {kind}\n  base        {base}\n  paths       {}\n  operations  {}\n",
        one_line(&imported.title),
        imported.openapi,
        imported.paths,
        imported.operations.len(),
    );
    if !imported.types.is_empty() {
        let _ = writeln!(text, "  types       {}", imported.types.len());
        for found in &imported.types {
            let interactions: Vec<_> = found.interactions.iter().map(|interaction| interaction.as_str()).collect();
            let note = if found.in_r4 { "" } else { "  (not in R4)" };
            let _ = writeln!(text, "    {:<28}{}{note}", found.name.as_str(), interactions.join(" "));
        }
    }
    text + &listed(&imported.findings)
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut out, finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let place = if finding.pointer.is_empty() { "the document".to_owned() } else { one_line(&finding.pointer) };
        let _ = writeln!(out, "{severity:<8}{place}: {} [{}]", one_line(&finding.message), finding.code);
        if !finding.fix.is_empty() {
            let _ = writeln!(out, "        {}", one_line(&finding.fix));
        }
        out
    })
}

/// A document's own text, without what moves a terminal's cursor.
fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(document: &str, json: bool) -> Checked {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("document");
        std::fs::write(&file, document).unwrap();
        check(&Check { file, json }).unwrap()
    }

    #[test]
    fn a_document_is_checked_without_a_server() {
        let document = "openapi: 3.0.3\ninfo: {title: API, version: '1'}\npaths:\n  /x:\n    get: {responses: {}}\n";
        let text = checked(document, false);
        assert!(text.taken && text.text.contains("operations  1"), "{}", text.text);
        let value: Value = serde_json::from_str(&checked(document, true).text).unwrap();
        assert_eq!((&value["ok"], &value["operations"][0]["key"]), (&json!(true), &json!("GET:/x")));
    }

    #[test]
    fn a_document_that_is_refused_says_where() {
        let refused = checked("openapi: 3.0.3\npaths: [", false);
        assert!(!refused.taken && refused.text.starts_with("refused\nerror"), "{}", refused.text);
        let value: Value = serde_json::from_str(&checked("hello", true).text).unwrap();
        assert_eq!(value["ok"], json!(false));
        assert!(value["findings"].as_array().is_some_and(|findings| !findings.is_empty()));
    }
}
