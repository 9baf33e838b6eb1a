# shellcheck shell=bash
# common.sh - what the scripts beside it share; sourced, not run.
#
# Every script here: needs Debian 12 on x86-64 with cargo, installs by apt what it lacks (root or sudo;
# nothing is touched where it is there already), logs to target/ci/log/, and ends with one summary line:
#   NAME: what was done, N failed (seconds)
# Knobs: LANEPOOL_CI_CACHE   kernels and toolchains (default ~/.cache/lanepool-ci)
#        LANEPOOL_CI_CASES   random cases per backend of an emulated self-test (default 5000)
#        LANEPOOL_CI_SEED    their seed (default 1)
#        LANEPOOL_CI_VERBOSE not empty: show the output of every step
set -euo pipefail

ci_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${ci_dir%/*}
cache=${LANEPOOL_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lanepool-ci}
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
ci_out=$target_dir/ci
# The digest is one over the cases of a seed: all CPUs have to run the same ones.
cases=${LANEPOOL_CI_CASES:-5000} seed=${LANEPOOL_CI_SEED:-1}
# shellcheck disable=SC2034 # used where this is sourced
self_test_args=(--no-bench --json --seed "$seed" --cases "$cases")
# Emulated programs are built for the plain target: no -C target-cpu=native from outside.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER
export CARGO_TERM_COLOR=never

# begin NAME: the log, the clock, and a summary line even for a script that dies.
begin() {
    ci_name=$1 ci_step='start' ci_done=
    ci_log=$ci_out/log/$ci_name.log
    mkdir -p "$ci_out/log"
    : >"$ci_log"
    SECONDS=0
    trap 'ci_end $?' EXIT
    cd "$root"
}

ci_end() {
    [ -n "$ci_done" ] || printf '%s: FAILED at: %s (%s s), log: %s\n' "$ci_name" "$ci_step" "$SECONDS" "${ci_log#"$root"/}"
    exit "$1"
}

# finish TEXT: the summary line.
finish() { ci_done=1; printf '%s: %s (%s s)\n' "$ci_name" "$1" "$SECONDS"; }

# fail TEXT: the reason, then the summary line by the trap.
fail() { printf '%s: %s\n' "$ci_name" "$*" >&2; exit 1; }

# step TEXT COMMAND...: runs it into the log; shows the log's end if it fails.
step() {
    ci_step=$1
    shift
    local from rc=0 t=$SECONDS
    printf '\n== %s: %s\n' "$ci_step" "$*" >>"$ci_log"
    from=$(wc -l <"$ci_log")
    if [ -n "${LANEPOOL_CI_VERBOSE:-}" ]; then
        "$@" 2>&1 </dev/null | tee -a "$ci_log" || rc=${PIPESTATUS[0]}
    else
        "$@" >>"$ci_log" 2>&1 </dev/null || rc=$?
    fi
    if [ "$rc" != 0 ]; then
        tail -n "+$((from + 1))" "$ci_log" | tail -n 60 >&2
        fail "$ci_step: status $rc"
    fi
    printf '   %-58s %4s s\n' "$ci_step" "$((SECONDS - t))"
}

# last_step_output: what the last step wrote to the log.
last_step_output() { tac "$ci_log" | sed '/^== /,$d' | tac; }

# need WHAT:PACKAGE...: apt-installs the packages whose command (or file, if it has a slash) is missing.
need() {
    local item what pkgs=() as_root=()
    for item in "$@"; do
        what=${item%%:*}
        case $what in
        */*) [ -e "$what" ] || pkgs+=("${item#*:}") ;;
        *) command -v "$what" >/dev/null 2>&1 || pkgs+=("${item#*:}") ;;
        esac
    done
    [ ${#pkgs[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || { echo "missing, and there is no apt: ${pkgs[*]}" >&2; return 1; }
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    # One at a time: scripts may run side by side.
    mkdir -p "$cache"
    (
        flock 9
        {
            "${as_root[@]}" apt-get -qq update &&
                "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                    apt-get -qq install -y --no-install-recommends "${pkgs[@]}"
        } >"$cache/apt.log" 2>&1 || { cat "$cache/apt.log" >&2; exit 1; }
    ) 9>"$cache/apt.lock"
}

require_x86_64() { [ "$(uname -m)" = x86_64 ] || fail "needs an x86-64 machine, this is $(uname -m)"; }

# nightly: from here on cargo, as "${cargo[@]}", is a nightly one; where there is none, the default one that takes its options.
nightly() {
    cargo=(cargo)
    if cargo +nightly --version >/dev/null 2>&1; then cargo+=(+nightly); else export RUSTC_BOOTSTRAP=1; fi
}

# For cargo: what only tests the kernels is built quickly, and what that depends on more so; they, and what is inlined into
# them, as ever.
quick_but_kernels=(--config 'profile.release.opt-level=1' --config 'profile.release.package."*".opt-level=0')
for package in lanepool-kernels bytemuck half libm wide; do
    quick_but_kernels+=(--config "profile.release.package.$package.opt-level=3")
done

# For RUSTFLAGS, where a build is only for this machine and its CPU could not run those kernels: two fifths of all, and of
# the time to compile them.
without_avx512=' --cfg lanepool_without="avx512"'

can_run() { grep -qw "$1" /proc/cpuinfo; }

# tests_alone DIR: copies the tree to DIR, without examples and benches, and goes there. Only those need half of the crates
# that a build for tests would otherwise take.
tests_alone() {
    mkdir -p "$1"
    git ls-files -coz --exclude-standard ':!examples' ':!benches' | tar -c --null --files-from=- | tar -x -C "$1"
    cd "$1"
    sed -i -E '/^\[\[(bench|example)\]\]$/,/^$/d
        /^(criterion|image|metrics-exporter-prometheus|tracing-subscriber) = /d' Cargo.toml
}

# sanitized: from here on cargo, as "${cargo[@]}", builds for ASan and the fuzzer, what both need once. For that, a copy of
# the tree has the fuzz targets in its workspace: crates of two workspaces are never the same. Where the tree changes into:
# that copy.
sanitized() {
    nightly
    export CARGO_TARGET_DIR=$target_dir/asan
    # Checks as calls: in line, their branches make the kernels take five times as long to compile. Then: which branches
    # were taken is counted, and the fuzzer told where.
    export RUSTFLAGS='-Zsanitizer=address -Cllvm-args=-asan-instrumentation-with-call-threshold=0'
    RUSTFLAGS+=' -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3'
    RUSTFLAGS+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
    can_run avx512vl || RUSTFLAGS+=$without_avx512
    # Locals that are used after their function has returned would take a quarter of the time to look for; it is bounds that
    # unsafe code here can get wrong.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0}
    tests_alone "$target_dir/asan/tree"
    sed -i 's/^members = \[/&"fuzz", /' Cargo.toml
    sed -i '/^\[workspace\]$/d; /^\[profile/,$d' fuzz/Cargo.toml
}

# For cargo, after sanitized: overflows and debug assertions are checked, but for those of the kernels, which would take
# twice as long to compile. --target: so that build scripts and macros go without.
# shellcheck disable=SC2034 # used where this is sourced
sanitized=("${quick_but_kernels[@]}" --config 'profile.release.package.lanepool-fuzz.opt-level=3'
    --config 'profile.release.debug-assertions=true' --config 'profile.release.overflow-checks=true'
    --config 'profile.release.package.lanepool-kernels.debug-assertions=false'
    --config 'profile.release.package.lanepool-kernels.overflow-checks=false'
    --release --workspace --target x86_64-unknown-linux-gnu)

# executable NAME CARGO-COMMAND...: builds, and prints the path of the executable of that target name.
executable() {
    local name=$1
    shift
    "$@" --message-format=json-render-diagnostics 2>>"$ci_log" </dev/null |
        jq -r --arg n "$name" 'select(.reason == "compiler-artifact" and .target.name == $n and .executable) | .executable' |
        tail -n 1
}

# report FILE: the first JSON value of the input, from the first line that starts with a brace; goes to FILE.
report() { tr -d '\r' | sed -n '/^{/,$p' | jq -n input >"$1" 2>/dev/null || fail "no JSON report from the self-test"; }

# check_report FILE BACKEND CPU-TEXT MIN-CASES: the self-test's JSON says that it passed, that BACKEND is supported and
# selected (and nothing else is selected), on a CPU of that name, and was compared over so many cases.
check_report() {
    local file=$1 bad
    bad=$(jq -r --arg b "$2" --arg cpu "$3" --argjson min "$4" '
        ([.checks.per_backend[] | select(.backend == $b) | .cases] | add // 0) as $cases |
        [ (if .ok != true then "ok is \(.ok)" else empty end),
          (if .checks.failed != 0 then "\(.checks.failed) checks failed" else empty end),
          (if $cases < $min then "only \($cases) cases on \($b), wanted \($min)" else empty end),
          ([.backends[] | select(.selected) | .name] | if . != [$b] then "selected \(tojson), must be \($b)" else empty end),
          (if ([.backends[] | select(.name == $b and .supported)] | length) != 1 then "\($b) is not supported" else empty end),
          (if (.cpu | tostring | contains($cpu)) then empty else "CPU is \(.cpu | tojson), not \($cpu)" end)
        ] | join("; ")' "$file") || fail "no JSON report in ${file#"$root"/}"
    [ -z "$bad" ] || fail "self-test: $bad"
}

# report_cases FILE: how many cases a self-test ran.
report_cases() { jq -r '.checks.cases' "$1"; }

# keep_digest FILE NAME: the digest of a report goes to target/ci/digest-NAME, for ci/digests.
keep_digest() {
    local d
    d=$(jq -r '.digest // empty' "$1")
    d=${d#digest }
    [[ $d =~ ^[0-9a-f]{16}$ ]] || fail "no digest in the self-test's report: '$d'"
    printf 'digest %s\n' "$d" >"$ci_out/digest-$2"
}

# checked NAME BACKEND CPU-TEXT MIN-CASES COMMAND...: the self-test by COMMAND, as check_report says. Leaves the digest and
# report-NAME.json.
checked() {
    local name=$1 backend=$2 cpu=$3 min=$4 file=$ci_out/report-$1.json
    shift 4
    step "$min cases on $name: $backend" "$@"
    last_step_output | report "$file"
    check_report "$file" "$backend" "$cpu" "$min"
    keep_digest "$file" "$name"
}

# chosen NAME BACKEND CPU-TEXT MIN-CASES COMMAND...: on the CPU on which COMMAND runs the self-test, of that name, it chooses
# BACKEND by itself, every backend computes a few cases, and this one all of them. Leaves what the latter has.
chosen() {
    local few=100
    checked "${@:1:3}" "$few" "${@:5}" --no-bench --json --seed "$seed" --cases "$few"
    checked "$@" "${self_test_args[@]}" --backend "$2"
}

# forget_digests NAME...: none of an earlier run is left when this one fails.
forget_digests() {
    local n
    for n in "$@"; do rm -f "$ci_out/digest-$n"; done
}

# test_counts FILE: "passed failed", summed over the closing lines of libtest.
test_counts() {
    sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$1" |
        awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }'
}

# agreement_cases BACKEND: reads the output of the agreement test (--nocapture), prints the cases that it ran
# on that backend, from lines "agreement: BACKEND N cases, 0 failed". BACKEND may be a pattern.
agreement_cases() {
    { grep -oE "agreement: $1 [0-9]+ cases, 0 failed" || :; } | awk '{ n += $3 } END { print n + 0 }'
}
