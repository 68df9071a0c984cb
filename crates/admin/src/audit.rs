//! The audit of a Service's gateways: taken in batches, kept for good, and searched.
//!
//! Invariant: an entry is kept under the Service of the gateway that shipped it, and under no other; shipping it twice
//! keeps it once.

use chrono::TimeDelta;
use domain::{Call, Gateway};
use policy::audit::{DecisionRecord, Entry, MAX_BATCH_ENTRIES, MAX_FIELD_BYTES, MAX_NAMES, Principal, Record};
use policy::id::{ServiceId, SubscriptionId};
pub use store::audit::{Filter, Kept, Place, Position};
use store::{Listed, Page, Tx};

use crate::bundles::hex;
use crate::secret::sha256;
use crate::{Error, Fault};

/// How far ahead of the control plane a gateway's clock may be.
const MAX_AHEAD_MINUTES: i64 = 10;
/// What the first entry of a boot has in place of the hash of the one before it.
const FIRST_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Keeps a batch of a gateway, and says which entry is the last one kept; none when there never was one.
pub fn ingest(tx: &mut Tx<'_>, call: &Call, gateway: &Gateway, entries: &[Entry]) -> Result<Option<Position>, Error> {
    let faults = faults(call, gateway, entries);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let broken = entries.windows(2).filter(|pair| matches!(pair, [one, next] if !follows(one, next))).count();
    if broken != 0 {
        tracing::warn!(gateway.id = %gateway.id, broken, "an audit batch does not chain: entries are missing or changed");
    }
    tx.name("audit.ingest");
    store::gateways::seen(tx, gateway.id, call.now)?;
    tx.point("half");
    Ok(store::audit::insert(tx, gateway.service_id, gateway.id, entries, call.now)?)
}

/// Whether the second entry carries the hash of the first; an entry of another boot starts anew.
fn follows(one: &Entry, next: &Entry) -> bool {
    if next.boot != one.boot || next.seq != one.seq.saturating_add(1) {
        return next.boot != one.boot && next.prev_hash == FIRST_HASH;
    }
    serde_json::to_vec(one).is_ok_and(|bytes| hex(&sha256(&bytes)) == next.prev_hash)
}

/// All that is wrong with a batch; a gateway that keeps the rules of an entry sends none of it.
fn faults(call: &Call, gateway: &Gateway, entries: &[Entry]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if entries.len() > MAX_BATCH_ENTRIES {
        let message = format!("a batch has at most {MAX_BATCH_ENTRIES} entries");
        return vec![Fault::new("/entries", "too_many", message)];
    }
    let latest = call.now + TimeDelta::minutes(MAX_AHEAD_MINUTES);
    for (index, entry) in entries.iter().enumerate() {
        let mut fault = |member: &str, code, message: &str| {
            faults.push(Fault::new(format!("/entries/{index}{member}"), code, message));
        };
        if entry.service_id != gateway.service_id {
            fault("/service_id", "other_service", "it is not the Service of this gateway");
        }
        if entry.gateway_id != gateway.id {
            fault("/gateway_id", "other_gateway", "it is not this gateway");
        }
        if entry.at > latest {
            fault("/at", "in_the_future", "it lies in the future: check the gateway's clock");
        }
        if i64::try_from(entry.boot).is_err() || i64::try_from(entry.seq).is_err() {
            fault("/seq", "out_of_range", "boot and seq are below 2^63");
        }
        if entry.prev_hash.len() != FIRST_HASH.len() || !entry.prev_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            fault("/prev_hash", "not_a_hash", "it has 64 hexadecimal digits");
        }
        if let Record::Decision(record) = &entry.record
            && !within_bounds(record)
        {
            let message = format!("a text has at most {MAX_FIELD_BYTES} bytes, and a list {MAX_NAMES} names");
            fault("", "too_long", &message);
        }
    }
    faults
}

fn within_bounds(record: &DecisionRecord) -> bool {
    let DecisionRecord { principal, token_hash, ip, method, operation, interaction, mode, .. } = record;
    let Principal { kind, id, client_id, act, .. } = principal;
    let optional = [token_hash, ip, operation, interaction, id, client_id, act].into_iter().chain([
        &record.resource_type,
        &record.resource_id,
        &record.patient,
    ]);
    let lists = [&record.fields_used, &record.fields_ignored, &record.rules, &record.obligations, &record.related];
    optional.flatten().chain([kind, method, mode]).all(|text| text.len() <= MAX_FIELD_BYTES)
        && lists
            .into_iter()
            .all(|list| list.len() <= MAX_NAMES && list.iter().all(|name| name.len() <= MAX_FIELD_BYTES))
}

/// The entries of a Service of this Account that fit, the newest first.
pub fn search(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    filter: &Filter,
    page: Page<Place>,
) -> Result<Listed<Kept>, Error> {
    store::services::find(tx, service_id)?;
    Ok(store::audit::search(tx, service_id, filter, page)?)
}

/// What this Account itself did at a Service that it subscribes to, the newest first: entries whose principal, or the
/// caller behind it, belongs to this Account. A suspended partner keeps the sight of what it did.
pub fn search_own(
    tx: &mut Tx<'_>,
    subscription_id: SubscriptionId,
    filter: Filter,
    page: Page<Place>,
) -> Result<Listed<Kept>, Error> {
    let subscription = store::subscribed_services::find(tx, subscription_id)?;
    let filter = Filter { account: Some(tx.account_id()), ..filter };
    Ok(tx.as_account(subscription.owner_account_id, |tx| {
        store::audit::search(tx, subscription.service_id, &filter, page)
    })?)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use policy::id::{AuditId, GatewayId, RequestId};
    use uuid::Uuid;

    use super::*;

    fn entry(boot: u64, seq: u64, prev_hash: &str) -> Entry {
        Entry {
            id: AuditId::new(Uuid::from_u128(u128::from(seq))),
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            service_id: ServiceId::new(Uuid::from_u128(1)),
            gateway_id: GatewayId::new(Uuid::from_u128(2)),
            boot,
            seq,
            request_id: RequestId::new(Uuid::from_u128(3)),
            bundle_version: None,
            prev_hash: prev_hash.to_owned(),
            record: Record::Gap { lost: 0 },
        }
    }

    #[test]
    fn e24_a_missing_or_changed_entry_breaks_the_chain() {
        let hash = |entry: &Entry| hex(&sha256(&serde_json::to_vec(entry).unwrap()));
        let first = entry(1, 0, FIRST_HASH);
        let next = entry(1, 1, &hash(&first));
        assert!(follows(&first, &next));
        let changed = Entry { record: Record::Gap { lost: 1 }, ..first.clone() };
        assert!(!follows(&changed, &next), "the first was changed");
        assert!(!follows(&first, &entry(1, 2, &hash(&first))), "one is missing");
        assert!(!follows(&first, &entry(1, 1, FIRST_HASH)), "it starts anew within a boot");
        assert!(follows(&next, &entry(2, 0, FIRST_HASH)), "another boot starts anew");
        assert!(!follows(&next, &entry(2, 0, &hash(&next))));
    }
}
