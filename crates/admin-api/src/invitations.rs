//! Invitations of partners, over HTTP; accepting one is open to whoever holds its link.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use admin::invitations::{Accepted, Accepting, New};
use admin::secret::{Kind, Token};
use admin::sessions::WRONG;
use admin::signup::LINK_GONE;
use chrono::{DateTime, Utc};
use domain::{Invitation, Name, Person};
use policy::id::{InvitationId, ServiceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::limit::Budget;
use web::state::State;
use web::{Administrator, Answer, AnyMember, Json, Page, PageQuery, Problem, Retry, once, read, request, transact};

use crate::forms::{login_password, password, path_id, role_names, text};
use crate::{Failure, platform};

/// An invitation.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// Its id.
    #[schema(example = "inv_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// To which Service.
    service_id: String,
    /// Who may accept it.
    email: String,
    /// The ceiling of the subscription that it becomes.
    role_ids: Vec<String>,
    /// `pending`, `accepted`, `expired` or `revoked`.
    #[schema(example = "pending")]
    state: &'static str,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Until when it can be accepted.
    expires_at: DateTime<Utc>,
    /// What it became.
    #[schema(required = true)]
    subscription_id: Option<String>,
}

impl InvitationView {
    fn at(invitation: &Invitation, now: DateTime<Utc>) -> Self {
        Self {
            state: invitation.state_at(now).as_str(),
            id: invitation.id.to_string(),
            service_id: invitation.service_id.to_string(),
            email: invitation.email.to_string(),
            role_ids: invitation.role_ids.iter().map(ToString::to_string).collect(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            subscription_id: invitation.subscription_id.map(|id| id.to_string()),
        }
    }
}

/// Whom to invite, and to what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invite {
    /// A mail address.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// The most that the partner may have: SMART roles by their scope, custom ones by their id.
    #[schema(example = json!(["system/*.rs"]), min_items = 1, max_items = 500)]
    role_ids: Vec<String>,
}

/// Invite a partner to a Service, by mail.
#[utoipa::path(tag = "partners",
    params(("id" = String, Path, description = "`svc_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same answer for 24 hours")),
    request_body = Invite,
    responses(
    (status = 201, description = "The invitation; a mail is on its way", body = InvitationView),
    (status = 422, description = "`unknown_role`, at its place", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services/{id}/invitations")]
pub(crate) async fn create_invitation(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
    retry: Retry,
    Json(form): Json<Invite>,
) -> Result<HttpResponse, Failure> {
    let service_id: ServiceId = path_id(&id)?;
    let new = New { email: text("/email", form.email)?, role_ids: role_names("/role_ids", &form.role_ids)? };
    state.draw(Budget::Mail, new.email.as_str())?;
    let own = Data::clone(&state);
    let (call, now) = (caller.into_call(), state.clock.now());
    let work = move |tx: &mut store::Tx<'_>, call: &domain::Call| {
        admin::invitations::create(tx, call, platform(&own), service_id, new)
    };
    let show = move |invitation| Answer::created(&InvitationView::at(&invitation, now));
    let answer = once(&state, call, retry, work, show).await?;
    state.mail_waits.notify_one();
    Ok(answer)
}

/// List the invitations to a Service, oldest first.
#[utoipa::path(tag = "partners", params(("id" = String, Path, description = "`svc_…`"), PageQuery), responses(
    (status = 200, description = "A page of invitations", body = Page<InvitationView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/invitations")]
pub(crate) async fn list_invitations(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    let service_id: ServiceId = path_id(&id)?;
    let (account, list) = (caller.call.account_id.to_string(), format!("/v1/services/{service_id}/invitations"));
    let page = query.page::<InvitationId>(&state.cursors, &account, &list)?;
    let now = caller.call.now;
    let listed = read(&state, caller.call, move |tx, _| admin::invitations::list(tx, service_id, page)).await?;
    let seal = |last: &InvitationId| state.cursors.seal(&account, &list, last);
    let show = |invitation| InvitationView::at(&invitation, now);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |invitation| invitation.id, show)?))
}

/// Take a pending invitation back.
#[utoipa::path(tag = "partners", params(("id" = String, Path, description = "`inv_…`")), responses(
    (status = 204, description = "Its link is gone"),
    (status = 409, description = "`not_pending`", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[delete("/v1/invitations/{id}")]
pub(crate) async fn revoke_invitation(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    transact(&state, caller.into_call(), move |tx, call| admin::invitations::revoke(tx, call, id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Send a pending invitation again, with a new link and seven more days; the link before is gone.
#[utoipa::path(tag = "partners", params(("id" = String, Path, description = "`inv_…`")), responses(
    (status = 200, description = "The invitation; a mail is on its way", body = InvitationView),
    (status = 409, description = "`not_pending`", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/invitations/{id}/resend")]
pub(crate) async fn resend_invitation(
    caller: Administrator,
    state: Data<State>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let id = path_id(&id)?;
    let (own, call) = (Data::clone(&state), caller.into_call());
    let now = call.now;
    let before = read(&state, call.clone(), move |tx, _| admin::invitations::find(tx, id)).await?;
    state.draw(Budget::Mail, before.email.as_str())?;
    let resend =
        move |tx: &mut store::Tx<'_>, call: &domain::Call| admin::invitations::resend(tx, call, platform(&own), id);
    let invitation = transact(&state, call, resend).await?;
    state.mail_waits.notify_one();
    Ok(HttpResponse::Ok().json(InvitationView::at(&invitation, now)))
}

/// The link's token, and who accepts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// From the link in the mail.
    token: String,
    /// Of a new person, their choice of 12 to 128 characters; of a known one, their own.
    #[serde(default)]
    #[schema(format = "password", max_length = 128)]
    password: Option<String>,
    /// What a new person's organisation is called; a known person accepts for their own account.
    #[serde(default)]
    #[schema(max_length = 64)]
    account_name: Option<String>,
}

/// What accepting made.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedView {
    /// The partner's account.
    account_id: String,
    /// Who accepted.
    member_id: String,
    /// The Service.
    service_id: String,
    /// The subscription to it.
    subscription_id: String,
    /// Send it as `Authorization: Bearer …`. Shown once.
    session_token: String,
    /// Until when it counts.
    expires_at: DateTime<Utc>,
}

impl From<Accepted> for AcceptedView {
    fn from(accepted: Accepted) -> Self {
        Self {
            account_id: accepted.signed_in.account_id.to_string(),
            member_id: accepted.signed_in.member_id.to_string(),
            service_id: accepted.subscription.service_id.to_string(),
            subscription_id: accepted.subscription.id.to_string(),
            session_token: accepted.signed_in.token.expose().to_owned(),
            expires_at: accepted.signed_in.expires_at,
        }
    }
}

/// Accept an invitation: the account that accepts subscribes to the Service.
///
/// Whoever is new gives a password and a name for their account; whoever is known gives their own password, and accepts
/// for the oldest account of which they are owner or admin. The link works once.
#[utoipa::path(tag = "partners", security(()), request_body = Accept, responses(
    (status = 201, description = "The subscription, and a session in the partner's account", body = AcceptedView),
    (status = 401, description = "`wrong_credentials`: the address is known, and this is not its password", body = Problem, content_type = "application/problem+json"),
    (status = 410, description = "The link was used, replaced, taken back, or has expired", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/invitations/accept")]
pub(crate) async fn accept_invitation(
    request: HttpRequest,
    state: Data<State>,
    Json(form): Json<Accept>,
) -> Result<HttpResponse, Failure> {
    let link = Token::parse(Kind::Link, &form.token).ok_or(admin::Error::Gone(LINK_GONE))?.hash();
    let call = state.platform_call(request::id(&request));
    // A password is checked or hashed only for somebody who holds a link, and outside of any transaction.
    let invited = read(&state, call.clone(), move |tx, call| admin::invitations::look_up(tx, call, &link)).await?;
    let accepting = match invited.person {
        Some(person) => known(&state, person, form.password).await?,
        None => new(&state, form.password, form.account_name).await?,
    };
    let own = Data::clone(&state);
    let accepted = transact(&state, call, move |tx, call| {
        admin::invitations::accept(tx, call, platform(&own), (invited.owner, &link), accepting)
    })
    .await?;
    Ok(HttpResponse::Created().json(AcceptedView::from(accepted)))
}

async fn known(state: &Data<State>, person: Person, given: Option<String>) -> Result<Accepting, Failure> {
    state.draw(Budget::Address, person.email.as_str())?;
    let password = login_password(required("/password", given)?).ok_or(WRONG)?;
    let hash = person.password_hash;
    if state.with_password(move || password.verify(Some(&hash))).await? {
        Ok(Accepting::Known(person.id))
    } else {
        Err(WRONG.into())
    }
}

async fn new(state: &Data<State>, given: Option<String>, name: Option<String>) -> Result<Accepting, Failure> {
    let account_name: Name = text("/account_name", required("/account_name", name)?)?;
    let password = password("/password", required("/password", given)?)?;
    let random = state.random.clone();
    let hashed = state.with_password(move || password.hash(&random)).await?;
    let password_hash = hashed.map_err(|_| admin::Error::Internal("a password could not be hashed"))?;
    Ok(Accepting::New { password_hash, account_name })
}

fn required(pointer: &str, value: Option<String>) -> Result<String, admin::Error> {
    value.ok_or_else(|| admin::Error::invalid(pointer, "missing_field", "this is needed"))
}
