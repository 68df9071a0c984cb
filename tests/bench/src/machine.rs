//! What the machine itself costs: the yardstick beside every table.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};

use crate::report::{Figure, time};

/// One ES256 verification, as every new token costs a gateway.
pub fn verification() -> Figure {
    time("the machine: one ES256 verification", None, verifier())
}

/// Verifies once at each call.
pub fn verifier() -> impl FnMut() {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a pair");
    let message = [7_u8; 400];
    let signature = pair.sign(&random, &message).expect("a signature");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref().to_vec());
    move || std::hint::black_box(public.verify(&message, signature.as_ref())).expect("it verifies")
}
