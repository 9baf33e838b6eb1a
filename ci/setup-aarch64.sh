#!/usr/bin/env bash
# setup-aarch64.sh - what `cargo test --target aarch64-unknown-linux-gnu` takes on x86-64 Debian 12.
#
# Idempotent; about 50 s and 240 MB the first time. Changes no rustup toolchain and needs nothing but apt:
#   * gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static: installed when missing
#     (amd64 and all packages; nothing of architecture arm64 is installed).
#   * rustc, clippy and the x86-64 and aarch64 std: Debian's `rustc-web` packages, only unpacked below the
#     prefix, never installed, so nothing appears in /usr/bin and no package conflicts with anything.
# Afterwards:  "$prefix/cargo-a64" test   (or clippy, doc, ...); $prefix is printed as the last line.
# Knobs: LANEPOOL_CI_CACHE; LANEPOOL_A64 the prefix (default ~/.cache/lanepool-ci/rust-a64)
set -euo pipefail
# shellcheck source=ci/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
prefix=${LANEPOOL_A64:-$cache/rust-a64}
target=aarch64-unknown-linux-gnu
[ "$(uname -m)" = x86_64 ] || { echo "setup-aarch64: needs an x86-64 machine" >&2; exit 1; }

# 1. cross gcc, cross libc, qemu; and what libLLVM needs (on most machines already)
need cargo:cargo aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu /usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross \
    qemu-aarch64-static:qemu-user-static
lib=/usr/lib/x86_64-linux-gnu
need $lib/libedit.so.2:libedit2 $lib/libffi.so.8:libffi8 $lib/libxml2.so.2:libxml2 $lib/libz3.so.4:libz3-4 \
    $lib/libzstd.so.1:libzstd1

# 2. rustc and std, unpacked, not installed
mkdir -p "$cache"
exec 9>"$cache/rust-a64.lock"
flock 9
if [ ! -e "$prefix/.done" ]; then
    # A private apt state with both architectures, so that the machine's own dpkg architectures and package
    # lists stay as they are. Only the security suite is read: that is where rustc-web and its LLVM live.
    new=$prefix.new
    rm -rf "$new"
    mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/apt/debs"
    # shellcheck disable=SC2016 # apt expands them
    uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
        awk '$2 == "bookworm-security" && !n++ { print $1 }')
    printf 'deb [signed-by=%s] %s bookworm-security main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
        "${uri:?apt lists no bookworm-security source}" >"$new/apt/sources.list"
    opt=(-o "Dir::State::Lists=$new/apt/lists" -o "Dir::Etc::SourceList=$new/apt/sources.list"
        -o Dir::Etc::SourceParts=/dev/null -o "Dir::Cache=$new/apt/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root)
    apt-get -qq "${opt[@]}" update
    field() { apt-cache "${opt[@]}" show --no-all-versions "$1" | awk -v f="$2: " '!n && index($0, f) == 1 { print substr($0, length(f) + 1); n = 1 }'; }
    # All from one source version, so that compiler and std match. The compiler itself (libstd-rust-web-1.96,
    # say) and its LLVM have names that change with the version, so they are taken from the dependencies.
    version=$(field libstd-rust-web-dev:arm64 Version)
    driver=$(field libstd-rust-web-dev:amd64 Depends | grep -oE 'libstd-rust-web-[0-9.]+[0-9]')
    llvm=$(field "$driver:amd64" Depends | grep -oE 'libllvm[0-9]+')
    (cd "$new/apt/debs" && apt-get -qq "${opt[@]}" download "rustc-web:amd64=$version" "rust-web-clippy:amd64=$version" \
        "$driver:amd64=$version" "libstd-rust-web-dev:amd64=$version" "libstd-rust-web-dev:arm64=$version" "$llvm:amd64")
    for d in "$new"/apt/debs/*.deb; do dpkg -x "$d" "$new"; done
    rm -rf "$new/apt" "${new:?}/usr/share"
    mv "$new/usr/bin" "$new/usr/bin.real"
    mkdir "$new/usr/bin"
    printf '%s\n' "$version" >"$new/.done"
    rm -rf "$prefix"
    mv "$new" "$prefix"
fi

# 3. wrappers that find libLLVM, and a cargo front end. Everything goes by the environment, so no .cargo/config.toml
# is needed and ordinary `cargo` runs are not changed; a target directory of its own, since the compiler differs
# from rustup's. bash, since dash drops variables with a dash in their name, as CARGO_BIN_EXE_self-test.
wrapper() { # PATH: from the input
    { echo '#!/bin/bash'; cat; } >"$1.new"
    chmod +x "$1.new"
    mv "$1.new" "$1"
}
for t in rustc rustdoc clippy-driver cargo-clippy; do
    wrapper "$prefix/usr/bin/$t" <<W
export LD_LIBRARY_PATH=$prefix/usr/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
exec $prefix/usr/bin.real/$t "\$@"
W
done
wrapper "$prefix/cargo-a64" <<W
export RUSTC=$prefix/usr/bin/rustc RUSTDOC=$prefix/usr/bin/rustdoc
export CARGO_BUILD_TARGET=$target CARGO_TARGET_DIR=\${A64_TARGET_DIR:-target/a64}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="\${LANEPOOL_RUNNER:-qemu-aarch64-static -L /usr/aarch64-linux-gnu}"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
case \${1-} in
clippy) PATH=$prefix/usr/bin:\$PATH; shift; exec cargo-clippy clippy "\$@" ;;
*) exec cargo "\$@" ;;
esac
W
flock -u 9

"$prefix/usr/bin/rustc" -V
[ -d "$prefix/usr/lib/rustlib/$target/lib" ]
printf '%s\n' "$prefix"
