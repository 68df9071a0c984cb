//! Roles of a Service, over HTTP.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, delete, get, patch, post};
use admin::Imported;
use admin::roles::{After, Kind, Shown, operation_keys, writable};
use chrono::{DateTime, Utc};
use domain::{Name, Revision, Role};
use policy::id::ServiceId;
use policy::role::RoleName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::state::State;
use web::{Administrator, Answer, AnyMember, IfMatch, Json, Page, PageQuery, Patch, Problem, Retry};
use web::{etag, once, read, transact};

use crate::forms::{path_id, text};
use crate::{Failure, platform};

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleView {
    /// `role_…`, or the scope of a SMART role.
    #[schema(example = "patient/Patient.rs")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// `smart`: computed; `custom`: written by somebody.
    #[schema(example = "smart")]
    pub kind: &'static str,
    /// What it gives: `GET:/Patient/{id}`.
    pub operations: Vec<String>,
    /// Whether another account may assume it.
    pub assumable: bool,
    /// When it was written; null for a SMART role.
    #[schema(required = true)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed; null for a SMART role.
    #[schema(required = true)]
    pub updated_at: Option<DateTime<Utc>>,
}

impl RoleView {
    /// Shows a role; a SMART one names its operations by their index into the document.
    #[must_use]
    pub fn new(shown: Shown, imported: &Imported) -> Self {
        match shown {
            Shown::Custom(role) => role.into(),
            Shown::Smart(smart) => Self {
                id: smart.scope.to_string(),
                name: smart.scope.to_string(),
                kind: "smart",
                operations: operation_keys(imported, &smart.operations),
                assumable: false,
                created_at: None,
                updated_at: None,
            },
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name.to_string(),
            kind: "custom",
            operations: role.operations,
            assumable: role.trust.is_some(),
            created_at: Some(role.created_at),
            updated_at: Some(role.updated_at),
        }
    }
}

/// Which roles are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolesQuery {
    /// `smart` or `custom`; both if left out.
    kind: Option<RoleKind>,
    /// How many entries at most; 50 if left out, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleKind {
    Smart,
    Custom,
}

/// List the roles of a Service: the SMART ones first, then those that somebody wrote.
#[utoipa::path(tag = "roles", params(("id" = String, Path, description = "`svc_…`"), RolesQuery), responses(
    (status = 200, description = "A page of roles", body = Page<RoleView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/roles")]
pub(crate) async fn list_roles(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<RolesQuery>,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    let RolesQuery { kind, limit, cursor } = query.into_inner();
    let (kind, word) = match kind {
        None => (Kind::All, ""),
        Some(RoleKind::Smart) => (Kind::Smart, "?smart"),
        Some(RoleKind::Custom) => (Kind::Custom, "?custom"),
    };
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/services/{id}/roles{word}"));
    let query = PageQuery { limit, cursor };
    let (after, limit) = (query.after::<After>(&state.cursors, &account, &list)?, query.limit()?);
    let list_page = move |tx: &mut store::Tx<'_>, _: &domain::Call| admin::roles::list(tx, id, kind, after, limit);
    let roles = read(&state, caller.call, list_page).await?;
    let next_cursor = roles.next.map(|next| state.cursors.seal(&account, &list, &next)).transpose()?;
    let data = roles.items.into_iter().map(|shown| RoleView::new(shown, &roles.imported)).collect();
    Ok(HttpResponse::Ok().json(Page::<RoleView> { data, next_cursor }))
}

/// A role to write.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateRole {
    /// Its name; no two roles of a Service have the same.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it gives: lines of `METHOD:/path`, as the document declares them.
    #[schema(example = json!(["GET:/Patient/{id}"]), min_items = 1)]
    operations: Vec<String>,
}

/// Write a role of operations of the Service.
///
/// A line that the document does not have is a 422 at `/operations/{index}`.
#[utoipa::path(tag = "roles",
    params(("id" = String, Path, description = "`svc_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer for 24 hours")),
    request_body = CreateRole,
    responses(
    (status = 201, description = "The role, with its ETag", body = RoleView),
    (status = 422, description = "The lines that are wrong", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services/{id}/roles")]
pub(crate) async fn create_role(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    retry: Retry,
    Json(form): Json<CreateRole>,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    let name: Name = text("/name", form.name)?;
    let lines = form.operations;
    let own = Data::clone(&state);
    let answer = once(
        &state,
        caller.into_call(),
        retry,
        move |tx, call| admin::roles::create(tx, call, platform(&own), id, (name, lines)),
        |role| {
            let (revision, path) = (role.revision.0, format!("/v1/roles/{}", role.id));
            Ok(Answer::created(&RoleView::from(role))?.etag(revision).location(path))
        },
    );
    Ok(answer.await?)
}

/// Read a role that somebody wrote.
#[utoipa::path(tag = "roles", params(("id" = String, Path, description = "`role_…`")), responses(
    (status = 200, description = "The role, with its ETag", body = RoleView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/roles/{id}")]
pub(crate) async fn get_role(caller: AnyMember, state: Data<State>, id: Path<String>) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let role = read(&state, caller.call, move |tx, _| admin::roles::find(tx, id)).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(role.revision.0))).json(RoleView::from(role)))
}

/// What changes of a role (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRole {
    /// Its name.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    name: Patch<String>,
    /// All of its operations.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    operations: Patch<Vec<String>>,
}

/// Change a role that somebody wrote. A SMART role cannot be changed.
#[utoipa::path(tag = "roles",
    params(("id" = String, Path, description = "`role_…`"), ("If-Match" = String, Header, description = "The ETag that was read")),
    request_body(content = PatchRole, content_type = "application/merge-patch+json"),
    responses(
    (status = 200, description = "The role as it is now, with its ETag", body = RoleView),
    (status = 403, description = "`smart_role`", body = Problem, content_type = "application/problem+json"),
    (status = 412, description = "It has changed", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "If-Match is needed", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[patch("/v1/roles/{id}")]
pub(crate) async fn update_role(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    expected: IfMatch,
    Json(form): Json<PatchRole>,
) -> Result<HttpResponse, Failure> {
    let id = writable(&path_id::<RoleName>(&id)?)?;
    let name: Option<Name> = form.name.required("name")?.map(|name| text("/name", name)).transpose()?;
    let change = (name, form.operations.required("operations")?);
    let own = Data::clone(&state);
    let role = transact(&state, caller.into_call(), move |tx, call| {
        admin::roles::update(tx, call, platform(&own), (id, Revision(expected.0)), change)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(role.revision.0))).json(RoleView::from(role)))
}

/// Delete a role that somebody wrote and no partner has. A SMART role cannot be deleted.
#[utoipa::path(tag = "roles",
    params(("id" = String, Path, description = "`role_…`"), ("If-Match" = String, Header, description = "The ETag that was read")),
    responses(
    (status = 204, description = "It is gone"),
    (status = 403, description = "`smart_role`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Partners have it", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[delete("/v1/roles/{id}")]
pub(crate) async fn delete_role(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    expected: IfMatch,
) -> Result<HttpResponse, Failure> {
    let id = writable(&path_id::<RoleName>(&id)?)?;
    let own = Data::clone(&state);
    transact(&state, caller.into_call(), move |tx, call| {
        admin::roles::delete(tx, call, platform(&own), (id, Revision(expected.0)))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
