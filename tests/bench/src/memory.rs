//! How many bytes an engine with 10,000 roles keeps.

use decision::Engine;
use policy::Bundle;
use policy::settings::ServiceKind;

use crate::allocations::counted;
use crate::report::Figure;
use crate::service;

const ROLES: u32 = 10_000;
/// In megabytes.
const MUST: f64 = 16.0;

/// The engine as a gateway makes it: from the bytes of a bundle, which are then let go.
pub fn figures() -> Vec<Figure> {
    let bytes = service::bundle(ServiceKind::Fhirv4, ROLES).encode().expect("the bundle encodes");
    let (bundle, decoded) = counted(|| Bundle::decode(&bytes).expect("it decodes"));
    let (engine, built) = counted(|| Engine::new(bundle));
    let megabytes = |bytes: i64| bytes as f64 / 1e6;
    let figures = vec![
        Figure::one(format!("the bundle's content, {ROLES} roles"), "MB", megabytes(bytes.len() as i64), None),
        Figure::one("of it the bundle, as decoded", "MB", megabytes(decoded.live_bytes), None),
        Figure::one(
            "the engine, live after it is built",
            "MB",
            megabytes(decoded.live_bytes + built.live_bytes),
            Some(MUST),
        ),
        Figure::one("allocations to decode and build", "", (decoded.count + built.count) as f64, None),
    ];
    std::hint::black_box(&engine);
    figures
}
