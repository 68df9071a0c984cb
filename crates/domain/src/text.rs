//! Texts of people, checked once: names, mail addresses, slugs.

use std::fmt;

/// The most characters of a [`Name`]: it fits one line of a page and of a mail.
pub const MAX_NAME_CHARACTERS: usize = 64;
/// The most bytes of an [`EmailAddress`] (RFC 5321 section 4.5.3.1.3, without the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;
/// The most bytes before the `@` (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;
/// The most bytes of one label of a domain name (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;
/// The most bytes of a [`Slug`]: it is one segment of every URL of a Service.
pub const MAX_SLUG_BYTES: usize = 48;

/// The text breaks the rule of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidText {
    /// What the rule asks for, in words.
    pub expected: &'static str,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $canonical:path, $expected:literal;)*) => {$(
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
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidText;

            fn try_from(text: &str) -> Result<Self, InvalidText> {
                $canonical(text).map(|text| Self(text.into())).ok_or(InvalidText { expected: $expected })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                Self::try_from(text.as_str())
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
    )*};
}

texts! {
    /// What a person calls something: trimmed, 1 to 64 characters, none that hides or reorders text.
    Name: name, "a name of 1 to 64 characters, without control characters";
    /// A mail address in its one canonical form: trimmed, ASCII, lower case.
    ///
    /// Lower case on both sides of the `@`: no provider of note tells `Ann@` from `ann@`, and two people
    /// who differ only in case are an invitation to take the other's place. ASCII only, so that
    /// no letter looks like another; addresses of RFC 6531 are refused. No quoted part, no address
    /// literal, and a domain of two labels or more.
    EmailAddress: email, "a mail address such as `ann@example.org`";
    /// A Service's segment of the URL: lower-case letters, digits, and single hyphens between them.
    Slug: slug, "1 to 48 lower-case letters and digits, with single hyphens between them";
}

impl Slug {
    /// A slug that resembles the name; `service` when nothing of the name is left.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut text = String::new();
        for char in name.chars() {
            match char.to_ascii_lowercase() {
                letter if letter.is_ascii_alphanumeric() => text.push(letter),
                _ if text.is_empty() || text.ends_with('-') => {}
                _ => text.push('-'),
            }
            if text.len() == MAX_SLUG_BYTES {
                break;
            }
        }
        Self::try_from(text.trim_matches('-')).unwrap_or_else(|_| Self("service".into()))
    }

    /// The same slug with `-ending` behind it, cut to fit; for when the plain one is taken.
    #[must_use]
    pub fn with_ending(&self, ending: u32) -> Self {
        let ending = ending.to_string();
        // ASCII only, so any byte is the border of a character.
        let kept = self.0.get(..MAX_SLUG_BYTES - 1 - ending.len()).unwrap_or(&self.0);
        Self(format!("{}-{ending}", kept.trim_end_matches('-')).into())
    }
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count());
    (fits && !text.chars().any(hides_or_reorders)).then(|| text.to_owned())
}

/// Control characters, line and paragraph separators, and those that turn the direction of text.
fn hides_or_reorders(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

fn email(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() > MAX_EMAIL_BYTES {
        return None;
    }
    let (local, domain) = text.split_once('@')?;
    (is_local(local) && is_domain(domain)).then(|| text.clone())
}

/// A dot-atom of RFC 5321 section 4.1.2.
fn is_local(local: &str) -> bool {
    local.len() <= MAX_LOCAL_BYTES
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
        })
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn slug(text: &str) -> Option<String> {
    let fits = text.len() <= MAX_SLUG_BYTES
        && text.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_has_1_to_64_characters() {
        assert_eq!(Name::try_from("  Ann's Clinic ").unwrap().as_str(), "Ann's Clinic");
        assert!(Name::try_from("é".repeat(64)).is_ok());
        for text in ["", "  ", "a\nb", "a\u{0}b", "a\u{202E}b", "a\u{2066}b", "a\u{2028}b", &"x".repeat(65)] {
            assert!(Name::try_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_spellings_of_one_address_are_one_address() {
        for text in ["ann@example.org", " Ann@Example.ORG ", "ANN@EXAMPLE.org"] {
            assert_eq!(EmailAddress::try_from(text).unwrap().as_str(), "ann@example.org");
        }
    }

    #[test]
    fn c03_what_is_not_plainly_one_address_is_refused() {
        for text in [
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@localhost",
            "ann@@example.org",
            "ann@example.org@evil.org",
            "ann@example.org,eve@evil.org",
            "ann@example.org\r\nbcc: eve@evil.org",
            "ann @example.org",
            "\"ann\"@example.org",
            "ann@[127.0.0.1]",
            "ann..b@example.org",
            ".ann@example.org",
            "ann@-example.org",
            "ann@example..org",
            "ann@example.org.",
            "ánn@example.org",
            "ann@еxample.org",
            "<ann@example.org>",
            &format!("{}@example.org", "a".repeat(65)),
            &format!("ann@{}.org", "a".repeat(64)),
            &format!("ann@{}org", "aaaaaaaa.".repeat(30)),
        ] {
            assert!(EmailAddress::try_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_slug_is_made_of_what_is_left_of_a_name() {
        for (name, slug) in [
            ("Ann's FHIR API (R4)", "ann-s-fhir-api-r4"),
            ("  --x--  ", "x"),
            ("日本", "service"),
            ("", "service"),
            (&"ab".repeat(40), &"ab".repeat(24)),
        ] {
            assert_eq!(Slug::from_name(name).as_str(), slug);
            assert_eq!(Slug::try_from(slug).unwrap().as_str(), slug);
        }
        assert_eq!(Slug::from_name("api").with_ending(2).as_str(), "api-2");
        assert!(Slug::from_name(&"ab".repeat(40)).with_ending(u32::MAX).as_str().len() <= MAX_SLUG_BYTES);
        for text in ["", "-", "a--b", "-a", "a-", "A", "a_b", "a/b", "é"] {
            assert!(Slug::try_from(text).is_err(), "{text:?}");
        }
    }
}
