//! ETag and If-Match: nobody overwrites what somebody else wrote since they read it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, IF_MATCH};
use actix_web::{FromRequest, HttpRequest};

use crate::problem::Problem;

/// The strong ETag of a row: its version.
#[must_use]
pub fn etag(version: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The version that the writer last read; the header is required (428), and a weak or foreign tag matches nothing (412).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `"7"`.
    Version(u64),
    /// `*`: any version that exists.
    Any,
}

impl IfMatch {
    fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim();
        if text == "*" {
            return Some(Self::Any);
        }
        let digits = text.strip_prefix('"')?.strip_suffix('"')?;
        let canonical = digits.parse().ok().filter(|version: &u64| version.to_string() == digits);
        canonical.map(Self::Version)
    }

    /// The version to write over, when the row has `current`; 412 if it has moved on.
    pub fn check(self, current: u64) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::Version(version) if version == current => Ok(()),
            Self::Version(_) => Err(Problem::changed()),
        }
    }

    /// The version the writer expects; none for any.
    #[must_use]
    pub const fn version(self) -> Option<u64> {
        match self {
            Self::Version(version) => Some(version),
            Self::Any => None,
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(IF_MATCH);
        ready(match (values.next(), values.next()) {
            (None, _) => {
                Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", "If-Match is needed")
                    .detail("read it first, and send its ETag as If-Match"))
            }
            (Some(value), None) => Self::parse(value).ok_or_else(Problem::changed),
            (Some(_), Some(_)) => Err(Problem::changed()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_strong_tags_match() {
        let parse = |text: &'static str| IfMatch::parse(&HeaderValue::from_static(text));
        assert_eq!(parse("\"7\""), Some(IfMatch::Version(7)));
        assert_eq!(parse("*"), Some(IfMatch::Any));
        for text in ["7", "W/\"7\"", "\"07\"", "\"+7\"", "\"\"", "\"7\", \"8\"", "\"x\"", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(etag(7), "\"7\"");
    }
}
