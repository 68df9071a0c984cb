//! The sample EHR's HTTP: read, search, create, update, `$everything` and `metadata` below its base.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::answers::{self, Fault};
use super::parameters;
use super::query::Query;
use super::records::{Records, Written};
use super::search::{self, Page};

type Shared = Data<RwLock<Records>>;
type Pairs = web::Query<Vec<(String, String)>>;

/// Larger bodies are refused; no record of the demo comes near.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Puts the routes below the base.
pub(super) fn mount(config: &mut ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
        .service(
            web::scope(super::BASE_PATH)
                .route("/metadata", web::get().to(metadata))
                .route("/{type}", web::get().to(search_by_get))
                .route("/{type}", web::post().to(create))
                .route("/{type}/_search", web::post().to(search_by_post))
                .route("/{type}/{id}", web::get().to(read))
                .route("/{type}/{id}", web::put().to(update))
                .route("/Patient/{id}/$everything", web::get().to(everything)),
        )
        .default_service(web::to(nowhere));
}

// A lock is poisoned only by a panic while writing; the demo's records stay readable then.
fn reading(records: &Shared) -> RwLockReadGuard<'_, Records> {
    records.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing(records: &Shared) -> RwLockWriteGuard<'_, Records> {
    records.write().unwrap_or_else(PoisonError::into_inner)
}

async fn metadata(records: Shared) -> HttpResponse {
    answers::capabilities(&reading(&records))
}

async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Fault> {
    Err(Fault::not_found(request.path()))
}

async fn search_by_get(records: Shared, type_name: Path<String>, pairs: Pairs) -> Result<HttpResponse, Fault> {
    find(&records, &type_name, pairs.into_inner())
}

async fn search_by_post(
    records: Shared,
    type_name: Path<String>,
    pairs: Pairs,
    form: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Fault> {
    let mut pairs = pairs.into_inner();
    pairs.extend(form.into_inner());
    find(&records, &type_name, pairs)
}

fn find(records: &Shared, type_name: &str, pairs: Vec<(String, String)>) -> Result<HttpResponse, Fault> {
    stored_type(type_name)?;
    let records = reading(records);
    let query = Query::parse(pairs)?;
    let page = search::page(&records, type_name, &query)?;
    answers::bundle(&records, type_name, &query, &page)
}

async fn read(records: Shared, path: Path<(String, String)>, pairs: Pairs) -> Result<HttpResponse, Fault> {
    let (type_name, id) = path.into_inner();
    let query = Query::parse(pairs.into_inner())?;
    let records = reading(&records);
    let found = records.find(&type_name, &id).ok_or_else(|| Fault::not_found(&format!("{type_name}/{id}")))?;
    answers::one(found, &query)
}

async fn everything(records: Shared, id: Path<String>) -> Result<HttpResponse, Fault> {
    let records = reading(&records);
    let found = records.everything(&id);
    if found.is_empty() {
        return Err(Fault::not_found(&format!("Patient/{id}")));
    }
    let query = Query { count: found.len(), ..Query::default() };
    let page = Page { total: found.len(), matches: found, included: Vec::new(), next_offset: None };
    answers::bundle(&records, &format!("Patient/{id}/$everything"), &query, &page)
}

async fn create(
    records: Shared,
    request: HttpRequest,
    type_name: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Fault> {
    let text = resource_text(&type_name, &body, None)?;
    let mut records = writing(&records);
    let written = records.create(text, &now()).map_err(|error| Fault::internal(&error))?;
    answer(&records, written, &request)
}

async fn update(
    records: Shared,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: Bytes,
) -> Result<HttpResponse, Fault> {
    let (type_name, id) = path.into_inner();
    let text = resource_text(&type_name, &body, Some(&id))?;
    let mut records = writing(&records);
    let wanted = request.headers().get("If-Match").map(|tag| String::from_utf8_lossy(tag.as_bytes()));
    let stored = records.find(&type_name, &id).map(|stored| format!("W/\"{}\"", stored.version));
    if let Some(wanted) = wanted.filter(|wanted| stored.as_deref() != Some(wanted)) {
        return Err(Fault::changed(&wanted));
    }
    let written = records.put(text, (&type_name, &id), &now()).map_err(|error| Fault::internal(&error))?;
    answer(&records, written, &request)
}

fn answer(records: &Records, written: Written, request: &HttpRequest) -> Result<HttpResponse, Fault> {
    let minimal = request.headers().get("Prefer").is_some_and(|prefer| prefer == "return=minimal");
    match written {
        Written::Created(one) => Ok(answers::written(records, &one, StatusCode::CREATED, minimal)),
        Written::Updated(one) => Ok(answers::written(records, &one, StatusCode::OK, minimal)),
        Written::Full => Err(Fault::full()),
    }
}

fn stored_type(type_name: &str) -> Result<(), Fault> {
    parameters::of(type_name).map(|_| ()).ok_or_else(|| Fault::not_found(type_name))
}

/// The body as text, if it is a resource of the type and id that the URL names.
fn resource_text<'a>(type_name: &str, body: &'a [u8], id: Option<&str>) -> Result<&'a str, Fault> {
    stored_type(type_name)?;
    let text = std::str::from_utf8(body).map_err(|_| Fault::invalid("the body is not UTF-8".to_owned()))?;
    let tree: Value = serde_json::from_str(text).map_err(|error| Fault::invalid(error.to_string()))?;
    if tree.get("resourceType").and_then(Value::as_str) != Some(type_name) {
        return Err(Fault::invalid(format!("`resourceType` must be `{type_name}`")));
    }
    if id.is_some() && tree.get("id").and_then(Value::as_str) != id {
        return Err(Fault::invalid("`id` must be the id of the URL".to_owned()));
    }
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "the sample EHR is a program of its own; this is its door")]
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};
    use serde_json::json;

    use super::*;

    const BASE: &str = "http://ehr.test/fhir";

    async fn ask(request: test::TestRequest) -> (u16, Vec<(String, String)>, Value) {
        let records = Data::new(RwLock::new(Records::seeded(BASE).unwrap()));
        let app = test::init_service(App::new().app_data(records).configure(mount)).await;
        let answer = test::call_service(&app, request.to_request()).await;
        let header = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        let status = answer.status().as_u16();
        let body = test::read_body(answer).await;
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[actix_web::test]
    async fn a_resource_is_read_and_a_missing_one_is_named() {
        let (status, headers, body) = ask(test::TestRequest::get().uri("/fhir/Patient/amara")).await;
        assert_eq!((status, &body["id"]), (200, &json!("amara")));
        assert!(headers.contains(&("etag".to_owned(), "W/\"1\"".to_owned())));
        let (status, _, body) = ask(test::TestRequest::get().uri("/fhir/Patient/nobody")).await;
        assert_eq!((status, &body["resourceType"]), (404, &json!("OperationOutcome")));
        assert_eq!(ask(test::TestRequest::get().uri("/fhir/Device")).await.0, 404);
        assert_eq!(ask(test::TestRequest::get().uri("/elsewhere")).await.0, 404);
    }

    #[actix_web::test]
    async fn a_search_by_post_equals_the_search_by_get() {
        let get = test::TestRequest::get().uri("/fhir/Observation?patient=amara&_count=3&_summary=true");
        let post = test::TestRequest::post()
            .uri("/fhir/Observation/_search?patient=amara")
            .set_form([("_count", "3"), ("_summary", "true")]);
        let (get, post) = (ask(get).await.2, ask(post).await.2);
        assert_eq!(get["total"], json!(9));
        assert_eq!(get["entry"], post["entry"]);
        assert_eq!(get["link"][1]["url"], format!("{BASE}/Observation?patient=amara&_count=3&_summary=true&_offset=3"));
        assert_eq!(get["entry"][0]["resource"]["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(get["entry"][0]["resource"]["note"], Value::Null);
    }

    #[actix_web::test]
    async fn elements_leave_the_rest_out_and_a_count_has_no_entries() {
        let (_, _, body) = ask(test::TestRequest::get().uri("/fhir/Patient?_id=amara&_elements=gender")).await;
        let names: Vec<_> = body["entry"][0]["resource"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["gender", "id", "meta", "resourceType"]);
        let (_, _, body) = ask(test::TestRequest::get().uri("/fhir/Patient?_summary=count")).await;
        assert_eq!((&body["total"], &body["entry"]), (&json!(3), &Value::Null));
    }

    #[actix_web::test]
    async fn a_create_gives_an_id_and_a_location() {
        let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
        let (status, headers, stored) = ask(test::TestRequest::post().uri("/fhir/Observation").set_json(&body)).await;
        assert_eq!((status, &stored["id"]), (201, &json!("new-1")));
        assert!(headers.contains(&("location".to_owned(), format!("{BASE}/Observation/new-1/_history/1"))));
        assert_eq!(ask(test::TestRequest::post().uri("/fhir/Condition").set_json(&body)).await.0, 400);
        assert_eq!(ask(test::TestRequest::post().uri("/fhir/Observation").set_payload("{")).await.0, 400);
        let least = test::TestRequest::post().uri("/fhir/Observation").insert_header(("Prefer", "return=minimal"));
        assert_eq!(ask(least.set_json(&body)).await.2, Value::Null);
    }

    #[actix_web::test]
    async fn an_update_is_of_the_version_that_it_names() {
        let body = json!({"resourceType": "Observation", "id": "amara-heart-1", "status": "final"});
        let update = |tag: &'static str| {
            let request =
                test::TestRequest::put().uri("/fhir/Observation/amara-heart-1").insert_header(("If-Match", tag));
            ask(request.set_json(&body))
        };
        assert_eq!(update("W/\"1\"").await.0, 200);
        assert_eq!(update("W/\"7\"").await.0, 412);
    }

    #[actix_web::test]
    async fn everything_is_the_record_of_one_patient() {
        let (status, _, body) = ask(test::TestRequest::get().uri("/fhir/Patient/chen/$everything")).await;
        let ids: Vec<_> = body["entry"].as_array().unwrap().iter().map(|one| one["resource"]["id"].clone()).collect();
        assert_eq!(status, 200);
        assert_eq!(ids.first(), Some(&json!("chen")));
        assert!(ids.iter().all(|id| id.as_str().unwrap().starts_with("chen")), "{ids:?}");
        assert_eq!(ids.len(), 8);
    }

    #[actix_web::test]
    async fn the_capabilities_name_every_type() {
        let (status, _, body) = ask(test::TestRequest::get().uri("/fhir/metadata")).await;
        assert_eq!(status, 200);
        assert_eq!(body["rest"][0]["resource"].as_array().unwrap().len(), parameters::types().count());
    }
}
