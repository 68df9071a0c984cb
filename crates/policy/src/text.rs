//! Short texts with a rule: a value of one of these types keeps it.

use std::fmt;

/// The text breaks the rule of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidText {
    /// What the rule asks for, in words.
    pub expected: &'static str,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $check:path, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether this text would be one, without making it.
            #[must_use]
            pub fn accepts(text: &str) -> bool {
                $check(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidText;

            fn try_from(text: &str) -> Result<Self, InvalidText> {
                if $check(text) { Ok(Self(text.into())) } else { Err(InvalidText { expected: $expected }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                if $check(&text) { Ok(Self(text.into())) } else { Err(InvalidText { expected: $expected }) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::try_from(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                *self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.str(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::try_from(decoder.str()?).map_err(|_| minicbor::decode::Error::message(concat!("expected ", $expected)))
            }
        }
    )*};
}

texts! {
    /// A FHIR resource type, of R4 or of a Service's own.
    TypeName: is_type_name, "a resource type: an upper-case letter, then up to 63 letters or digits";
    /// The logical id of a FHIR resource (R4 `id`).
    FhirId: is_fhir_id, "1 to 64 characters of `A-Z a-z 0-9 . -`";
}

fn is_type_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 64
        && bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
}

fn is_fhir_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_name_starts_with_an_upper_case_letter() {
        assert!(TypeName::accepts("Patient"));
        for text in ["", "patient", "Pa tient", "Patient/1", "$everything", "_history", "É"] {
            assert!(TypeName::try_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fhir_id_has_no_separator() {
        assert!(FhirId::accepts("a.B-9"));
        for text in ["", "a/b", "a_b", "a%", "é", &"x".repeat(65)] {
            assert!(!FhirId::accepts(text), "{text}");
        }
    }
}
