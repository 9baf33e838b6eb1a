#!/usr/bin/env bash
# setup-buildstd.sh - after setup-aarch64.sh (which it runs): std's sources of the same version, for -Zbuild-std
# (wasm32-unknown-unknown, thumbv7em-none-eabi, ...), and a linker for wasm. Idempotent; prints the prefix last.
# Afterwards:  RUSTC=$prefix/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo build -Zbuild-std=core,alloc --target TARGET
# Knobs: those of setup-aarch64.sh
set -euo pipefail
# shellcheck source=ci/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
out=$("$ci_dir/setup-aarch64.sh")
prefix=${out##*$'\n'}
src=$prefix/usr/lib/rustlib/src/rust
# lld of the LLVM that the compiler has
llvm=$(basename "$(readlink -f "$prefix"/usr/lib/x86_64-linux-gnu/libLLVM-*.so)" | grep -oE '[0-9]+' | head -n 1)
need "wasm-ld-$llvm:lld-$llvm"
ln -sf "$(command -v "wasm-ld-$llvm")" "$prefix/usr/bin/wasm-ld"
exec 9>"$cache/rust-a64.lock"
flock 9
if [ ! -e "$src/library/Cargo.lock" ]; then
    version=$(cat "$prefix/.done")
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    chmod 755 "$tmp"
    fetch() { (cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root download "rust-web-src=$version"); }
    if ! fetch 2>/dev/null; then
        if [ "$(id -u)" = 0 ]; then apt-get -qq update; else sudo apt-get -qq update; fi
        fetch
    fi
    mkdir "$tmp/x"
    dpkg-deb --fsys-tarfile "$tmp"/rust-web-src_*.deb | tar -x -C "$tmp/x" --wildcards './usr/src/rustc-*/library'
    mkdir -p "$src"
    rm -rf "$src/library"
    mv "$tmp"/x/usr/src/rustc-*/library "$src/library"
fi
flock -u 9
printf '%s\n' "$prefix"
