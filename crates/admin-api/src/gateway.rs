//! What gateways ask for and send: the head, the bundle, their audit, their reports.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use admin::bundles::{self, Current, Fetched, Heads};
use chrono::TimeDelta;
use domain::{GatewayReport, GatewayState};
use policy::audit::Entry;
use policy::manifest::{BUNDLE_MEDIA_TYPE, HEAD_MEDIA_TYPE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::state::State;
use web::{Json, Problem, read, transact};

use crate::enrolled::GatewayKey;
use crate::{Failure, platform};

/// How exactly it is kept when a gateway last asked: a write for every request would be one a second for each.
const SEEN_RESOLUTION: TimeDelta = TimeDelta::seconds(30);

/// Read which bundle is current.
///
/// A compact JWS (`typ: firewarden-head+jws`, EdDSA) that counts for a minute: a withheld update shows as staleness.
#[utoipa::path(tag = "gateway", responses(
    (status = 200, description = "The signed head", body = String, content_type = "application/jose"),
    (status = 401, description = "Not the key of an enrolled gateway", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The Service has no bundle yet: it needs a base URL", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/gateway/head")]
pub(crate) async fn gateway_head(
    caller: GatewayKey,
    state: Data<State>,
    heads: Data<Heads>,
) -> Result<HttpResponse, Failure> {
    seen(&caller, &state).await?;
    let service_id = caller.gateway.service_id;
    for renewed in [false, true] {
        let (own, heads) = (Data::clone(&state), Data::clone(&heads));
        let current = read(&state, caller.call.clone(), move |tx, call| {
            bundles::head(tx, call, platform(&own), service_id, &heads)
        })
        .await?;
        match current {
            Current::Head(text) => return Ok(HttpResponse::Ok().content_type(HEAD_MEDIA_TYPE).body(text)),
            Current::Old if renewed => break,
            Current::Old => {
                let own = Data::clone(&state);
                transact(&state, caller.call.clone(), move |tx, call| {
                    bundles::publish(tx, call, platform(&own), service_id)
                })
                .await?;
            }
        }
    }
    Err(admin::Error::Internal("a bundle that was just published is old").into())
}

/// Read the current bundle.
///
/// The signed manifest (a compact JWS, `typ: firewarden-bundle+jws`), a line feed, and the content that it names.
#[utoipa::path(tag = "gateway",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of the bundle that the gateway has")),
    responses(
    (status = 200, description = "The bundle, with its ETag", body = Vec<u8>, content_type = "application/vnd.firewarden.bundle"),
    (status = 304, description = "The gateway has it"),
    (status = 401, description = "Not the key of an enrolled gateway", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The Service has no bundle yet: it needs a base URL", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/gateway/bundle")]
pub(crate) async fn gateway_bundle(
    request: HttpRequest,
    caller: GatewayKey,
    state: Data<State>,
) -> Result<HttpResponse, Failure> {
    let service_id = caller.gateway.service_id;
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let fetch = move |tx: &mut store::Tx<'_>, _: &domain::Call| bundles::fetch(tx, service_id, known.as_deref());
    match read(&state, caller.call, fetch).await? {
        Fetched::Unchanged => Ok(HttpResponse::NotModified().finish()),
        Fetched::Bundle(bundle) => {
            let etag = bundles::etag(&bundle.digest, bundle.version);
            let mut body = bundle.manifest.into_bytes();
            body.push(b'\n');
            body.extend_from_slice(&bundle.content);
            Ok(HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, BUNDLE_MEDIA_TYPE))
                .insert_header((CACHE_CONTROL, "private, no-cache"))
                .insert_header((ETAG, etag))
                .body(body))
        }
    }
}

/// A batch of audit entries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// The entries, in their order; at most 500.
    #[schema(value_type = Vec<Object>, max_items = 500)]
    entries: Vec<Entry>,
}

/// The last entry of the gateway that is kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct PositionView {
    /// The gateway's start; null before the first entry.
    #[schema(required = true)]
    boot: Option<u64>,
    /// The entry within it.
    #[schema(required = true)]
    seq: Option<u64>,
}

/// Ship a batch of audit entries. Shipping it again keeps it once.
#[utoipa::path(tag = "gateway", request_body = Batch, responses(
    (status = 200, description = "The last entry that is kept", body = PositionView),
    (status = 401, description = "Not the key of an enrolled gateway", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Nothing is kept: an entry is of another gateway, or too long", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/gateway/audit")]
pub(crate) async fn ship_audit(
    caller: GatewayKey,
    state: Data<State>,
    batch: Result<Json<Batch>, Problem>,
) -> Result<HttpResponse, Failure> {
    // Who asks is settled first, whatever the body is.
    let Json(batch) = batch?;
    let GatewayKey { gateway, call } = caller;
    let ingest =
        move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::audit::ingest(tx, call, &gateway, &batch.entries);
    let last = transact(&state, call, ingest).await?;
    let view = PositionView { boot: last.map(|last| last.boot), seq: last.map(|last| last.seq) };
    Ok(HttpResponse::Ok().json(view))
}

/// What a gateway says of itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The version that it decides by.
    #[serde(default)]
    bundle_version: Option<u64>,
    /// `active`, `refused` or `stale`.
    #[schema(value_type = String, example = "active")]
    state: GatewayState,
    /// Why it refused a bundle.
    #[serde(default)]
    error: Option<String>,
    /// Its program's version.
    arc_version: String,
}

/// Report what the gateway decides by.
#[utoipa::path(tag = "gateway", request_body = Report, responses(
    (status = 204, description = "It is kept, in place of the last one"),
    (status = 401, description = "Not the key of an enrolled gateway", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/gateway/reports")]
pub(crate) async fn report_gateway(
    caller: GatewayKey,
    state: Data<State>,
    form: Result<Json<Report>, Problem>,
) -> Result<HttpResponse, Failure> {
    let Json(form) = form?;
    let id = caller.gateway.id;
    let Report { bundle_version, state: word, error, arc_version } = form;
    let report = GatewayReport { bundle_version, state: word, error, arc_version };
    let keep = move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::gateways::report(tx, call, id, report);
    transact(&state, caller.call, keep).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Writes down that a gateway asked, twice a minute at most.
async fn seen(caller: &GatewayKey, state: &Data<State>) -> Result<(), Failure> {
    let now = caller.call.now;
    if caller.gateway.last_seen_at.is_some_and(|last| now.signed_duration_since(last) < SEEN_RESOLUTION) {
        return Ok(());
    }
    let id = caller.gateway.id;
    let note = move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::gateways::seen(tx, call, id);
    Ok(transact(state, caller.call.clone(), note).await?)
}
