//! Ceilings: what a Subscription allows at most, and whether a role lies within.
//!
//! Invariant: nobody is given what does not lie within, in full. Letters may come from several scopes,
//! because rules form a union; types, context and constraints may not.

use policy::role::RoleName;
use policy::scope::{Context, Scope};

/// Whether whatever the role gives lies within these roles.
#[must_use]
pub fn holds(ceiling: &[RoleName], role: &RoleName) -> bool {
    match role {
        RoleName::Custom(_) => ceiling.contains(role),
        RoleName::Smart(asked) => covers(&scopes(ceiling), asked),
    }
}

/// Whether these scopes together give, letter by letter, all that `asked` gives: in the same context,
/// or of one patient out of a whole system.
pub(crate) fn covers<'a>(given: &(impl Iterator<Item = &'a Scope> + Clone), asked: &Scope) -> bool {
    asked
        .letters()
        .each()
        .all(|letter| asked.limited_to(letter).is_some_and(|one| given.clone().any(|scope| scope.narrows_to(&one))))
}

/// What of `held` lies within the ceiling, in the same context; without a ceiling, all of it.
pub(crate) fn within(held: &Scope, ceiling: Option<&[RoleName]>) -> Vec<Scope> {
    match ceiling {
        None => vec![held.clone()],
        Some(roles) if covers(&of_context(roles, held.context()), held) => vec![held.clone()],
        Some(roles) => scopes(roles).filter_map(|scope| scope.meet(held)).collect(),
    }
}

/// The SMART scopes among these roles.
pub(crate) fn scopes(roles: &[RoleName]) -> impl Iterator<Item = &Scope> + Clone {
    roles.iter().filter_map(|role| match role {
        RoleName::Smart(scope) => Some(scope),
        RoleName::Custom(_) => None,
    })
}

/// The SMART scopes of one context among these roles.
pub(crate) fn of_context(roles: &[RoleName], context: Context) -> impl Iterator<Item = &Scope> + Clone {
    scopes(roles).filter(move |scope| scope.context() == context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> Vec<RoleName> {
        text.split(' ').map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn k15_a_role_lies_within_a_ceiling_that_gives_all_of_it() {
        const ROLE: &str = "role_01jbst8pvcfp79y0938nkrkayd";
        for (ceiling, role, within) in [
            ("system/*.rs", "system/Patient.rs", true),
            ("system/Patient.r system/*.s", "system/Patient.rs", true),
            ("system/*.rs", "patient/Patient.rs", true),
            ("system/Patient.rs", "system/*.rs", false),
            ("system/Patient.rs", "system/Patient.rus", false),
            ("system/Patient.rs system/Observation.rs", "system/*.rs", false),
            ("patient/*.rs", "system/Patient.rs", false),
            ("patient/*.rs", "user/Patient.rs", false),
            ("system/*.cruds", "user/Patient.rs", false),
            ("system/Observation.rs?category=vital-signs", "system/Observation.rs", false),
            ("system/Observation.rs", "system/Observation.rs?category=vital-signs", true),
            (ROLE, ROLE, true),
            (ROLE, "role_01jbst8pvcfp79y0938nkrkaye", false),
            ("system/*.cruds", ROLE, false),
            (ROLE, "system/Patient.r", false),
        ] {
            assert_eq!(holds(&roles(ceiling), &role.parse().unwrap()), within, "{role} within {ceiling}");
        }
        assert!(!holds(&[], &"system/Patient.r".parse().unwrap()), "an empty ceiling gives nothing");
    }
}
