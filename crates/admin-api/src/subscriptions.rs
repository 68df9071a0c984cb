//! Subscriptions, over HTTP: the partners of a Service for its owner, and what a partner subscribes to.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get, patch};
use admin::subscriptions::{Change, Seen, Subscribed};
use chrono::{DateTime, Utc};
use domain::{Revision, SubscriptionState};
use policy::id::{ServiceId, SubscriptionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, AnyMember, IfMatch, Json, Page, PageQuery, Patch, Problem, etag, read, transact};

use crate::forms::{path_id, role_names};
use crate::roles::RoleView;
use crate::{Failure, platform};

/// A partner of a Service.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerView {
    /// The subscription.
    #[schema(example = "sub_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// The partner's account.
    account_id: String,
    /// Its name.
    account_name: String,
    /// `active` or `suspended`.
    #[schema(example = "active")]
    state: &'static str,
    /// The most that the partner's keys can hold.
    role_ids: Vec<String>,
    /// Since when.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

impl From<Seen> for PartnerView {
    fn from(Seen { subscription, other }: Seen) -> Self {
        Self {
            id: subscription.id.to_string(),
            account_id: other.id.to_string(),
            account_name: other.name.to_string(),
            state: subscription.state.as_str(),
            role_ids: subscription.role_ids.iter().map(ToString::to_string).collect(),
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// List the partners of a Service, oldest first.
#[utoipa::path(tag = "partners", params(("id" = String, Path, description = "`svc_…`"), PageQuery), responses(
    (status = 200, description = "A page of partners", body = Page<PartnerView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/subscriptions")]
pub(crate) async fn list_partners(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    let service_id: ServiceId = path_id(&id)?;
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/services/{service_id}/subscriptions"));
    let page = query.page::<SubscriptionId>(&state.cursors, &account, &list)?;
    let listed = read(&state, caller.call, move |tx, _| admin::subscriptions::list(tx, service_id, page)).await?;
    let seal = |last: &SubscriptionId| state.cursors.seal(&account, &list, last);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |seen| seen.subscription.id, PartnerView::from)?))
}

/// Read one partner of a Service.
#[utoipa::path(tag = "partners",
    params(("id" = String, Path, description = "`svc_…`"), ("subscription" = String, Path, description = "`sub_…`")),
    responses(
    (status = 200, description = "The partner, with its ETag", body = PartnerView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/subscriptions/{subscription}")]
pub(crate) async fn get_partner(
    caller: AnyMember,
    state: Data<State>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let (service_id, id) = (path_id(&path.0)?, path_id(&path.1)?);
    let seen = read(&state, caller.call, move |tx, _| admin::subscriptions::find(tx, service_id, id)).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(seen.subscription.revision.0))).json(PartnerView::from(seen)))
}

/// What changes of a partner (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchPartner {
    /// `suspended` ends every token of the partner within a second; `active` lets it in again.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "suspended")]
    state: Patch<SubscriptionState>,
    /// The whole ceiling.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    role_ids: Patch<Vec<String>>,
}

/// Suspend a partner, let it in again, or set what it may have at most.
#[utoipa::path(tag = "partners",
    params(("id" = String, Path, description = "`svc_…`"), ("subscription" = String, Path, description = "`sub_…`"),
        ("If-Match" = String, Header, description = "The ETag that was read")),
    request_body(content = PatchPartner, content_type = "application/merge-patch+json"),
    responses(
    (status = 200, description = "The partner as it is now, with its ETag", body = PartnerView),
    (status = 412, description = "It has changed", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "If-Match is needed", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[patch("/v1/services/{id}/subscriptions/{subscription}")]
pub(crate) async fn update_partner(
    caller: Administrator,
    state: Data<State>,
    path: Path<(String, String)>,
    expected: IfMatch,
    Json(form): Json<PatchPartner>,
) -> Result<HttpResponse, Failure> {
    let place = (path_id(&path.0)?, path_id(&path.1)?, Revision(expected.0));
    let role_ids = form.role_ids.required("role_ids")?;
    let role_ids = role_ids.map(|texts| role_names("/role_ids", &texts)).transpose()?;
    let change = Change { state: form.state.required("state")?, role_ids };
    let own = Data::clone(&state);
    let seen = transact(&state, caller.into_call(), move |tx, call| {
        admin::subscriptions::update(tx, call, platform(&own), place, change)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(seen.subscription.revision.0))).json(PartnerView::from(seen)))
}

/// A Service, as a partner sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscribedServiceView {
    /// Its id.
    #[schema(example = "svc_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Its name.
    name: String,
    /// `plain` or `fhirv4`.
    #[schema(value_type = String, example = "fhirv4")]
    kind: policy::settings::ServiceKind,
    /// `iss` of its tokens.
    issuer: String,
    /// Its base, `aud` of its tokens.
    #[schema(required = true)]
    base_url: Option<String>,
}

/// Whose Service it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnerView {
    /// The owner's account.
    account_id: String,
    /// Its name.
    name: String,
}

/// What an account subscribes to.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionView {
    /// The subscription.
    #[schema(example = "sub_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// The Service.
    service: SubscribedServiceView,
    /// Its owner.
    owner: OwnerView,
    /// `active` or `suspended`.
    #[schema(example = "active")]
    state: &'static str,
    /// The most that the account's keys can hold there.
    role_ids: Vec<String>,
    /// Since when.
    created_at: DateTime<Utc>,
}

impl SubscriptionView {
    fn new(Subscribed { seen, service }: Subscribed, state: &State) -> Self {
        let Seen { subscription, other } = seen;
        Self {
            id: subscription.id.to_string(),
            service: SubscribedServiceView {
                issuer: platform(state).issuer(&service.slug),
                id: service.id.to_string(),
                name: service.name.to_string(),
                kind: service.kind,
                base_url: service.base_url,
            },
            owner: OwnerView { account_id: other.id.to_string(), name: other.name.to_string() },
            state: subscription.state.as_str(),
            role_ids: subscription.role_ids.iter().map(ToString::to_string).collect(),
            created_at: subscription.created_at,
        }
    }
}

/// List what the account subscribes to, oldest first.
#[utoipa::path(tag = "subscriptions", params(PageQuery), responses(
    (status = 200, description = "A page of subscriptions", body = Page<SubscriptionView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/subscriptions")]
pub(crate) async fn list_subscriptions(
    caller: AnyMember,
    state: Data<State>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    const LIST: &str = "/v1/subscriptions";
    let account = caller.call.account_id.to_string();
    let page = query.page::<SubscriptionId>(&state.cursors, &account, LIST)?;
    let listed = read(&state, caller.call, move |tx, _| admin::subscriptions::list_own(tx, page)).await?;
    let seal = |last: &SubscriptionId| state.cursors.seal(&account, LIST, last);
    let show = |one| SubscriptionView::new(one, &state);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |one| one.seen.subscription.id, show)?))
}

/// Read one subscription of the account.
#[utoipa::path(tag = "subscriptions", params(("id" = String, Path, description = "`sub_…`")), responses(
    (status = 200, description = "The subscription", body = SubscriptionView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/subscriptions/{id}")]
pub(crate) async fn get_subscription(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let one = read(&state, caller.call, move |tx, _| admin::subscriptions::find_own(tx, id)).await?;
    Ok(HttpResponse::Ok().json(SubscriptionView::new(one, &state)))
}

/// List the roles that a subscription offers: those inside its ceiling.
#[utoipa::path(tag = "subscriptions", params(("id" = String, Path, description = "`sub_…`"), PageQuery), responses(
    (status = 200, description = "A page of roles", body = Page<RoleView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/subscriptions/{id}/roles")]
pub(crate) async fn list_offered_roles(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    let id: SubscriptionId = path_id(&id)?;
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/subscriptions/{id}/roles"));
    let from = query.after::<usize>(&state.cursors, &account, &list)?.unwrap_or(0);
    let limit = query.limit()?;
    let offered = read(&state, caller.call, move |tx, _| admin::subscriptions::offered(tx, id, from, limit)).await?;
    let next_cursor = offered.next.map(|next| state.cursors.seal(&account, &list, &next)).transpose()?;
    let data = offered.items.into_iter().map(|shown| RoleView::new(shown, &offered.imported)).collect();
    Ok(HttpResponse::Ok().json(Page::<RoleView> { data, next_cursor }))
}
