//! Whole programs, over real sockets and real folders.

mod crash;
mod demo;
mod gateway_audit;
mod gateway_bundles;
mod gateway_export;
mod gateway_kit;
mod gateway_proxy;
mod gateway_wire;
mod points;
