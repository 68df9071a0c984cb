//! What of a key's roles goes into one access token.
//!
//! Invariant: a token only narrows. Each permission in it lies within what the key holds *and* within the
//! Subscription's ceiling; `patient/` scopes are taken out of `system/` scopes, for one named patient.

use policy::id::RoleId;
use policy::role::RoleName;
use policy::scope::{self, Context, Scope, Word};
use policy::text::FhirId;

use crate::ceiling::{covers, of_context, scopes, within};
use crate::error::{ErrorCode, Quoted, TokenError};

/// More words than this in one `scope` are refused: the longest in use have about forty.
pub const MAX_SCOPE_WORDS: usize = 200;
/// The longest `scope` that is read and granted, so that a token stays under the 8 KiB that servers take in a header.
pub const MAX_SCOPE_BYTES: usize = 4 * 1024;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Scopes, or ids of custom roles, space-separated; all that the key holds when left out.
    pub scope: Option<&'a str>,
    /// The one patient to narrow to.
    pub patient: Option<&'a str>,
}

/// What goes into a token: scopes or custom roles, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// SMART scopes, each as it was asked for (a v1 scope stays one).
    Scopes(Vec<String>),
    /// Custom roles.
    Roles(Vec<RoleId>),
}

/// What a caller is given; only [`narrow`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    permissions: Permissions,
    patient: Option<FhirId>,
}

impl Granted {
    /// Scopes or roles.
    #[must_use]
    pub const fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The patient that `patient/` scopes are for.
    #[must_use]
    pub const fn patient(&self) -> Option<&FhirId> {
        self.patient.as_ref()
    }

    /// The `scope` of the answer (RFC 6749 section 5.1): the scopes, or the ids of the roles.
    #[must_use]
    pub fn scope(&self) -> String {
        match &self.permissions {
            Permissions::Scopes(words) => words.join(" "),
            Permissions::Roles(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Narrows what a key holds in one Service to what is asked for.
///
/// `ceiling` is the Subscription's; none for the owner's own keys. Errors: `invalid_scope` for a word that is
/// unknown, malformed or not held (backends are told, S10), `invalid_request` for a patient that is missing,
/// malformed or without effect.
pub fn narrow(held: &[RoleName], ceiling: Option<&[RoleName]>, request: Request<'_>) -> Result<Granted, TokenError> {
    let patient = request.patient.map(patient_id).transpose()?;
    let permissions = match request.scope {
        Some(scope) => asked(held, ceiling, scope, patient.is_some())?,
        None => everything(held, ceiling, patient.is_some())?,
    };
    let granted = Granted { permissions, patient };
    if granted.scope().len() > MAX_SCOPE_BYTES {
        return Err(invalid_scope(&format!(
            "all of it would make the token longer than servers take; name at most {MAX_SCOPE_BYTES} bytes in `scope`"
        )));
    }
    Ok(granted)
}

fn patient_id(text: &str) -> Result<FhirId, TokenError> {
    FhirId::try_from(text).map_err(|fault| {
        invalid_request(&format!("`patient` is the logical id of one Patient, without `Patient/`: {fault}"))
    })
}

/// Exactly the words that were asked for, each within what is held and within the ceiling.
fn asked(
    held: &[RoleName],
    ceiling: Option<&[RoleName]>,
    text: &str,
    for_patient: bool,
) -> Result<Permissions, TokenError> {
    if text.len() > MAX_SCOPE_BYTES {
        return Err(invalid_scope(&format!("`scope` is longer than {MAX_SCOPE_BYTES} bytes")));
    }
    let (mut smart, mut custom): (Vec<(Scope, &str)>, Vec<RoleId>) = (Vec::new(), Vec::new());
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > MAX_SCOPE_WORDS {
        return Err(invalid_scope(&format!(
            "`scope` needs 1 to {MAX_SCOPE_WORDS} words; leave it out for all that the key holds"
        )));
    }
    for word in words {
        if let Ok(id) = word.parse::<RoleId>() {
            if !custom.contains(&id) {
                custom.push(role(held, ceiling, id)?);
            }
        } else {
            let scope = smart_scope(word)?;
            permit(held, ceiling, &scope, for_patient)?;
            if !smart.iter().any(|(one, _)| *one == scope) {
                smart.push((scope, word));
            }
        }
    }
    match (smart.is_empty(), custom.is_empty()) {
        (false, false) => Err(two_kinds()),
        (true, _) if for_patient => Err(patient_without_effect()),
        (true, _) => Ok(Permissions::Roles(custom)),
        (false, true) if for_patient && !smart.iter().any(|(one, _)| one.context() == Context::Patient) => {
            Err(patient_without_effect())
        }
        (false, true) => Ok(Permissions::Scopes(smart.into_iter().map(|(_, word)| word.to_owned()).collect())),
    }
}

/// Reads a word of `scope`; one that is no resource scope is refused, not dropped, because a machine can mend its request.
fn smart_scope(word: &str) -> Result<Scope, TokenError> {
    let refused = |why: &str| Err(invalid_scope(&format!("{} {why}", Quoted(word))));
    match scope::words(word).next() {
        Some(Word::Resource(scope)) => Ok(scope),
        Some(Word::Invalid(_, fault)) => refused(&fault.to_string()),
        Some(Word::Extension(_) | Word::Other(_)) | None => {
            refused("is neither a SMART scope such as `system/Patient.rs` nor the id of a role (`role_...`)")
        }
    }
}

fn role(held: &[RoleName], ceiling: Option<&[RoleName]>, id: RoleId) -> Result<RoleId, TokenError> {
    let name = RoleName::Custom(id);
    if held.contains(&name) && ceiling.is_none_or(|roles| roles.contains(&name)) {
        Ok(id)
    } else {
        Err(not_held(&id.to_string()))
    }
}

/// Whether a key may have this scope in a token of its own.
fn permit(held: &[RoleName], ceiling: Option<&[RoleName]>, asked: &Scope, for_patient: bool) -> Result<(), TokenError> {
    match asked.context() {
        Context::User => return Err(needs_a_person(asked)),
        Context::Patient if !for_patient => {
            return Err(invalid_request(&format!(
                "{} needs `patient`, the id of one Patient",
                Quoted(&asked.to_string())
            )));
        }
        Context::Patient | Context::System => {}
    }
    // Only `system/` counts here: a `patient/` scope of the key or of the ceiling is for a person's own launch, and a
    // machine that may name the patient itself would have the whole system.
    let given = |roles: &[RoleName]| covers(&of_context(roles, Context::System), asked);
    if given(held) && ceiling.is_none_or(given) {
        return Ok(());
    }
    let name = asked.to_string();
    if scopes(held).any(|own| own.contains(asked)) {
        return Err(needs_a_launch(&name));
    }
    Err(not_held(&name))
}

/// All that a key holds of one kind.
fn everything(held: &[RoleName], ceiling: Option<&[RoleName]>, for_patient: bool) -> Result<Permissions, TokenError> {
    let custom: Vec<RoleId> = held
        .iter()
        .filter(|name| ceiling.is_none_or(|roles| roles.contains(name)))
        .filter_map(|name| if let RoleName::Custom(id) = name { Some(*id) } else { None })
        .collect();
    let smart: Vec<Scope> = of_context(held, Context::System).flat_map(|scope| within(scope, ceiling)).collect();
    match (smart.is_empty(), custom.is_empty()) {
        (false, false) => Err(two_kinds()),
        (true, false) if for_patient => Err(patient_without_effect()),
        (true, false) => Ok(Permissions::Roles(custom)),
        (true, true) => Err(nothing(held)),
        (false, true) => {
            let scopes = shortest(smart).into_iter();
            let scopes = scopes.filter_map(|one| if for_patient { one.of_one_patient() } else { Some(one) });
            Ok(Permissions::Scopes(scopes.map(|scope| scope.to_string()).collect()))
        }
    }
}

/// The scopes without those that another one contains.
fn shortest(scopes: Vec<Scope>) -> Vec<Scope> {
    let mut kept: Vec<Scope> = Vec::with_capacity(scopes.len());
    for scope in scopes {
        if !kept.iter().any(|one| one.contains(&scope)) {
            kept.retain(|one| !scope.contains(one));
            kept.push(scope);
        }
    }
    kept
}

fn invalid_scope(description: &str) -> TokenError {
    TokenError::new(ErrorCode::InvalidScope, description)
}

fn invalid_request(description: &str) -> TokenError {
    TokenError::new(ErrorCode::InvalidRequest, description)
}

fn not_held(name: &str) -> TokenError {
    invalid_scope(&format!(
        "the key does not hold {} in this Service, or the Subscription no longer allows it",
        Quoted(name)
    ))
}

fn two_kinds() -> TokenError {
    invalid_scope("SMART scopes and custom roles do not go into one token; name one kind in `scope`")
}

fn patient_without_effect() -> TokenError {
    invalid_request(
        "`patient` narrows `system/` scopes to one patient; ask for a `patient/` scope, or leave `patient` out",
    )
}

fn needs_a_person(asked: &Scope) -> TokenError {
    let name = asked.to_string();
    invalid_scope(&format!("{} needs a person who signs in; a key can ask for `system/` scopes", Quoted(&name)))
}

fn needs_a_launch(name: &str) -> TokenError {
    invalid_scope(&format!(
        "{} alone needs a person who launches an app; a key takes it out of the same `system/` scope, which it does not hold",
        Quoted(name)
    ))
}

fn nothing(held: &[RoleName]) -> TokenError {
    if held.is_empty() {
        invalid_scope("the key holds no role in this Service; assign one with PUT /v1/keys/{id}/roles")
    } else if scopes(held).any(|scope| scope.context() == Context::System)
        || held.iter().any(|name| matches!(name, RoleName::Custom(_)))
    {
        invalid_scope("the Subscription no longer allows any role that the key holds")
    } else {
        invalid_scope(
            "the key holds only `patient/` or `user/` scopes, which need a person; assign a `system/` scope or a custom role to it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "role_01jbst8pvcfp79y0938nkrkayd";
    const TWO: &str = "role_01jbst8pvcfp79y0938nkrkaye";

    fn roles(text: &str) -> Vec<RoleName> {
        text.split(' ').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
    }

    /// `scope` or the error's code, for a key that holds `held` under `ceiling` (`-`: none) and asks for `scope` and `patient` (`-`: nothing).
    fn check(held: &str, ceiling: &str, scope: &str, patient: &str) -> Result<String, &'static str> {
        let ceiling = Some(ceiling).filter(|text| *text != "-").map(roles);
        let request = Request {
            scope: Some(scope).filter(|text| *text != "-"),
            patient: Some(patient).filter(|text| *text != "-"),
        };
        narrow(&roles(held), ceiling.as_deref(), request)
            .map(|granted| granted.scope())
            .map_err(|error| error.code().as_str())
    }

    #[test]
    fn s11_a_token_only_narrows_what_the_key_holds() {
        for (held, ceiling, scope, patient, expected) in [
            // all that it holds
            ("system/Patient.rs", "-", "-", "-", Ok("system/Patient.rs")),
            ("system/Patient.r system/Patient.rs", "-", "-", "-", Ok("system/Patient.rs")),
            (ONE, "-", "-", "-", Ok(ONE)),
            ("system/Patient.rs patient/Patient.rs", "-", "-", "-", Ok("system/Patient.rs")),
            // a part of it
            ("system/*.rs", "-", "system/Patient.r", "-", Ok("system/Patient.r")),
            ("system/*.rs", "-", "system/Patient.r system/Patient.r", "-", Ok("system/Patient.r")),
            ("system/Patient.r system/*.s", "-", "system/Patient.rs", "-", Ok("system/Patient.rs")),
            (&format!("{ONE} {TWO}"), "-", TWO, "-", Ok(TWO)),
            (&format!("system/*.rs {ONE}"), "-", ONE, "-", Ok(ONE)),
            // v1 asked, v1 returned
            ("system/*.rs", "-", "system/Patient.read", "-", Ok("system/Patient.read")),
            // more than it holds
            ("system/Patient.rs", "-", "system/Patient.rus", "-", Err("invalid_scope")),
            ("system/Patient.rs", "-", "system/*.rs", "-", Err("invalid_scope")),
            ("system/Patient.rs", "-", "system/Patient.r system/Observation.r", "-", Err("invalid_scope")),
            (ONE, "-", TWO, "-", Err("invalid_scope")),
            ("system/Observation.rs?category=laboratory", "-", "system/Observation.rs", "-", Err("invalid_scope")),
            // nothing at all
            ("", "-", "-", "-", Err("invalid_scope")),
            ("system/Patient.rs", "-", "", "-", Err("invalid_scope")),
            ("system/Patient.rs", "-", "  ", "-", Err("invalid_scope")),
        ] {
            assert_eq!(check(held, ceiling, scope, patient), expected.map(str::to_owned), "{held} asked for {scope}");
        }
    }

    #[test]
    fn c2_scopes_and_custom_roles_do_not_go_into_one_token() {
        let both = format!("system/Patient.rs {ONE}");
        for scope in ["-", &both] {
            assert_eq!(check(&both, "-", scope, "-"), Err("invalid_scope"), "{scope}");
        }
    }

    #[test]
    fn s10_an_unknown_or_malformed_word_is_refused_and_not_dropped() {
        for word in [
            "openid",
            "launch/patient",
            "offline_access",
            "__billing.read",
            "system/Patient.sr",
            "system/Patient.",
            "SYSTEM/Patient.r",
            "system/Patient.rs?",
            "*/Patient.rs",
            "role_",
            "role_x",
            "sytem/Patient.r",
            "système/Patient.r",
        ] {
            for scope in [word.to_owned(), format!("system/Patient.r {word}")] {
                assert_eq!(check("system/*.cruds", "-", &scope, "-"), Err("invalid_scope"), "{scope}");
            }
        }
        let many = vec!["system/Patient.r"; MAX_SCOPE_WORDS + 1].join(" ");
        assert_eq!(check("system/*.cruds", "-", &many, "-"), Err("invalid_scope"));
    }

    #[test]
    fn s11_a_patient_scope_is_taken_out_of_a_system_scope_for_one_patient() {
        for (held, ceiling, scope, patient, expected) in [
            ("system/*.rs", "-", "patient/Observation.rs", "p1", Ok("patient/Observation.rs")),
            ("system/*.rs", "-", "-", "p1", Ok("patient/*.rs")),
            (
                "system/*.rs",
                "-",
                "patient/Observation.rs system/Organization.r",
                "p1",
                Ok("patient/Observation.rs system/Organization.r"),
            ),
            ("system/*.rs", "-", "patient/Observation.rs", "-", Err("invalid_request")),
            ("system/*.rs", "-", "system/Observation.rs", "p1", Err("invalid_request")),
            (ONE, "-", "-", "p1", Err("invalid_request")),
            (ONE, "-", ONE, "p1", Err("invalid_request")),
            ("system/*.rs", "-", "patient/Observation.cruds", "p1", Err("invalid_scope")),
            ("patient/*.rs", "-", "patient/Observation.rs", "p1", Err("invalid_scope")),
            ("system/*.rs", "patient/*.rs", "patient/Observation.rs", "p1", Err("invalid_scope")),
            ("system/Patient.r patient/*.rs", "-", "patient/Observation.rs", "p1", Err("invalid_scope")),
            ("system/*.rs", "-", "patient/Observation.rs", "Patient/p1", Err("invalid_request")),
            ("system/*.rs", "-", "patient/Observation.rs", "", Err("invalid_request")),
            ("system/*.rs", "-", "patient/Observation.rs", "p1 p2", Err("invalid_request")),
            ("system/*.rs", "-", "patient/Observation.rs", "*", Err("invalid_request")),
        ] {
            assert_eq!(
                check(held, ceiling, scope, patient),
                expected.map(str::to_owned),
                "{held} asked for {scope} of {patient}"
            );
        }
    }

    #[test]
    fn c8_a_key_cannot_use_what_needs_a_person() {
        for (held, scope) in [
            ("patient/Patient.rs", "-"),
            ("patient/Patient.rs user/*.cruds", "-"),
            ("user/*.cruds", "user/Patient.r"),
            ("system/*.cruds", "user/Patient.r"),
        ] {
            assert_eq!(check(held, "-", scope, "-"), Err("invalid_scope"), "{held} asked for {scope}");
        }
        let error = narrow(&roles("patient/Patient.rs"), None, Request::default()).unwrap_err();
        assert!(error.description().contains("need a person; assign a `system/` scope"), "{error}");
    }

    #[test]
    fn s10_the_ceiling_of_today_counts_and_not_that_of_the_assignment() {
        for (held, ceiling, scope, expected) in [
            ("system/*.cruds", "system/Patient.rs", "-", Ok("system/Patient.rs")),
            ("system/*.rs", "system/*.rs?_security=N", "-", Ok("system/*.rs?_security=N")),
            ("system/Patient.rs", "system/Patient.r system/Patient.s", "-", Ok("system/Patient.rs")),
            ("system/*.cruds", "system/Patient.rs", "system/Patient.rs", Ok("system/Patient.rs")),
            ("system/*.cruds", "system/Patient.rs", "system/Patient.c", Err("invalid_scope")),
            ("system/Patient.rs", "system/Observation.rs", "-", Err("invalid_scope")),
            ("system/Patient.rs", "", "-", Err("invalid_scope")),
            (ONE, TWO, "-", Err("invalid_scope")),
            (ONE, TWO, ONE, Err("invalid_scope")),
            (ONE, ONE, ONE, Ok(ONE)),
        ] {
            assert_eq!(check(held, ceiling, scope, "-"), expected.map(str::to_owned), "{held} under {ceiling}");
        }
    }

    #[test]
    fn a_token_stays_short_enough_for_a_header() {
        let held: Vec<RoleName> = (0..200).map(|index| format!("system/Type{index:060}.rs").parse().unwrap()).collect();
        let error = narrow(&held, None, Request::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidScope);
    }
}
