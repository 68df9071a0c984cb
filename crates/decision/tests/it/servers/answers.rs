//! What holds of every answer, whatever was asked: attacks on the answer itself, and on who gets it.

use std::sync::LazyLock;

use decision::{Answer, Engine, Grants, Outcome, respond};
use fixture_fhir::{Mind, Served, Server};
use testkit::call::Call;
use testkit::ehr;
use testkit::token::Token;

use super::world::CANARY;
use super::{SERVERS, TABLES, WORLD, arrived, bound, with};
use crate::check::ehr_engine;
use crate::drive::{self, Driven, drive, drive_to, holds};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| ehr_engine(""));

/// What a caller comes to with one call.
fn ask(token: &str, call: &str, server: &mut Server) -> Driven {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    drive(&ENGINE, &Grants::new(&ENGINE, &request.caller), &request, server)
}

/// Ways in which an answer comes that nobody can read.
const SPOILED: [fn(&[u8]) -> Vec<u8>; 5] = [
    |body| body[..body.len() - 1].to_vec(),
    |body| body[..body.len() / 2].to_vec(),
    |_| b"<html>".to_vec(),
    |body| [body, body].concat(),
    |body| [&body[..body.len() - 1], b",\xff}"].concat(),
];

#[test]
fn z_02_of_an_answer_that_does_not_parse_nothing_arrives() {
    let (mut seen, mut refused) = (0, 0);
    for table in TABLES.iter() {
        for row in table.rows().filter(|row| row.cell("decision") == "permit" && bound(row.cell("token"))) {
            for spoil in SPOILED {
                let mut server = WORLD.server(Mind::HOSTILE);
                let mut serve = |method: &str, target: &str, headers: &[(&str, &[u8])], body: &[u8]| {
                    let served = server.serve(method, target, headers, body);
                    let spoiled = if served.body.is_empty() { Vec::new() } else { spoil(&served.body) };
                    Served { body: spoiled, ..served }
                };
                let driven =
                    with(&table.engine, row, |request, grants| drive_to(&table.engine, grants, request, &mut serve));
                let Some(sent) = driven.forwarded().filter(|sent| sent.answer.status < 300) else { continue };
                seen += usize::from(holds(&sent.answer.body, CANARY.as_bytes()));
                refused += usize::from(driven.status == 502);
                let (call, text) = (row.cell("call"), driven.text());
                assert!(driven.status == 502 || sent.answer.body.is_empty() || sent.method != "GET", "{call}: {text}");
                assert!(!driven.shows(CANARY) && arrived(&[driven.clone()]).is_empty(), "{call}: {text}");
            }
        }
    }
    assert!(seen > 50 && refused > 200, "{seen} {refused}");
}

#[test]
fn z_03_an_answer_to_what_was_denied_is_an_internal_fault() {
    let (mut seen, hostile) = (0, WORLD.server(Mind::HOSTILE));
    for table in TABLES.iter() {
        for row in table.rows().filter(|row| row.cell("decision").starts_with("deny") && bound(row.cell("token"))) {
            with(&table.engine, row, |request, grants| {
                let served = drive::bypass(request, &mut hostile.clone());
                seen += usize::from(holds(&served.body, CANARY.as_bytes()));
                let answer = Answer { status: 200, headers: &[], body: &served.body, upstream_base: ehr::UPSTREAM };
                let Outcome::Release(released) = respond(&table.engine, request, grants, &answer, &mut |_| None) else {
                    panic!("{}: nothing is looked up for it", row.cell("call"))
                };
                assert_eq!((released.status, released.released), (502, 0), "{}", row.cell("call"));
                assert!(!holds(&released.body.bytes(&served.body), CANARY.as_bytes()), "{}", row.cell("call"));
            });
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn z_06_a_withheld_answer_has_no_header_of_the_server() {
    for (name, mind) in SERVERS {
        let mut server = WORLD.server(mind);
        let withheld = ask("patient/*.rs", "GET /Observation/OBS-OTHER", &mut server);
        let names = |headers: &[(String, Vec<u8>)]| {
            headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>()
        };
        assert_eq!(names(&withheld.headers), ["content-type", "cache-control", "vary"], "{name}");
        let came = names(&withheld.forwarded().unwrap().answer.headers);
        assert!(came.contains(&"etag".to_owned()) && came.contains(&"last-modified".to_owned()), "{came:?}");
        let own = ask("patient/*.rs", "GET /Observation/OBS-ME", &mut server);
        assert!(names(&own.headers).contains(&"etag".to_owned()));
        let narrowed = ask("patient/*.rs", "GET /Observation", &mut server);
        assert_eq!(names(&narrowed.headers), ["content-type", "cache-control", "vary"], "{name}");
    }
}

#[test]
fn z_07_a_foreign_and_a_missing_instance_are_one_answer() {
    let ways = [
        "GET /{kind}/{id}",
        "GET /{kind}/{id}?_elements=id",
        "GET /{kind}/{id} + If-None-Match: W/\"1\"",
        "GET /{kind}/{id}/_history",
        "GET /{kind}/{id}/_history/1",
        "GET /{kind}?_id={id}",
        "DELETE /{kind}/{id}",
        "PUT /{kind}/{id} json: {\"resourceType\":\"{kind}\",\"id\":\"{id}\",\"subject\":{\"reference\":\"Patient/ME\"}}",
        "PATCH /{kind}/{id} patch: [{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"final\"}]",
        "POST / batch: GET {kind}/{id}",
        "POST / batch: DELETE {kind}/{id}",
    ];
    let mut compared = 0;
    for (name, mind) in SERVERS {
        for known in WORLD.foreign() {
            let of_a_chart = known.id.ends_with("-1") || known.id.ends_with("-2");
            if of_a_chart || ["OBS-DUPLICATE", "OBS-MOVED", "C-R"].contains(&&*known.id) {
                continue;
            }
            for way in ways {
                let one = |id: &str| {
                    let call = way.replace("{kind}", &known.kind).replace("{id}", id);
                    let driven = ask("patient/*.cruds", &call, &mut WORLD.server(mind));
                    // A total is told where the server found nothing, and not where the one that it found was dropped:
                    // that is one that says of itself that it is ME's.
                    let text = driven.text().replace(id, "ID").replace("\"total\":0,", "");
                    (driven.status, driven.headers, text)
                };
                let missing = format!("GONE{}", &"-".repeat(known.id.len().saturating_sub(4)));
                compared += 1;
                assert_eq!(one(&known.id), one(&missing), "{way} of {}/{}, {name} server", known.kind, known.id);
            }
        }
    }
    println!("{compared} foreign instances look like missing ones");
}

#[test]
fn z_09_no_cache_keeps_what_a_denial_a_batch_or_a_page_says() {
    // Every answer to every row is held to it as well.
    for call in ["GET /Patient/OTHER", "POST / batch: GET Patient/OTHER", "GET /Observation?_count=2", "GET /metadata"]
    {
        let driven = ask("patient/*.rs", call, &mut WORLD.server(Mind::HOSTILE));
        assert_eq!(super::not_cached(&driven), Ok(()), "{call}");
    }
}

#[test]
fn k_06_two_callers_on_one_server_get_what_is_their_own() {
    for (name, mind) in SERVERS {
        let mut server = WORLD.server(mind);
        for _ in 0..2 {
            let me = ask("patient/*.rs", "GET /Observation", &mut server);
            let other = ask("patient/*.rs patient:OTHER", "GET /Observation", &mut server);
            assert!(!me.shows(CANARY) && arrived(&[me]).contains("Observation/OBS-ME"), "{name}");
            let theirs = arrived(&[other.clone()]);
            assert!(other.shows(CANARY) && theirs.contains("Observation/OBS-OTHER"), "{name}");
            assert!(!theirs.contains("Observation/OBS-ME"), "{name}");
            let refused = ask("patient/*.rs patient:OTHER", "GET /Patient/ME", &mut server);
            assert_eq!((refused.status, refused.sent.len()), (403, 0));
        }
    }
}
