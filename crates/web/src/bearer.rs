//! The bearer token of a request (RFC 6750 section 2.1): read once, hashed, never logged.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest::{SHA256, digest};

use crate::problem::Problem;

/// A longer token is not one of ours; access tokens stay under 4 KiB.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A token as it came. Its text shows nowhere but through [`Bearer::expose`].
#[derive(Clone)]
pub struct Bearer(String);

impl Bearer {
    /// Reads the header; none if it is absent, a 401 if it is there and no bearer token, or twice.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(AUTHORIZATION);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::invalid_token());
        }
        let text = value.to_str().map_err(|_| Problem::invalid_token())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(Problem::invalid_token)?;
        let token_like = !token.is_empty()
            && token.len() <= MAX_TOKEN_BYTES
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if !scheme.eq_ignore_ascii_case("bearer") || !token_like {
            return Err(Problem::invalid_token());
        }
        Ok(Some(Self(token.to_owned())))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, as the database keeps it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// SHA-256, for tokens of 256 random bits: they need no slow hash.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl fmt::Debug for Bearer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Bearer(..)")
    }
}

impl FromRequest for Bearer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request.headers()).and_then(|token| token.ok_or_else(Problem::no_token)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Bearer::of(&headers).map(|token| token.map(|token| token.0)).map_err(|problem| problem.status)
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["Bearer fws_x"]), Ok(Some("fws_x".into())));
        assert_eq!(of(&["bearer a.b-c_d~e+f/g="]), Ok(Some("a.b-c_d~e+f/g=".into())));
        for values in [&["Basic eDp5"][..], &["Bearer"], &["Bearer "], &["Bearer a b"], &["Bearer a", "Bearer a"]] {
            assert_eq!(of(values), Err(401), "{values:?}");
        }
    }

    #[test]
    fn e14_a_token_does_not_show() {
        assert_eq!(format!("{:?}", Bearer("fws_secret".into())), "Bearer(..)");
    }
}
