//! The audit: shipped by gateways, kept once under their Service, found by every filter.

use serde_json::{Value, json};
use testkit::jws::sha256_hex;
use uuid::Uuid;

use crate::harness::{Reply, Server, on_both};
use crate::partnership::{Partnership, join};

const AT: &str = "2026-11-22T06:00:00Z";

fn id(prefix: &str, number: u128) -> String {
    let uuid = Uuid::from_u128(number);
    match prefix {
        "aud" => policy::id::AuditId::new(uuid).to_string(),
        "req" => policy::id::RequestId::new(uuid).to_string(),
        _ => policy::id::AccountId::new(uuid).to_string(),
    }
}

/// A decision of a gateway, with these fields in place of the usual ones.
fn decision(arc: &Value, seq: u64, changed: &Value) -> Value {
    let mut entry = json!({
        "id": id("aud", u128::from(seq) + 1), "at": AT, "service_id": arc["service_id"], "gateway_id": arc["gateway_id"],
        "boot": 1, "seq": seq, "request_id": id("req", u128::from(seq) + 1), "bundle_version": 1, "prev_hash": "0".repeat(64),
        "type": "decision",
        "principal": { "kind": "key", "id": "key_x", "account_id": null, "client_id": null, "act": null, "act_account_id": null },
        "token_hash": null, "ip": "127.0.0.1", "method": "GET", "operation": "/Patient/{id}", "interaction": "read",
        "resource_type": "Patient", "resource_id": "p1", "patient": null, "fields_used": [], "fields_ignored": [],
        "effect": "permit", "status": null, "reason": null, "phase": 4, "rules": ["system/Patient.r"], "obligations": [],
        "related": [], "micros": 3, "mode": "enforce",
    });
    for (name, value) in changed.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

fn ship(server: &Server, arc: &Value, entries: &[Value]) -> Reply {
    server.post("/v1/gateway/audit", arc["key"].as_str().unwrap(), &json!({ "entries": entries }))
}

/// The `seq` of what a search finds, newest first.
fn found(reply: Reply) -> Vec<u64> {
    let body = reply.expect(200).json();
    body["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[test]
fn what_a_gateway_ships_twice_is_kept_once() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let entries: Vec<Value> = (0..5).map(|seq| decision(&arc, seq, &json!({}))).collect();
        assert_eq!(ship(server, &arc, &entries[..3]).expect(200).json(), json!({ "boot": 1, "seq": 2 }));
        assert_eq!(ship(server, &arc, &entries[1..]).expect(200).json(), json!({ "boot": 1, "seq": 4 }));
        assert_eq!(ship(server, &arc, &entries).expect(200).json(), json!({ "boot": 1, "seq": 4 }));
        assert_eq!(ship(server, &arc, &[]).expect(200).json(), json!({ "boot": 1, "seq": 4 }));
        let path = format!("/v1/services/{}/audit-events", it.service_id);
        let kept = server.get(&path, &it.ehr.token).expect(200).json();
        assert_eq!(kept["data"].as_array().unwrap().len(), 5);
        let first = kept["data"].as_array().unwrap().iter().find(|one| one["seq"] == 0).unwrap();
        assert_eq!(first["principal"]["kind"], "key");
        assert!(first["received_at"].is_string());
        // The entry comes back as it was shipped, so that its hash can be checked.
        let mut same = first.clone();
        same.as_object_mut().unwrap().remove("received_at");
        assert_eq!(
            sha256_hex(same.to_string().as_bytes()),
            sha256_hex(decision(&arc, 0, &json!({})).to_string().as_bytes())
        );
    });
}

#[test]
fn every_filter_finds_what_fits_and_nothing_else() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let arc = it.enrol();
        let who = |id: &str, account: Option<&str>, act: Option<&str>| json!({ "kind": "key", "id": id, "account_id": account, "client_id": null, "act": null, "act_account_id": act });
        let (other, own) = (id("acct", 77), it.partner.account_id.as_str());
        let entries = [
            decision(&arc, 0, &json!({ "principal": who("key_a", Some(own), None), "at": "2026-11-22T05:00:00Z" })),
            decision(&arc, 1, &json!({ "effect": "deny", "status": 403, "reason": "other_patient", "patient": "p7" })),
            decision(
                &arc,
                2,
                &json!({ "resource_type": "Observation", "principal": who("key_b", Some(&other), None) }),
            ),
            decision(
                &arc,
                3,
                &json!({ "principal": who("rses_c", Some(&it.ehr.account_id), Some(own)), "at": "2026-11-22T07:00:00Z" }),
            ),
        ];
        ship(server, &arc, &entries).expect(200);
        let path = format!("/v1/services/{}/audit-events", it.service_id);
        let get = |query: &str| found(server.get(&format!("{path}?{query}"), &it.ehr.token));
        for (query, expected) in [
            ("", vec![3, 2, 1, 0]),
            ("from=2026-11-22T06:00:00Z", vec![3, 2, 1]),
            ("to=2026-11-22T06:00:00Z", vec![0]),
            ("principal=key_b", vec![2]),
            (&format!("account={own}"), vec![3, 0]),
            (&format!("account={other}"), vec![2]),
            ("decision=deny", vec![1]),
            ("decision=permit", vec![3, 2, 0]),
            ("reason=other_patient", vec![1]),
            ("reason=expired", vec![]),
            ("type=Observation", vec![2]),
            ("type=Observation&decision=deny", vec![]),
        ] {
            assert_eq!(get(query), expected, "{query}");
        }
        // A patient's id is health data: in a body only.
        server.get(&format!("{path}?patient=p7"), &it.ehr.token).expect(400);
        let search = |body: &Value| server.post(&format!("{path}/search"), &it.ehr.token, body);
        assert_eq!(found(search(&json!({ "patient": "p7" }))), [1]);
        assert_eq!(found(search(&json!({ "patient": "p7", "decision": "permit" }))), [] as [u64; 0]);
        assert_eq!(found(search(&json!({ "type": "Observation" }))), [2]);
        for body in
            [json!({ "reason": "nope" }), json!({ "decision": "maybe" }), json!({ "account": "x" }), json!({ "x": 1 })]
        {
            search(&body).problem(400);
        }
        // Pages neither lose nor double an entry.
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{path}?limit=1{cursor}"), &it.ehr.token).expect(200);
            let next = page.json()["next_cursor"].as_str().map(str::to_owned);
            seen.extend(found(page));
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, [3, 2, 1, 0]);
    });
}

#[test]
fn b01_a_partner_sees_what_it_did_itself_and_nothing_of_others() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (eve, foreign) = join(server, &it.ehr, &it.service_id, "eve@evil.example", &["system/*.rs"]);
        let arc = it.enrol();
        let by = |account: &str| json!({ "principal": { "kind": "key", "id": "k", "account_id": account, "client_id": null, "act": null, "act_account_id": null } });
        let entries = [
            decision(&arc, 0, &by(&it.partner.account_id)),
            decision(&arc, 1, &by(&eve.account_id)),
            decision(&arc, 2, &json!({})),
        ];
        ship(server, &arc, &entries).expect(200);
        let own = |id: &str, query: &str| format!("/v1/subscriptions/{id}/audit-events{query}");
        assert_eq!(found(server.get(&own(&it.subscription_id, ""), &it.partner.token)), [0]);
        let asked = format!("?account={}", eve.account_id);
        assert_eq!(
            found(server.get(&own(&it.subscription_id, &asked), &it.partner.token)),
            [0],
            "its own, whatever it asks for"
        );
        assert_eq!(found(server.get(&own(&foreign, ""), &eve.token)), [1]);
        server.get(&own(&foreign, ""), &it.partner.token).problem(404);
        let path = format!("/v1/services/{}/audit-events", it.service_id);
        server.get(&path, &it.partner.token).problem(404);
        server.post(&format!("{path}/search"), &it.partner.token, &json!({ "patient": "p1" })).problem(404);
    });
}

#[test]
fn e24_a_batch_with_a_wrong_entry_is_refused_as_a_whole() {
    on_both(|server| {
        let it = Partnership::new(server, &["system/*.rs"]);
        let (arc, other) = (it.enrol(), it.enrol());
        for (changed, pointer) in [
            (json!({ "gateway_id": other["gateway_id"] }), "/entries/1/gateway_id"),
            (json!({ "service_id": "svc_01jbst8pvcfp79y0938nkrkayd" }), "/entries/1/service_id"),
            (json!({ "at": "2126-01-01T00:00:00Z" }), "/entries/1/at"),
            (json!({ "prev_hash": "x" }), "/entries/1/prev_hash"),
            (json!({ "seq": u64::MAX }), "/entries/1/seq"),
            (json!({ "method": "x".repeat(257) }), "/entries/1"),
            (json!({ "rules": vec!["r"; 65] }), "/entries/1"),
        ] {
            let reply = ship(server, &arc, &[decision(&arc, 0, &json!({})), decision(&arc, 1, &changed)]);
            assert_eq!((reply.problem(422), reply.pointers()), ("invalid".into(), vec![pointer.to_owned()]));
        }
        for changed in
            [json!({ "effect": "maybe" }), json!({ "boot": -1 }), json!({ "at": 1 }), json!({ "reason": "nope" })]
        {
            ship(server, &arc, &[decision(&arc, 0, &changed)]).problem(400);
        }
        let many: Vec<Value> = (0..501).map(|seq| decision(&arc, seq, &json!({}))).collect();
        assert_eq!(ship(server, &arc, &many).pointers(), ["/entries"]);
        let path = format!("/v1/services/{}/audit-events", it.service_id);
        assert_eq!(found(server.get(&path, &it.ehr.token)), [] as [u64; 0], "nothing of a refused batch is kept");
    });
}

#[test]
fn e22_no_secret_stands_in_the_database_or_in_an_event() {
    let server = Server::start();
    let it = Partnership::new(&server, &["system/*.rs"]);
    let (_, secret) = it.key(&["system/Patient.rs"]);
    let token = it.access_token(&secret);
    let arc = it.enrol();
    let external_id = "canary-external-id-7f3a";
    it.trust(&json!([{ "account_id": it.partner.account_id, "external_id": external_id }]), 900).expect(200);
    let body = json!({ "role_id": it.role_id, "session_name": "s", "external_id": external_id });
    let session = server.post("/v1/assume-role", &token, &body).expect(200).str("/access_token");
    let mailed = server.mailed_token("pat@partner.example", 1);
    let secrets = [secret.as_str(), &token, &session, arc["key"].as_str().unwrap(), &it.ehr.token, &mailed];
    let mut dump = Vec::new();
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            dump.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(dump.len() > 100_000, "the database is there");
    for secret in secrets {
        let part = &secret.as_bytes()[secret.len().saturating_sub(30)..];
        assert!(!dump.windows(part.len()).any(|window| window == part), "{secret} is in the data folder");
    }
    for token in [&it.ehr.token, &it.partner.token] {
        let events = server.get("/v1/events?limit=200", token).expect(200).text();
        for secret in secrets.iter().chain([&external_id]) {
            assert!(!events.contains(secret), "{secret} is in an event");
        }
    }
}
