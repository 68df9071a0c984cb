//! `POST /v1/assume-role`: a key's access token for the session of a role that trusts its Account.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use admin::Platform;
use domain::Name;
use issuer::assume::{Assumed, Request, assume};
use policy::id::RoleId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::state::State;
use web::{Bearer, Json, Problem, request, transact};

use crate::refusal::{OauthError, Refusal, unkept};

/// Which role, as whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssumeForm {
    /// The role.
    #[schema(example = "role_01jbst8pvcfp79y0938nkrkayd")]
    role_id: String,
    /// What the session is called in the audit.
    #[schema(example = "nightly-report", min_length = 1, max_length = 64)]
    session_name: String,
    /// What the role's owner expects of the caller's Account.
    #[schema(max_length = 128)]
    external_id: String,
    /// How long the session lasts; 900 if left out, 3600 at most, less if the role says so.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 3600)]
    duration_seconds: Option<u32>,
}

/// A session's token.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssumedView {
    /// A JWT (RFC 9068), signed with ES256; `act` names the caller.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// How long it lasts, in seconds.
    expires_in: u32,
    /// The role.
    role_id: String,
    /// The session: the token's `sub`.
    session_id: String,
}

impl From<Assumed> for AssumedView {
    fn from(assumed: Assumed) -> Self {
        Self {
            access_token: assumed.access_token,
            token_type: "Bearer",
            expires_in: assumed.expires_in,
            role_id: assumed.role_id.to_string(),
            session_id: assumed.session_id.to_string(),
        }
    }
}

/// Assume a role.
///
/// Send an access token from `POST /v1/token` as the bearer token. The session belongs to the role's owner, holds that
/// role only, and cannot assume another. Every want of trust is the same refusal.
#[utoipa::path(tag = "tokens", request_body = AssumeForm, responses(
    (status = 200, description = "A session's token", body = AssumedView),
    (status = 400, description = "`invalid_request`", body = OauthError),
    (status = 401, description = "`invalid_token`: the access token does not count", body = OauthError),
    (status = 403, description = "`access_denied`: no such role trusts this Account", body = OauthError)))]
#[post("/v1/assume-role")]
pub(crate) async fn assume_role(
    request: HttpRequest,
    state: Data<State>,
    form: Result<Json<AssumeForm>, Problem>,
) -> Result<HttpResponse, Refusal> {
    let bearer = Bearer::of(request.headers()).map_err(|_| Refusal::invalid_token())?;
    let bearer = bearer.ok_or(Refusal::NoCredential)?;
    let Json(form) = form.map_err(|problem| Refusal::of(&problem))?;
    let role_id: RoleId = form.role_id.parse().map_err(|fault| Refusal::malformed(&format!("`role_id`: {fault}")))?;
    let session_name =
        Name::try_from(form.session_name).map_err(|fault| Refusal::malformed(&format!("`session_name`: {fault}")))?;
    let asked =
        Request { role_id, session_name, external_id: form.external_id, duration_seconds: form.duration_seconds };

    let call = state.platform_call(request::id(&request));
    let own = Data::clone(&state);
    let assumed = transact(&state, call, move |tx, call| {
        let platform = Platform { sealer: &own.sealer, public_url: &own.public_url };
        assume(tx, call, platform, bearer.expose(), asked)
    })
    .await?;
    Ok(unkept(StatusCode::OK).json(AssumedView::from(assumed)))
}
