#!/usr/bin/env bash
# run-avx512.sh PROGRAM [ARGS...] [++ PROGRAM [ARGS...]]... - run Linux x86-64 programs on an emulated
# AVX-512 CPU (Bochs), one after the other in one boot (a boot costs some 12 s).
#
# Prints the programs' output (stdout+stderr merged, live) and exits with the first status that is not 0
# (128+N for signal N). Exit 124: time limit; 125: the harness failed (no emulator, panic, no exit marker,
# or a guest CPU without AVX-512 F, BW, DQ, VL). Whether this machine's own CPU has AVX-512 is irrelevant:
# nothing but Bochs ever starts the programs.
# Works as a cargo runner:
#   CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/ci/run-avx512.sh cargo test --release --test agreement
#
# Needs Debian 12's bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio gcc libc6-dev
# (installed when missing) and its cloud kernel (27 MB, downloaded once and unpacked, not installed).
# Emulated: about 50 MIPS, one CPU, no network. Time inside means nothing: never measure there.
# Wrong in Bochs 2.7 (so keep those inputs out): f32 to f16 on exact ties whose lower neighbour is even,
# some cvtepu32_ps roundings, conflict_epi32.
#
# Knobs: AVX512_CPU model (corei7_skylake_x; corei7_icelake_u, tigerlake add vbmi, vnni, ...), AVX512_MEM
# guest MiB, AVX512_TIMEOUT wall seconds, AVX512_ENV extra names of variables to pass in, AVX512_FILES extra
# files/dirs to copy in, AVX512_KERNEL a bzImage, AVX512_BOCHS another bochs, AVX512_CACHE cache folder,
# AVX512_KEEP=1 keep the work folder, AVX512_ANY_CPU=1 accept a guest CPU without AVX-512, AVX512_CPU_NAME a
# file that gets the guest's CPU name.
set -euo pipefail
# shellcheck source=ci/common.sh
. "$(dirname "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"
die() { echo "run-avx512: $*" >&2; exit 125; }
[ $# -ge 1 ] || die "usage: run-avx512.sh PROGRAM [ARGS...] [++ PROGRAM [ARGS...]]..."
[ "$(uname -m)" = x86_64 ] || die "needs an x86-64 machine"
model=${AVX512_CPU:-corei7_skylake_x} mem=${AVX512_MEM:-1024} limit=${AVX512_TIMEOUT:-1200}
bochs=${AVX512_BOCHS:-bochs} kernels=${AVX512_CACHE:-$cache/avx512}
need "$bochs:bochs" /usr/share/bochs/BIOS-bochs-latest:bochsbios /usr/share/vgabios/vgabios.bin:vgabios \
    /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so:bochs-term /usr/lib/ISOLINUX/isolinux.bin:isolinux \
    /usr/lib/syslinux/modules/bios/ldlinux.c32:syslinux-common xorriso:xorriso cpio:cpio gcc:gcc \
    /usr/lib/x86_64-linux-gnu/libc.a:libc6-dev || die "cannot install what is missing"
mkdir -p "$kernels"
w=$(mktemp -d "${TMPDIR:-/tmp}/avx512.XXXXXX") pids=()
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done
    if [ -n "${AVX512_KEEP:-}" ]; then echo "run-avx512: kept $w" >&2; else rm -rf "$w"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM
chmod 755 "$w"
mkdir -p "$w"/guest/{dev,proc,sys,tmp} "$w/iso"

# 1. Kernel: Debian's cloud kernel (LZ4, serial console built in), unpacked from its .deb, not installed.
kernel=${AVX512_KERNEL:-$kernels/vmlinuz}
if [ -z "${AVX512_KERNEL:-}" ] && [ ! -s "$kernel" ]; then
    (
        flock 9
        [ ! -s "$kernel" ] || exit 0
        cloud_kernel() {
            apt-cache depends linux-image-cloud-amd64 2>/dev/null |
                awk '/Depends: linux-image-[0-9]/ && !n++ { print $2 }'
        }
        pkg=$(cloud_kernel)
        if [ -z "$pkg" ]; then
            if [ "$(id -u)" = 0 ]; then apt-get -qq update; else sudo apt-get -qq update; fi
            pkg=$(cloud_kernel)
        fi
        [ -n "$pkg" ] || { echo "run-avx512: apt knows no cloud kernel" >&2; exit 1; }
        mkdir "$w/deb" && cd "$w/deb"
        apt-get -q -o APT::Sandbox::User=root download "$pkg" >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
        dpkg-deb --fsys-tarfile "$pkg"_*.deb | tar -x --wildcards './boot/vmlinuz-*'
        mv boot/vmlinuz-* "$kernel.new" && mv "$kernel.new" "$kernel"
        cd "$w" && rm -rf deb
    ) 9>"$kernels/lock" || die "could not get a kernel"
fi

# 2. /init: sends the programs' output to ttyS1, their first bad status as a marker to ttyS0, then powers off.
cat >"$w/init.c" <<'INIT_C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
static int tty(const char *path) {
    struct termios t;
    int fd = open(path, O_RDWR | O_NOCTTY);
    if (fd >= 0 && !tcgetattr(fd, &t)) {
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL;
        cfsetspeed(&t, B115200);
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}
/* a NUL-separated file as an argv-like list */
static char buf[2][1 << 20], *vec[2][8192];
static char **list(const char *path, int k) {
    int fd = open(path, O_RDONLY), n = fd < 0 ? 0 : read(fd, buf[k], (1 << 20) - 1), c = 0;
    if (fd < 0) return 0;
    close(fd);
    buf[k][n] = 0;
    for (char *q = buf[k]; q < buf[k] + n && c < 8191; q += strlen(q) + 1) vec[k][c++] = q;
    vec[k][c] = 0;
    return vec[k];
}
/* what CPU the guest sees: its name and flags go before the exit marker */
static void cpu(int con) {
    char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *v = strchr(line, ':');
        if (!v) continue;
        if (!strncmp(line, "model name", 10)) { write(con, "\n@@AVX512-NAME", 14); write(con, v, strlen(v)); }
        if (!strncmp(line, "flags", 5)) {
            write(con, "\n@@AVX512-HAS:", 14);
            for (char *t = strtok(v + 1, " \n"); t; t = strtok(0, " \n"))
                if (!strncmp(t, "avx", 3)) { write(con, " ", 1); write(con, t, strlen(t)); }
            write(con, " \n", 2);
            break;
        }
    }
    if (f) fclose(f);
}
int main(void) {
    int first = 0;
    char m[64], prog[32], args[32];
    mount("dev", "/dev", "devtmpfs", 0, "");
    mount("proc", "/proc", "proc", 0, "");
    mount("sys", "/sys", "sysfs", 0, "");
    mount("tmp", "/tmp", "tmpfs", 0, "");
    int con = tty("/dev/ttyS0"), out = tty("/dev/ttyS1");
    cpu(con);
    char **ev = list("/run.env", 1);
    for (int i = 0;; i++) {
        int st = 0, code;
        sprintf(prog, "/prog.%d", i);
        sprintf(args, "/run.args.%d", i);
        char **av = list(args, 0);
        if (!av) break;
        pid_t p = fork();
        if (!p) {
            setsid();
            dup2(open("/dev/null", O_RDWR), 0);
            dup2(out, 1);
            dup2(out, 2);
            for (int k = 3; k < 64; k++) close(k);
            execve(prog, av, ev);
            perror("run-avx512: exec");
            _exit(126);
        }
        while (waitpid(-1, &st, 0) != p) ;
        code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
        if (!first) first = code;
        tcdrain(out);
    }
    write(con, m, sprintf(m, "\n@@AVX512-EXIT:%d@@\n", first));
    tcdrain(con);
    if (!ioperm(0x8900, 1, 1)) for (const char *c = "Shutdown"; *c; c++) outb(*c, 0x8900); /* Bochs' power switch */
    return 0; /* not reached; else the kernel panics, which ends the run too */
}
INIT_C
gcc -O1 -static -w -o "$w/guest/init" "$w/init.c" || die "cannot build /init"

# 3. initramfs (programs, the shared libraries of dynamic ones, arguments, environment) and boot ISO.
copy_in() { # into the guest, at the same path
    local d
    d=$(realpath -s "$1")
    mkdir -p "$w/guest${d%/*}"
    cp -rL "$1" "$w/guest$d"
}
i=0
while [ $# -gt 0 ]; do
    bin=$(readlink -f -- "$1") && [ -f "$bin" ] && [ -x "$bin" ] || die "no such program: $1"
    shift
    strip --strip-debug -o "$w/guest/prog.$i" "$bin" 2>/dev/null || cp -L "$bin" "$w/guest/prog.$i"
    chmod 755 "$w/guest/prog.$i"
    printf '%s\0' "$bin" >"$w/guest/run.args.$i"
    while [ $# -gt 0 ] && [ "$1" != ++ ]; do printf '%s\0' "$1" >>"$w/guest/run.args.$i"; shift; done
    [ $# = 0 ] || shift
    while read -r f; do [ -e "$w/guest$f" ] || copy_in "$f"; done < <(ldd "$bin" 2>/dev/null | grep -oE '/[^ ]+' || :)
    i=$((i + 1))
done
for f in ${AVX512_FILES:-}; do copy_in "$f"; done
printf '%s\0' HOME=/tmp PATH=/bin:/usr/bin TMPDIR=/tmp >"$w/guest/run.env"
for v in RUST_BACKTRACE RUST_TEST_THREADS RUST_LOG LANEPOOL_CASES LANEPOOL_BACKEND LANEPOOL_BACKENDS ${AVX512_ENV:-}; do
    [ -z "${!v+x}" ] || printf '%s\0' "$v=${!v}" >>"$w/guest/run.env"
done
(cd "$w/guest" && find . | cpio -o -H newc --quiet -R 0:0) >"$w/iso/initrd"
cp "$kernel" "$w/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$w/iso/"
append="quiet console=ttyS0,115200 acpi=off mitigations=off nokaslr tsc=reliable nopcid cryptomgr.notests edd=off"
append+=" clearcpuid=xsavec,xsaves,pku,fsrm,umip rcupdate.rcu_expedited=1 panic=-1 reboot=t"
printf '%s\n' 'DEFAULT l' 'PROMPT 0' 'LABEL l' ' KERNEL vmlinuz' ' INITRD initrd' " APPEND $append" >"$w/iso/isolinux.cfg"
xorriso -as mkisofs -quiet -o "$w/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
    -boot-info-table "$w/iso" >"$w/xorriso.log" 2>&1 || { cat "$w/xorriso.log" >&2; die "cannot make the ISO"; }

# 4. Bochs, headless; a guest panic reboots by triple fault, which stops Bochs at once.
help=$("$bochs" --help 2>&1 </dev/null || :) dbg=()
# Debian's build starts in its debugger: "c" = go
case $help in *'-rc filename'*) echo c >"$w/rc"; dbg=(-rc "$w/rc") ;; esac
cat >"$w/bochsrc" <<BOCHSRC
config_interface: textconfig
display_library: ${AVX512_GUI:-term}
cpu: model=$model, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=$mem, host=$mem
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
vga: extension=vbe, update_freq=1, realtime=0
ata0-master: type=cdrom, path="$w/boot.iso", status=inserted
boot: cdrom
clock: sync=none, time0=utc
com1: enabled=1, mode=file, dev="$w/console.log"
com2: enabled=1, mode=file, dev="$w/out.log"
log: "$w/bochs.log"
panic: action=fatal
error: action=ignore
info: action=ignore
BOCHSRC
: >"$w/out.log"
TERM=vt100 timeout -k 5 "$limit" "$bochs" -q -f "$w/bochsrc" "${dbg[@]}" </dev/null >"$w/stdout.log" 2>&1 &
run=$!
pids+=("$run")
# live output; ends by itself, after a last read, once Bochs has
tail -n +1 -s 0.2 --pid="$run" -f "$w/out.log" &
pids+=("$!")
rc=0
wait "$run" || rc=$?
wait "${pids[1]}" || :
pids=()

# 5. Verdict: only the markers count.
marker() { { tr -d '\r' <"$w/console.log" 2>/dev/null || :; } | sed -n "s/^@@AVX512-$1//p" | tail -n1; }
code=$(marker EXIT: | sed -n 's/^\([0-9]*\)@@$/\1/p') has=$(marker HAS:) name=$(marker NAME: | sed 's/^ *//;s/ *$//')
if [ -n "$code" ]; then
    for f in f bw dq vl; do
        case $has in *" avx512$f "*) ;; *) [ -n "${AVX512_ANY_CPU:-}" ] || die "the guest's CPU has no avx512$f:$has" ;; esac
    done
    [ -z "${AVX512_CPU_NAME:-}" ] || printf '%s\n' "$name" >"$AVX512_CPU_NAME"
    exit "$code"
fi
{
    echo "run-avx512: no exit marker from the guest; the end of its console and of Bochs' log:"
    tail -n 25 "$w/console.log"
    grep -ahE '>>PANIC<<' "$w/bochs.log" "$w/stdout.log" | tail -n 5
} >&2 2>/dev/null || :
[ "$rc" != 124 ] && [ "$rc" != 137 ] || { echo "run-avx512: stopped at the time limit of $limit s" >&2; exit 124; }
die "the emulator ended (status $rc) without the program's exit status"
