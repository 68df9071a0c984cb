//! The record of a decision, made from the decision itself: what is logged is what is enforced.
//!
//! Invariant: names only. No token, no query value, no body, and no path as it came is ever copied.

use policy::audit::{DecisionRecord, Effect, MAX_FIELD_BYTES, MAX_NAMES, Principal};
use policy::basic::BasicKey;
use policy::bundle::Bundle;
use policy::claims::{Claims, TokenKind};
use policy::decision::{Decision, Related, Verdict};
use policy::operation::Operation;

use crate::bearer::Credential;
use crate::hash::hex;

/// What the record needs beside the decision.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who called, or why nobody counts.
    pub credential: &'a Credential,
    /// The bundle that decided, when there was one.
    pub bundle: Option<&'a Bundle>,
    /// The method as it came.
    pub method: &'a str,
    /// The peer's address.
    pub ip: Option<&'a str>,
    /// How long the decision took.
    pub micros: u64,
}

/// The records of one decision: of the request, and of each entry of a batch after it.
#[must_use]
pub fn decisions(decision: &Decision<'_>, seen: &Seen<'_>) -> Vec<DecisionRecord> {
    let entries = decision.entries.iter().zip(0..).map(|(one, index)| entry(index, one, seen));
    std::iter::once(of_request(decision, seen)).chain(entries).collect()
}

/// The method of an entry is that of its operation; `-` where none was found.
fn entry(index: u32, decision: &Decision<'_>, seen: &Seen<'_>) -> DecisionRecord {
    let found = decision.operation.and_then(|index| operation_at(index, seen.bundle));
    let method = found.map_or("-", |operation| operation.method.as_str());
    // The time is that of the whole batch, and stands in its own record.
    let seen = Seen { method, micros: 0, ..*seen };
    DecisionRecord { entry: Some(index), ..of_request(decision, &seen) }
}

fn of_request(decision: &Decision<'_>, seen: &Seen<'_>) -> DecisionRecord {
    let (effect, status) = match decision.verdict {
        Verdict::Permit => (Effect::Permit, None),
        Verdict::Deny { status, .. } => (Effect::Deny, Some(status)),
        // What nobody decided was not permitted.
        Verdict::Undecided => (Effect::Deny, None),
    };
    let claims = seen.credential.claims();
    let key = seen.bundle.and_then(|bundle| seen.credential.basic_key(bundle));
    DecisionRecord {
        entry: None,
        principal: who(claims, key),
        token_hash: seen.credential.token_hash.map(|hash| hex(&hash)),
        ip: seen.ip.map(cut),
        method: cut(seen.method),
        operation: operation(decision, seen.bundle),
        interaction: decision.interaction.map(|interaction| interaction.as_str().to_owned()),
        resource_type: decision.resource_type.as_deref().map(cut),
        resource_id: decision.resource_id.as_deref().map(cut),
        patient: claims.and_then(|claims| claims.patient.as_deref()).map(cut),
        fields_used: names(decision.fields_used.iter()),
        fields_ignored: names(decision.fields_ignored.iter()),
        effect,
        status,
        reason: decision.reason(),
        phase: decision.phase as u8,
        rules: names(decision.rules.iter()),
        obligations: names(decision.obligations.iter().map(policy::decision::Obligation::name)),
        related: names(decision.related.iter().map(related)),
        micros: seen.micros,
        mode: "enforce".to_owned(),
    }
}

/// The token's caller; the Key of Basic credentials stands beside it, or for itself (I01).
fn who(claims: Option<&Claims>, key: Option<&BasicKey>) -> Principal {
    match (claims, key) {
        (Some(claims), key) => Principal { basic_key_id: key.map(|key| key.id), ..principal(claims) },
        (None, Some(key)) => Principal {
            kind: TokenKind::Key.as_str().to_owned(),
            id: Some(key.id.to_string()),
            account_id: Some(key.account_id),
            ..Principal::default()
        },
        (None, None) => Principal { kind: "anonymous".to_owned(), ..Principal::default() },
    }
}

fn principal(claims: &Claims) -> Principal {
    Principal {
        kind: claims.kind.as_str().to_owned(),
        id: Some(cut(&claims.sub)),
        account_id: claims.account_id,
        client_id: claims.client_id.as_deref().map(cut),
        act: claims.act.as_ref().map(|actor| cut(&actor.sub)),
        act_account_id: claims.act.as_ref().map(|actor| actor.account_id),
        basic_key_id: None,
    }
}

fn operation(decision: &Decision<'_>, bundle: Option<&Bundle>) -> Option<String> {
    operation_at(decision.operation?, bundle).map(|operation| cut(&operation.template.to_string()))
}

fn operation_at(index: u32, bundle: Option<&Bundle>) -> Option<&Operation> {
    bundle?.parts().operations.get(usize::try_from(index).ok()?)
}

/// The verdict on one include: `permit _include=Observation:subject Patient`.
pub(crate) fn related(one: &Related<'_>) -> String {
    let verdict = if one.permit { "permit" } else { "deny" };
    format!("{verdict} {} {}", one.via, one.resource_type)
}

fn names(list: impl Iterator<Item = impl AsRef<str>>) -> Vec<String> {
    list.take(MAX_NAMES).map(|name| cut(name.as_ref())).collect()
}

/// The text, cut at a character's border to what a field may hold.
fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_FIELD_BYTES)).unwrap_or_default().to_owned()
}
