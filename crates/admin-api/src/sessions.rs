//! Signing in and out, and the account one is signed in to, over HTTP.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use admin::sessions::{SignedIn, WRONG};
use chrono::{DateTime, Utc};
use domain::EmailAddress;
use policy::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::limit::Budget;
use web::state::State;
use web::{AnyMember, Json, Problem, read, request, transact};

use crate::Failure;
use crate::forms::{id, login_password};

/// A session that has just begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedInView {
    /// The account that the session is in.
    #[schema(example = "acct_01jbst8pvcfp79y0938nkrkayd")]
    account_id: String,
    /// Who is signed in.
    #[schema(example = "mem_01jbst8pvcfp79y0938nkrkayd")]
    member_id: String,
    /// Send it as `Authorization: Bearer …`. Shown once.
    session_token: String,
    /// Until when it counts.
    expires_at: DateTime<Utc>,
}

impl From<SignedIn> for SignedInView {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            account_id: signed_in.account_id.to_string(),
            member_id: signed_in.member_id.to_string(),
            session_token: signed_in.token.expose().to_owned(),
            expires_at: signed_in.expires_at,
        }
    }
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// The confirmed address.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// The password.
    #[schema(format = "password", max_length = 128)]
    password: String,
    /// Which account; the oldest one if left out.
    #[serde(default)]
    account_id: Option<String>,
}

/// Sign in.
///
/// The answer to a wrong address, password or account is the same, after the same work.
#[utoipa::path(tag = "sessions", security(()), request_body = LogIn, responses(
    (status = 200, description = "A session of twelve hours", body = SignedInView),
    (status = 401, description = "`wrong_credentials`", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/login")]
pub(crate) async fn log_in(
    request: HttpRequest,
    state: Data<State>,
    Json(form): Json<LogIn>,
) -> Result<HttpResponse, Failure> {
    let account_id: Option<AccountId> = form.account_id.map(|text| id("/account_id", &text)).transpose()?;
    // What is no address or no password is nobody's.
    let email = EmailAddress::try_from(form.email).map_err(|_| WRONG)?;
    let password = login_password(form.password).ok_or(WRONG)?;
    state.draw(Budget::Address, email.as_str())?;
    let call = state.platform_call(request::id(&request));
    let person = read(&state, call.clone(), move |tx, _| admin::sessions::find(tx, &email)).await?;
    let hash = person.as_ref().map(|person| person.password_hash.clone());
    let right = state.with_password(move || password.verify(hash.as_ref())).await?;
    let person = person.filter(|_| right).ok_or(WRONG)?;
    let chosen = read(&state, call.clone(), move |tx, _| admin::sessions::choose(tx, person.id, account_id)).await?;
    let (account_id, member_id) = chosen;
    let create = move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::sessions::create(tx, call, member_id);
    let signed_in = transact(&state, call.within(account_id), create).await?;
    Ok(HttpResponse::Ok().json(SignedInView::from(signed_in)))
}

/// Sign out.
#[utoipa::path(tag = "sessions", responses(
    (status = 204, description = "The token counts no longer"),
    (status = 401, description = "No session", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/logout")]
pub(crate) async fn log_out(caller: AnyMember, state: Data<State>) -> Result<HttpResponse, Failure> {
    let AnyMember { session, call, .. } = caller;
    transact(&state, call, move |tx, call| admin::sessions::delete(tx, call, &session)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountView {
    /// Its id.
    #[schema(example = "acct_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// Its name.
    name: String,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Read the account one is signed in to.
#[utoipa::path(tag = "accounts", responses(
    (status = 200, description = "The caller's account", body = AccountView),
    (status = 401, description = "No session", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/account")]
pub(crate) async fn get_account(caller: AnyMember, state: Data<State>) -> Result<HttpResponse, Failure> {
    let account = read(&state, caller.call, |tx, _| Ok::<_, admin::Error>(store::accounts::get(tx)?)).await?;
    Ok(HttpResponse::Ok().json(AccountView {
        id: account.id.to_string(),
        name: account.name.to_string(),
        created_at: account.created_at,
    }))
}
