//! Basic credentials (RFC 7617): user = a Key's id, password = its whole text, `fw_live_<id>_<secret>_<checksum>`.
//!
//! Invariant: credentials have one spelling. A Key that is not there costs what a wrong secret costs and has the same
//! reason, `unknown_key`; the secret's hash is compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use policy::Reason;
use policy::basic::BasicKey;
use policy::bundle::{Parts, Revocation};
use policy::id::KeyId;
use subtle::ConstantTimeEq;

use crate::hash::sha256;

/// What a Key's text starts with.
const BRAND: &str = "fw_live_";
/// Crockford's alphabet in lower case, as in ids.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SECRET_BYTES: usize = 32;

/// The index of the Key whose credentials these are.
pub(super) fn verify(parts: &Parts, credentials: &str) -> Result<usize, Reason> {
    let (id, hash) = read(credentials).ok_or(Reason::MalformedToken)?;
    let found = parts.basic_keys.binary_search_by(|key| key.id.cmp(&id)).ok();
    let key = found.and_then(|index| parts.basic_keys.get(index));
    // Without a Key the hash is compared all the same, with one that no secret has.
    let right = key.map_or(&[0; 32], |key| &key.secret_hash).ct_eq(&hash);
    let (Some(index), Some(key), true) = (found, key, bool::from(right)) else { return Err(Reason::UnknownKey) };
    if revoked(&parts.revocations, key) { Err(Reason::Revoked) } else { Ok(index) }
}

/// Whether the bundle's list, which is sorted, names the Key or its Account.
fn revoked(list: &[Revocation], key: &BasicKey) -> bool {
    [Revocation::Key(key.id), Revocation::Account(key.account_id)].iter().any(|one| list.binary_search(one).is_ok())
}

/// The id, and the hash of the secret; none for any other spelling.
fn read(credentials: &str) -> Option<(KeyId, [u8; 32])> {
    let bytes = STANDARD.decode(credentials).ok()?;
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let id: KeyId = user.parse().ok()?;
    let (start, sum) = password.rsplit_once('_')?;
    let (owner, secret) = start.strip_prefix(BRAND)?.split_once('_')?;
    let own = user.strip_prefix(KeyId::PREFIX)?.strip_prefix('_')? == owner;
    let right = own && base32(&crc32fast::hash(start.as_bytes()).to_be_bytes()) == sum;
    Some((id, sha256(&secret_bytes(secret).filter(|_| right)?)))
}

/// Bytes in groups of five bits, the last one filled up with zeros.
fn base32(bytes: &[u8]) -> String {
    let bit = |place: usize| bytes.get(place / 8).is_some_and(|byte| byte >> (7 - place % 8) & 1 == 1);
    let group = |group: usize| (0..5).fold(0, |value, place| value << 1 | usize::from(bit(group * 5 + place)));
    let letter = |index: usize| ALPHABET.get(index).copied().map_or('0', char::from);
    (0..(bytes.len() * 8).div_ceil(5)).map(|index| letter(group(index))).collect()
}

/// Reads the one spelling of a secret.
fn secret_bytes(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let mut bytes = [0_u8; SECRET_BYTES];
    for (group, letter) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|one| *one == letter)?;
        for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
            let place = group * 5 + bit;
            *bytes.get_mut(place / 8)? |= 1 << (7 - place % 8);
        }
    }
    // The right length, and zeros where the last letter has more bits than the secret.
    (base32(&bytes) == text).then_some(bytes)
}

/// The text of a Key with this secret, as the control plane writes it.
#[cfg(test)]
pub(super) fn text(id: KeyId, secret: &[u8; SECRET_BYTES]) -> String {
    let id = id.to_string();
    let start = format!("{BRAND}{}_{}", &id[4..], base32(secret));
    format!("{start}_{}", base32(&crc32fast::hash(start.as_bytes()).to_be_bytes()))
}
