//! The migrations are compiled in; cargo does not see by itself that they changed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
