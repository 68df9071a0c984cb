//! Sign-up: a mail with a one-use link, and behind it a person, an Account and its first owner.
//!
//! Invariant: the answer and the work are the same whether the address is known or not; only its owner learns.

use chrono::TimeDelta;
use domain::account::PLATFORM;
use domain::{
    Account, AdminEvent, Call, EmailAddress, Member, MemberRole, Name, PasswordHash, Person, Revision, SecretHash,
};
use policy::id::{AccountId, MemberId, PersonId};
use serde_json::json;
use store::Tx;
use store::seal::Sealer;
use store::single_use::{Purpose, Take};

use crate::Error;
use crate::letter::{Letter, post};
use crate::secret::{Kind, Token};
use crate::sessions::{self, SignedIn};

/// How long the link of a confirmation works.
pub const LINK_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// What is said of a link that does not work; never why.
pub const LINK_GONE: &str = "this link was used, replaced by a newer one, or has expired; ask for a new one";

/// Writes to an address that wants to sign up: a link, or that it has an account already.
pub fn request(
    tx: &mut Tx<'_>,
    call: &Call,
    sealer: &Sealer,
    public_url: &str,
    email: &EmailAddress,
) -> Result<(), Error> {
    tx.name("signup.request");
    let known = store::people::find_by_email(tx, email)?.is_some();
    let token = Token::draw(Kind::Link, &call.random);
    // A known address gets a link too, which leads nowhere and is never sent: the work is the same.
    let payload = json!({ "known": known });
    let expires_at = call.now + LINK_LIFETIME;
    store::single_use::put(tx, Purpose::SignUp, email.as_str(), &token.hash(), &payload, expires_at)?;
    tx.point("half");
    let letter = if known { already(public_url) } else { confirmation(&token) };
    post(tx, call, sealer, email, &letter.write(public_url))?;
    Ok(())
}

fn confirmation(token: &Token) -> Letter<'_> {
    Letter {
        subject: "Confirm your address".into(),
        paragraphs: vec![
            "Somebody, hopefully you, asked for an account at Firewarden with this address.".into(),
            "Confirm it and choose a password. The link works once, for 24 hours.".into(),
        ],
        link: Some(("Confirm the address", "/signup/confirm", token)),
        footer: "If it was not you, do nothing: without the link there is no account.".into(),
    }
}

fn already(public_url: &str) -> Letter<'static> {
    Letter {
        subject: "You have an account already".into(),
        paragraphs: vec![
            "Somebody, hopefully you, asked for an account at Firewarden with this address, which has one already."
                .into(),
            format!("Sign in at {public_url} with your password."),
        ],
        link: None,
        footer: "If it was not you, do nothing: nothing has changed.".into(),
    }
}

/// Confirms an address: uses the link, and makes the person, their Account and its owner, all or nothing.
pub fn confirm(
    tx: &mut Tx<'_>,
    call: &Call,
    link: &SecretHash,
    password_hash: PasswordHash,
    account_name: Name,
) -> Result<SignedIn, Error> {
    let email = match store::single_use::take(tx, Purpose::SignUp, link, call.now)? {
        Take::Taken { subject, payload } if payload == json!({ "known": false }) => {
            EmailAddress::try_from(subject).map_err(|_| Error::Internal("a link holds no address"))?
        }
        Take::Taken { .. } | Take::Gone => return Err(Error::Gone(LINK_GONE)),
    };
    if store::people::find_by_email(tx, &email)?.is_some() {
        return Err(Error::conflict("already_signed_up", "this address has an account already: sign in"));
    }
    let person = Person { id: PersonId::new(call.uuid()), email, password_hash, created_at: call.now };
    store::people::insert(tx, &person)?;
    found_account(tx, call, person.id, account_name)
}

/// Makes an Account with its first owner, signed in.
pub fn found_account(tx: &mut Tx<'_>, call: &Call, person_id: PersonId, name: Name) -> Result<SignedIn, Error> {
    let account = Account { id: AccountId::new(call.uuid()), name, created_at: call.now };
    let owner = Member {
        id: MemberId::new(call.uuid()),
        person_id,
        role: MemberRole::Owner,
        created_at: call.now,
        revision: Revision::FIRST,
    };
    debug_assert_ne!(account.id, PLATFORM);
    tx.as_account(account.id, |tx| {
        let call = Call { actor: domain::Actor::Member(owner.id), ..call.within(account.id) };
        store::accounts::insert(tx, &account)?;
        store::members::insert(tx, &owner)?;
        let event = AdminEvent::new(&call, "account.create", &account.id);
        store::admin_events::append(
            tx,
            &event.changing(None, Some(json!({ "name": account.name, "owner": owner.id }))),
        )?;
        tx.point("half");
        sessions::begin(tx, &call, &owner)
    })
}
