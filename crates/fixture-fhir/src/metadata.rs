//! `/metadata`: the CapabilityStatement.
//!
//! Invariant: it lists the parameters of the tables that a search here reads, and no other.

use serde_json::{Value, json};

use crate::answer::Served;
use crate::search::definition;
use crate::server::Server;

pub(crate) fn metadata(server: &Server) -> Served {
    let tables = fhir::r4();
    let parameters = |kind: &'static str| -> Vec<Value> {
        tables
            .parameters(kind)
            .filter(|def| definition(server.mind, kind, def.name).is_some())
            .map(|def| json!({"name": def.name, "type": format!("{:?}", def.kind).to_lowercase()}))
            .collect()
    };
    let interactions =
        ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"];
    let interactions: Vec<Value> = interactions.iter().map(|code| json!({ "code": code })).collect();
    let resource =
        |kind: &'static str| json!({"type": kind, "interaction": interactions, "searchParam": parameters(kind)});
    let resources: Vec<Value> = tables.types().map(resource).collect();
    let system = ["batch", "transaction", "search-system", "history-system"].map(|code| json!({ "code": code }));
    let statement = json!({
        "resourceType": "CapabilityStatement", "status": "active", "date": "2026-01-01", "kind": "instance",
        "fhirVersion": "4.0.1", "format": ["json"], "implementation": {"description": "a fixture", "url": server.base},
        "rest": [{"mode": "server", "resource": resources, "interaction": system}],
    });
    Served::json(200, &statement)
}
