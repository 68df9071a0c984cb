//! issuer-api
