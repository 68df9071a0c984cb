//! The documents of a Service, over HTTP.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use policy::id::{ServiceId, SpecVersionId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, AnyMember, Document, Page, PageQuery, Problem, Retry, once, read};

use crate::forms::path_id;
use crate::services::{FullServiceView, created, upload};
use crate::{Failure, platform};

/// An uploaded document.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// Its id.
    #[schema(example = "ver_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Counts up from 1.
    number: u32,
    /// Whether it is the one in force.
    active: bool,
    /// What was found in it.
    #[schema(value_type = Vec<Object>)]
    findings: Value,
    /// When it was uploaded.
    created_at: DateTime<Utc>,
}

/// List the documents of a Service, oldest first.
#[utoipa::path(tag = "services", params(("id" = String, Path, description = "`svc_…`"), PageQuery), responses(
    (status = 200, description = "A page of documents", body = Page<VersionView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/versions")]
pub(crate) async fn list_versions(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/services/{id}/versions"));
    let page = query.page::<SpecVersionId>(&state.cursors, &account, &list)?;
    let (service, listed) = read(&state, caller.call, move |tx, _| admin::versions::list(tx, id, page)).await?;
    let page = Page::new(
        listed,
        |last: &SpecVersionId| state.cursors.seal(&account, &list, last),
        |version| version.id,
        |version| VersionView {
            id: version.id.to_string(),
            number: version.number,
            active: version.number == service.version,
            findings: version.findings,
            created_at: version.created_at,
        },
    )?;
    Ok(HttpResponse::Ok().json(page))
}

/// Upload a new document of a Service; it is active at once.
///
/// A role that names an operation which the document does not have is a 409, with each such line.
#[utoipa::path(tag = "services",
    params(("id" = String, Path, description = "`svc_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer for 24 hours")),
    request_body(description = "The document", content(("application/json"), ("application/yaml"), ("text/plain"))),
    responses(
    (status = 201, description = "The Service as it is now, with its ETag", body = FullServiceView),
    (status = 409, description = "Roles would lose operations", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Everything that is wrong with the document", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services/{id}/versions")]
pub(crate) async fn create_version(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    retry: Retry,
    document: Document,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    // A Service of somebody else is a 404, whatever the document.
    let exists = move |tx: &mut store::Tx<'_>, _: &domain::Call| store::services::find(tx, id);
    read(&state, caller.call.clone(), exists).await?;
    let upload = upload(&state, document).await?;
    let (own, shown) = (Data::clone(&state), Data::clone(&state));
    let answer = once(
        &state,
        caller.into_call(),
        retry,
        move |tx, call| admin::versions::create(tx, call, platform(&own), id, upload),
        move |made| created(made, &shown),
    );
    Ok(answer.await?)
}
