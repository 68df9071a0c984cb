//! The peers: each answers the same questions with an equivalent role policy, in the fastest way that it documents.
//!
//! Invariant: what a peer may prepare before it is asked (parsed policies, its form of the request) is prepared before the
//! clock runs. Where that is more than this project's engine gets, the peer's name says so.

pub mod casbin;
pub mod cedar;
pub mod rego;

use crate::questions::Sample;

/// An engine that holds a sample's roles and knows its questions by their index.
pub trait Peer {
    /// What it is and what it was given beforehand.
    fn name(&self) -> &'static str;

    /// Its answer.
    fn permits(&mut self, question: usize) -> bool;
}

/// What a peer is asked on behalf of, made from the first `count` questions of the sample.
pub type Make = fn(&Sample, usize) -> Box<dyn Peer>;
