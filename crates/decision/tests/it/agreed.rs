//! What the comparison with the reference found in the engine, each as the short case that it shrank to.

use policy::Reason;
use policy::settings::ServiceKind;
use testkit::{ehr, records};

use crate::check::{answer, ask, ehr_engine};

fn with_tags() -> decision::Engine {
    let service = ehr::service(ehr::settings(ServiceKind::Fhirv4, ""), "tags");
    decision::Engine::new(ehr::compile(&service))
}

#[test]
fn d7_the_state_of_an_entry_of_a_types_history_is_looked_up_where_it_is_stored() {
    let engine = ehr_engine("labels=enforce");
    let body = records::history(&["OBS-ME"], ehr::UPSTREAM);
    let released = answer(&engine, "user/*.rs clearance:V", "GET /Observation/_history", 200, &[], &body);
    assert!(released.body.contains(records::text("OBS-ME")), "{}", released.body);
}

#[test]
fn d41_the_where_of_a_role_that_bounds_a_scope_holds() {
    let engine = with_tags();
    let decision = ask(&engine, "user/*.rs role:doctor", "GET /Observation");
    assert_eq!(decision.reason(), Some(Reason::WhereFalse));
    assert!(ask(&engine, "user/*.rs role:doctor tag:function=doctor", "GET /Observation").permits());
}

#[test]
fn d41_the_fields_of_a_role_that_bounds_a_scope_hold() {
    let engine = ehr_engine("");
    let decision = ask(&engine, "user/*.rs role:observation-editor", "GET /Observation?date=2020");
    assert_eq!(decision.reason(), Some(Reason::FieldDenied));
    assert!(ask(&engine, "user/*.rs role:observation-editor", "GET /Observation?code=x").permits());
}

#[test]
fn d42_a_create_on_a_condition_needs_a_role_that_searches() {
    let engine = ehr_engine("");
    let call = format!("POST /Observation + If-None-Exist: identifier=x json: {}", records::text("OBS-NEW"));
    assert_eq!(ask(&engine, "role:observation-writer", &call).reason(), Some(Reason::NoRule));
}

#[test]
fn d49_metadata_in_an_entry_is_denied_and_no_internal_error() {
    let decision = ask(&ehr_engine(""), "user/*.rs", "POST / batch: GET metadata");
    assert_eq!(decision.entries[0].reason(), Some(Reason::NoRule));
}

#[test]
fn d49_legacy_400_leaves_an_upstreams_own_status() {
    let engine = ehr_engine("legacy_400=true");
    assert_eq!(answer(&engine, "user/*.rs", "GET /Observation", 503, &[], "").status, 503);
    assert_eq!(crate::check::refused(&engine, &ask(&engine, "user/*.rs", "GET /Spaceship")).status, 400);
}
