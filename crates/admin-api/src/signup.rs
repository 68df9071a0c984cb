//! Sign-up, over HTTP: open to everybody, and the same for every address.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use admin::secret::{Kind, Token};
use admin::signup::LINK_GONE;
use domain::{EmailAddress, Name};
use serde::{Deserialize, Serialize};
use store::directory::Lookup;
use utoipa::ToSchema;
use web::limit::Budget;
use web::state::State;
use web::{Json, Problem, blocking, request, transact};

use crate::Failure;
use crate::forms::{password, text};
use crate::sessions::SignedInView;

/// Whom to write to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUp {
    /// A mail address.
    #[schema(format = "email", max_length = 254)]
    email: String,
}

/// What happens next.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// For people.
    message: &'static str,
}

/// Ask for an account.
///
/// Writes to the address: a one-use link that works for 24 hours, or that it has an account already. The answer is the
/// same for both.
#[utoipa::path(tag = "sign-up", security(()), request_body = SignUp, responses(
    (status = 202, description = "A mail is on its way", body = Accepted),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/signup")]
pub(crate) async fn sign_up(
    request: HttpRequest,
    state: Data<State>,
    Json(form): Json<SignUp>,
) -> Result<HttpResponse, Failure> {
    let email: EmailAddress = text("/email", form.email)?;
    state.draw(Budget::Mail, email.as_str())?;
    let call = state.platform_call(request::id(&request));
    let own = Data::clone(&state);
    transact(&state, call, move |tx, call| admin::signup::request(tx, call, &own.sealer, &own.public_url, &email))
        .await?;
    state.mail_waits.notify_one();
    Ok(HttpResponse::Accepted().json(Accepted { message: "look into your mail, and open the link" }))
}

/// The link's token, and what the new account is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    /// From the link in the mail.
    token: String,
    /// 12 to 128 characters.
    #[schema(format = "password", min_length = 12, max_length = 128)]
    password: String,
    /// What the organisation is called.
    #[schema(min_length = 1, max_length = 64)]
    account_name: String,
}

/// Confirm the address, and make the account.
///
/// Uses the link. The caller is signed in as the account's first owner.
#[utoipa::path(tag = "sign-up", security(()), request_body = Confirm, responses(
    (status = 201, description = "The account, and a session in it", body = SignedInView),
    (status = 410, description = "The link was used, replaced, or has expired", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/signup/confirm")]
pub(crate) async fn confirm_sign_up(
    request: HttpRequest,
    state: Data<State>,
    Json(form): Json<Confirm>,
) -> Result<HttpResponse, Failure> {
    let name: Name = text("/account_name", form.account_name)?;
    let password = password("/password", form.password)?;
    let link = Token::parse(Kind::Link, &form.token).ok_or(admin::Error::Gone(LINK_GONE))?.hash();
    // A password is hashed only for somebody who holds a link.
    let known = blocking(&state, move |pool| pool.directory(Lookup::Link(&link))).await?;
    known.ok_or(admin::Error::Gone(LINK_GONE))?;
    let random = state.random.clone();
    let hashed = state.with_password(move || password.hash(&random)).await?;
    let hash = hashed.map_err(|_| admin::Error::Internal("a password could not be hashed"))?;
    let call = state.platform_call(request::id(&request));
    let signed_in = transact(&state, call, move |tx, call| admin::signup::confirm(tx, call, &link, hash, name)).await?;
    Ok(HttpResponse::Created().json(SignedInView::from(signed_in)))
}
