//! The demo: the whole path from a document to decided requests, played over HTTP.

pub mod ehr;
