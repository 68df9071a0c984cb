//! From texts of a body to the types of the domain: what does not fit is a 422 at its place.

use std::fmt::Display;
use std::str::FromStr;

use admin::password::Password;
use admin::{Error, Fault};
use policy::role::{InvalidRoleName, RoleName};

/// A text with a rule.
pub fn text<T>(pointer: &str, text: String) -> Result<T, Error>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text).map_err(|error| wrong(pointer, &error))
}

/// An id in a body.
pub fn id<T>(pointer: &str, text: &str) -> Result<T, Error>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| wrong(pointer, &error))
}

/// An id in a path: what is none names nothing (404).
pub fn path_id<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::NotFound)
}

/// A new password.
pub fn password(pointer: &str, text: String) -> Result<Password, Error> {
    Password::try_from(text).map_err(|error| wrong(pointer, &error))
}

/// A password to sign in with; one that cannot be anybody's is none.
#[must_use]
pub fn login_password(text: String) -> Option<Password> {
    Password::try_from(text).ok()
}

fn wrong(pointer: &str, error: &dyn Display) -> Error {
    Error::Invalid(vec![Fault::new(pointer, "wrong_value", error.to_string())])
}

/// The ids of roles in a body, each at its place.
pub fn role_names(pointer: &str, texts: &[String]) -> Result<Vec<RoleName>, Error> {
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        text.parse().map_err(|error: InvalidRoleName| {
            Fault::new(format!("{pointer}/{index}"), "wrong_value", error.to_string())
        })
    });
    let (names, faults): (Vec<_>, Vec<_>) = parsed.partition(Result::is_ok);
    if faults.is_empty() {
        return Ok(names.into_iter().flatten().collect());
    }
    Err(Error::Invalid(faults.into_iter().filter_map(Result::err).collect()))
}
