//! Services and their documents, over HTTP.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get, patch, post};
use admin::services::{Change, Upload};
use admin::{Finding, Imported, ImportedType};
use chrono::{DateTime, Utc};
use domain::{Name, Revision, Service};
use policy::id::ServiceId;
use policy::settings::Settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, Answer, AnyMember, Document, IfMatch, Json, Page, PageQuery, Patch, Problem, Retry};
use web::{etag, json, once, read, transact};

use crate::forms::{path_id, text};
use crate::{Failure, platform};

/// A Service, as lists show it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServiceView {
    /// Its id.
    #[schema(example = "svc_01jbst8pvcfp79y0938nkrkayd")]
    pub id: String,
    /// Its name; from the title of the first document.
    pub name: String,
    /// Its segment of the issuer's URL, fixed for life.
    pub slug: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its own base, `aud` of its tokens. Without one it has no bundle.
    #[schema(required = true)]
    pub base_url: Option<String>,
    /// `plain` or `fhirv4`.
    #[schema(value_type = String, example = "fhirv4")]
    pub kind: policy::settings::ServiceKind,
    /// The number of the active document.
    pub version: u32,
    /// The version of OpenAPI that it is written in.
    #[schema(example = "3.0.3")]
    pub openapi: String,
    /// How many paths it has.
    pub paths: u32,
    /// What changes its decisions.
    #[schema(value_type = Object)]
    pub settings: Settings,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl ServiceView {
    /// Shows a Service.
    #[must_use]
    pub fn new(service: Service, state: &State) -> Self {
        Self {
            issuer: platform(state).issuer(&service.slug),
            id: service.id.to_string(),
            name: service.name.to_string(),
            slug: service.slug.to_string(),
            base_url: service.base_url,
            kind: service.kind,
            version: service.version,
            openapi: service.openapi,
            paths: service.paths,
            settings: service.settings,
            created_at: service.created_at,
            updated_at: service.updated_at,
        }
    }
}

/// An operation of a Service.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperationView {
    /// How roles name it.
    #[schema(example = "GET:/Patient/{id}")]
    key: String,
    /// Its method.
    method: &'static str,
    /// Its path below the base.
    path: String,
    /// What it does in FHIR's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<&'static str>,
    /// The resource type it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
}

/// A Service with all that its document came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FullServiceView {
    #[serde(flatten)]
    service: ServiceView,
    /// Its operations.
    operations: Vec<OperationView>,
    /// Its resource types: `{name, interactions, search_parameters, in_r4}`.
    #[schema(value_type = Vec<Object>)]
    types: Vec<ImportedType>,
    /// What was found in the document: `{severity, pointer, code, message, fix}`, the worst first.
    #[schema(value_type = Vec<Object>)]
    findings: Vec<Finding>,
}

impl FullServiceView {
    pub(crate) fn new((service, imported): (Service, Imported), state: &State) -> Self {
        let operations = imported.operations.iter().map(|operation| OperationView {
            key: format!("{}:{}", operation.method, operation.template),
            method: operation.method.as_str(),
            path: operation.template.to_string(),
            interaction: operation.fhir.as_ref().map(|fhir| fhir.interaction.as_str()),
            resource_type: operation.fhir.as_ref().and_then(|fhir| Some(fhir.resource_type.as_ref()?.to_string())),
        });
        Self {
            operations: operations.collect(),
            service: ServiceView::new(service, state),
            types: imported.types,
            findings: imported.findings,
        }
    }
}

/// 201 with the Service, its ETag and its path.
pub(crate) fn created(made: (Service, Imported), state: &State) -> Result<Answer, Problem> {
    let (revision, path) = (made.0.revision, format!("/v1/services/{}", made.0.id));
    Ok(Answer::created(&FullServiceView::new(made, state))?.etag(revision.0).location(path))
}

/// Reads an uploaded document, off the async threads.
pub(crate) async fn upload(state: &State, document: Document) -> Result<Upload, Failure> {
    Ok(state.with_import(move || Upload::read(document.0.to_vec())).await??)
}

/// Make a Service of an OpenAPI document.
///
/// The body is the document itself: OpenAPI 2.0, 3.0 or 3.1, JSON or YAML, at most 16 MiB. Its name and slug come from
/// `info.title`, its base from the first absolute server. `x-Katanemo-open-api-service-type: fhirv4` turns on FHIR.
/// A document that is wrong is a 422 that lists everything, each with its JSON pointer.
#[utoipa::path(tag = "services",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer for 24 hours")),
    request_body(description = "The document", content(("application/json"), ("application/yaml"), ("text/plain"))),
    responses(
    (status = 201, description = "The Service, with its ETag", body = FullServiceView),
    (status = 413, description = "Larger than 16 MiB", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Everything that is wrong with the document", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services")]
pub(crate) async fn create_service(
    caller: Administrator,
    state: Data<State>,
    retry: Retry,
    document: Document,
) -> Result<HttpResponse, Failure> {
    let upload = upload(&state, document).await?;
    let (own, shown) = (Data::clone(&state), Data::clone(&state));
    let answer = once(
        &state,
        caller.into_call(),
        retry,
        move |tx, call| admin::services::create(tx, call, platform(&own), upload),
        move |made| created(made, &shown),
    );
    Ok(answer.await?)
}

/// List the account's Services, oldest first.
#[utoipa::path(tag = "services", params(PageQuery), responses(
    (status = 200, description = "A page of Services", body = Page<ServiceView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services")]
pub(crate) async fn list_services(
    caller: AnyMember,
    state: Data<State>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    const LIST: &str = "/v1/services";
    let account = caller.call.account_id.to_string();
    let page = query.page::<ServiceId>(&state.cursors, &account, LIST)?;
    let listed = read(&state, caller.call, move |tx, _| admin::services::list(tx, page)).await?;
    let seal = |last: &ServiceId| state.cursors.seal(&account, LIST, last);
    let page = Page::new(listed, seal, |service| service.id, |service| ServiceView::new(service, &state))?;
    Ok(HttpResponse::Ok().json(page))
}

/// Read a Service with all that its active document came to.
#[utoipa::path(tag = "services", params(("id" = String, Path, description = "`svc_…`")), responses(
    (status = 200, description = "The Service, with its ETag", body = FullServiceView),
    (status = 404, description = "None by that id in the account", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}")]
pub(crate) async fn get_service(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let found = read(&state, caller.call, move |tx, _| admin::services::find(tx, id)).await?;
    let tag = etag(found.0.revision.0);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(FullServiceView::new(found, &state)))
}

/// What changes of a Service (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchService {
    /// Its name.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    name: Patch<String>,
    /// Its own base: absolute, without a trailing slash.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    base_url: Patch<String>,
    /// The settings that change; null sets one back to its default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    settings: Patch<serde_json::Map<String, Value>>,
}

/// Change a Service: its name, its base, its settings.
#[utoipa::path(tag = "services",
    params(("id" = String, Path, description = "`svc_…`"), ("If-Match" = String, Header, description = "The ETag that was read")),
    request_body(content = PatchService, content_type = "application/merge-patch+json"),
    responses(
    (status = 200, description = "The Service as it is now, with its ETag", body = FullServiceView),
    (status = 412, description = "It has changed", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "If-Match is needed", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[patch("/v1/services/{id}")]
pub(crate) async fn update_service(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    expected: IfMatch,
    Json(form): Json<PatchService>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let name: Option<Name> = form.name.required("name")?.map(|name| text("/name", name)).transpose()?;
    let base_url = form.base_url.required("base_url")?.map(|base| base.trim_end_matches('/').to_owned());
    let patch = form.settings.required("settings")?;
    let settings = match patch {
        None => None,
        Some(patch) => {
            let find = move |tx: &mut store::Tx<'_>, _: &domain::Call| admin::services::find(tx, id);
            let (current, _) = read(&state, caller.call.clone(), find).await?;
            Some(patched(&current.settings, patch)?)
        }
    };
    let change = Change { name, base_url, settings };
    let own = Data::clone(&state);
    let updated = transact(&state, caller.into_call(), move |tx, call| {
        admin::services::update(tx, call, platform(&own), (id, Revision(expected.0)), change)
    })
    .await?;
    let tag = etag(updated.0.revision.0);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(FullServiceView::new(updated, &state)))
}

/// The settings with the patch applied; a fault is named by its place below `/settings`.
fn patched(current: &Settings, patch: serde_json::Map<String, Value>) -> Result<Settings, Problem> {
    let mut value = serde_json::to_value(current).map_err(|_| Problem::internal())?;
    json::merge(&mut value, Value::Object(patch));
    json::parse(value.to_string().as_bytes()).map_err(|mut problem: Problem| {
        for fault in &mut problem.errors {
            fault.pointer = format!("/settings{}", fault.pointer);
        }
        let detail = problem.errors.first().map(|fault| format!("`{}`: {}", fault.pointer, fault.message));
        problem.detail(detail.unwrap_or_default())
    })
}
