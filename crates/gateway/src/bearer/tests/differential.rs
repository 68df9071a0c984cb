//! Our reading of a token against that of `jsonwebtoken`: the same tokens count.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What is done to a right token.
#[derive(Clone, Debug)]
enum Mutation {
    /// Nothing.
    Same,
    /// Cut off at a place.
    Truncate(prop::sample::Index),
    /// One bit turned.
    Flip(prop::sample::Index, u8),
    /// A byte put in.
    Insert(prop::sample::Index, u8),
    /// A part of the three left out, doubled, or padded.
    Part(usize, &'static str, &'static str),
    /// Signed rightly under a header that names another algorithm.
    Algorithm(&'static str),
    /// Signed rightly, with another `kid`.
    Kid(String),
    /// Signed rightly, with one more member in the header.
    Header(&'static str, Value),
    /// Signed rightly, with one claim changed.
    Claim(&'static str, Value),
    /// Signed by a stranger.
    Stranger,
    /// Signed with HMAC under the public key.
    Hmac(&'static str),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(|text| json!(text)),
        select(vec![json!(null), json!(true), json!([]), json!({}), json!(BASE), json!([BASE]), json!(["x", BASE])]),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let names = select(vec!["aud", "iss", "sub", "exp", "nbf", "jti", "scope", "unknown"]);
    let algorithms = vec!["none", "None", "HS256", "HS384", "RS256", "ES384", "EdDSA", "PS256", "es256", "ES256"];
    let members = select(vec!["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "cty", "x5t", "unknown", "typ"]);
    prop_oneof![
        1 => Just(Mutation::Same),
        4 => any::<prop::sample::Index>().prop_map(Mutation::Truncate),
        8 => (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(place, bit)| Mutation::Flip(place, bit)),
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(place, byte)| Mutation::Insert(place, byte)),
        2 => (0..3_usize, select(vec!["", "=", "A", "."]), select(vec!["", "=", "==", "A", ".", "\n"]))
            .prop_map(|(part, before, after)| Mutation::Part(part, before, after)),
        2 => select(algorithms).prop_map(Mutation::Algorithm),
        2 => prop_oneof![select(vec!["k1", "K1", "../k1", "k1\0", "", "' OR 1"]).prop_map(str::to_owned), any::<String>()]
            .prop_map(Mutation::Kid),
        2 => (members, value()).prop_map(|(name, value)| Mutation::Header(name, value)),
        4 => (names, value()).prop_map(|(name, value)| Mutation::Claim(name, value)),
        1 => Just(Mutation::Stranger),
        1 => select(vec!["ES256", "HS256"]).prop_map(Mutation::Hmac),
    ]
}

struct World {
    fixture: Fixture,
    snapshot: Snapshot,
    stranger: SigningKey,
    theirs: jsonwebtoken::DecodingKey,
    rules: jsonwebtoken::Validation,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let fixture = Fixture::new();
    let theirs = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(fixture.key.jwk()).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[BASE]);
    rules.set_issuer(&[ISSUER]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    (rules.validate_exp, rules.validate_nbf) = (false, false);
    World { snapshot: fixture.snapshot(1), stranger: SigningKey::es256("k1"), fixture, theirs, rules }
});

fn mutated(world: &World, mutation: &Mutation) -> Vec<u8> {
    let key = &world.fixture.key;
    let signed = |header: &Value, claims: &Value| {
        key.sign_raw(header.to_string().as_bytes(), claims.to_string().as_bytes()).into_bytes()
    };
    let under = |name: &str, value: Value| {
        let mut own = key.header("at+jwt");
        own[name] = value;
        signed(&own, &claims())
    };
    let mut token = world.fixture.token(&claims()).into_bytes();
    match mutation {
        Mutation::Same => {}
        Mutation::Truncate(place) => token.truncate(place.index(token.len())),
        Mutation::Flip(place, bit) => {
            let place = place.index(token.len());
            token[place] ^= 1 << bit;
        }
        Mutation::Insert(place, byte) => token.insert(place.index(token.len()), *byte),
        Mutation::Part(part, before, after) => {
            let text = String::from_utf8(token).unwrap();
            let mut parts: Vec<_> = text.split('.').map(str::to_owned).collect();
            parts[*part] = format!("{before}{}{after}", parts[*part]);
            token = parts.join(".").into_bytes();
        }
        Mutation::Algorithm(name) => token = under("alg", json!(name)),
        Mutation::Kid(kid) => token = under("kid", json!(kid)),
        Mutation::Header(name, value) => token = under(name, value.clone()),
        Mutation::Claim(name, value) => token = signed(&key.header("at+jwt"), &with(name, value.clone())),
        Mutation::Stranger => token = world.stranger.sign("at+jwt", &claims()).into_bytes(),
        Mutation::Hmac(name) => {
            let header = json!({"alg": name, "typ": "at+jwt", "kid": "k1"});
            token = sign_hs256(key.jwk().to_string().as_bytes(), &header, &claims()).into_bytes();
        }
    }
    token
}

/// What we refuse by our own rules though it is signed rightly for us.
fn ours_alone(mutation: &Mutation, reason: Reason) -> bool {
    match mutation {
        // `jsonwebtoken` neither looks a `kid` up nor bounds it.
        Mutation::Kid(_) => matches!(reason, Reason::UnknownKey | Reason::MalformedToken),
        Mutation::Header(..) => reason == Reason::MalformedToken,
        // Types, times and ids of claims.
        Mutation::Claim(name, _) => match reason {
            Reason::MalformedToken => true,
            Reason::Expired => *name == "exp",
            Reason::NotYetValid => *name == "nbf",
            _ => false,
        },
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a11_a17_our_reading_agrees_with_another_implementation(mutation in mutation()) {
        let world = &*WORLD;
        let token = mutated(world, &mutation);
        let value = [b"Bearer ", &token[..]].concat();
        let header = Header { name: "authorization", value: &value };
        let ours = Authenticator::default().authenticate(&world.snapshot, &[header], at(NOW)).refusal();
        let theirs = jsonwebtoken::decode::<Value>(&token, &world.theirs, &world.rules);
        match ours {
            None => prop_assert!(theirs.is_ok(), "we take what another does not: {theirs:?}"),
            Some(reason) => prop_assert!(theirs.is_err() || ours_alone(&mutation, reason), "{reason}"),
        }
        prop_assert!(!matches!(mutation, Mutation::Same) || ours.is_none());
    }
}
