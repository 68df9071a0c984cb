//! Keys of machines and what they hold, over HTTP.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, delete, get, post, put};
use chrono::{DateTime, Utc};
use domain::{Key, KeyRoles, Name};
use policy::id::KeyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, Answer, AnyMember, Json, Page, PageQuery, Problem, Retry, once, read, transact};

use crate::forms::{id as id_in_body, path_id, role_names, text};
use crate::{Failure, platform};

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id.
    #[schema(example = "key_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Its name.
    name: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last exchanged for a token, to the minute; null if never.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
}

impl From<Key> for KeyView {
    fn from(key: Key) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKeyView {
    /// Its id.
    #[schema(example = "key_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Its name.
    name: String,
    /// The credential: `fw_live_…`. Shown once.
    secret: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// Make a key, which holds nothing yet.
#[utoipa::path(tag = "keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key does it once; the secret is not repeated")),
    request_body = CreateKey,
    responses(
    (status = 201, description = "The key, with its secret", body = NewKeyView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/keys")]
pub(crate) async fn create_key(
    caller: Administrator,
    state: Data<State>,
    retry: Retry,
    Json(form): Json<CreateKey>,
) -> Result<HttpResponse, Failure> {
    let name: Name = text("/name", form.name)?;
    let answer = once(
        &state,
        caller.into_call(),
        retry,
        move |tx, call| admin::keys::create(tx, call, name),
        |(key, secret)| {
            let path = format!("/v1/keys/{}", key.id);
            let view = NewKeyView {
                id: key.id.to_string(),
                name: key.name.to_string(),
                secret: secret.expose().to_owned(),
                created_at: key.created_at,
            };
            Ok(Answer::created(&view)?.location(path).secret())
        },
    );
    Ok(answer.await?)
}

/// List the account's keys, oldest first.
#[utoipa::path(tag = "keys", params(PageQuery), responses(
    (status = 200, description = "A page of keys", body = Page<KeyView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/keys")]
pub(crate) async fn list_keys(
    caller: AnyMember,
    state: Data<State>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    const LIST: &str = "/v1/keys";
    let account = caller.call.account_id.to_string();
    let page = query.page::<KeyId>(&state.cursors, &account, LIST)?;
    let listed = read(&state, caller.call, move |tx, _| admin::keys::list(tx, page)).await?;
    let seal = |last: &KeyId| state.cursors.seal(&account, LIST, last);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |key| key.id, KeyView::from)?))
}

/// Read a key.
#[utoipa::path(tag = "keys", params(("id" = String, Path, description = "`key_…`")), responses(
    (status = 200, description = "The key", body = KeyView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/keys/{id}")]
pub(crate) async fn get_key(caller: AnyMember, state: Data<State>, id: Path<String>) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let key = read(&state, caller.call, move |tx, _| admin::keys::find(tx, id)).await?;
    Ok(HttpResponse::Ok().json(KeyView::from(key)))
}

/// Delete a key: its tokens and the sessions it began count no longer.
#[utoipa::path(tag = "keys", params(("id" = String, Path, description = "`key_…`")), responses(
    (status = 204, description = "It is gone"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[delete("/v1/keys/{id}")]
pub(crate) async fn delete_key(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let own = Data::clone(&state);
    let delete = move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::keys::delete(tx, call, platform(&own), id);
    transact(&state, caller.into_call(), delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a key holds in one Service.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyRolesView {
    /// The Service.
    #[schema(example = "svc_01jbst8pvcfp79y0938nkrkayd")]
    service_id: String,
    /// What the key holds there.
    role_ids: Vec<String>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

impl From<KeyRoles> for KeyRolesView {
    fn from(roles: KeyRoles) -> Self {
        Self {
            service_id: roles.service_id.to_string(),
            role_ids: roles.role_ids.iter().map(ToString::to_string).collect(),
            updated_at: roles.updated_at,
        }
    }
}

/// List what a key holds, Service by Service.
#[utoipa::path(tag = "keys", params(("id" = String, Path, description = "`key_…`")), responses(
    (status = 200, description = "All of it, on one page", body = Page<KeyRolesView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/keys/{id}/roles")]
pub(crate) async fn list_key_roles(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let held = read(&state, caller.call, move |tx, _| admin::keys::roles(tx, id)).await?;
    let data = held.into_iter().map(KeyRolesView::from).collect();
    Ok(HttpResponse::Ok().json(Page::<KeyRolesView> { data, next_cursor: None }))
}

/// What a key is to hold in one Service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutKeyRoles {
    /// The Service; may be left out if there is only one.
    #[serde(default)]
    #[schema(example = "svc_01jbst8pvcfp79y0938nkrkayd")]
    service_id: Option<String>,
    /// All that it holds there: SMART roles by their scope, custom ones by their id. Nothing is allowed.
    #[schema(example = json!(["system/Patient.rs"]), max_items = 500)]
    role_ids: Vec<String>,
}

/// Set what a key holds in one Service, in place of what it held there.
#[utoipa::path(tag = "keys", params(("id" = String, Path, description = "`key_…`")), request_body = PutKeyRoles, responses(
    (status = 200, description = "What it holds there now", body = KeyRolesView),
    (status = 403, description = "`outside_ceiling`, `suspended`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`needs_a_person`, `unknown_role`, at its place", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[put("/v1/keys/{id}/roles")]
pub(crate) async fn put_key_roles(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    Json(form): Json<PutKeyRoles>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let service_id = form.service_id.map(|text| id_in_body("/service_id", &text)).transpose()?;
    let names = role_names("/role_ids", &form.role_ids)?;
    let put =
        move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::keys::set_roles(tx, call, id, service_id, names);
    let roles = transact(&state, caller.into_call(), put).await?;
    Ok(HttpResponse::Ok().json(KeyRolesView::from(roles)))
}
