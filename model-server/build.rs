//! Tells the linker how to write what a program is to correct of itself when it starts.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value.split(',').any(|part| part == wanted));
    let is_static = is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is_static {
        // In a bit each instead of 24 bytes: all of it is read at the start, and stays in memory. A program that is not static
        // would need a C library that knows this form.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
