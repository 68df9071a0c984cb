//! Invitations: a partner, asked by mail to subscribe to a Service.
//!
//! Invariant: an invitation is accepted once, before it expires, and only by whoever reads the mail of the invited
//! address: a new person becomes that address, a known one must also give their own password.

use chrono::TimeDelta;
use domain::{
    Actor, AdminEvent, Call, EmailAddress, Invitation, InvitationState, MemberRole, Name, PasswordHash, Person,
    Revision, SecretHash, Service, Subscription, SubscriptionState,
};
use policy::id::{AccountId, InvitationId, MemberId, PersonId, ServiceId, SubscriptionId};
use policy::role::RoleName;
use serde_json::json;
use store::directory::Lookup;
use store::single_use::{Purpose, Take};
use store::{Listed, Page, StoreError, Tx};

use crate::letter::{Letter, post};
use crate::secret::{Kind, Token};
use crate::sessions::{self, SignedIn};
use crate::signup::{LINK_GONE, found_account};
use crate::{Error, Platform, bundles, ceilings};

/// How long the link of an invitation works.
pub const LIFETIME: TimeDelta = TimeDelta::days(7);

/// Who is to be invited, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Whom.
    pub email: EmailAddress,
    /// The ceiling of the Subscription that it becomes.
    pub role_ids: Vec<RoleName>,
}

/// Invites a partner to a Service of this Account.
pub fn create(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service_id: ServiceId,
    new: New,
) -> Result<Invitation, Error> {
    let service = store::services::find(tx, service_id)?;
    let invitation = Invitation {
        id: InvitationId::new(call.uuid()),
        service_id,
        email: new.email,
        role_ids: ceilings::check(tx, &service, new.role_ids)?,
        state: InvitationState::Pending,
        created_at: call.now,
        expires_at: call.now + LIFETIME,
        subscription_id: None,
        revision: Revision::FIRST,
    };
    store::invitations::insert(tx, &invitation)?;
    let event = AdminEvent::new(call, "invitation.create", &invitation.id).changing(None, Some(shown(&invitation)));
    store::admin_events::append(tx, &event)?;
    tx.point("half");
    send(tx, call, platform, &service, &invitation)?;
    Ok(invitation)
}

/// The invitations to a Service of this Account, oldest first.
pub fn list(tx: &mut Tx<'_>, service_id: ServiceId, page: Page<InvitationId>) -> Result<Listed<Invitation>, Error> {
    store::services::find(tx, service_id)?;
    Ok(store::invitations::list(tx, service_id, page)?)
}

/// One invitation of this Account.
pub fn find(tx: &mut Tx<'_>, id: InvitationId) -> Result<Invitation, Error> {
    Ok(store::invitations::find(tx, id)?)
}

/// Takes a pending invitation back; its link is gone.
pub fn revoke(tx: &mut Tx<'_>, call: &Call, id: InvitationId) -> Result<(), Error> {
    let before = store::invitations::find(tx, id)?;
    store::invitations::revoke(tx, id).map_err(not_pending)?;
    let event = AdminEvent::new(call, "invitation.revoke", &id).changing(Some(shown(&before)), None);
    store::admin_events::append(tx, &event)?;
    tx.point("half");
    store::single_use::revoke(tx, Purpose::Invitation, &id.to_string())?;
    Ok(())
}

/// Sends a pending invitation again, expired or not, with a new link and more time; the link before is gone.
pub fn resend(tx: &mut Tx<'_>, call: &Call, platform: Platform<'_>, id: InvitationId) -> Result<Invitation, Error> {
    let before = store::invitations::find(tx, id)?;
    store::invitations::renew(tx, id, call.now + LIFETIME).map_err(not_pending)?;
    let invitation = store::invitations::find(tx, id)?;
    let service = store::services::find(tx, invitation.service_id)?;
    send(tx, call, platform, &service, &invitation)?;
    let event =
        AdminEvent::new(call, "invitation.resend", &id).changing(Some(shown(&before)), Some(shown(&invitation)));
    store::admin_events::append(tx, &event)?;
    Ok(invitation)
}

fn not_pending(error: StoreError) -> Error {
    match error {
        StoreError::NotFound => Error::conflict("not_pending", "the invitation was accepted or revoked already"),
        other => other.into(),
    }
}

fn shown(invitation: &Invitation) -> serde_json::Value {
    let Invitation { service_id, email, role_ids, expires_at, .. } = invitation;
    json!({ "service_id": service_id, "email": email, "role_ids": role_ids, "expires_at": expires_at })
}

/// Keeps a new link, and puts the letter that holds it into the outbox.
fn send(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    service: &Service,
    invitation: &Invitation,
) -> Result<(), Error> {
    let token = Token::draw(Kind::Link, &call.random);
    let subject = invitation.id.to_string();
    let expires_at = invitation.expires_at;
    store::single_use::put(tx, Purpose::Invitation, &subject, &token.hash(), &json!({}), expires_at)?;
    let owner = store::accounts::get(tx)?;
    let letter = Letter {
        subject: format!("{} invites you to use {}", owner.name, service.name),
        paragraphs: vec![
            format!("{} invites you to use its API \"{}\" through Firewarden.", owner.name, service.name),
            "Accept with your own account, or choose a password and a name for a new one. The link works once, for 7 days."
                .into(),
        ],
        link: Some(("Accept the invitation", "/invitations/accept", &token)),
        footer: "If you did not expect this, do nothing: without the link nothing happens.".into(),
    };
    post(tx, call, platform.sealer, &invitation.email, &letter.write(platform.public_url))?;
    Ok(())
}

/// Who holds a link that works: the invited address, and the person who has it, if there is one.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The Account that invites.
    pub owner: AccountId,
    /// The person with the invited address.
    pub person: Option<Person>,
}

/// Looks at a link without using it: the password is checked, or hashed, before the transaction that accepts.
pub fn look_up(tx: &mut Tx<'_>, call: &Call, link: &SecretHash) -> Result<Invited, Error> {
    let found = store::directory::find(tx, Lookup::Link(link))?.ok_or(Error::Gone(LINK_GONE))?;
    let email = tx.as_account(found.account_id, |tx| {
        let subject = store::single_use::peek(tx, Purpose::Invitation, link, call.now)?;
        let id = invitation_id(&subject.ok_or(Error::Gone(LINK_GONE))?)?;
        Ok::<_, Error>(store::invitations::find(tx, id)?.email)
    })?;
    Ok(Invited { owner: found.account_id, person: store::people::find_by_email(tx, &email)? })
}

fn invitation_id(subject: &str) -> Result<InvitationId, Error> {
    subject.parse().map_err(|_| Error::Internal("a link holds no invitation"))
}

/// How somebody accepts; made after the password was checked or hashed.
#[derive(Clone, Debug)]
pub enum Accepting {
    /// A new person, with the name of their new Account.
    New {
        /// The hash of the password that they chose.
        password_hash: PasswordHash,
        /// Their new Account.
        account_name: Name,
    },
    /// A known person, whose own password was given.
    Known(PersonId),
}

/// Who accepted, and what it became.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The partner's member, signed in.
    pub signed_in: SignedIn,
    /// The Subscription.
    pub subscription: Subscription,
}

/// Accepts an invitation: uses the link, makes the Subscription on both sides (and the person with their Account, if they
/// are new), signs the partner in, and publishes; all or nothing.
pub fn accept(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (owner, link): (AccountId, &SecretHash),
    accepting: Accepting,
) -> Result<Accepted, Error> {
    let id = SubscriptionId::new(call.uuid());
    let invitation = tx.as_account(owner, |tx| take(tx, call, link, id))?;
    let signed_in = partner(tx, call, &invitation.email, accepting)?;
    let (partner, actor) = (signed_in.account_id, Actor::Member(signed_in.member_id));
    if partner == owner {
        return Err(Error::conflict("own_service", "the Service is of your own Account: it needs no Subscription"));
    }
    let subscription = Subscription {
        id,
        service_id: invitation.service_id,
        owner_account_id: owner,
        partner_account_id: partner,
        role_ids: invitation.role_ids,
        state: SubscriptionState::Active,
        created_at: call.now,
        updated_at: call.now,
        revision: Revision::FIRST,
    };
    let after = json!({
        "service_id": subscription.service_id, "owner": owner, "partner": partner, "role_ids": subscription.role_ids,
    });
    tx.as_account(owner, |tx| {
        let call = Call { actor, ..call.within(owner) };
        store::subscriptions::insert(tx, &subscription).map_err(already_subscribed)?;
        let event = AdminEvent::new(&call, "invitation.accept", &invitation.id).changing(None, Some(after.clone()));
        store::admin_events::append(tx, &event)?;
        bundles::publish(tx, &call, platform, subscription.service_id).map(drop)
    })?;
    tx.as_account(partner, |tx| {
        let call = Call { actor, ..call.within(partner) };
        let event = AdminEvent::new(&call, "subscription.create", &id).changing(None, Some(after));
        store::admin_events::append(tx, &event)
    })?;
    Ok(Accepted { signed_in, subscription })
}

/// Uses the link and marks its invitation; expiry is part of both statements.
fn take(tx: &mut Tx<'_>, call: &Call, link: &SecretHash, id: SubscriptionId) -> Result<Invitation, Error> {
    let Take::Taken { subject, .. } = store::single_use::take(tx, Purpose::Invitation, link, call.now)? else {
        return Err(Error::Gone(LINK_GONE));
    };
    let invitation = store::invitations::find(tx, invitation_id(&subject)?)?;
    match store::invitations::accept(tx, invitation.id, id, call.now) {
        Ok(()) => Ok(invitation),
        Err(StoreError::NotFound) => Err(Error::Gone(LINK_GONE)),
        Err(error) => Err(error.into()),
    }
}

fn already_subscribed(error: StoreError) -> Error {
    match error {
        StoreError::Conflict(_) => {
            Error::conflict("already_subscribed", "your Account subscribes to this Service already")
        }
        other => other.into(),
    }
}

/// The partner's member, signed in: of a new Account, or of the oldest one that the person may speak for.
fn partner(tx: &mut Tx<'_>, call: &Call, email: &EmailAddress, accepting: Accepting) -> Result<SignedIn, Error> {
    match accepting {
        Accepting::New { password_hash, account_name } => {
            let person =
                Person { id: PersonId::new(call.uuid()), email: email.clone(), password_hash, created_at: call.now };
            store::people::insert(tx, &person)?;
            found_account(tx, call, person.id, account_name)
        }
        Accepting::Known(id) => {
            // The link names the address; a person with another one cannot use it, whatever the caller checked.
            if store::people::find(tx, id)?.email != *email {
                return Err(Error::Gone(LINK_GONE));
            }
            for (account_id, member_id) in store::directory::memberships(tx, id)? {
                let may = tx.as_account(account_id, |tx| may_subscribe(tx, member_id))?;
                if may {
                    let call = call.within(account_id);
                    return tx.as_account(account_id, |tx| sessions::create(tx, &call, member_id));
                }
            }
            Err(Error::Forbidden {
                code: "not_an_administrator",
                detail: "you are neither owner nor administrator of any Account; ask one of yours to accept".into(),
            })
        }
    }
}

fn may_subscribe(tx: &mut Tx<'_>, member_id: MemberId) -> Result<bool, Error> {
    Ok(matches!(store::members::find(tx, member_id)?.role, MemberRole::Owner | MemberRole::Admin))
}
