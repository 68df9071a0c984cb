//! The named points at which a crash test kills the control plane are part of debug builds only.

use serde_json::json;

use crate::process::{Ask, Server};

#[test]
fn a_point_kills_a_debug_build_and_no_release_build() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None, Some("signup.request:before_commit"));
    let reply = server.try_send(&Ask::post("/v1/signup", &json!({ "email": "ann@ehr.example" })));
    assert_eq!(reply.map(|reply| reply.status), if cfg!(debug_assertions) { None } else { Some(202) });
}
