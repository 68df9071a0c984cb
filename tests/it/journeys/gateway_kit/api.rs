//! An upstream: a FHIR server that is as lenient as some are, and says what it saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::serve;

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Saw {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Saw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

type Handler = Box<dyn Fn(&Saw) -> HttpResponse + Send>;

pub(crate) struct Api {
    saw: Vec<Saw>,
    handler: Handler,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Api>>,
}

impl Upstream {
    /// A small FHIR server below `/r4` with two patients and their observations.
    pub(crate) fn start() -> Self {
        let state =
            Arc::new(Mutex::new(Api { saw: Vec::new(), handler: Box::new(|_| HttpResponse::NotFound().finish()) }));
        let address = serve(Data::from(Arc::clone(&state)), |config| {
            config.default_service(web::to(api));
        });
        let upstream = Self { address, state };
        let base = upstream.base();
        upstream.answers(move |saw| records(saw, &base));
        upstream
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/r4", self.address)
    }

    pub(crate) fn answers(&self, handler: impl Fn(&Saw) -> HttpResponse + Send + 'static) {
        self.state.lock().unwrap().handler = Box::new(handler);
    }

    pub(crate) fn saw(&self) -> Vec<Saw> {
        self.state.lock().unwrap().saw.clone()
    }
}

async fn api(request: HttpRequest, body: Bytes, state: Data<Mutex<Api>>) -> HttpResponse {
    let saw = Saw {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.to_vec(),
    };
    let mut state = state.lock().unwrap();
    state.saw.push(saw.clone());
    (state.handler)(&saw)
}

pub(crate) fn patient(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "birthDate": "1970-01-01"})
}

pub(crate) fn observation(id: &str, patient: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": format!("Patient/{patient}")},
    })
}

fn fhir(value: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/fhir+json").body(value.to_string())
}

pub(crate) fn searchset(base: &str, entries: &[Value], next: Option<&str>) -> HttpResponse {
    let entries: Vec<Value> = entries
        .iter()
        .map(|one| json!({"fullUrl": format!("{base}/{}/{}", one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap()), "resource": one, "search": {"mode": "match"}}))
        .collect();
    let link: Vec<Value> =
        next.map(|next| json!({"relation": "next", "url": format!("{base}{next}")})).into_iter().collect();
    fhir(
        &json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "link": link, "entry": entries}),
    )
}

/// Answers leniently, as some servers do: a search gives everybody's observations.
fn records(saw: &Saw, base: &str) -> HttpResponse {
    let path = saw.target.split('?').next().unwrap();
    match (saw.method.as_str(), path.strip_prefix("/r4").unwrap_or(path)) {
        ("GET", "/metadata") => fhir(&json!({"resourceType": "CapabilityStatement"})),
        ("GET", "/Patient/p1") => fhir(&patient("p1")),
        ("GET", "/Patient/p2") => fhir(&patient("p2")),
        ("GET", "/Observation/o1") => fhir(&observation("o1", "p1")),
        ("GET", "/Observation/o2") => fhir(&observation("o2", "p2")),
        ("GET", "/Observation") | ("POST", "/Observation/_search") => {
            searchset(base, &[observation("o1", "p1"), observation("o2", "p2")], Some("?_getpages=abc&_getpagesoffset=2"))
        }
        ("GET", "") if saw.target.contains("_getpages=abc") => {
            searchset(base, &[observation("o3", "p1"), observation("o4", "p2")], None)
        }
        _ => HttpResponse::NotFound().content_type("application/fhir+json").body(r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","diagnostics":"upstream secret"}]}"#),
    }
}
