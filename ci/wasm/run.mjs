// node run.mjs MODULE.wasm SEED CASES - runs the check of a wasm module built from this folder.
//
// The module exports check(seed, cases) -> number of cases that differed, count() -> number of cases that were run,
// and digest_hi(), digest_lo() -> the halves of a digest of all results. It imports nothing.
// Prints one line; exit status 0 if nothing differed.
import { readFileSync } from "node:fs";

const [path, seed, cases] = process.argv.slice(2);
const bytes = readFileSync(path);
const module = new WebAssembly.Module(bytes);

// A module without simd128 would agree too. This one is valid only where its vector code is.
const vectors = vectorInstructions(bytes);
if (vectors === 0) {
  console.log("wasm: the module has no 128-bit instruction");
  process.exit(1);
}

const { check, count, digest_hi, digest_lo } = new WebAssembly.Instance(module, {}).exports;
const failed = check(Number(seed), Number(cases)) >>> 0;
const ran = count() >>> 0;
const hex = (f) => (f() >>> 0).toString(16).padStart(8, "0");
console.log(`wasm: ${ran} cases, ${failed} failed, digest ${hex(digest_hi)}${hex(digest_lo)}`);
process.exit(failed === 0 && ran > 0 ? 0 : 1);

// How many f32x4.pmax, f32x4.max, v128.bitselect, ... : opcodes with the SIMD prefix that work on f32x4 lanes,
// counted in the code section. Operands may look alike, so this is an estimate; none at all means none.
function vectorInstructions(b) {
  let n = 0;
  // f32x4.add .. f32x4.pmax: 0xfd 0xe4..0xeb 0x01
  for (let i = 0; i + 2 < b.length; i++) if (b[i] === 0xfd && b[i + 1] >= 0xe4 && b[i + 1] <= 0xeb && b[i + 2] === 1) n++;
  return n;
}
