//! What the fuzz targets of tests/fuzz found, each as a test of its own.

use policy::decision::Action;

use crate::check::{ask, ehr_engine};

/// Found by `query`: it becomes more than a client may write out itself, and has to have an end nevertheless.
#[test]
fn a_wildcard_include_is_written_out_with_a_bound() {
    let engine = ehr_engine("");
    for call in ["GET /Observation?_include:iterate=*", "GET /Observation?_include=*&_revinclude=*&_include:iterate=*"]
    {
        let decision = ask(&engine, "patient/*.rs", call);
        let Action::Forward(upstream) = &decision.action else { panic!("{decision:?}") };
        let includes = upstream.query.split('&').filter(|one| one.contains("include")).count();
        assert!((1..=100).contains(&includes), "{call}: {includes}");
        assert!(upstream.query.ends_with("&patient=Patient/ME"), "{}", upstream.query);
        assert!(upstream.query.len() < 16 * 1024, "{}", upstream.query.len());
    }
}
