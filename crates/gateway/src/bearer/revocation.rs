//! Whether a token that verifies no longer counts.

use policy::bundle::Revocation;
use policy::claims::{Claims, TokenKind};

/// Whether the bundle's list, which is sorted, names the token, its key, session, role, or Account.
pub(super) fn revoked(list: &[Revocation], claims: &Claims) -> bool {
    if list.is_empty() {
        return false;
    }
    let named = |revocation: Revocation| list.binary_search(&revocation).is_ok();
    let caller = claims.act.as_ref().map(|actor| actor.account_id);
    let assumed = || claims.role_ids.iter().filter(|_| claims.kind == TokenKind::AssumedRole);
    claims.jti.parse().is_ok_and(|token| named(Revocation::Token(token)))
        || claims.key_id.is_some_and(|key| named(Revocation::Key(key)))
        || claims.role_session_id.is_some_and(|session| named(Revocation::RoleSession(session)))
        || claims.account_id.into_iter().chain(caller).any(|account| named(Revocation::Account(account)))
        || assumed().any(|role| named(Revocation::Role(*role)))
        || assumed().any(|role| caller.is_some_and(|caller| named(Revocation::Trust(*role, caller))))
}
