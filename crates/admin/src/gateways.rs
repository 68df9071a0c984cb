//! Gateways: enrolled with a key of their own, which opens one Service's bundle and takes its audit.

use domain::gateway::MAX_REPORTED_ERROR_CHARACTERS;
use domain::{AdminEvent, Call, Gateway, GatewayReport, KeyPurpose, Name, SecretHash};
use policy::id::{GatewayId, ServiceId};
use serde_json::{Value, json};
use store::{Listed, Page, StoreError, Tx};

use crate::credential::{self, Credential, Text};
use crate::{Error, signing_keys};

/// What a gateway is compared with when it is unknown; no secret has this hash.
const DECOY: SecretHash = SecretHash::new([0; 32]);
/// The longest text of a version that is kept.
const MAX_VERSION_CHARACTERS: usize = 64;

/// What is handed to a new gateway, once.
#[derive(Debug)]
pub struct Enrolment {
    /// The gateway.
    pub gateway: Gateway,
    /// Its key.
    pub key: Text,
    /// The keys that sign its Service's bundles: a JWK Set, to be pinned.
    pub bundle_keys: Value,
}

/// Enrols a gateway of a Service of this Account.
pub fn enrol(tx: &mut Tx<'_>, call: &Call, service_id: ServiceId, name: Name) -> Result<Enrolment, Error> {
    store::services::find(tx, service_id)?;
    let id = GatewayId::new(call.uuid());
    let (key, key_hash) = credential::draw(id, &call.random);
    let gateway = Gateway { id, service_id, name, key_hash, created_at: call.now, last_seen_at: None, report: None };
    store::gateways::insert(tx, &gateway)?;
    let event = AdminEvent::new(call, "gateway.enrol", &id)
        .changing(None, Some(json!({ "service_id": service_id, "name": gateway.name })));
    store::admin_events::append(tx, &event)?;
    let bundle_keys = signing_keys::published(tx, service_id, KeyPurpose::Bundle)?;
    Ok(Enrolment { gateway, key, bundle_keys })
}

/// The gateways of a Service of this Account, oldest first.
pub fn list(tx: &mut Tx<'_>, service_id: ServiceId, page: Page<GatewayId>) -> Result<Listed<Gateway>, Error> {
    store::services::find(tx, service_id)?;
    Ok(store::gateways::list(tx, service_id, page)?)
}

/// Takes a gateway off the list: its key opens nothing any more. It goes on with the bundle that it has until that is
/// stale.
pub fn delete(tx: &mut Tx<'_>, call: &Call, service_id: ServiceId, id: GatewayId) -> Result<(), Error> {
    let gateway = store::gateways::find(tx, id)?;
    if gateway.service_id != service_id {
        return Err(Error::NotFound);
    }
    store::gateways::delete(tx, id)?;
    let event = AdminEvent::new(call, "gateway.delete", &id)
        .changing(Some(json!({ "service_id": service_id, "name": gateway.name })), None);
    Ok(store::admin_events::append(tx, &event)?)
}

/// The gateway of this Account whose key that is; none, after the same work, when there is no such gateway or the key is
/// wrong.
pub fn authenticate(tx: &mut Tx<'_>, credential: &Credential<GatewayId>) -> Result<Option<Gateway>, StoreError> {
    let found = match store::gateways::find(tx, credential.id) {
        Ok(gateway) => Some(gateway),
        Err(StoreError::NotFound) => None,
        Err(error) => return Err(error),
    };
    let kept = found.as_ref().map_or(DECOY, |gateway| gateway.key_hash);
    let same = kept == credential.hash;
    Ok(found.filter(|_| same))
}

/// Keeps what a gateway says of itself.
pub fn report(tx: &mut Tx<'_>, call: &Call, id: GatewayId, report: GatewayReport) -> Result<(), Error> {
    let visible = |char: char| if char.is_control() { ' ' } else { char };
    let cut = |text: String, most: usize| text.chars().map(visible).take(most).collect::<String>();
    let report = GatewayReport {
        error: report.error.map(|error| cut(error, MAX_REPORTED_ERROR_CHARACTERS)),
        arc_version: cut(report.arc_version, MAX_VERSION_CHARACTERS),
        ..report
    };
    tx.name("gateway.report");
    Ok(store::gateways::report(tx, id, &report, call.now)?)
}

/// Writes down that a gateway asked for something.
pub fn seen(tx: &mut Tx<'_>, call: &Call, id: GatewayId) -> Result<(), Error> {
    Ok(store::gateways::seen(tx, id, call.now)?)
}
