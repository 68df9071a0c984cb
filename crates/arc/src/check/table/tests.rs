//! The corpus of the decision point is a table like any other.

use std::path::PathBuf;

use clap::Parser;
use policy::settings::ServiceKind;
use testkit::ehr;

use super::*;
use crate::check::Question;

mod docs;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    question: Question,
}

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bundle = ehr::fhir(ehr::settings(ServiceKind::Fhirv4, ""));
        std::fs::write(folder.path().join("bundle"), bundle.encode().unwrap()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trial(&self) -> Trial {
        Trial::open(&self.path("bundle")).unwrap()
    }

    fn table(&self, text: &str) -> Result<(), Fault> {
        std::fs::write(self.path("table.md"), text).unwrap();
        run(&self.trial(), &self.path("table.md"))
    }

    fn answer(&self, arguments: &[&str]) -> Result<String, Fault> {
        let bundle = self.path("bundle").display().to_string();
        let line = Line::try_parse_from(["check", "--bundle", &bundle].iter().chain(arguments)).unwrap();
        question::answer(&self.trial(), &line.question)
    }
}

#[test]
fn the_corpus_holds_when_it_is_run_as_a_table() {
    let fixture = Fixture::new();
    for name in ["patient-compartment.md", "includes.md"] {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/decisions")).join(name);
        run(&fixture.trial(), &path).unwrap();
    }
}

#[test]
fn a_row_that_differs_is_named() {
    let fixture = Fixture::new();
    let rows = "| token | call | decision | upstream |\n|---|---|---|---|\n";
    fixture.table(&format!("{rows}| patient/*.rs | GET /Patient/OTHER | deny 403 other_patient | none |\n")).unwrap();
    fixture.table(&format!("{rows}| patient/*.rs | GET /Patient/OTHER | | |\n")).unwrap();
    let wrong = format!(
        "{rows}| patient/*.rs | GET /Patient/ME | deny 403 no_rule | none |\n| none | GET /Patient/ME | deny 401 no_token | none |\n"
    );
    assert!(matches!(fixture.table(&wrong), Err(Fault::Differ { rows: 1, of: 2 })));
}

#[test]
fn a_claims_column_holds_json() {
    let fixture = Fixture::new();
    let table = r#"
| claims | call | decision |
|---|---|---|
| {"scope": "patient/*.rs", "patient": "7"} | GET /Patient/7 | permit |
| {"scope": "patient/*.rs", "patient": "7"} | GET /Patient/ME | deny 403 other_patient |
"#;
    fixture.table(table).unwrap();
}

#[test]
fn a_table_that_cannot_be_read_is_a_fault_and_never_a_success() {
    let fixture = Fixture::new();
    for text in [
        "",
        "no table",
        "| token | decision |\n|---|---|\n| none | permit |\n",
        "| token | call |\n|---|---|\n| none |\n",
        "| token | call |\n|---|---|\n| role:nobody | GET /Patient |\n",
        "| token | call |\n|---|---|\n| none | Patient |\n",
        "| claims | call |\n|---|---|\n| {\"scope\": 7} | GET /Patient |\n",
    ] {
        assert!(fixture.table(text).is_err(), "{text}");
    }
}

#[test]
fn a_decision_is_explained_in_words() {
    let fixture = Fixture::new();
    let claims = r#"{"scope":"patient/*.rs","patient":"1"}"#;
    let said = fixture.answer(&["--url", "/Patient/2", "--claims", claims]).unwrap();
    for words in [
        "request       GET /fhir/Patient/2",
        "verdict       deny 403 other_patient",
        "because       the request names another patient than the token",
        "to change it  Use a token of that patient, or one with a `system/` role.",
        "              With `system/Patient.r` in the token, the request is permitted.",
        "operation     GET:/{type}/{id} (read Patient), needs r",
        "  rules      deny      the request names another patient than the token",
        "  refuses    patient/*.rs (rs on every type): the path names another patient than the token",
        "  Patient (patient): a Patient is its own only, by its id",
        "  hide_existence = true",
        "its signature was not verified",
    ] {
        assert!(said.contains(words), "{words} is not in:\n{said}");
    }
    let said = fixture.answer(&["--url", "https://gw.example/fhir/Observation", "--claims", claims]).unwrap();
    assert!(said.contains("upstream      GET /Observation?patient=Patient/1"), "{said}");
    assert!(said.contains("obligations   add_query(patient)"), "{said}");
    assert!(said.contains("  permits    patient/*.rs (rs on every type): it permits it, within the context"), "{said}");
    assert!(said.contains("  elements: subject, performer\n"), "{said}");
}

#[test]
fn the_same_as_json() {
    let fixture = Fixture::new();
    let file = fixture.path("claims.json");
    std::fs::write(&file, r#"{"scope":"patient/*.rs","patient":"1"}"#).unwrap();
    let file = file.display().to_string();
    let said = fixture.answer(&["--url", "/Observation?bogus=1", "--claims", &file, "--json"]).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["effect"], &said["upstream"]["path"]), (&json!("permit"), &json!("/Observation")));
    assert_eq!(said["fields_ignored"][0], "bogus");
    assert_eq!(
        (&said["rules"][0]["outcome"], &said["tables"][0]["standing"]),
        (&json!("permits"), &json!("compartment"))
    );
    let said = fixture.answer(&["--url", "/Observation?_filter=x", "--claims", &file, "--json"]).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["next"], json!(["Leave it out.", "Without `_filter`, the request is permitted."]));
    assert_eq!(said["asked"]["parameters"][0], json!({"name": "_filter", "fate": "refused"}));
}

#[test]
fn a_question_without_a_caller_or_with_a_broken_part_says_so() {
    let fixture = Fixture::new();
    assert!(fixture.answer(&["--url", "/Patient/1"]).unwrap().contains("deny 401 no_token"));
    for wrong in [
        &["--url", "/x", "--header", "no colon"][..],
        &["--url", "/x", "--claims", "{"],
        &["--url", "/x", "--token", "x"],
        &["--url", "/x", "--stored", "x"],
        &["--url", "/x", "--body", "@/nowhere/at/all"],
    ] {
        assert!(fixture.answer(wrong).is_err(), "{wrong:?}");
    }
    assert!(Line::try_parse_from(["check", "--bundle", "x"]).is_err(), "a URL or a table");
}
