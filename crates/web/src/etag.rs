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

/// The version that the writer last read. The header is required (428); so is a version: `*` would overwrite what
/// nobody read. A weak or foreign tag matches nothing (412).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub u64);

impl IfMatch {
    fn parse(value: &HeaderValue) -> Option<Self> {
        let digits = value.to_str().ok()?.trim().strip_prefix('"')?.strip_suffix('"')?;
        digits.parse().ok().filter(|version: &u64| version.to_string() == digits).map(Self)
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(IF_MATCH);
        ready(match (values.next(), values.next()) {
            (None, _) => Err(required()),
            (Some(value), None) if value == "*" => Err(required()),
            (Some(value), None) => Self::parse(value).ok_or_else(Problem::changed),
            (Some(_), Some(_)) => Err(Problem::changed()),
        })
    }
}

fn required() -> Problem {
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", "If-Match is needed")
        .detail("read it first, and send its ETag as If-Match")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_strong_tags_match() {
        let parse = |text: &'static str| IfMatch::parse(&HeaderValue::from_static(text));
        assert_eq!(parse("\"7\""), Some(IfMatch(7)));
        for text in ["*", "7", "W/\"7\"", "\"07\"", "\"+7\"", "\"\"", "\"7\", \"8\"", "\"x\"", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(etag(7), "\"7\"");
    }
}
