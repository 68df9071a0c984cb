//! What use cases need to know of the server they run in.

use store::seal::Sealer;

/// The server: its sealing key and its public address. It comes from the configuration, never from a request.
#[derive(Clone, Copy, Debug)]
pub struct Platform<'a> {
    /// Seals secrets at rest.
    pub sealer: &'a Sealer,
    /// The base of every link and issuer, without a trailing slash.
    pub public_url: &'a str,
}

impl Platform<'_> {
    /// The issuer of a Service: `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self, slug: &domain::Slug) -> String {
        format!("{}/s/{slug}", self.public_url)
    }
}
