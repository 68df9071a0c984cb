//! The control plane as a program. A library too, so that tests start the same server in their own process.

pub mod app;
pub mod cli;
pub mod config;
mod docs;
mod logging;
mod mailer;
pub mod sealing_key;
pub mod serve;
mod spec;
