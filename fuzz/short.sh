#!/usr/bin/env bash
# short.sh [SECONDS] - both fuzz targets, from the corpus, SECONDS each (default 60), at the same time.
#
# Needs cargo with a nightly toolchain; where there is none, the default toolchain is used with RUSTC_BOOTSTRAP=1.
# Installs cargo-fuzz if it is missing. The corpus stays as it is; inputs that crash go to fuzz/artifacts/. Ends with one
# line, "fuzz: plan N runs, agree N runs, 0 crashes"; exit status 1 if there is a crash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-60}
command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
cargo=(cargo)
if cargo +nightly --version >/dev/null 2>&1; then cargo+=(+nightly); else export RUSTC_BOOTSTRAP=1; fi
# What the build of anything else is told is not for this one.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR

# Without debug assertions, which take twice as long to compile: the tests have them.
"${cargo[@]}" fuzz build -O
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# fuzz TARGET MAX-LEN: new inputs go to the first corpus. With a seed that stays, so that what CI says of a change is
# about the change; to find more is what longer runs are for.
fuzz() {
    mkdir -p "$tmp/$1" "artifacts/$1"
    "${cargo[@]}" fuzz run -O "$1" "$tmp/$1" "corpus/$1" -- \
        -seed=1 -max_len="$2" -len_control=10 -timeout=25 -max_total_time="$seconds" -print_final_stats=1 >"$tmp/$1.log" 2>&1
}

fuzz plan 512 & plan=$!
fuzz agree 1024 & agree=$!
crashes=0
wait "$plan" || { crashes=$((crashes + 1)); tail -n 150 "$tmp/plan.log"; }
wait "$agree" || { crashes=$((crashes + 1)); tail -n 150 "$tmp/agree.log"; }

runs() { sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$1.log"; }
plan=$(runs plan) agree=$(runs agree)
printf 'fuzz: plan %s runs, agree %s runs, %s crashes\n' "${plan:-0}" "${agree:-0}" "$crashes"
[ "$crashes" = 0 ] && [ "${plan:-0}" -gt 0 ] && [ "${agree:-0}" -gt 0 ]
