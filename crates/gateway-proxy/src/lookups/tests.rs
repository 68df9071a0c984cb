//! Lookups against an upstream of our own on a free port.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use super::*;
use crate::upstream::Bounds;

/// What the upstream saw.
#[derive(Default)]
struct Seen {
    at_once: AtomicUsize,
    most: AtomicUsize,
    requests: Mutex<Vec<Vec<(String, String)>>>,
}

async fn answer(seen: Data<Seen>, request: HttpRequest) -> HttpResponse {
    let now = seen.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(now, Ordering::SeqCst);
    let mut fields = vec![(request.method().to_string(), request.uri().to_string())];
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    fields.extend(request.headers().iter().map(|(name, value)| (name.to_string(), text(value))));
    seen.requests.lock().unwrap().push(fields);
    tokio::time::sleep(Duration::from_millis(if request.path().ends_with("slow") { 2_000 } else { 20 })).await;
    seen.at_once.fetch_sub(1, Ordering::SeqCst);
    match request.path() {
        "/fhir/Observation/gone" => HttpResponse::Gone().body("a secret"),
        "/fhir/Observation/moved" => HttpResponse::Found().insert_header(("location", "/fhir/Observation/1")).finish(),
        "/fhir/Observation/huge" => HttpResponse::Ok().body(vec![b'x'; MAX_BODY_BYTES + 1]),
        "/fhir/Observation/large" => HttpResponse::Ok().body(vec![b'x'; 40_000]),
        path => HttpResponse::Ok().insert_header(("etag", "W/\"7\"")).body(path.to_owned()),
    }
}

fn upstream(max_response_bytes: usize, timeout_ms: u64) -> (Upstream, Arc<Seen>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let seen = Data::new(Seen::default());
    let state = seen.clone();
    let server = HttpServer::new(move || App::new().app_data(state.clone()).default_service(web::to(answer)));
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}/fhir", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    let bounds = Bounds { timeout: Duration::from_millis(timeout_ms), max_response_bytes };
    (Upstream::new(&base, "X-Upstream-Key: k", bounds).unwrap(), seen.into_inner())
}

fn lookups(ids: impl IntoIterator<Item = impl ToString>) -> Vec<Lookup> {
    let one = |id: String| Lookup { path: format!("/Observation/{id}"), query: String::new() };
    ids.into_iter().map(|id| one(id.to_string())).collect()
}

fn statuses(mut fetched: Vec<Fetched>) -> Vec<(String, u16, usize)> {
    fetched.sort_by(|one, other| one.lookup.cmp(&other.lookup));
    fetched.into_iter().map(|one| (one.lookup.path, one.status, one.body.len())).collect()
}

#[actix_web::test]
async fn a_lookup_is_a_get_of_the_gateways_own_with_the_upstreams_credentials() {
    let (upstream, seen) = upstream(1 << 20, 5_000);
    let mut budget = Budget::new(&upstream);
    let lookup = Lookup { path: "/DocumentReference".into(), query: "patient=Patient/ME&location=a%2Fb".into() };
    let fetched = fetch(&upstream, std::slice::from_ref(&lookup), Some(b"Bearer mine"), &mut budget).await;
    let body = b"/fhir/DocumentReference".to_vec();
    assert_eq!(fetched, [Fetched { lookup, status: 200, etag: Some("W/\"7\"".into()), body }]);
    let requests = seen.requests.lock().unwrap();
    let field = |name: &str| requests[0].iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(field("GET"), Some("/fhir/DocumentReference?patient=Patient/ME&location=a%2Fb"));
    assert_eq!((field("accept"), field("x-upstream-key")), (Some("application/fhir+json"), Some("k")));
    assert_eq!(field("authorization"), Some("Bearer mine"));
    assert_eq!(budget.spent().0, 1);
}

#[actix_web::test]
async fn without_a_service_that_passes_it_on_the_clients_token_stays_here() {
    let (upstream, seen) = upstream(1 << 20, 5_000);
    fetch(&upstream, &lookups([1]), None, &mut Budget::new(&upstream)).await;
    assert!(seen.requests.lock().unwrap()[0].iter().all(|(name, _)| name != "authorization"));
}

#[actix_web::test]
async fn eight_are_under_way_at_a_time() {
    let (upstream, seen) = upstream(1 << 20, 30_000);
    let fetched = fetch(&upstream, &lookups(0..60), None, &mut Budget::new(&upstream)).await;
    assert_eq!(fetched.len(), 60);
    let most = seen.most.load(Ordering::SeqCst);
    assert!((2..=AT_A_TIME).contains(&most), "{most}");
}

#[actix_web::test]
async fn another_answer_than_200_is_handed_over_as_its_status_alone() {
    let (upstream, _) = upstream(1 << 20, 5_000);
    let fetched = fetch(&upstream, &lookups(["gone", "moved"]), None, &mut Budget::new(&upstream)).await;
    let expected = [("/Observation/gone".to_owned(), 410, 0), ("/Observation/moved".to_owned(), 302, 0)];
    assert_eq!(statuses(fetched), expected, "and no redirect is followed");
}

#[actix_web::test]
async fn what_is_too_large_too_slow_or_not_there_is_left_out() {
    let (upstream, _) = upstream(usize::MAX, 5_000);
    assert_eq!(fetch(&upstream, &lookups(["huge"]), None, &mut Budget::new(&upstream)).await, []);
    let (small, _) = self::upstream(100_000, 5_000);
    let mut budget = Budget::new(&small);
    let many: Vec<Lookup> =
        (0..4).map(|index| Lookup { path: "/Observation/large".into(), query: format!("x={index}") }).collect();
    let (fit, beyond) = many.split_at(2);
    assert_eq!(fetch(&small, fit, None, &mut budget).await.len(), 2);
    assert_eq!(fetch(&small, beyond, None, &mut budget).await, [], "all of a request's share one bound");
    let nobody = Upstream::new("http://127.0.0.1:1/fhir", "", small.bounds()).unwrap();
    assert_eq!(fetch(&nobody, &lookups([1]), None, &mut Budget::new(&nobody)).await, []);
}

#[actix_web::test]
async fn all_lookups_of_a_request_together_take_no_longer_than_one_answer_may() {
    let (upstream, _) = upstream(1 << 20, 300);
    let mut budget = Budget::new(&upstream);
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(fetch(&upstream, &lookups(["slow"]), None, &mut budget).await, []);
    }
    assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
}
