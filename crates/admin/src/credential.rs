//! The text of machine credentials: `fw_live_<id>_<secret>_<checksum>` for a key, `fw_arc_…` for a gateway.
//!
//! Invariant: a credential has exactly one text. The secret has 256 bits, only its SHA-256 is kept, and two hashes are
//! compared in constant time. The checksum tells a mistyped or cut credential from a wrong one without a look-up, and lets
//! scanners find leaked ones with few false alarms; it protects nothing.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use domain::{Random, SecretHash};
use policy::id::{GatewayId, KeyId};

/// Crockford's alphabet in lower case, as in ids.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bytes of a secret: nobody guesses one, so one fast hash is enough at rest.
const SECRET_BYTES: usize = 32;
/// A longer text is no credential.
const MAX_TEXT_BYTES: usize = 128;

/// What a credential is for, with the ids of that kind.
pub trait Holder: Copy + fmt::Display + std::str::FromStr {
    /// What its credentials start with.
    const BRAND: &'static str;
    /// What its ids start with.
    const PREFIX: &'static str;
}

impl Holder for KeyId {
    const BRAND: &'static str = "fw_live_";
    const PREFIX: &'static str = "key_";
}

impl Holder for GatewayId {
    const BRAND: &'static str = "fw_arc_";
    const PREFIX: &'static str = "arc_";
}

/// A credential as it was sent: whose it says it is, and the hash of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<I> {
    /// Whose it says it is.
    pub id: I,
    /// The hash of its secret.
    pub hash: SecretHash,
}

/// The text of a credential that was just made; shown once, and nowhere else.
pub struct Text(String);

impl Text {
    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Text(..)")
    }
}

/// Draws the secret of this holder: its text, and the hash to keep.
#[must_use]
pub fn draw<I: Holder>(id: I, random: &Random) -> (Text, SecretHash) {
    let secret: [u8; SECRET_BYTES] = random.bytes();
    let id = id.to_string();
    let start = format!("{}{}_{}", I::BRAND, id.strip_prefix(I::PREFIX).unwrap_or(&id), base32(&secret));
    let checksum = checksum(&start);
    (Text(format!("{start}_{checksum}")), hash(&secret))
}

/// Reads a credential in its one spelling; none for anything else.
#[must_use]
pub fn parse<I: Holder>(text: &str) -> Option<Credential<I>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let (start, sum) = text.rsplit_once('_')?;
    if checksum(start) != sum {
        return None;
    }
    let (id, secret) = start.strip_prefix(I::BRAND)?.split_once('_')?;
    let id = format!("{}{id}", I::PREFIX).parse().ok()?;
    Some(Credential { id, hash: hash(&secret_bytes(secret)?) })
}

fn hash(secret: &[u8; SECRET_BYTES]) -> SecretHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret).as_ref());
    SecretHash::new(hash)
}

/// The CRC-32 of the text before it, in seven characters of base32.
fn checksum(text: &str) -> String {
    base32(&crc32fast::hash(text.as_bytes()).to_be_bytes())
}

/// Bytes in groups of five bits, the last one filled up with zeros.
fn base32(bytes: &[u8]) -> String {
    (0..(bytes.len() * 8).div_ceil(5))
        .map(|group| {
            let bits = (0..5).fold(0_usize, |value, bit| {
                let place = group * 5 + bit;
                let byte = bytes.get(place / 8).copied().unwrap_or(0);
                value << 1 | usize::from(byte >> (7 - place % 8) & 1)
            });
            ALPHABET.get(bits).copied().map_or('0', char::from)
        })
        .collect()
}

/// Reads what [`base32`] wrote of a secret, and nothing else.
fn secret_bytes(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let mut bytes = [0_u8; SECRET_BYTES];
    for (group, letter) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|one| *one == letter)?;
        for bit in 0..5 {
            if value >> (4 - bit) & 1 == 1 {
                let place = group * 5 + bit;
                *bytes.get_mut(place / 8)? |= 1 << (7 - place % 8);
            }
        }
    }
    // One spelling only: the right length, and zeros where the last letter has more bits than the secret.
    (base32(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key() -> KeyId {
        KeyId::new(Uuid::from_u128(0x0192_f3a4_5b6c_7d8e_9f01_2345_6789_abcd))
    }

    #[test]
    fn a_credential_reads_back_as_its_id_and_hash() {
        let (text, hash) = draw(key(), &Random::seeded(1));
        let text = text.expose();
        assert!(text.starts_with("fw_live_01jbst8pvcfp79y0938nkrkayd_"), "{text}");
        assert_eq!(text.split('_').map(str::len).collect::<Vec<_>>(), [2, 4, 26, 52, 7]);
        assert_eq!(parse::<KeyId>(text), Some(Credential { id: key(), hash }));
        assert_eq!(parse::<GatewayId>(text), None, "a key is no gateway's");
        let (other, other_hash) = draw(key(), &Random::seeded(2));
        assert_ne!((other.expose(), other_hash), (text, hash));
    }

    #[test]
    fn a17_no_other_text_is_the_same_credential() {
        let (text, _) = draw(key(), &Random::seeded(1));
        let text = text.expose();
        let mut variants: Vec<String> = (0..text.len()).map(|end| text[..end].to_owned()).collect();
        variants.extend((0..text.len()).map(|start| text[start + 1..].to_owned()));
        for (index, _) in text.char_indices() {
            for bit in 0..7 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[index] ^= 1 << bit;
                variants.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        for ending in ["0", "=", " ", "\n", "_", "_0000000", "\0"] {
            variants.push(format!("{text}{ending}"));
            variants.push(format!("{ending}{text}"));
        }
        variants.push(text.to_uppercase());
        variants.push("x".repeat(10_000));
        assert!(variants.len() > 800);
        for variant in variants {
            assert_eq!(parse::<KeyId>(&variant), None, "{variant}");
        }
    }

    #[test]
    fn a17_a_right_checksum_does_not_open_another_spelling() {
        let (text, _) = draw(key(), &Random::seeded(1));
        let (start, _) = text.expose().rsplit_once('_').unwrap();
        let last = start.chars().last().unwrap();
        for other in ALPHABET.iter().map(|byte| char::from(*byte)).filter(|other| *other != last) {
            let forged = format!("{}{other}", &start[..start.len() - 1]);
            let forged = format!("{forged}_{}", checksum(&forged));
            // The last letter carries one bit of the secret: the other bit is another secret, all else is none.
            let read = parse::<KeyId>(&forged);
            assert!(read.is_none() || read.unwrap().hash != parse::<KeyId>(text.expose()).unwrap().hash, "{forged}");
        }
        for forged in [format!("{start}0"), start[..start.len() - 1].to_owned(), start.to_uppercase()] {
            assert_eq!(parse::<KeyId>(&format!("{forged}_{}", checksum(&forged))), None, "{forged}");
        }
    }

    #[test]
    fn e14_the_text_does_not_show() {
        assert_eq!(format!("{:?}", draw(key(), &Random::seeded(1)).0), "Text(..)");
    }
}
