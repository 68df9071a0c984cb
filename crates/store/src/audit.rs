//! What gateways decided: kept for good under the Service, found by time, principal, patient, decision and reason.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use policy::audit::{Effect, Entry, Record};
use policy::id::{AccountId, AuditId, GatewayId, RequestId, ServiceId};
use policy::reason::Reason;

use crate::error::StoreError;
use crate::multi::dual;
use crate::page::{Listed, Page};
use crate::schema::audit_entries;
use crate::tx::Tx;
use crate::types::{At, Id, checked, count, storable};

const WHAT: &str = "audit entry";

/// Where a row stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its time.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: AuditId,
}

/// What is searched for; every part that is there must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// At this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub to: Option<DateTime<Utc>>,
    /// The `sub` of the caller.
    pub principal: Option<String>,
    /// The Account that the caller belongs to, or that assumed the role.
    pub account: Option<AccountId>,
    /// Permit or deny.
    pub decision: Option<Effect>,
    /// Why.
    pub reason: Option<Reason>,
    /// The resource type.
    pub resource_type: Option<String>,
    /// The patient context of the token.
    pub patient: Option<String>,
    /// The request: its decision and its outcome.
    pub request_id: Option<RequestId>,
}

/// One entry, and when it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The entry as the gateway wrote it.
    pub entry: Entry,
    /// When the control plane took it.
    pub received_at: DateTime<Utc>,
}

/// The last entry of a gateway that is kept; what it ships next follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The gateway's start.
    pub boot: u64,
    /// The entry within it.
    pub seq: u64,
}

#[derive(Insertable)]
#[diesel(table_name = audit_entries, treat_none_as_default_value = false)]
struct NewRow {
    account_id: Id,
    id: Id,
    service_id: Id,
    gateway_id: Id,
    boot: i64,
    seq: i64,
    at: At,
    received_at: At,
    request_id: Id,
    principal: Option<String>,
    principal_account_id: Option<Id>,
    act_account_id: Option<Id>,
    decision: Option<String>,
    reason: Option<String>,
    resource_type: Option<String>,
    patient: Option<String>,
    entry: String,
}

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Deny => "deny",
    }
}

impl NewRow {
    fn new(own: Id, entry: &Entry, received_at: DateTime<Utc>) -> Result<Self, StoreError> {
        let decision = match &entry.record {
            Record::Decision(decision) => Some(decision),
            Record::Outcome(_) | Record::Gap { .. } => None,
        };
        let reason = match &entry.record {
            Record::Decision(decision) => decision.reason,
            Record::Outcome(outcome) => outcome.reason,
            Record::Gap { .. } => None,
        };
        Ok(Self {
            account_id: own,
            id: entry.id.into(),
            service_id: entry.service_id.into(),
            gateway_id: entry.gateway_id.into(),
            boot: i64::try_from(entry.boot).map_err(|_| StoreError::Conflict(WHAT))?,
            seq: i64::try_from(entry.seq).map_err(|_| StoreError::Conflict(WHAT))?,
            at: entry.at.into(),
            received_at: received_at.into(),
            request_id: entry.request_id.into(),
            principal: decision.and_then(|decision| decision.principal.id.as_deref().map(storable)),
            principal_account_id: decision.and_then(|decision| decision.principal.account_id.map(Id::from)),
            act_account_id: decision.and_then(|decision| decision.principal.act_account_id.map(Id::from)),
            decision: decision.map(|decision| word(decision.effect).to_owned()),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            resource_type: decision.and_then(|decision| decision.resource_type.as_deref().map(storable)),
            patient: decision.and_then(|decision| decision.patient.as_deref().map(storable)),
            entry: serde_json::to_string(entry).map_err(|_| StoreError::Corrupt(WHAT))?,
        })
    }
}

/// Keeps what a gateway of this account shipped. An entry that is there already is left as it is, so that a
/// batch may be shipped again; returns the gateway's last position that is kept.
///
/// `Conflict("audit entry")`, and nothing is kept, when an entry names another Service or gateway, or has the id of
/// another entry.
pub fn insert(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    gateway_id: GatewayId,
    entries: &[Entry],
    received_at: DateTime<Utc>,
) -> Result<Option<Position>, StoreError> {
    let own = tx.own();
    if entries.iter().any(|entry| entry.service_id != service_id || entry.gateway_id != gateway_id) {
        return Err(StoreError::Conflict(WHAT));
    }
    let rows =
        entries.iter().map(|entry| NewRow::new(own, entry, received_at)).collect::<Result<Vec<_>, StoreError>>()?;
    if !rows.is_empty() {
        tx.run(WHAT, |connection| {
            dual!(connection, c => diesel::insert_into(audit_entries::table)
                .values(&rows)
                .on_conflict((
                    audit_entries::account_id,
                    audit_entries::gateway_id,
                    audit_entries::boot,
                    audit_entries::seq,
                ))
                .do_nothing()
                .execute(c))
        })?;
    }
    position(tx, gateway_id)
}

/// The last entry of a gateway that is kept; none before the first.
pub fn position(tx: &mut Tx<'_>, gateway_id: GatewayId) -> Result<Option<Position>, StoreError> {
    let own = tx.own();
    let last: Option<(i64, i64)> = tx.run(WHAT, |connection| {
        audit_entries::table
            .filter(audit_entries::account_id.eq(own))
            .filter(audit_entries::gateway_id.eq(Id::from(gateway_id)))
            .order((audit_entries::boot.desc(), audit_entries::seq.desc()))
            .select((audit_entries::boot, audit_entries::seq))
            .first(connection)
            .optional()
    })?;
    last.map(|(boot, seq)| Ok(Position { boot: count(boot, WHAT)?, seq: count(seq, WHAT)? })).transpose()
}

/// The entries of a Service that fit, the newest first.
pub fn search(
    tx: &mut Tx<'_>,
    service_id: ServiceId,
    filter: &Filter,
    page: Page<Place>,
) -> Result<Listed<Kept>, StoreError> {
    use audit_entries::dsl;

    let own = tx.own();
    let mut query = dsl::audit_entries
        .filter(dsl::account_id.eq(own))
        .filter(dsl::service_id.eq(Id::from(service_id)))
        .order((dsl::at.desc(), dsl::id.desc()))
        .limit(page.sql_limit())
        .select((dsl::entry, dsl::received_at))
        .into_boxed();
    if let Some(Place { at, id }) = page.after {
        let (at, id) = (At::from(at), Id::from(id));
        query = query.filter(dsl::at.lt(at).or(dsl::at.eq(at).and(dsl::id.lt(id))));
    }
    if let Some(from) = filter.from {
        query = query.filter(dsl::at.ge(At::from(from)));
    }
    if let Some(to) = filter.to {
        query = query.filter(dsl::at.lt(At::from(to)));
    }
    if let Some(principal) = &filter.principal {
        query = query.filter(dsl::principal.eq(storable(principal)));
    }
    if let Some(account) = filter.account.map(Id::from) {
        query = query.filter(dsl::principal_account_id.eq(account).or(dsl::act_account_id.eq(account)));
    }
    if let Some(effect) = filter.decision {
        query = query.filter(dsl::decision.eq(word(effect)));
    }
    if let Some(reason) = filter.reason {
        query = query.filter(dsl::reason.eq(reason.as_str()));
    }
    if let Some(resource_type) = &filter.resource_type {
        query = query.filter(dsl::resource_type.eq(storable(resource_type)));
    }
    if let Some(patient) = &filter.patient {
        query = query.filter(dsl::patient.eq(storable(patient)));
    }
    if let Some(request_id) = filter.request_id {
        query = query.filter(dsl::request_id.eq(Id::from(request_id)));
    }
    let rows: Vec<(String, At)> = tx.run(WHAT, |connection| query.load(connection))?;
    page.cut(rows).try_map(|(entry, received_at)| {
        Ok(Kept { entry: checked(serde_json::from_str(&entry), WHAT)?, received_at: received_at.into() })
    })
}
