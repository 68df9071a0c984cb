//! The choices D1 to D13, D20 to D31, each by what can be seen of it.

use policy::Reason;
use policy::basic::{BasicKey, Privilege, SecurityResource};
use policy::decision::{Phase, Verdict};
use policy::request::Caller;
use policy::settings::{Basic, ServiceKind};
use policy::tag::{AccessTag, Tag, TagKey, TaggedResource};

use super::kit::{self, Line, Token, bundle, check, decide, ehr, header, released, respond, store};
use crate::{Interpreter, Response};

const OBS: &str =
    r#"{"resourceType":"Observation","id":"O1","meta":{"versionId":"1"},"subject":{"reference":"Patient/ME"}}"#;
const OTHER: &str = r#"{"resourceType":"Observation","id":"O2","subject":{"reference":"Patient/OTHER"}}"#;
const LAB: &str = r#"{"resourceType":"Observation","id":"L1","category":[{"coding":[{"code":"laboratory"}]}],"subject":{"reference":"Patient/ME"}}"#;
const ME: &str = r#"{"resourceType":"Patient","id":"ME","managingOrganization":{"reference":"Organization/ORG1"}}"#;

#[test]
fn d1_several_types_are_judged_by_groups_of_rules() {
    let ehr = ehr("");
    let ask = "GET /?_type=Observation,Condition";
    check(&ehr, "user/Observation.s user/Condition.s", ask, &[], "permit", "GET /?_type=Observation,Condition");
    check(
        &ehr,
        "patient/Observation.s patient/Condition.s",
        ask,
        &[],
        "permit",
        "GET /?_type=Observation,Condition&patient=Patient/ME",
    );
    check(&ehr, "patient/Observation.s user/Condition.s", ask, &[], "deny 403 no_rule", "none");
    check(&ehr, "user/Observation.s user/Condition.s", "GET /?code=x", &[], "deny 403 no_rule", "none");
    check(&ehr, "user/*.s", "GET /?_id=x", &[], "permit", "GET /?_id=x");
}

#[test]
fn d2_type_is_read_where_several_types_can_be_asked() {
    let ehr = ehr("");
    check(&ehr, "user/*.rs", "GET /Observation?_type=Observation", &[], "deny 400 unknown_parameter", "none");
    check(&ehr, "user/*.rs", "GET /?_type=Bogus", &[], "deny 400 malformed_query", "none");
    check(&ehr, "user/*.rs", "GET /_history?_type=", &[], "permit", "GET /_history");
    check(
        &ehr,
        "user/Observation.rs",
        "GET /_history?_type=Observation",
        &[],
        "permit",
        "GET /_history?_type=Observation",
    );
}

#[test]
fn d3_a_system_search_has_what_all_its_types_have() {
    let ehr = ehr("");
    check(&ehr, "patient/*.s", "GET /?_type=Observation,Patient", &[], "deny 403 parameter_denied", "none");
    check(
        &ehr,
        "patient/*.s",
        "GET /?_type=Observation,Condition&patient=OTHER",
        &[],
        "deny 403 other_patient",
        "none",
    );
    check(&ehr, "patient/*.s", "GET /?_type=Organization,Location", &[], "permit", "GET /?_type=Organization,Location");
    let granular = "user/Observation.s?category=laboratory user/Condition.s";
    check(&ehr, granular, "GET /?_type=Observation,Condition&_summary=count", &[], "deny 403 parameter_denied", "none");
}

#[test]
fn d4_the_path_narrows_a_search_of_a_whole_compartment() {
    let ehr = ehr("");
    check(&ehr, "patient/*.s", "GET /Patient/ME/*", &[], "permit", "GET /Patient/ME/*");
    check(&ehr, "patient/*.s", "GET /Patient/ME/*?_total=accurate", &[], "deny 403 parameter_denied", "none");
    check(&ehr, "patient/*.s", "GET /Patient/OTHER/*", &[], "deny 403 other_patient", "none");
    check(&ehr, "patient/Observation.s", "GET /Patient/ME/*", &[], "deny 403 no_rule", "none");
    check(
        &ehr,
        "patient/Observation.s",
        "GET /Patient/ME/*?_type=Observation",
        &[],
        "permit",
        "GET /Patient/ME/*?_type=Observation",
    );
}

#[test]
fn d5_a_version_needs_the_current_state_to_be_covered() {
    let ehr = ehr("");
    let call = "GET /Observation/O1/_history/1";
    check(&ehr, "system/*.rs", call, &[], "permit", call);
    check(&ehr, "patient/*.rs", call, &[], "lookup /Observation/O1", "none");
    check(&ehr, "patient/*.rs", call, &[("/Observation/O1", OBS)], "permit", call);
    check(&ehr, "patient/*.rs", call, &[("/Observation/O1", "")], "deny 404 not_found", "none");
    check(
        &ehr,
        "patient/*.rs",
        "GET /Observation/O2/_history/1",
        &[("/Observation/O2", OTHER)],
        "deny 404 not_found",
        "none",
    );
    let mut broken = store(&[("/Observation/O1", OBS)]);
    broken[0].1 = 500;
    assert_eq!(kit::words(&decide(&ehr, "patient/*.rs", call, &broken)), "deny 502 response_unreadable");
    check(
        &kit::ehr("hide_existence=false"),
        "patient/*.rs",
        "GET /Observation/O2/_history/1",
        &[("/Observation/O2", OTHER)],
        "deny 403 existing_not_covered",
        "none",
    );
}

#[test]
fn d6_i26_a_shared_resource_is_read_when_the_context_patient_refers_to_it() {
    let ehr = ehr("");
    let call = "GET /Organization/ORG1";
    check(&ehr, "patient/Patient.rs", call, &[], "lookup /Patient/ME", "none");
    check(&ehr, "patient/Patient.rs", call, &[("/Patient/ME", ME)], "permit", call);
    check(&ehr, "patient/Patient.rs", "GET /Organization/ORG6", &[("/Patient/ME", ME)], "deny 403 no_rule", "none");
    check(&ehr, "patient/Patient.rs", call, &[("/Patient/ME", "")], "deny 403 no_rule", "none");
    check(&ehr, "patient/Patient.rs", "GET /Organization/ORG1/_history", &[], "deny 403 no_rule", "none");
    let organization = r#"{"resourceType":"Organization","id":"ORG1"}"#;
    let response = respond(&ehr, "patient/Patient.rs", call, &store(&[("/Patient/ME", ME)]), 200, organization);
    assert_eq!(released(&response), "200 ORG1");
}

#[test]
fn d7_a_history_keeps_the_versions_that_are_covered_themselves() {
    let ehr = ehr("");
    let call = "GET /Observation/O1/_history";
    let moved = r#"{"resourceType":"Observation","id":"O1","subject":{"reference":"Patient/OTHER"}}"#;
    let rows = store(&[("/Observation/O1", OBS)]);
    let response = respond(&ehr, "patient/*.rs", call, &rows, 200, &bundle("history", &[OBS, moved, OTHER]));
    assert_eq!(released(&response), "200 O1");
    let Response::Released { body: Some(body), dropped, .. } = response else { panic!("released") };
    assert_eq!((dropped, body.get("total")), (2, None));
    check(&ehr, "patient/*.rs", "GET /Observation/_history", &[], "deny 403 no_rule", "none");
    check(&ehr, "user/*.rs", "GET /Observation/_history?_sort=date", &[], "deny 400 unknown_parameter", "none");
    let granular = "user/Observation.rs?category=laboratory";
    let answer = bundle("history", &[LAB]);
    assert_eq!(
        released(&respond(&ehr, granular, "GET /Observation/_history", &store(&[]), 200, &answer)),
        "lookup /Observation/L1"
    );
    let now = store(&[("/Observation/L1", r#"{"resourceType":"Observation","id":"L1"}"#)]);
    assert_eq!(released(&respond(&ehr, granular, "GET /Observation/_history", &now, 200, &answer)), "200");
}

#[test]
fn d8_a_binary_is_covered_by_a_document_that_names_it() {
    let ehr = ehr("");
    let binary = r#"{"resourceType":"Binary","id":"B1"}"#;
    let asked = "/DocumentReference?patient=Patient/ME&location=Binary/B1,https://gw.example/fhir/Binary/B1,http://upstream.internal:8080/r4/Binary/B1";
    let document = r#"{"resourceType":"DocumentReference","id":"D1","subject":{"reference":"Patient/ME"},"content":[{"attachment":{"url":"Binary/B1"}}]}"#;
    let call = "GET /Binary/B1";
    assert_eq!(released(&respond(&ehr, "patient/*.rs", call, &store(&[]), 200, binary)), format!("lookup {asked}"));
    let rows = store(&[(asked, &bundle("searchset", &[document]))]);
    assert_eq!(released(&respond(&ehr, "patient/*.rs", call, &rows, 200, binary)), "200 B1");
    assert_eq!(released(&respond(&ehr, "patient/Binary.rs", call, &rows, 200, binary)), "404 not_found");
}

#[test]
fn d9_every_target_of_a_provenance_is_the_contexts() {
    let ehr = ehr("");
    let both = r#"{"resourceType":"Provenance","id":"P1","target":[{"reference":"Observation/O1"},{"reference":"Observation/O2"}]}"#;
    let call = "GET /Provenance/P1";
    assert_eq!(
        released(&respond(&ehr, "patient/*.rs", call, &store(&[]), 200, both)),
        "lookup /Observation/O1 /Observation/O2"
    );
    let rows = store(&[("/Observation/O1", OBS), ("/Observation/O2", OTHER)]);
    assert_eq!(released(&respond(&ehr, "patient/*.rs", call, &rows, 200, both)), "404 not_found");
    let rows = store(&[("/Observation/O1", OBS), ("/Observation/O2", &OTHER.replace("OTHER", "ME"))]);
    assert_eq!(released(&respond(&ehr, "patient/*.rs", call, &rows, 200, both)), "200 P1");
    assert_eq!(released(&respond(&ehr, "patient/Provenance.rs", call, &rows, 200, both)), "404 not_found");
}

#[test]
fn d10_i36_i37_i38_everything_needs_rs_on_every_type() {
    let ehr = ehr("");
    let call = "GET /Patient/ME/$everything";
    check(&ehr, "patient/*.rs", call, &[], "permit", call);
    check(&ehr, "patient/Observation.rs patient/Patient.rs", call, &[], "deny 403 no_rule", "none");
    let asked = "GET /Patient/ME/$everything?_type=Observation,Patient&x=1";
    check(
        &ehr,
        "patient/Observation.rs patient/Patient.rs",
        asked,
        &[],
        "permit",
        "GET /Patient/ME/$everything?_type=Observation,Patient",
    );
    check(&ehr, "patient/*.rs", "GET /Patient/ME/$everything?_sort=x", &[], "deny 400 unknown_parameter", "none");
    check(&ehr, "patient/*.rs", "GET /Patient/$everything", &[], "deny 403 no_rule", "none");
    check(&ehr, "user/*.rs", "GET /Patient/$everything", &[], "permit", "");
    check(&ehr, "patient/*.rs", "GET /Encounter/E1/$everything", &[], "lookup /Encounter/E1", "none");
    let answer = bundle("searchset", &[ME, OBS, OTHER]);
    assert_eq!(released(&respond(&ehr, "patient/*.rs", call, &store(&[]), 200, &answer)), "403 response_not_covered");
    let filtering = kit::ehr("everything=filter");
    assert_eq!(released(&respond(&filtering, "patient/*.rs", call, &store(&[]), 200, &answer)), "200 ME O1");
    let form = r#"POST /Patient/ME/$everything json: {"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Observation"}]}"#;
    check(&ehr, "patient/Observation.rs", form, &[], "permit", "POST /Patient/ME/$everything");
    check(&ehr, "patient/Condition.rs", form, &[], "deny 403 no_rule", "none");
}

#[test]
fn d11_d12_an_operation_is_named_and_stays_with_the_patient() {
    let ehr = ehr("");
    check(&ehr, "patient/*.cruds", "GET /Observation/$lastn", &[], "deny 403 operation_denied", "none");
    check(
        &ehr,
        "__lastn",
        "GET /Observation/$lastn?max=1&patient=ME&z=1",
        &[],
        "permit",
        "GET /Observation/$lastn?max=1&patient=ME",
    );
    check(&ehr, "role:lastn", "GET /Observation/$lastn?patient=OTHER", &[], "deny 403 other_patient", "none");
    check(&ehr, "role:lastn", "GET /Observation/$lastn?max=Patient/OTHER", &[], "deny 403 other_patient", "none");
    check(&ehr, "role:lastn patient:-", "GET /Observation/$lastn?patient=OTHER", &[], "permit", "");
    check(&ehr, "role:admin", "POST /$graphql json: {}", &[], "deny 403 operation_denied", "none");
    let matching = r#"POST /Patient/$match json: {"resourceType":"Parameters","parameter":[{"name":"x","resource":{"resourceType":"Patient","id":"OTHER"}}]}"#;
    check(&ehr, "role:lastn", matching, &[], "deny 403 other_patient", "none");
    let refers = r#"POST /Patient/$match json: {"resourceType":"Parameters","parameter":[{"name":"x","valueReference":{"reference":"Patient?identifier=1"}}]}"#;
    check(&ehr, "role:lastn", refers, &[], "deny 403 conditional_denied", "none");
    check(
        &ehr,
        "role:lastn",
        "POST /Composition/C1/$document json: {\"resourceType\":\"Parameters\"}",
        &[],
        "lookup /Composition/C1",
        "none",
    );
    let call = "GET /Observation/$lastn?patient=ME";
    assert_eq!(released(&respond(&ehr, "role:lastn", call, &store(&[]), 200, &bundle("searchset", &[OBS]))), "200 O1");
    assert_eq!(
        released(&respond(&ehr, "role:lastn", call, &store(&[]), 200, &bundle("searchset", &[OBS, OTHER]))),
        "403 response_not_covered"
    );
}

#[test]
fn d13_s26_an_export_is_the_systems_and_carries_its_constraints() {
    let ehr = ehr("");
    check(&ehr, "system/*.rs", "GET /$export", &[], "permit", "GET /$export");
    assert_eq!(
        header(&decide(&ehr, "system/*.rs", "GET /$export", &store(&[])), "prefer").as_deref(),
        Some("respond-async")
    );
    check(&ehr, "user/*.rs", "GET /$export", &[], "deny 403 no_rule", "none");
    check(&ehr, "system/Observation.rs", "GET /Patient/$export?_type=Observation", &[], "deny 403 no_rule", "none");
    check(&ehr, "system/Observation.rs system/Patient.rs", "GET /Patient/$export?_type=Observation", &[], "permit", "");
    check(
        &ehr,
        "system/Observation.rs system/Patient.rs",
        "GET /Group/G/$export?_type=Observation",
        &[],
        "deny 403 no_rule",
        "none",
    );
    let granular = "system/Observation.rs?category=laboratory";
    check(&ehr, granular, "GET /$export?_type=Observation", &[], "deny 403 no_rule", "none");
    check(
        &ehr,
        granular,
        "GET /$export?_type=Observation&_typeFilter=Observation%3Fcode%3Dx",
        &[],
        "deny 403 no_rule",
        "none",
    );
    check(
        &ehr,
        granular,
        "GET /$export?_type=Observation&_typeFilter=Observation%3Fcategory%3Dlaboratory",
        &[],
        "permit",
        "",
    );
    check(
        &ehr,
        "system/*.rs",
        "GET /$export?_typeFilter=Observation%3Fsubject.name%3Dx",
        &[],
        "deny 403 parameter_denied",
        "none",
    );
    check(&ehr, "system/*.rs", "GET /$export?_elements=id", &[], "deny 400 unknown_parameter", "none");
}

fn tagged(words: &str) -> crate::Service {
    let mut service = kit::service(ServiceKind::Fhirv4, words);
    service.tag_keys = vec![TagKey { key: "dept".into(), system: "https://tags/dept".into() }];
    let tags = vec![Tag { key: "dept".into(), values: vec!["cardio".into()] }];
    service.tagged =
        vec![TaggedResource { resource_type: "Observation".into(), id: "REG".into(), tags, created_by: None }];
    service
}

#[test]
fn d20_d21_k20_tags_match_any_value_of_every_key() {
    let ehr = Interpreter::new(tagged(""));
    check(&ehr, "user/*.rs", "GET /Observation/REG", &[], "deny 403 tag_mismatch", "none");
    check(&ehr, "user/*.rs tag:dept=cardio", "GET /Observation/REG", &[], "permit", "");
    check(&ehr, "user/*.rs untrusted tag:dept=cardio", "GET /Observation/REG", &[], "deny 403 tag_mismatch", "none");
    let onc =
        r#"{"resourceType":"Observation","id":"O1","meta":{"tag":[{"system":"https://tags/dept","code":"onc"}]}}"#;
    let call = "GET /Observation/O1";
    assert_eq!(released(&respond(&ehr, "user/*.rs tag:dept=onc", call, &store(&[]), 200, onc)), "200 O1");
    assert_eq!(released(&respond(&ehr, "user/*.rs", call, &store(&[]), 200, onc)), "404 not_found");
    let broken = onc.replace(r#","code":"onc""#, "");
    assert_eq!(released(&respond(&ehr, "user/*.rs tag:dept=onc", call, &store(&[]), 200, &broken)), "404 not_found");
    assert_eq!(
        released(&respond(&ehr, "user/*.rs", "GET /Observation", &store(&[]), 200, &bundle("searchset", &[onc, LAB]))),
        "200 L1"
    );
}

#[test]
fn kd06_an_access_tag_stands_in_for_the_match_and_never_for_a_rule() {
    let mut service = tagged("");
    service.access_tags =
        vec![AccessTag { method: None, resource_type: Some("Observation".into()), id: None, accounts: None }];
    let ehr = Interpreter::new(service);
    check(&ehr, "user/*.rs", "GET /Observation/REG", &[], "permit", "");
    check(&ehr, "user/Condition.rs", "GET /Observation/REG", &[], "deny 403 no_rule", "none");
}

#[test]
fn d22_d23_untagged_resources_are_for_the_owner() {
    let plain = Interpreter::new(kit::service(ServiceKind::Plain, ""));
    check(&plain, "role:account-reader", "GET /accounts/1", &[], "permit", "");
    check(&plain, "role:account-reader account:partner", "GET /accounts/1", &[], "deny 403 tag_mismatch", "none");
    let mut service = kit::service(ServiceKind::Plain, "");
    service.tagged = vec![TaggedResource {
        resource_type: "accounts".into(),
        id: "1".into(),
        tags: Vec::new(),
        created_by: Some(kit::account("partner")),
    }];
    let plain = Interpreter::new(service);
    check(&plain, "role:account-reader account:partner", "GET /accounts/1", &[], "permit", "");
    let plain = Interpreter::new(kit::service(ServiceKind::Plain, "untagged_resources=deny"));
    check(&plain, "role:account-reader", "GET /accounts/1", &[], "deny 403 tag_mismatch", "none");
}

#[test]
fn d24_kd03_a_where_replaces_the_match_of_tags() {
    let with = |condition: &str| {
        let mut service = tagged("");
        for role in &mut service.roles {
            role.condition = Some(condition.to_owned());
        }
        Interpreter::new(service)
    };
    let call = "GET /Observation?code=x";
    let function = with("$principalTags:function = doctor OR $principalTags:function IN ('nurse', \"aide\")");
    check(&function, "role:observation-reader tag:function=doctor", call, &[], "permit", "");
    check(&function, "role:observation-reader tag:function=aide", call, &[], "permit", "");
    check(&function, "role:observation-reader tag:function=clerk", call, &[], "deny 403 where_false", "none");
    check(
        &with("NOT $principalTags:function = clerk"),
        "role:observation-reader",
        call,
        &[],
        "deny 403 where_false",
        "none",
    );
    check(&with("$request:code != y"), "role:observation-reader", call, &[], "permit", "");
    check(&with("$request:code = 'y'"), "role:observation-reader", call, &[], "deny 403 where_false", "none");
    check(&with("$request:code = y AND"), "role:observation-reader", call, &[], "deny 403 no_permission", "none");
    let resource = with("$resourceTags:dept = onc");
    let onc =
        r#"{"resourceType":"Observation","id":"O1","meta":{"tag":[{"system":"https://tags/dept","code":"onc"}]}}"#;
    assert_eq!(
        released(&respond(
            &resource,
            "role:observation-reader",
            call,
            &store(&[]),
            200,
            &bundle("searchset", &[onc, LAB])
        )),
        "200 O1"
    );
    check(
        &resource,
        "role:observation-reader",
        "GET /Observation?_summary=count",
        &[],
        "deny 403 parameter_denied",
        "none",
    );
}

#[test]
fn d26_d27_labels_hide_what_is_above_the_clearance() {
    let ehr = ehr("labels=enforce");
    let restricted = r#"{"resourceType":"Observation","id":"R1","meta":{"security":[{"system":"http://hl7.org/fhir/v3/Confidentiality","code":"R"}]}}"#;
    let unknown = restricted.replace("\"R\"", "\"X\"").replace("R1", "X1");
    let all = bundle("searchset", &[restricted, &unknown, OBS]);
    let call = "GET /Observation";
    assert_eq!(released(&respond(&ehr, "user/*.rs clearance:N", call, &store(&[]), 200, &all)), "200 O1");
    assert_eq!(released(&respond(&ehr, "user/*.rs clearance:R", call, &store(&[]), 200, &all)), "200 R1 O1");
    assert_eq!(released(&respond(&ehr, "user/*.rs clearance:V", call, &store(&[]), 200, &all)), "200 R1 X1 O1");
    assert_eq!(released(&respond(&ehr, "user/*.rs", call, &store(&[]), 200, &all)), "200");
    check(
        &ehr,
        "user/*.rs clearance:N",
        "GET /Observation?subject:Patient.name=x",
        &[],
        "deny 403 chain_denied",
        "none",
    );
    check(&ehr, "user/*.rs clearance:N", "GET /Observation?_security=R", &[], "deny 403 parameter_denied", "none");
    check(&ehr, "user/*.rs clearance:V", "GET /Observation?_security=R", &[], "permit", "");
}

#[test]
fn d28_kd04_a_list_of_fields_holds_for_body_and_query() {
    let ehr = ehr("");
    check(&ehr, "role:fields", "GET /Observation?code:text=x", &[], "permit", "");
    check(&ehr, "role:fields", "GET /Observation?code=x&_count=1", &[], "deny 403 field_denied", "none");
    check(&ehr, "role:fields", "GET /Observation?code=x&date=2020", &[], "deny 403 field_denied", "none");
    let ok = r#"POST /Observation json: {"resourceType":"Observation","code":{"text":"x"},"subject":{"reference":"Patient/1"},"statusReason":1}"#;
    check(&ehr, "role:fields", ok, &[], "permit", "");
    let bad = r#"POST /Observation json: {"resourceType":"Observation","code":{"coding":[]}}"#;
    check(&ehr, "role:fields", bad, &[], "deny 403 field_denied", "none");
}

fn with_key(required: Option<&str>, read: bool, write: bool, call: &str) -> String {
    let mut service = kit::service(ServiceKind::Fhirv4, "");
    service.settings.basic = Some(Basic { required_resource: required.map(Into::into) });
    service.security_resources = vec![SecurityResource { name: "open".into(), public_read: true }];
    let key = BasicKey {
        id: format!("{}_{:026}", policy::id::KeyId::PREFIX, 7).parse().unwrap(),
        account_id: kit::account("owner"),
        secret_hash: [0; 32],
        privileges: vec![Privilege { resource: "fhir".into(), read, write }],
    };
    let interpreter = Interpreter::new(service);
    kit::with_request(&Line::parse(call), Caller::Basic(&key), &Vec::new(), |request| {
        kit::words(&interpreter.decide(request))
    })
}

#[test]
fn d29_i01_to_i13_a_key_reads_and_writes_by_its_privileges() {
    let create = r#"POST /Observation json: {"resourceType":"Observation"}"#;
    for (required, read, write, call, expected) in [
        (None, false, false, "GET /Observation/1", "permit"),
        (None, false, false, create, "permit"),
        (Some("fhir"), true, false, "GET /Observation/1", "permit"),
        (Some("fhir"), true, false, "POST /$process-message json: {\"resourceType\":\"Bundle\"}", "permit"),
        (Some("fhir"), true, false, create, "deny 403 no_rule"),
        (Some("fhir"), false, true, create, "permit"),
        (Some("fhir"), false, true, "GET /Observation/1", "deny 403 no_rule"),
        (Some("fhir"), false, false, "GET /Observation/1", "deny 403 no_permission"),
        (Some("open"), false, false, "GET /Observation/1", "permit"),
        (Some("open"), false, false, create, "deny 403 no_rule"),
    ] {
        assert_eq!(with_key(required, read, write, call), expected, "{required:?} {read} {write} {call}");
    }
}

#[test]
fn d30_both_kinds_of_credential_count_only_where_basic_is_on() {
    let call = "GET /Observation/1 + Authorization: Bearer a + Authorization: Basic b";
    let token = Token::parse("user/*.rs");
    let Token::Claims(claims, issuer) = &token else { panic!("claims") };
    let key = |read| BasicKey {
        id: format!("{}_{:026}", policy::id::KeyId::PREFIX, 7).parse().unwrap(),
        account_id: kit::account("owner"),
        secret_hash: [0; 32],
        privileges: vec![Privilege { resource: "fhir".into(), read, write: false }],
    };
    let run = |basic: bool, read: bool| {
        let mut service = kit::service(ServiceKind::Fhirv4, "");
        service.settings.basic = basic.then(|| Basic { required_resource: Some("fhir".into()) });
        let interpreter = Interpreter::new(service);
        let key = key(read);
        kit::with_request(&Line::parse(call), Caller::Both(claims, issuer, &key), &Vec::new(), |request| {
            kit::words(&interpreter.decide(request))
        })
    };
    assert_eq!(run(false, true), "deny 400 two_credentials");
    assert_eq!(run(true, true), "permit");
    assert_eq!(run(true, false), "deny 403 no_permission");
}

#[test]
fn d31_i41_development_mode_permits_without_credentials_after_phase_1() {
    let mut service = kit::service(ServiceKind::Fhirv4, "");
    service.settings.unauthenticated_until = Some(2);
    let ehr = Interpreter::new(service.clone());
    let answer = decide(&ehr, "none", "GET /Observation?patient=OTHER&_x=1", &store(&[]));
    assert_eq!((answer.verdict, answer.note, answer.phase), (Verdict::Permit, Some(Reason::DevMode), Phase::Token));
    assert_eq!(kit::sent(&answer), "GET /Observation?patient=OTHER&_x=1");
    check(&ehr, "none", "GET /Observation?a[]=1", &[], "deny 400 malformed_query", "none");
    check(&ehr, "openid", "GET /Observation", &[], "deny 403 no_permission", "none");
    service.settings.production = true;
    check(&Interpreter::new(service), "none", "GET /Observation", &[], "deny 401 no_token", "none");
}

#[test]
fn d36_a_search_of_all_the_text_is_not_decided_yet() {
    let ehr = ehr("");
    check(&ehr, "user/*.rs", "GET /Condition?_content=x", &[], "deny 403 not_built", "none");
    check(&ehr, "user/*.rs", "GET /Observation?subject:Patient._text=x", &[], "deny 403 not_built", "none");
    check(&ehr, "user/*.rs", "GET /Condition?_sort=_content", &[], "deny 403 not_built", "none");
}

#[test]
fn d37_a_precondition_stands_once() {
    let ehr = ehr("");
    let twice = "DELETE /Observation/1 + If-Match: W/\"1\" + If-Match: W/\"2\"";
    check(&ehr, "system/*.d", twice, &[], "deny 400 malformed_url", "none");
}

#[test]
fn d38_respond_async_needs_a_system_rule_and_does_not_go_upstream() {
    let ehr = ehr("");
    let call = "GET /Observation + Prefer: respond-async, handling=strict";
    check(&ehr, "user/*.rs", call, &[], "deny 403 no_rule", "none");
    let answer = decide(&ehr, "system/*.rs", call, &store(&[]));
    assert_eq!(header(&answer, "prefer"), None);
}

#[test]
fn without_check_response_only_plain_rules_are_served() {
    let ehr = ehr("");
    let run = |token: &str| {
        let token = Token::parse(token);
        kit::with_request(&Line::parse("GET /Observation"), token.caller(), &Vec::new(), |request| {
            let mut request = *request;
            request.capabilities.check_response = false;
            kit::words(&ehr.decide(&request))
        })
    };
    assert_eq!(run("role:observation-reader"), "permit");
    // A context of any kind is one, though it asks for nothing.
    assert_eq!(run("user/*.rs"), "deny 403 obligation_unsupported");
    assert_eq!(run("patient/*.rs"), "deny 403 obligation_unsupported");
    assert_eq!(run("user/Observation.rs?category=laboratory"), "deny 403 obligation_unsupported");
}

#[test]
fn a_stale_bundle_is_asked_before_phase_1() {
    let ehr = ehr("");
    let token = Token::parse("user/*.rs");
    let answer = kit::with_request(&Line::parse("GET /a;b"), token.caller(), &Vec::new(), |request| {
        let mut request = *request;
        request.stale = true;
        ehr.decide(&request)
    });
    assert_eq!(kit::words(&answer), "deny 503 bundle_stale");
}
