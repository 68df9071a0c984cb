//! Signing in and out: an opaque token for twelve hours, in one Account.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Actor, AdminEvent, Call, EmailAddress, Member, Person, Session};
use policy::id::{AccountId, MemberId, PersonId, SessionId};
use serde_json::json;
use store::Tx;

use crate::Error;
use crate::secret::{Kind, Token};

/// How long a session lasts; then its member signs in again.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(12);

/// A member who has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The Account.
    pub account_id: AccountId,
    /// The member.
    pub member_id: MemberId,
    /// The token; shown once.
    pub token: Token,
    /// From when on it counts no longer.
    pub expires_at: DateTime<Utc>,
}

/// Who signs in, as far as the platform knows them. The password is checked outside of any transaction.
pub fn find(tx: &mut Tx<'_>, email: &EmailAddress) -> Result<Option<Person>, Error> {
    Ok(store::people::find_by_email(tx, email)?)
}

/// The Account to sign in to: the one that is named, or the oldest that the person is in.
pub fn choose(
    tx: &mut Tx<'_>,
    person_id: PersonId,
    account_id: Option<AccountId>,
) -> Result<(AccountId, MemberId), Error> {
    let memberships = store::directory::memberships(tx, person_id)?;
    let chosen = match account_id {
        None => memberships.first(),
        Some(named) => memberships.iter().find(|(account_id, _)| *account_id == named),
    };
    chosen.copied().ok_or(WRONG)
}

/// The one answer to a wrong address, password or Account.
pub const WRONG: Error =
    Error::Unauthenticated { code: "wrong_credentials", detail: "the address, the password or the account is wrong" };

/// Signs a member in, whose password was checked.
pub fn create(tx: &mut Tx<'_>, call: &Call, member_id: MemberId) -> Result<SignedIn, Error> {
    let member = store::members::find(tx, member_id)?;
    begin(tx, &Call { actor: Actor::Member(member_id), ..call.clone() }, &member)
}

/// Begins the session of a member of this Account.
pub(crate) fn begin(tx: &mut Tx<'_>, call: &Call, member: &Member) -> Result<SignedIn, Error> {
    let token = Token::draw(Kind::Session, &call.random);
    let session = Session {
        id: SessionId::new(call.uuid()),
        member_id: member.id,
        hash: token.hash(),
        created_at: call.now,
        expires_at: call.now + SESSION_LIFETIME,
    };
    store::sessions::insert(tx, &session)?;
    let event = AdminEvent::new(call, "session.create", &session.id);
    let after = json!({ "member_id": member.id, "expires_at": session.expires_at });
    store::admin_events::append(tx, &event.changing(None, Some(after)))?;
    Ok(SignedIn { account_id: tx.account_id(), member_id: member.id, token, expires_at: session.expires_at })
}

/// Signs out: the token counts no longer.
pub fn delete(tx: &mut Tx<'_>, call: &Call, session: &Session) -> Result<(), Error> {
    store::sessions::delete(tx, session.id)?;
    let before = json!({ "member_id": session.member_id, "expires_at": session.expires_at });
    store::admin_events::append(
        tx,
        &AdminEvent::new(call, "session.delete", &session.id).changing(Some(before), None),
    )?;
    Ok(())
}
