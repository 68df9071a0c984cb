//! Lists of fields in the lines of a role (KD04).

use policy::role::Field;
use policy_compiler::{CustomRole, Finding, Imported, custom_role};
use proptest::prelude::*;

use crate::{api, taken};

fn fhir() -> Imported {
    let text = api(
        true,
        &[
            "GET /Patient",
            "POST /Patient/_search",
            "GET /Patient/{id}",
            "PUT /Patient/{id}",
            "GET /{type}",
            "GET /health",
        ],
    );
    taken(&text.replacen("get: {", "get: {parameters: [{in: query, name: ward}, {in: query, name: _mine}], ", 1))
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn role(imported: &Imported, of: &[&str]) -> Result<CustomRole, Vec<Finding>> {
    custom_role(imported, &lines(of))
}

fn printed(of: &[&str]) -> Vec<String> {
    let imported = fhir();
    let read = role(&imported, of).unwrap_or_else(|findings| panic!("{findings:?}"));
    let lines = read.lines(&imported);
    assert_eq!(custom_role(&imported, &lines).unwrap(), read, "what is printed reads back");
    lines
}

#[test]
fn kd04_a_line_may_list_the_fields_that_its_operation_carries() {
    let imported = fhir();
    let read = role(&imported, &["PUT:/Patient/{id}:[name, contact.name,exten*, a.b*]"]).unwrap();
    let field = |path: &[&str], prefix| Field { path: path.iter().map(|name| (*name).into()).collect(), prefix };
    let [list] = read.fields.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.operations, [list.operation]);
    assert_eq!(
        list.fields,
        [
            field(&["a", "b"], true),
            field(&["contact", "name"], false),
            field(&["exten"], true),
            field(&["name"], false)
        ]
    );
}

#[test]
fn kd04_two_lists_unite_and_a_line_without_a_list_wins() {
    assert_eq!(
        printed(&["PUT:/Patient/{id}:[name,birthDate]", "GET:/health", "PUT:/Patient/{p}:[name,gender]"]),
        ["PUT:/Patient/{id}:[birthDate,gender,name]", "GET:/health"]
    );
    for of in [["PUT:/Patient/{id}:[name]", "PUT:/Patient/{id}"], ["PUT:/Patient/{id}", "PUT:/Patient/{id}:[name]"]] {
        assert_eq!(printed(&of), ["PUT:/Patient/{id}"]);
    }
}

#[test]
fn kd04_the_list_of_a_get_names_parameters_that_the_document_or_fhir_defines() {
    for taken in ["identifier,name", "ward", "wa*", "_count,_lastUpdated,_include", "birth*"] {
        printed(&[&format!("GET:/Patient:[{taken}]")]);
        printed(&[&format!("POST:/Patient/_search:[{taken}]")]);
    }
    printed(&["GET:/{type}:[status,code]", "GET:/Patient/{id}:[_elements]"]);
    let imported = fhir();
    for (line, code) in [
        ("GET:/Patient:[email,nick]", "unknown_parameter"),
        ("GET:/Patient:[Name]", "unknown_parameter"),
        ("GET:/Patient:[general-practitioner.name]", "unknown_parameter"),
        ("GET:/Patient:[zz*]", "unknown_parameter"),
        ("POST:/Patient/_search:[birthDate]", "unknown_parameter"),
        ("GET:/health:[name]", "unknown_parameter"),
    ] {
        assert_eq!(role(&imported, &[line]).unwrap_err()[0].code, code, "{line}");
    }
    let plain =
        taken(&api(false, &["GET /patient"]).replace("get: {", "get: {parameters: [{in: query, name: email}], "));
    assert!(role(&plain, &["GET:/patient:[email]"]).is_ok());
    assert_eq!(role(&plain, &["GET:/patient:[_count]"]).unwrap_err()[0].code, "unknown_parameter");
}

#[test]
fn a_list_that_is_none_refuses_its_line() {
    let imported = fhir();
    let long = format!("{},a", "a".repeat(127));
    let deep = vec!["a"; 17].join(".");
    let much = vec!["abcdefgh"; 2_000].join(",");
    assert!(role(&imported, &[&format!("PUT:/Patient/{{id}}:[{long}]")]).is_ok());
    for list in
        ["", " ", "a,", "a..b", ".a", "*", "a.*", "a*b", "a b", "a:b", "é", "a[0]", &deep, &much, &format!("b{long}")]
    {
        let findings = role(&imported, &["GET:/health", &format!("PUT:/Patient/{{id}}:[{list}]")]).unwrap_err();
        assert_eq!((&*findings[0].code, &*findings[0].pointer), ("bad_field", "/operations/1"), "{list:.40}");
    }
    for line in ["PUT:/Patient/{id}:[a", "PUT:/Patient/{id}:[a]x", "PUT:/Patient/{id}:a"] {
        assert!(role(&imported, &[line]).is_err(), "{line}");
    }
    let many: Vec<_> = (0..501).map(|index| format!("PUT:/Patient/{{id}}:[a{index}]")).collect();
    assert_eq!(custom_role(&imported, &many).unwrap_err()[0].code, "bad_field");
    assert!(custom_role(&imported, &many[1..]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_line_is_answered_and_what_is_taken_prints_and_reads_the_same(
        line in "(GET|PUT|POST)?:?(/Patient|/Patient/\\{id\\}|/health|/x)?(:\\[|\\[)?([a-z_.,*: é-]|name|code|_count){0,12}\\]?"
    ) {
        let imported = fhir();
        if let Ok(read) = role(&imported, &[&line]) {
            prop_assert_eq!(custom_role(&imported, &read.lines(&imported)).unwrap(), read);
        }
    }
}
