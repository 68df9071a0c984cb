//! The decision point as its users see it: tables of behaviour, attacks, properties.

mod answers;
mod attacks;
mod check;
mod corpus;
mod laws;
