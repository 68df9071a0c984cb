//! `POST /v1/token`: a key for a short access token.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use admin::Platform;
use admin::credential::parse;
use domain::Actor;
use domain::account::PLATFORM;
use issuer::Request;
use issuer::token::{Issued, exchange, unknown_key, used};
use policy::id::{KeyId, ServiceId};
use serde::{Deserialize, Serialize};
use store::directory::Lookup;
use utoipa::ToSchema;
use web::state::State;
use web::{Bearer, Failed, Json, Problem, blocking, read, request, transact};

use crate::refusal::{OauthError, Refusal, unkept};

/// What is asked for; it only narrows what the key holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenForm {
    /// The Service.
    #[schema(example = "svc_01jbst8pvcfp79y0938nkrkayd")]
    service_id: String,
    /// SMART scopes, or ids of custom roles, separated by spaces; all that the key holds if left out.
    #[schema(example = "patient/Observation.rs", max_length = 4096)]
    #[serde(default)]
    scope: Option<String>,
    /// The logical id of the one Patient that `patient/` scopes are for.
    #[serde(default)]
    patient: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// A JWT (RFC 9068), signed with ES256.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// How long it lasts, in seconds.
    expires_in: u32,
    /// What it gives.
    scope: String,
    /// The patient, if its scopes are for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
}

impl From<Issued> for TokenView {
    fn from(issued: Issued) -> Self {
        Self {
            access_token: issued.access_token,
            token_type: "Bearer",
            expires_in: issued.expires_in,
            scope: issued.scope,
            patient: issued.patient,
        }
    }
}

/// Exchange a key for an access token.
///
/// Send the key's secret as the bearer token. The token lasts five minutes, counts at one Service, and holds at most what
/// the key holds there: of a `system/` scope one patient's part can be taken with `patient`.
#[utoipa::path(tag = "tokens", request_body = TokenForm, responses(
    (status = 200, description = "A token", body = TokenView),
    (status = 400, description = "`invalid_request`, `invalid_scope` or `invalid_grant`", body = OauthError),
    (status = 401, description = "`invalid_client`: no such key", body = OauthError)))]
#[post("/v1/token")]
pub(crate) async fn exchange_key(
    request: HttpRequest,
    state: Data<State>,
    form: Result<Json<TokenForm>, Problem>,
) -> Result<HttpResponse, Refusal> {
    let bearer = Bearer::of(request.headers()).map_err(|_| Refusal::Told(unknown_key()))?;
    let bearer = bearer.ok_or(Refusal::NoCredential)?;
    let credential = parse::<KeyId>(bearer.expose()).ok_or_else(|| Refusal::Told(unknown_key()))?;
    let Json(form) = form.map_err(|problem| Refusal::of(&problem))?;
    let service_id: ServiceId =
        form.service_id.parse().map_err(|fault| Refusal::malformed(&format!("`service_id`: {fault}")))?;

    let id = credential.id;
    let found = blocking(&state, move |pool| pool.directory(Lookup::Key(id))).await?;
    let account_id = found.map_or(PLATFORM, |found| found.account_id);
    let call = state.call(account_id, Actor::Key(id), request::id(&request));
    let own = Data::clone(&state);
    let issued = read(&state, call.clone(), move |tx, call| {
        let platform = Platform { sealer: &own.sealer, public_url: &own.public_url };
        let asked = Request { scope: form.scope.as_deref(), patient: form.patient.as_deref() };
        exchange(tx, call, platform, &credential, (service_id, asked))
    })
    .await?;
    if issued.use_is_news {
        let noted: Result<(), Failed<issuer::Error>> = transact(&state, call, move |tx, call| used(tx, call, id)).await;
        if noted.is_err() {
            tracing::warn!(key.id = %id, "the use of a key was not written down");
        }
    }
    Ok(unkept(StatusCode::OK).json(TokenView::from(issued)))
}
