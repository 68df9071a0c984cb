//! What no longer counts at a Service's gateways, though its tokens have not expired.
//!
//! Invariant: a revocation stands as long as the longest token that it ends may last, and reaches gateways in the
//! bundle that is published in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use domain::Call;
use oauth::assume::MAX_SESSION_SECONDS;
use policy::bundle::Revocation;
use policy::claims::LEEWAY_SECONDS;
use policy::id::{AccountId, RoleId, ServiceId};
use store::{MAX_PAGE, Page, Tx};

use crate::Error;

/// The most pages of sessions that are looked at: 200,000 sessions of one role in one hour.
const MAX_PAGES: usize = 1_000;

/// Until when a revocation of now has to stand: by then every token that it ends has expired everywhere.
fn until(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(i64::from(MAX_SESSION_SECONDS) + 2 * LEEWAY_SECONDS)
}

/// Revokes something at a Service of this Account; publish afterwards.
pub fn revoke(tx: &mut Tx<'_>, call: &Call, service_id: ServiceId, revocation: &Revocation) -> Result<(), Error> {
    store::revocations::sweep(tx, service_id, call.now)?;
    Ok(store::revocations::put(tx, service_id, revocation, until(call.now))?)
}

/// Ends the live sessions of a role whose caller is that partner, one by one, so that they stay ended if the partner is
/// trusted again within the hour.
pub(crate) fn end_sessions(
    tx: &mut Tx<'_>,
    call: &Call,
    service_id: ServiceId,
    role_id: RoleId,
    partner: AccountId,
) -> Result<(), Error> {
    let mut page = Page::first(MAX_PAGE);
    for _ in 0..MAX_PAGES {
        let listed = store::role_sessions::list(tx, role_id, page)?;
        for session in listed.items.iter().filter(|session| session.partner_account_id == partner) {
            if session.expires_at > call.now {
                store::revocations::put(tx, service_id, &Revocation::RoleSession(session.id), until(call.now))?;
            }
        }
        // The newest come first, and none lasts longer than the longest.
        let oldest = call.now - TimeDelta::seconds(i64::from(MAX_SESSION_SECONDS));
        match listed.items.last() {
            Some(last) if listed.more && last.created_at > oldest => page = Page::after(last.id, MAX_PAGE),
            _ => return Ok(()),
        }
    }
    Err(Error::Internal("a role has more live sessions than can be ended one by one"))
}
