//! Requests of every interaction, and small damage done to some of them.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use testkit::call::Call;
use testkit::ehr;

use super::records::{Record, types};
use super::{bodies, query};

/// A request, before it is written down.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    /// Below the Service's base.
    pub(crate) path: String,
    pub(crate) query: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    /// Media type, if any, and text.
    pub(crate) body: Option<(Option<&'static str>, String)>,
    pub(crate) damage: Vec<Damage>,
}

/// What happened to a request on its way.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// A byte of the target is another one.
    Target(Index, u8),
    /// A letter of the target has the other case.
    Case(Index),
    /// A byte of the target is percent-encoded.
    Encoded(Index),
    /// A part of the target stands twice.
    Doubled(Index, Index),
    /// A byte of a header's value is another one.
    Header(Index, Index, u8),
    /// A byte of the body is another one.
    Body(Index, u8),
    /// A letter of the body has the other case.
    BodyCase(Index),
    /// The body ends early.
    Cut(Index),
    /// There is one more header.
    More(&'static str, &'static str),
    /// There is no such header.
    Less(&'static str),
}

/// As a person would type it, so that a failure can be tried again by hand.
impl fmt::Debug for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.call();
        write!(out, "{} {}", self.method, call.target)?;
        for (name, value) in &call.headers {
            if name != "host" {
                write!(out, " + {name}: {}", String::from_utf8_lossy(value))?;
            }
        }
        if call.body.is_empty() { Ok(()) } else { write!(out, " body: {}", String::from_utf8_lossy(&call.body)) }
    }
}

impl Asked {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: None, damage: Vec::new() }
    }

    pub(crate) fn query(self, query: Vec<String>) -> Self {
        Self { query, ..self }
    }

    /// The same search as a form.
    pub(crate) fn by_post(&self) -> Self {
        let path = format!("{}/_search", self.path);
        Self { headers: self.headers.clone(), ..form(&self.query, self.query.len(), path) }
    }

    /// The same request as the one entry of a batch.
    pub(crate) fn in_batch(&self) -> Self {
        let body = json!({"resourceType": "Bundle", "type": "batch", "entry": [self.entry()]});
        Self::new("POST", "/").json(body.to_string())
    }

    fn body(self, media: &'static str, text: String) -> Self {
        Self { body: Some((Some(media), text)), ..self }
    }

    fn json(self, text: String) -> Self {
        self.body("application/fhir+json", text)
    }

    /// The request as it reaches the gateway.
    pub(crate) fn call(&self) -> Call {
        let mut target = format!("{}{}", ehr::BASE_PATH, self.path);
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&self.query.join("&"));
        }
        let mut headers = vec![("host".to_owned(), ehr::HOST.as_bytes().to_vec())];
        if let Some((Some(media), _)) = &self.body {
            headers.push(("content-type".to_owned(), media.as_bytes().to_vec()));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.as_bytes().to_vec())));
        let body = self.body.as_ref().map(|(_, text)| text.as_bytes().to_vec()).unwrap_or_default();
        let mut call = Call { method: self.method.to_owned(), target, headers, body };
        for one in &self.damage {
            one.done_to(&mut call);
        }
        call
    }

    /// The same as an entry of a batch, as far as it can be one.
    pub(crate) fn entry(&self) -> Value {
        let url = self.path.trim_start_matches('/');
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query.join("&")) };
        let mut entry = json!({"request": {"method": self.method, "url": format!("{url}{query}")}});
        for (name, value) in &self.headers {
            let member = match name.as_str() {
                "if-match" => "ifMatch",
                "if-none-exist" => "ifNoneExist",
                _ => continue,
            };
            entry["request"][member] = value.as_str().into();
        }
        if let Some((_, text)) = &self.body
            && let Ok(resource) = serde_json::from_str::<Value>(text)
            && resource.is_object()
        {
            entry["resource"] = resource;
        }
        entry
    }
}

impl Damage {
    fn done_to(&self, call: &mut Call) {
        let swap_case = |byte: u8| if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte };
        match self {
            Self::Target(at, byte) => {
                let mut bytes = std::mem::take(&mut call.target).into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = *byte;
                call.target = String::from_utf8_lossy(&bytes).into_owned();
            }
            Self::Case(at) => {
                let mut bytes = std::mem::take(&mut call.target).into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = swap_case(bytes[at]);
                call.target = String::from_utf8_lossy(&bytes).into_owned();
            }
            Self::Encoded(at) => {
                let bytes = call.target.as_bytes();
                let at = at.index(bytes.len());
                let encoded = format!("%{:02X}", bytes[at]);
                call.target = [
                    String::from_utf8_lossy(&bytes[..at]).into_owned(),
                    encoded,
                    String::from_utf8_lossy(&bytes[at + 1..]).into_owned(),
                ]
                .concat();
            }
            Self::Doubled(from, to) => {
                let bytes = call.target.as_bytes();
                let (one, two) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = String::from_utf8_lossy(&bytes[one.min(two)..one.max(two)]).into_owned();
                call.target.push_str(&part);
            }
            Self::Header(which, at, byte) if !call.headers.is_empty() => {
                let which = which.index(call.headers.len());
                let value = &mut call.headers[which].1;
                if !value.is_empty() {
                    let at = at.index(value.len());
                    value[at] = *byte;
                }
            }
            Self::Body(at, byte) if !call.body.is_empty() => {
                let at = at.index(call.body.len());
                call.body[at] = *byte;
            }
            Self::BodyCase(at) if !call.body.is_empty() => {
                let at = at.index(call.body.len());
                call.body[at] = swap_case(call.body[at]);
            }
            Self::Cut(at) if !call.body.is_empty() => call.body.truncate(at.index(call.body.len())),
            Self::Header(..) | Self::Body(..) | Self::BodyCase(_) | Self::Cut(_) => {}
            Self::More(name, value) => call.headers.push(((*name).to_owned(), value.as_bytes().to_vec())),
            Self::Less(name) => call.headers.retain(|(known, _)| known != name),
        }
    }
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let byte = prop_oneof![any::<u8>(), select(b"/?&=;%#:.,\\$|+ \"{}[]<>\t*'@".to_vec())].boxed();
    let index = any::<Index>;
    let more = select(vec![
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-host", "evil"),
        ("prefer", "return=minimal"),
        ("prefer", "respond-async"),
        ("prefer", "handling=strict, return=representation"),
        ("accept", "application/fhir+xml"),
        ("accept", "application/fhir+json; fhirVersion=4.0"),
        ("accept", "application/fhir+json; fhirVersion=3.0"),
        ("accept", "*/*"),
        ("accept", "text/html, application/fhir+json;q=0.5"),
        ("if-none-match", "W/\"1\""),
        ("if-match", "W/\"1\""),
        ("if-match", "W/\"2\""),
        ("if-none-exist", "identifier=x"),
        ("range", "bytes=0-1"),
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("host", "evil.example"),
        ("x-security-context", "Patient/ME"),
        ("x-declared", "y"),
        ("x_declared", "y"),
        ("cookie", "a=b"),
        ("authorization", "Bearer x"),
        ("traceparent", "00-1-2-3"),
    ]);
    let one = prop_oneof![
        1 => (index(), byte.clone()).prop_map(|(at, byte)| Damage::Target(at, byte)),
        1 => index().prop_map(Damage::Case),
        1 => index().prop_map(Damage::Encoded),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Doubled(from, to)),
        1 => (index(), index(), byte.clone()).prop_map(|(which, at, byte)| Damage::Header(which, at, byte)),
        1 => (index(), byte).prop_map(|(at, byte)| Damage::Body(at, byte)),
        1 => index().prop_map(Damage::BodyCase),
        1 => index().prop_map(Damage::Cut),
        3 => more.prop_map(|(name, value)| Damage::More(name, value)),
        1 => select(vec!["host", "content-type"]).prop_map(Damage::Less),
    ];
    prop_oneof![30 => Just(Vec::new()), 1 => vec(one, 1..3)]
}

/// An instance: mostly one that is stored.
fn instance(records: &[Record]) -> impl Strategy<Value = (String, String)> + use<> {
    let known: Vec<(String, String)> = records.iter().map(|one| (one.kind.clone(), one.id.clone())).collect();
    let observations: Vec<(String, String)> = known.iter().filter(|(kind, _)| kind == "Observation").cloned().collect();
    let patients = vec![("Patient", "ME"), ("Patient", "ME"), ("Patient", "OTHER"), ("Patient", "THIRD")];
    let patients = select(patients).prop_map(|(kind, id)| (kind.to_owned(), id.to_owned()));
    let odd =
        (select(types()), select(vec!["NOBODY", "ME", "OBS-ME", "a b", "ü", "a%2Fb", "x;y", "..", "_history", "$x"]))
            .prop_map(|(kind, id)| (kind.to_owned(), id.to_owned()));
    prop_oneof![8 => select(known), 12 => select(observations), 4 => patients, 1 => odd]
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("Observation"), 10 => select(types()), 1 => select(vec!["Spaceship", "observation", "AuditEvent", "Consent", "Account", "Parameters", "Bundle"])]
}

fn version() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(vec!["1", "2"]), 1 => select(vec!["_search", "x y"])]
}

fn several_types() -> impl Strategy<Value = Vec<String>> {
    let list = vec(kind(), 1..4).prop_map(|kinds| format!("_type={}", kinds.join(",")));
    prop::option::weighted(0.75, list).prop_map(|one| one.into_iter().collect())
}

fn reads(records: &[Record]) -> BoxedStrategy<Asked> {
    let read = (instance(records), query::few())
        .prop_map(|((kind, id), query)| Asked::new("GET", format!("/{kind}/{id}")).query(query));
    let vread = (instance(records), version(), query::few()).prop_map(|((kind, id), version, query)| {
        Asked::new("GET", format!("/{kind}/{id}/_history/{version}")).query(query)
    });
    let history = (instance(records), query::few())
        .prop_map(|((kind, id), query)| Asked::new("GET", format!("/{kind}/{id}/_history")).query(query));
    let of_type =
        (kind(), query::few()).prop_map(|(kind, query)| Asked::new("GET", format!("/{kind}/_history")).query(query));
    let of_system = (several_types(), query::few()).prop_map(|(mut query, more)| {
        query.extend(more);
        Asked::new("GET", "/_history").query(query)
    });
    prop_oneof![4 => read, 2 => vread, 2 => history, 1 => of_type, 1 => of_system].boxed()
}

fn form(query: &[String], split: usize, path: String) -> Asked {
    let (in_form, in_url) = query.split_at(split.min(query.len()));
    Asked::new("POST", path).query(in_url.to_vec()).body("application/x-www-form-urlencoded", in_form.join("&"))
}

/// A search of one type, by GET.
pub(crate) fn search() -> BoxedStrategy<Asked> {
    let kinds = prop_oneof![4 => Just("Observation"), 6 => select(types())];
    kinds
        .prop_flat_map(|kind| {
            query::parameters(kind).prop_map(move |query| Asked::new("GET", format!("/{kind}")).query(query))
        })
        .boxed()
}

fn searches(records: &[Record]) -> BoxedStrategy<Asked> {
    let by_post =
        (search(), 0..5_usize).prop_map(|(one, split)| form(&one.query, split, format!("{}/_search", one.path)));
    let patient = select(vec!["ME", "ME", "ME", "ME", "ME", "ME", "OTHER", "NOBODY"]);
    let compartment =
        (search(), patient.clone()).prop_map(|(one, id)| Asked { path: format!("/Patient/{id}{}", one.path), ..one });
    let compartment_post = (search(), patient.clone(), 0..5_usize)
        .prop_map(|(one, id, split)| form(&one.query, split, format!("/Patient/{id}{}/_search", one.path)));
    let of_all = (patient, several_types(), query::parameters("Observation")).prop_map(|(id, mut query, more)| {
        query.extend(more);
        Asked::new("GET", format!("/Patient/{id}/*")).query(query)
    });
    let other = (instance(records), search())
        .prop_map(|((kind, id), one)| Asked { path: format!("/{kind}/{id}{}", one.path), ..one });
    let mut of_system = Vec::new();
    for by_post in [false, true] {
        let system = (several_types(), query::parameters("Observation"), 0..5_usize).prop_map(
            move |(mut query, more, split)| {
                query.extend(more);
                if by_post { form(&query, split, "/_search".to_owned()) } else { Asked::new("GET", "/").query(query) }
            },
        );
        of_system.push(system.boxed());
    }
    let system = proptest::strategy::Union::new(of_system);
    prop_oneof![28 => search(), 12 => by_post, 8 => compartment, 3 => compartment_post, 3 => of_all, 1 => other, 6 => system].boxed()
}

fn operations(records: &[Record]) -> BoxedStrategy<Asked> {
    let patient = select(vec!["ME", "ME", "ME", "OTHER", "NOBODY"]);
    let everything = (patient, several_types(), query::few()).prop_map(|(id, mut query, more)| {
        if more.len() > 1 {
            query.extend(more);
        }
        Asked::new("GET", format!("/Patient/{id}/$everything")).query(query)
    });
    let of_encounter = (instance(records), query::few())
        .prop_map(|((_, id), query)| Asked::new("GET", format!("/Encounter/{id}/$everything")).query(query));
    let paths = select(vec![
        ("GET", "/Patient/$everything"),
        ("GET", "/Observation/$lastn"),
        ("GET", "/Observation/$lastn"),
        ("GET", "/ValueSet/$expand"),
        ("GET", "/Measure/M1/$evaluate-measure"),
        ("GET", "/Patient/ME/$graphql"),
        ("GET", "/metadata"),
        ("GET", "/admin/x"),
        ("GET", "/admin"),
        ("GET", "/$bogus"),
        ("GET", "/Patient/ME/$bogus"),
    ]);
    let get = (paths, query::few()).prop_map(|((method, path), query)| Asked::new(method, path).query(query));
    let posts = select(vec![
        "/$graphql",
        "/$process-message",
        "/Patient/$match",
        "/Patient/$member-match",
        "/Patient/$validate",
        "/Composition/K1/$document",
        "/Patient/ME/$everything",
    ]);
    let post = (posts, query::few(), bodies::parameters())
        .prop_map(|(path, query, text)| Asked::new("POST", path).query(query).json(text));
    let filters = select(vec![
        "_typeFilter=Observation%3Fcategory%3Dlaboratory",
        "_typeFilter=Observation%3Fpatient%3DME",
        "_typeFilter=Condition%3Fcode%3Dx",
        "_typeFilter=Observation%3F_include%3D*",
        "_typeFilter=Observation",
        "_outputFormat=ndjson",
        "_outputFormat=application/fhir%2Bndjson",
        "_outputFormat=csv",
        "_since=2020-01-01",
        "_count=5",
        "bogus=1",
    ])
    .prop_map(str::to_owned);
    let levels = select(vec!["/$export", "/Patient/$export", "/Group/G1/$export", "/Group/G-ME/$export"]);
    let export =
        (levels, several_types(), vec(filters, 0..3), any::<bool>()).prop_map(|(path, mut query, more, prefer)| {
            query.extend(more);
            let mut asked = Asked::new("GET", path).query(query);
            if prefer {
                asked.headers.push(("prefer".to_owned(), "respond-async".to_owned()));
            }
            asked
        });
    prop_oneof![8 => everything, 2 => of_encounter, 3 => get, 2 => post, 1 => export].boxed()
}

fn writes(records: &[Record]) -> BoxedStrategy<Asked> {
    let create = (bodies::new_resource(), query::few())
        .prop_map(|((kind, text), query)| Asked::new("POST", format!("/{kind}")).query(query).json(text));
    let none_exist = select(vec![
        "identifier=urn:mrn|x",
        "code=x&patient=ME",
        "patient=OTHER",
        "",
        "_count=5",
        "patient.name=x&code=y",
        "bogus=1",
    ]);
    let conditional_create = (bodies::new_resource(), none_exist).prop_map(|((kind, text), query)| {
        let mut asked = Asked::new("POST", format!("/{kind}")).json(text);
        asked.headers.push(("if-none-exist".to_owned(), query.to_owned()));
        asked
    });
    let update = (
        bodies::next_version(records.to_vec()),
        query::few(),
        prop::option::weighted(0.2, select(vec!["W/\"1\"", "W/\"2\"", "*"])),
    )
        .prop_map(|((kind, id, text), query, version)| {
            let mut asked = Asked::new("PUT", format!("/{kind}/{id}")).query(query).json(text);
            asked.headers.extend(version.map(|version| ("if-match".to_owned(), version.to_owned())));
            asked
        });
    let elsewhere = (bodies::next_version(records.to_vec()), instance(records))
        .prop_map(|((_, _, text), (kind, id))| Asked::new("PUT", format!("/{kind}/{id}")).json(text));
    let fresh = bodies::new_resource().prop_map(|(kind, text)| {
        let text = text.replacen('{', "{\"id\":\"FRESH\",", 1);
        Asked::new("PUT", format!("/{kind}/FRESH")).json(text)
    });
    let patch = (instance(records), bodies::patch(), query::few()).prop_map(|((kind, id), (media, text), query)| {
        Asked::new("PATCH", format!("/{kind}/{id}")).query(query).body(media, text)
    });
    let delete = (instance(records), query::few())
        .prop_map(|((kind, id), query)| Asked::new("DELETE", format!("/{kind}/{id}")).query(query));
    let conditional = (search(), bodies::next_version(records.to_vec()), bodies::patch(), 0..3_u8).prop_map(
        |(one, (_, _, text), (media, patch), how)| {
            let one = Asked { method: ["PUT", "PATCH", "DELETE"][usize::from(how)], ..one };
            match how {
                0 => one.json(text),
                1 => one.body(media, patch),
                _ => one,
            }
        },
    );
    prop_oneof![4 => create, 2 => conditional_create, 5 => update, 1 => elsewhere, 2 => fresh, 3 => patch, 4 => delete, 4 => conditional].boxed()
}

fn single(records: &[Record]) -> BoxedStrategy<Asked> {
    prop_oneof![16 => reads(records), 20 => searches(records), 3 => operations(records), 7 => writes(records)].boxed()
}

fn batch(records: &[Record]) -> BoxedStrategy<Asked> {
    let kinds = select(vec!["batch", "batch", "batch", "transaction", "transaction", "collection"]);
    let full = select(vec![
        None,
        None,
        None,
        Some("urn:uuid:0b5b1c5e-0000-4000-8000-000000000001"),
        Some("https://gw.example/fhir/Observation/OBS-ME"),
        Some("https://evil.example/fhir/Patient/ME"),
        Some("Observation/OBS-ME"),
    ]);
    let oddity = select(vec![
        "",
        "",
        "",
        "",
        "",
        "",
        "ifNoneMatch",
        "ifModifiedSince",
        "no request",
        "nested",
        "no method",
        "HEAD",
        "slash",
        "bogus",
    ]);
    let entry = (single(records), full, oddity).prop_map(|(one, full, oddity)| {
        let mut entry = one.entry();
        if let Some(url) = full {
            entry["fullUrl"] = url.into();
        }
        match oddity {
            "" => {}
            "no request" => {
                entry.as_object_mut().unwrap().remove("request");
            }
            "no method" => {
                entry["request"].as_object_mut().unwrap().remove("method");
            }
            "nested" => entry["resource"] = json!({"resourceType": "Bundle", "type": "batch", "entry": []}),
            "HEAD" => entry["request"]["method"] = "HEAD".into(),
            "slash" => entry["request"]["url"] = format!("/{}", entry["request"]["url"].as_str().unwrap()).into(),
            "bogus" => entry["bogus"] = 1.into(),
            name => entry["request"][name] = "x".into(),
        }
        entry
    });
    let plain = single(records).prop_map(|one| one.entry());
    let entries = prop_oneof![4 => vec(plain, 0..5), 1 => vec(entry, 0..5)];
    (kinds, entries, query::few())
        .prop_map(|(kind, entries, query)| {
            let body = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
            Asked::new("POST", "/").query(query).json(body.to_string())
        })
        .boxed()
}

fn damaged(one: BoxedStrategy<Asked>) -> BoxedStrategy<Asked> {
    let methods =
        prop::option::weighted(0.02, select(vec!["HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "get", "PATCH", "POST"]));
    (one, damage(), methods)
        .prop_map(|(one, damage, method)| {
            let method = match method {
                // What is read may also be asked by HEAD; anything else is at odds with itself, mostly.
                Some(method) => method,
                None => one.method,
            };
            Asked { method, damage, ..one }
        })
        .boxed()
}

/// A request of a FHIR Service.
pub(crate) fn fhir(records: &[Record]) -> BoxedStrategy<Asked> {
    damaged(prop_oneof![8 => single(records), 1 => batch(records)].boxed())
}

/// Reads and searches of a FHIR Service, undamaged.
pub(crate) fn asks(records: &[Record]) -> BoxedStrategy<Asked> {
    prop_oneof![2 => reads(records), 3 => searches(records)].boxed()
}

/// Whatever can be asked of one instance, by reads and by writes.
pub(crate) fn instances(records: &[Record]) -> BoxedStrategy<Asked> {
    let read = (instance(records), select(vec!["", "/_history", "/_history/1"]))
        .prop_map(|((kind, id), rest)| Asked::new("GET", format!("/{kind}/{id}{rest}")));
    let update = bodies::next_version(records.to_vec())
        .prop_map(|(kind, id, text)| Asked::new("PUT", format!("/{kind}/{id}")).json(text));
    let patch = (instance(records), bodies::patch())
        .prop_map(|((kind, id), (media, text))| Asked::new("PATCH", format!("/{kind}/{id}")).body(media, text));
    let delete = instance(records).prop_map(|(kind, id)| Asked::new("DELETE", format!("/{kind}/{id}")));
    prop_oneof![3 => read, 2 => update, 1 => patch, 1 => delete].boxed()
}

/// A request of a plain Service.
pub(crate) fn plain() -> BoxedStrategy<Asked> {
    let ids = select(vec!["cardio", "partners", "out", "1", "NOBODY", "a b", "x;y"]);
    let collections = select(vec!["accounts", "patient", "diagnostic", "cluster", "nothing"]);
    let parameters =
        select(vec!["page=1", "size=2", "email=x", "identifier=y", "ward=z", "bogus=1", "status=final", "a[]=1"])
            .prop_map(str::to_owned);
    let bodies = select(vec![
        r#"{"status":"final"}"#,
        r#"{"status":"draft","metadata":{"a":1}}"#,
        r#"{"nodeGroups":[{"maxSize":3,"minSize":1}],"labels":{}}"#,
        r#"{"status":"final","status":"draft"}"#,
        "[1]",
        "",
        "plain text",
    ]);
    let path = prop_oneof![
        2 => collections.clone().prop_map(|name| format!("/{name}")),
        3 => (collections, ids).prop_map(|(name, id)| format!("/{name}/{id}")),
        1 => select(vec!["/", "/accounts/1/more", "/accounts//1", "/metadata", "/.well-known/smart-configuration"]).prop_map(str::to_owned),
    ];
    let method = select(vec!["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH"]);
    let one = (method, path, vec(parameters, 0..3), bodies).prop_map(|(method, path, query, text)| {
        let asked = Asked::new(method, path).query(query);
        if matches!(method, "GET" | "DELETE") { asked } else { asked.body("application/json", text.to_owned()) }
    });
    damaged(one.boxed())
}
