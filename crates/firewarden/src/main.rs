//! firewarden

fn main() {}
