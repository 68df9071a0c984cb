//! store

pub mod seal;
