//! The filter of a searchset against a slow one over `serde_json`, on Bundles of every shape.

use std::sync::LazyLock;

use policy::decision::Piece;
use policy::settings::ServiceKind;
use proptest::prelude::*;
use serde_json::value::RawValue;
use testkit::call::Call;
use testkit::ehr;
use testkit::token::Token;

use super::*;

const TOKEN: &str = "patient/Observation.rs patient/Practitioner.r patient/Patient.r patient/Provenance.rs";
const PLAIN: &str = "GET /Observation";
const INCLUDE: &str = "GET /Observation?_include=Observation:performer&_revinclude=Provenance:target";

/// Building it takes longer than a case.
static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(ehr::fhir(ehr::settings(ServiceKind::Fhirv4, "related=filter"))));

fn answered(call: &str, body: &[u8]) -> Released {
    let engine = &*ENGINE;
    let (call, token) = (Call::parse(call), Token::parse(TOKEN));
    let headers = call.borrowed();
    // The slow filter knows only what is in the Bundle.
    let capabilities = policy::request::Capabilities { lookup: false, ..policy::request::Capabilities::ALL };
    let request = Request { capabilities, ..call.request(&headers, &token) };
    let grants = Grants::new(engine, &request.caller);
    let answer = Answer { status: 200, headers: &[], body, upstream_base: ehr::UPSTREAM };
    match respond(engine, &request, &grants, &answer, &mut |_| None) {
        Outcome::Release(released) => released,
        Outcome::Lookup(lookups) => panic!("nothing has to be looked up: {lookups:?}"),
    }
}

/// One entry: its text, and what a slow filter has to know of it.
#[derive(Clone, Debug)]
struct Made {
    text: String,
    /// Its resource as it stands in the entry, if that can be decided at all.
    resource: Option<String>,
}

/// A resource whose names stand in any order, some with white space or escapes.
fn resource(kind: &'static str) -> impl Strategy<Value = String> {
    let patient = prop_oneof![
        Just("Patient/ME"),
        Just("Patient\\/ME"),
        Just("\\u0050atient/ME"),
        Just("Patient/OTHER"),
        Just("http://upstream.internal:8080/r4/Patient/ME"),
        Just("https://evil.example/Patient/ME"),
        Just("Patient/ME/_history/2"),
    ];
    let target = ("[12]", any::<bool>(), any::<bool>()).prop_map(|(id, versioned, escaped)| {
        let slash = if escaped { "\\/" } else { "/" };
        format!("Practitioner{slash}P{id}{}", if versioned { "/_history/1" } else { "" })
    });
    let space = prop_oneof![Just(""), Just(" "), Just("\n          ")];
    (patient, target, "[1-4]", any::<u8>(), space).prop_map(move |(patient, target, id, shape, space)| {
        let id = match kind {
            "Practitioner" => format!("P{id}"),
            "Patient" if shape & 16 == 0 => "ME".to_owned(),
            _ => format!("{kind}{id}"),
        };
        let id = if shape & 3 == 3 { id.replace('P', "\\u0050") } else { id };
        let mut members = vec![format!("\"resourceType\":{space}\"{kind}\""), format!("\"id\":\"{id}\"")];
        match kind {
            "Observation" => {
                members.push(format!("\"subject\":{{\"reference\":\"{patient}\"}}"));
                members.push(format!("\"performer\":[{{\"reference\":\"{target}\"}}]"));
                members.push("\"valueQuantity\":{\"value\":1.00,\"unit\":\"\u{b5}g\"}".to_owned());
            }
            "Provenance" => {
                members.push(format!("\"target\":[{{\"reference\":\"Observation/Observation{}\"}}]", 1 + (shape >> 6)));
            }
            _ => members.push("\"active\":true".to_owned()),
        }
        let count = members.len();
        members.rotate_left(usize::from(shape >> 2) % count);
        format!("{{{}}}", members.join(&format!("{space},{space}")))
    })
}

fn entry() -> impl Strategy<Value = Made> {
    let kinds = prop_oneof![
        6 => resource("Observation"),
        2 => resource("Practitioner"),
        1 => resource("Patient"),
        1 => resource("Provenance"),
    ];
    let mode = prop_oneof![Just("match"), Just("include"), Just("outcome")];
    let whole = (kinds, mode, any::<u8>()).prop_map(|(resource, mode, shape)| {
        let search =
            format!("\"search\":{{\"mode\":\"{mode}\"{}}}", if shape & 1 == 1 { ",\"score\":0.50" } else { "" });
        let (resource, certain) = match shape & 0xF0 {
            // A name twice, on the surface or deep.
            0x10 => (resource.replacen('{', "{\"id\":\"x\",", 1), false),
            0x20 => (resource.replacen('{', "{\"deep\":[{\"a\":1,\"\\u0061\":2}],", 1), false),
            _ => (resource, true),
        };
        let text = match shape & 2 {
            0 => format!("{{\"fullUrl\":\"urn:uuid:1\",\"resource\":{resource} , {search}}}"),
            _ => format!("{{ {search},\"resource\":\n{resource}}}"),
        };
        Made { text, resource: certain.then_some(resource) }
    });
    let odd = prop_oneof![
        Just("null"),
        Just("{}"),
        Just("[]"),
        Just("{\"resource\":7}"),
        Just("{\"resource\":{\"resourceType\":\"Observation\"}}"),
        Just("{\"resource\":{\"resourceType\":\"Nonsense\",\"id\":\"1\"}}"),
        Just("{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"not an id\"}}"),
    ];
    prop_oneof![9 => whole, 1 => odd.prop_map(|text| Made { text: text.to_owned(), resource: None })]
}

fn bundle(entries: &[Made], order: bool) -> String {
    let texts: Vec<&str> = entries.iter().map(|entry| &*entry.text).collect();
    let list = format!("\"entry\" : [ {} ]", texts.join(",\n"));
    if order {
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":3,{list}}}")
    } else {
        format!(" {{{list}, \"type\":\"search\\u0073et\",\"meta\":{{}},\"resourceType\":\"Bundle\"}}\n")
    }
}

/// The slow filter: the places of the entries that are released.
fn slow(entries: &[Made], includes: bool) -> Vec<usize> {
    let read = |made: &Made| -> Option<serde_json::Value> {
        let entry: serde_json::Value = serde_json::from_str(&made.text).ok()?;
        made.resource.as_ref().map(|_| entry)
    };
    let all: Vec<Option<serde_json::Value>> = entries.iter().map(read).collect();
    let kind = |entry: &serde_json::Value| entry["resource"]["resourceType"].as_str().unwrap_or_default().to_owned();
    let key = |entry: &serde_json::Value| format!("{}/{}", kind(entry), entry["resource"]["id"].as_str().unwrap());
    let matched = |entry: &serde_json::Value| {
        kind(entry) == "Observation" && matches!(entry["search"]["mode"].as_str(), None | Some("match"))
    };
    let mine = |entry: &serde_json::Value| {
        let subject = entry["resource"]["subject"]["reference"].as_str().unwrap_or_default();
        ["Patient/ME", "Patient/ME/_history/2"]
            .contains(&subject.trim_start_matches("http://upstream.internal:8080/r4/"))
    };
    let mut kept: Vec<bool> =
        all.iter().map(|entry| entry.as_ref().is_some_and(|entry| matched(entry) && mine(entry))).collect();
    let keys = |kept: &[bool], filter: &dyn Fn(&serde_json::Value) -> Vec<String>| -> Vec<String> {
        let of = |(entry, kept): (&Option<serde_json::Value>, &bool)| entry.as_ref().filter(|_| *kept).map(filter);
        all.iter().zip(kept).filter_map(of).flatten().collect()
    };
    if includes {
        // Whatever a released entry refers to may come, if it is of a type that the include brings.
        let references = |entry: &serde_json::Value| {
            let both = [&entry["resource"]["performer"][0]["reference"], &entry["resource"]["subject"]["reference"]];
            both.map(|one| {
                let text = one.as_str().unwrap_or_default();
                let text = text.split("/_history/").next().unwrap_or_default();
                text.trim_start_matches("http://upstream.internal:8080/r4/").to_owned()
            })
            .to_vec()
        };
        let led = keys(&kept, &references);
        let own = keys(&kept, &|entry| vec![key(entry)]);
        for (index, entry) in all.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let target = entry["resource"]["target"][0]["reference"].as_str().unwrap_or_default();
            kept[index] |= kind(entry) == "Practitioner" && led.contains(&key(entry));
            kept[index] |= key(entry) == "Patient/ME" && led.contains(&key(entry));
            kept[index] |= kind(entry) == "Provenance" && own.iter().any(|own| own == target);
        }
    }
    (0..kept.len()).filter(|index| kept[*index]).collect()
}

/// The resources of an answer as they stand in it.
fn resources(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Bundle {
        #[serde(default)]
        entry: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        resource: Box<RawValue>,
    }
    let bundle: Bundle = serde_json::from_slice(body).expect("the answer is JSON");
    bundle.entry.into_iter().map(|entry| entry.resource.get().to_owned()).collect()
}

proptest! {
    #[test]
    fn the_filter_releases_what_a_slow_one_does_byte_for_byte(
        entries in proptest::collection::vec(entry(), 0..12),
        order in any::<bool>(),
        includes in any::<bool>(),
    ) {
        let body = bundle(&entries, order);
        let released = answered(if includes { INCLUDE } else { PLAIN }, body.as_bytes());
        prop_assert_eq!(released.status, 200);
        let kept = slow(&entries, includes);
        let expected: Vec<String> = kept.iter().map(|index| entries[*index].resource.clone().unwrap()).collect();
        prop_assert_eq!(resources(&released.body.bytes(body.as_bytes())), expected, "{}", body);
        prop_assert_eq!(released.released as usize, kept.len());
        prop_assert_eq!(released.dropped as usize, entries.len() - kept.len());
    }

    #[test]
    fn a_body_that_is_cut_off_is_502(
        entries in proptest::collection::vec(entry(), 0..4),
        order in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let body = bundle(&entries, order);
        let body = body.trim_end();
        let released = answered(PLAIN, &body.as_bytes()[..at.index(body.len())]);
        prop_assert_eq!((released.status, released.released), (502, 0));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400) {
        let _ = answered(PLAIN, &bytes);
        let mut body = bundle(&[], true).into_bytes();
        let at = at.min(body.len());
        body.splice(at..at, bytes);
        let _ = answered(PLAIN, &body);
    }
}

#[test]
fn an_envelope_that_two_readers_read_differently_is_502() {
    for body in [
        r#"{"resourceType":"Bundle","type":"searchset","entry":[],"entry":[]}"#,
        r#"{"resourceType":"Bundle","type":"history","type":"searchset"}"#,
        r#"{"resourceType":"Bundle","type":"searchset","\u0074ype":"searchset"}"#,
        r#"{"resourceType":"Bundle","type":"searchset","entry":{}}"#,
        r#"{"resourceType":"Bundle","type":"history","entry":[]}"#,
        r#"{"resourceType":"Bundle","type":"searchset","entry":[],}"#,
        r#"{"resourceType":"Bundle","type":"searchset","entry":[]}{}"#,
        "[]",
    ] {
        assert_eq!(answered(PLAIN, body.as_bytes()).status, 502, "{body}");
    }
    let many: Vec<String> = (0..100).map(|number| format!("\"x{number}\":1")).collect();
    let body = format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",{}}}", many.join(","));
    assert_eq!(answered(PLAIN, body.as_bytes()).status, 502);
    assert_eq!(answered(PLAIN, b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}").status, 200);
    assert_eq!(answered(PLAIN, b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"a\":\"\xff\"}").status, 502);
}

#[test]
fn a_released_bundle_takes_little_beyond_the_body() {
    let entry = |number: usize| {
        let patient = if number.is_multiple_of(2) { "ME" } else { "OTHER" };
        let text = "x".repeat(1_200);
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"o{number}","subject":{{"reference":"Patient/{patient}"}},"note":[{{"text":"{text}"}}]}}}}"#
        )
    };
    let entries: Vec<String> = (0..2_000).map(entry).collect();
    let body = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(","));
    let released = answered(PLAIN, body.as_bytes());
    assert_eq!((released.released, released.dropped), (1_000, 1_000));
    let size = |piece: &Piece| {
        size_of::<Piece>()
            + match piece {
                Piece::Written(text) => text.capacity(),
                Piece::Kept(_) => 0,
            }
    };
    let beyond: usize = released.body.pieces().iter().map(size).sum();
    assert!(beyond * 5 < body.len(), "{beyond} of {}", body.len());
}
