//! Records what the self-test reports and cannot know at run time: how it was built.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = Command::new(var("RUSTC").unwrap()).arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let facts = [
        ("RUSTC", rustc.unwrap_or_default()),
        ("TARGET", var("TARGET").unwrap()),
        ("OPT_LEVEL", var("OPT_LEVEL").unwrap()),
        ("TARGET_FEATURES", var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default()),
    ];
    for (name, value) in facts {
        println!("cargo::rustc-env=LANEPOOL_{name}={value}");
    }
}
