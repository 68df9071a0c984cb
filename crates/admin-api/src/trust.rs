//! Who may assume a role, over HTTP.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, put};
use admin::roles::writable;
use domain::role::{Trust, TrustedAccount};
use domain::{Revision, Role};
use policy::role::RoleName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::state::State;
use web::{Administrator, IfMatch, Json, Problem, etag, read, transact};

use crate::forms::{id, path_id};
use crate::{Failure, platform};

/// The longest session of a role that nobody trusts yet, as it is shown.
const DEFAULT_SECONDS: u32 = 3_600;

/// An account that may assume a role.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustedForm {
    /// Which one.
    #[schema(example = "acct_01jbst8pvcfp79y0938nkrkayd")]
    account_id: String,
    /// What its callers must say: 2 to 128 visible ASCII characters that only the two of you know.
    #[schema(min_length = 2, max_length = 128)]
    external_id: String,
}

/// Who may assume a role.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustForm {
    /// The accounts; nobody if there is none.
    #[schema(max_items = 100)]
    accounts: Vec<TrustedForm>,
    /// The longest session.
    #[schema(minimum = 60, maximum = 3600)]
    max_duration_seconds: u32,
}

impl From<&Role> for TrustForm {
    fn from(role: &Role) -> Self {
        let accounts = role.trust.iter().flat_map(|trust| &trust.accounts);
        Self {
            accounts: accounts
                .map(|one| TrustedForm { account_id: one.account_id.to_string(), external_id: one.external_id.clone() })
                .collect(),
            max_duration_seconds: role.trust.as_ref().map_or(DEFAULT_SECONDS, |trust| trust.max_duration_seconds),
        }
    }
}

fn shown(role: &Role) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag(role.revision.0))).json(TrustForm::from(role))
}

/// Read who may assume a role. External ids are shown: only administrators read them.
#[utoipa::path(tag = "roles", params(("id" = String, Path, description = "`role_…`")), responses(
    (status = 200, description = "The trust, with the role's ETag", body = TrustForm),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/roles/{id}/trust")]
pub(crate) async fn get_trust(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let role_id = writable(&path_id::<RoleName>(&id)?)?;
    let role = read(&state, caller.into_call(), move |tx, _| admin::trusts::find(tx, role_id)).await?;
    Ok(shown(&role))
}

/// Set who may assume a role, in place of who might before.
///
/// An account that is no longer trusted loses its sessions within a second.
#[utoipa::path(tag = "roles",
    params(("id" = String, Path, description = "`role_…`"), ("If-Match" = String, Header, description = "The role's ETag")),
    request_body = TrustForm,
    responses(
    (status = 200, description = "The trust, with the role's ETag", body = TrustForm),
    (status = 412, description = "The role has changed", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "If-Match is needed", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[put("/v1/roles/{id}/trust")]
pub(crate) async fn put_trust(
    caller: Administrator,
    state: Data<State>,
    path: Path<String>,
    expected: IfMatch,
    Json(form): Json<TrustForm>,
) -> Result<HttpResponse, Failure> {
    let place = (writable(&path_id::<RoleName>(&path)?)?, Revision(expected.0));
    let accounts = form.accounts.into_iter().enumerate().map(|(index, one)| {
        let account_id = id(&format!("/accounts/{index}/account_id"), &one.account_id)?;
        Ok::<_, admin::Error>(TrustedAccount { account_id, external_id: one.external_id })
    });
    let trust =
        Trust { accounts: accounts.collect::<Result<_, _>>()?, max_duration_seconds: form.max_duration_seconds };
    let own = Data::clone(&state);
    let role = transact(&state, caller.into_call(), move |tx, call| {
        admin::trusts::put(tx, call, platform(&own), place, trust)
    })
    .await?;
    Ok(shown(&role))
}
