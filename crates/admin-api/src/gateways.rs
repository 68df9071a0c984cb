//! Gateways of a Service, over HTTP: enrolled, listed, taken off.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, delete, get, post};
use admin::gateways::Enrolment;
use chrono::{DateTime, Utc};
use domain::{Gateway, Name};
use policy::id::{GatewayId, ServiceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, Answer, AnyMember, Json, Page, PageQuery, Problem, Retry, once, read, transact};

use crate::Failure;
use crate::forms::{path_id, text};

/// A gateway, and what it last said of itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct GatewayView {
    /// Its id.
    #[schema(example = "arc_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Its name.
    name: String,
    /// When it was enrolled.
    created_at: DateTime<Utc>,
    /// When it last asked for anything, to the half minute; null if never.
    #[schema(required = true)]
    last_seen_at: Option<DateTime<Utc>>,
    /// The version that it decides by; null if it has not said.
    #[schema(required = true)]
    bundle_version: Option<u64>,
    /// `active`, `refused` or `stale`; null if it has not said.
    #[schema(required = true, example = "active")]
    state: Option<&'static str>,
    /// Why it refused a bundle; null if it did not.
    #[schema(required = true)]
    error: Option<String>,
    /// Its program's version; null if it has not said.
    #[schema(required = true)]
    arc_version: Option<String>,
}

impl From<Gateway> for GatewayView {
    fn from(gateway: Gateway) -> Self {
        let report = gateway.report;
        Self {
            id: gateway.id.to_string(),
            name: gateway.name.to_string(),
            created_at: gateway.created_at,
            last_seen_at: gateway.last_seen_at,
            bundle_version: report.as_ref().and_then(|report| report.bundle_version),
            state: report.as_ref().map(|report| report.state.as_str()),
            arc_version: report.as_ref().map(|report| report.arc_version.clone()),
            error: report.and_then(|report| report.error),
        }
    }
}

/// What a gateway needs to start: keep it as `arc.json`, readable by the gateway only.
#[derive(Serialize, ToSchema)]
pub(crate) struct EnrolmentView {
    /// The gateway.
    #[schema(example = "arc_01jbst8pvcfp79y0938nkrkayd")]
    gateway_id: String,
    /// Its Service.
    service_id: String,
    /// Its credential: `fw_arc_…`. Shown once.
    key: String,
    /// Where it asks for bundles.
    control_plane_url: String,
    /// The keys that sign bundles: a JWK Set. Nothing that another key signed is loaded.
    #[schema(value_type = Object)]
    bundle_keys: Value,
}

impl EnrolmentView {
    fn new(enrolment: Enrolment, state: &State) -> Self {
        Self {
            gateway_id: enrolment.gateway.id.to_string(),
            service_id: enrolment.gateway.service_id.to_string(),
            key: enrolment.key.expose().to_owned(),
            control_plane_url: state.public_url.clone(),
            bundle_keys: enrolment.bundle_keys,
        }
    }
}

/// A gateway to enrol.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolGateway {
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// Enrol a gateway; the answer is its `arc.json`, shown once.
#[utoipa::path(tag = "gateways",
    params(("id" = String, Path, description = "`svc_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key does it once; the secret is not repeated")),
    request_body = EnrolGateway,
    responses(
    (status = 201, description = "The enrolment", body = EnrolmentView),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services/{id}/gateways")]
pub(crate) async fn enrol_gateway(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    retry: Retry,
    Json(form): Json<EnrolGateway>,
) -> Result<HttpResponse, Failure> {
    let service_id: ServiceId = path_id(&id)?;
    let name: Name = text("/name", form.name)?;
    let own = Data::clone(&state);
    let answer = once(
        &state,
        caller.into_call(),
        retry,
        move |tx, call| admin::gateways::enrol(tx, call, service_id, name),
        move |enrolment| Ok(Answer::created(&EnrolmentView::new(enrolment, &own))?.secret()),
    );
    Ok(answer.await?)
}

/// List the gateways of a Service, oldest first.
#[utoipa::path(tag = "gateways", params(("id" = String, Path, description = "`svc_…`"), PageQuery), responses(
    (status = 200, description = "A page of gateways", body = Page<GatewayView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/gateways")]
pub(crate) async fn list_gateways(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    let service_id: ServiceId = path_id(&id)?;
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/services/{service_id}/gateways"));
    let page = query.page::<GatewayId>(&state.cursors, &account, &list)?;
    let listed = read(&state, caller.call, move |tx, _| admin::gateways::list(tx, service_id, page)).await?;
    let seal = |last: &GatewayId| state.cursors.seal(&account, &list, last);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |gateway| gateway.id, GatewayView::from)?))
}

/// Take a gateway off: its key opens nothing any more, and it denies once its bundle is stale.
#[utoipa::path(tag = "gateways",
    params(("id" = String, Path, description = "`svc_…`"), ("gateway" = String, Path, description = "`arc_…`")),
    responses(
    (status = 204, description = "It is off"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[delete("/v1/services/{id}/gateways/{gateway}")]
pub(crate) async fn delete_gateway(
    caller: Administrator,
    state: Data<State>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let (service_id, id) = (path_id(&path.0)?, path_id(&path.1)?);
    let delete = move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::gateways::delete(tx, call, service_id, id);
    transact(&state, caller.into_call(), delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
