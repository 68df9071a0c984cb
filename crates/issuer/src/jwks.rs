//! The public keys of a Service's tokens.

use admin::signing_keys;
use domain::{KeyPurpose, Slug};
use policy::id::ServiceId;
use serde_json::Value;
use store::Tx;
use store::directory::{Lookup, find};

use crate::Error;

/// The JWK Set of the Service with that slug (RFC 7517 section 5); none when there is no such Service.
pub fn published(tx: &mut Tx<'_>, slug: &Slug) -> Result<Option<Value>, Error> {
    let Some(found) = find(tx, Lookup::Slug(slug))? else { return Ok(None) };
    let set = tx.as_account(found.account_id, |tx| {
        signing_keys::published(tx, ServiceId::new(found.target), KeyPurpose::Token)
    })?;
    Ok(Some(set))
}
