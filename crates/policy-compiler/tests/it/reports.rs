//! The report, as people and programs get it.

use policy_compiler::report::Report;
use policy_compiler::{Limits, import};

use crate::api;

#[test]
fn the_text_has_counts_types_and_findings_and_colour_only_if_asked() {
    let result = import(
        api(true, &["GET /Patient/{id}", "POST /Patient/_search", "GET /Widget", "GET /health"]).as_bytes(),
        &Limits::default(),
    );
    let report = Report::new(&result);
    let text = report.text(false).to_string();
    for line in [
        "  kind        FHIR R4\n",
        "  base URL    https://a.example/r4\n",
        "  operations  4, 3 of them FHIR's\n",
        "  Patient  read search-type\n",
        "  Widget   search-type (not in R4)\n",
        "  not_fhir  /paths/~1health/get\n",
        "accepted: 0 errors,",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains('\u{1b}') && report.text(true).to_string().contains('\u{1b}'));
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["service"]["kind"], "fhirv4");
    assert_eq!(json["service"]["types"][0]["interactions"], serde_json::json!(["read", "search-type"]));
    assert_eq!(json["findings"][0]["severity"], "warning");
}

#[test]
fn a_refused_document_is_reported_in_the_same_form() {
    let result = import(b"{\"openapi\": \"3.0.0\", \"paths\": {}}", &Limits::default());
    let report = Report::new(&result);
    assert!(
        report
            .text(false)
            .to_string()
            .starts_with("The document is refused.\n\nErrors (1)\n  no_title  the whole document\n")
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["accepted"], json.get("service")), (&serde_json::json!(false), None));
}

#[test]
fn no_title_moves_the_readers_cursor() {
    let text =
        r#"{"openapi": "3.0.0", "info": {"title": "a\u001b[2Jb\u202ec"}, "paths": {"/\u001b[31m": {"get": {}}}}"#;
    let result = import(text.as_bytes(), &Limits::default());
    assert!(!Report::new(&result).text(false).to_string().contains(['\u{1b}', '\u{202e}']));
}
