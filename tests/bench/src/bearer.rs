//! A token at a gateway: one that was seen before among 50,000 others, and one that was not, beside the bare signature.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use gateway::bearer::Authenticator;
use gateway::snapshot::Snapshot;
use policy::bundle::{self, Algorithm, Bundle, Issuer, IssuerKey, Parts};
use policy::id::{AccountId, ServiceId, TokenId};
use policy::manifest::Manifest;
use policy::request::Header;
use policy::settings::{ServiceKind, Settings};
use serde_json::json;
use uuid::Uuid;

use crate::report::{Figure, micros};

const BASE: &str = "https://ehr.example/fhir";
const ISSUER: &str = "https://auth.example/s/ehr";
const NOW: i64 = 1_800_000_000;
const REMEMBERED: u128 = 50_000;
const SEEN: usize = 200_000;
const UNSEEN: usize = 20_000;
/// A token seen before, the median, hash included.
const SEEN_MICROS: f64 = 1.8;
/// A token not seen before, as a multiple of its bare signature.
const UNSEEN_RATIO: f64 = 1.15;

pub fn figures() -> Vec<Figure> {
    let world = World::new();
    let tokens: Vec<Token> = (0..REMEMBERED).map(|number| world.token(number)).collect();
    let mut figures = seen(&world, &tokens);
    figures.extend(unseen(&world, &tokens));
    figures
}

/// One token, as a request carries it.
struct Token {
    field: String,
    signature: Vec<u8>,
}

impl Token {
    fn headers(&self) -> [Header<'_>; 3] {
        [
            Header { name: "host", value: b"ehr.example" },
            Header { name: "accept", value: b"application/fhir+json" },
            Header { name: "authorization", value: self.field.as_bytes() },
        ]
    }

    /// What the signature is of.
    fn signed(&self) -> &[u8] {
        let token = self.field.strip_prefix("Bearer ").expect("a token");
        token.rsplit_once('.').expect("a signature").0.as_bytes()
    }
}

struct World {
    pair: EcdsaKeyPair,
    snapshot: Snapshot,
    now: DateTime<Utc>,
}

impl World {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let bundle = bundle(&pair);
        let manifest = Manifest {
            format: bundle::FORMAT,
            service_id: bundle.parts().service.id,
            version: 1,
            previous: None,
            issued_at: NOW,
            expires_at: NOW + 86_400,
            digest: String::new(),
            length: 0,
            compiler: "bench".to_owned(),
        };
        let now = DateTime::from_timestamp(NOW, 0).expect("a time");
        Self { pair, snapshot: Snapshot::new(manifest, bundle), now }
    }

    fn token(&self, number: u128) -> Token {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
        let claims = json!({
            "iss": ISSUER, "sub": format!("key_{number:026}"), "aud": BASE, "exp": NOW + 3_600, "nbf": NOW, "iat": NOW,
            "jti": TokenId::new(Uuid::from_u128(number)), "token_kind": "key", "client_id": format!("key_{number:026}"),
            "account_id": AccountId::new(Uuid::from_u128(9)), "patient": "anna",
            "scope": "launch/patient patient/Patient.rs patient/Observation.rs patient/MedicationRequest.rs",
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature").as_ref().to_vec();
        let field = format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        Token { field, signature }
    }

    fn ask(&self, authenticator: &Authenticator, token: &Token) -> bool {
        let credential = authenticator.authenticate(&self.snapshot, &token.headers(), self.now);
        black_box(&credential).refusal().is_none()
    }
}

/// Tokens in an order that no cache of the processor foresees.
fn seen(world: &World, tokens: &[Token]) -> Vec<Figure> {
    let authenticator = Authenticator::default();
    assert!(tokens.iter().all(|token| world.ask(&authenticator, token)), "every token counts");
    let (mut samples, mut place) = (Vec::with_capacity(SEEN), 0);
    let mut request = Token { field: String::new(), signature: Vec::new() };
    for _ in 0..SEEN {
        place = (place + 20_011) % tokens.len();
        // The door has just read the header from its socket; what is cold is what the gateway remembers.
        request.field.clone_from(&tokens[place].field);
        let from = Instant::now();
        let counts = world.ask(&authenticator, &request);
        samples.push(micros(from.elapsed()));
        assert!(counts);
    }
    let bytes = tokens.iter().map(|token| token.field.len()).sum::<usize>() / tokens.len();
    samples.sort_by(f64::total_cmp);
    let median = samples[samples.len() / 2];
    vec![
        Figure::of(format!("seen among 50,000, {bytes} bytes, hash included"), "µs", samples, None),
        Figure::of("  its median", "µs", vec![median], Some(SEEN_MICROS)),
    ]
}

/// Each token once, its bare signature right beside it, so that both see the same machine.
fn unseen(world: &World, tokens: &[Token]) -> Vec<Figure> {
    let public = world.pair.public_key().as_ref();
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).expect("a public key");
    let authenticator = Authenticator::default();
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for (index, token) in tokens.iter().take(UNSEEN).enumerate() {
        let mut ask = || {
            let from = Instant::now();
            assert!(world.ask(&authenticator, token));
            whole.push(micros(from.elapsed()));
        };
        // First the one, then the other, in turn: neither always finds the token in the processor's cache.
        if index % 2 == 0 {
            ask();
        }
        let from = Instant::now();
        key.verify_sig(black_box(token.signed()), &token.signature).expect("it verifies");
        bare.push(micros(from.elapsed()));
        if index % 2 == 1 {
            ask();
        }
    }
    // Of two neighbours that went in either order: closest in time, so the machine's speed drops out, and so does what the
    // second of a pair finds warm.
    let together = |times: &[f64]| times.chunks_exact(2).map(|two| two.iter().sum::<f64>()).collect::<Vec<_>>();
    let mut ratios: Vec<f64> =
        together(&whole).iter().zip(&together(&bare)).map(|(whole, bare)| whole / bare).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let whole = Figure::of("not seen before: hash, reading, signature, claims", "µs", whole, None);
    let bare = Figure::of("  its bare ES256 verification, key parsed", "µs", bare, None);
    vec![
        whole,
        bare,
        Figure::of("  the ratio of the two, the median of neighbours", "", vec![ratio], Some(UNSEEN_RATIO)),
    ]
}

fn bundle(pair: &EcdsaKeyPair) -> Bundle {
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": coordinate(x), "y": coordinate(y) });
    let key = IssuerKey { kid: "k1".into(), algorithm: Algorithm::Es256, jwk: jwk.to_string().into() };
    let issuer = Issuer { issuer: ISSUER.into(), trusted_for_roles: true, scp_is_scope: false, keys: vec![key] };
    let service = bundle::Service {
        id: ServiceId::new(Uuid::from_u128(1)),
        account_id: AccountId::new(Uuid::from_u128(2)),
        kind: ServiceKind::Fhirv4,
        base_url: BASE.into(),
    };
    Bundle::new(Parts {
        format: bundle::FORMAT,
        service,
        settings: Settings::for_kind(ServiceKind::Fhirv4),
        operations: Vec::new(),
        types: Vec::new(),
        common: Vec::new(),
        roles: Vec::new(),
        issuers: vec![issuer],
        subscriptions: Vec::new(),
        revocations: Vec::new(),
        extension_scopes: Vec::new(),
        tag_keys: Vec::new(),
        tagged: Vec::new(),
        access_tags: Vec::new(),
        basic_keys: Vec::new(),
        security_resources: Vec::new(),
    })
    .expect("a bundle")
}
