//! Trust: which Accounts may assume a role, with which external id, for how long.
//!
//! Invariant: an Account that is no longer trusted loses its sessions in the same transaction; they stay ended when it
//! is trusted again.

use domain::role::{MAX_EXTERNAL_ID_CHARACTERS, MAX_TRUSTED_ACCOUNTS, Trust};
use domain::{AdminEvent, Call, Revision, Role};
use oauth::assume::{MAX_SESSION_SECONDS, MIN_SESSION_SECONDS};
use policy::bundle::Revocation;
use policy::id::{AccountId, RoleId};
use serde_json::json;
use store::Tx;

use crate::{Error, Fault, Platform, bundles, revocations};

/// A shorter external id is a guess away.
pub const MIN_EXTERNAL_ID_CHARACTERS: usize = 2;

/// A role of this Account, with its trust.
pub fn find(tx: &mut Tx<'_>, role_id: RoleId) -> Result<Role, Error> {
    Ok(store::roles::find(tx, role_id)?)
}

/// Sets who may assume a role, in place of who might before; a trust without Accounts is none. Publishes when
/// somebody lost it.
pub fn put(
    tx: &mut Tx<'_>,
    call: &Call,
    platform: Platform<'_>,
    (role_id, expected): (RoleId, Revision),
    trust: Trust,
) -> Result<Role, Error> {
    check(&trust)?;
    let before = store::roles::find(tx, role_id)?;
    let trust = Some(trust).filter(|trust| !trust.accounts.is_empty());
    let mut after = Role { trust, updated_at: call.now, ..before.clone() };
    after.revision = store::roles::update(tx, &after, expected)?;

    let mut changed = false;
    for account in accounts(&before).filter(|account| !accounts(&after).any(|one| one == *account)) {
        revocations::end_sessions(tx, call, before.service_id, role_id, account)?;
        revocations::revoke(tx, call, before.service_id, &Revocation::Trust(role_id, account))?;
        changed = true;
    }
    for account in accounts(&after).filter(|account| !accounts(&before).any(|one| one == *account)) {
        changed |= store::revocations::remove(tx, before.service_id, &Revocation::Trust(role_id, account))?;
    }
    let event = AdminEvent::new(call, "role.trust", &role_id).changing(shown(&before), shown(&after));
    store::admin_events::append(tx, &event)?;
    if changed {
        bundles::publish(tx, call, platform, before.service_id)?;
    }
    Ok(after)
}

fn accounts(role: &Role) -> impl Iterator<Item = AccountId> {
    role.trust.iter().flat_map(|trust| &trust.accounts).map(|one| one.account_id)
}

/// The trust as the audit shows it: without the external ids, which are half a secret.
fn shown(role: &Role) -> Option<serde_json::Value> {
    let trust = role.trust.as_ref()?;
    let accounts: Vec<AccountId> = accounts(role).collect();
    Some(json!({ "accounts": accounts, "max_duration_seconds": trust.max_duration_seconds }))
}

fn check(trust: &Trust) -> Result<(), Error> {
    let mut faults = Vec::new();
    if trust.accounts.len() > MAX_TRUSTED_ACCOUNTS {
        let message = format!("a role trusts at most {MAX_TRUSTED_ACCOUNTS} Accounts");
        faults.push(Fault::new("/accounts", "account_count", message));
    }
    if !(MIN_SESSION_SECONDS..=MAX_SESSION_SECONDS).contains(&trust.max_duration_seconds) {
        let message = format!("a session lasts {MIN_SESSION_SECONDS} to {MAX_SESSION_SECONDS} seconds");
        faults.push(Fault::new("/max_duration_seconds", "duration", message));
    }
    for (index, one) in trust.accounts.iter().enumerate() {
        if trust.accounts.iter().take(index).any(|other| other.account_id == one.account_id) {
            let message = format!("{} is listed twice", one.account_id);
            faults.push(Fault::new(format!("/accounts/{index}/account_id"), "listed_twice", message));
        }
        let characters = one.external_id.chars().count();
        let fits = (MIN_EXTERNAL_ID_CHARACTERS..=MAX_EXTERNAL_ID_CHARACTERS).contains(&characters);
        if !fits || !one.external_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!(
                "an external id has {MIN_EXTERNAL_ID_CHARACTERS} to {MAX_EXTERNAL_ID_CHARACTERS} visible ASCII characters"
            );
            faults.push(Fault::new(format!("/accounts/{index}/external_id"), "external_id", message));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}
