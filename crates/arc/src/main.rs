//! arc

fn main() {}
