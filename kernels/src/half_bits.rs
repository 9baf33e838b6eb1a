//! Binary16 to binary32 and back, without branches and in few instructions, so that loops of them are
//! vectorised: those of the crate `half` ask the CPU for its features again and again, or branch.
//!
//! After Fabian Giesen, <https://gist.github.com/rygorous/2156668>: `half_to_float_fast` and
//! `float_to_half_fast3_rtne`. What is normal has its exponent moved; what is not is aligned by an
//! addition to a number, or a subtraction, that has the exponent of the smallest normal one. No operand is a
//! denormal `f32` that a CPU told to flush those would take for zero and that matters.

/// From the exponent of a binary16 to that of a binary32, where that is.
const REBIAS: u32 = (127 - 15) << 23;

/// The number, as an `f32`.
#[inline(always)]
pub(crate) fn widened(half: u16) -> f32 {
    let magnitude = u32::from(half & 0x7fff) << 13;
    let exponent = magnitude & 0x1f << 23;
    let normal = magnitude + REBIAS;
    let smallest = REBIAS + (1 << 23);
    let denormal = f32::from_bits(magnitude + smallest) - f32::from_bits(smallest);
    let bits = match exponent {
        0x0f80_0000 => normal + REBIAS,
        0 => denormal.to_bits(),
        _ => normal,
    };
    f32::from_bits(bits | u32::from(half & 0x8000) << 16)
}

/// The bits of the nearest number, halves to even; of a NaN, the canonical one with the sign that it had.
#[inline(always)]
pub(crate) fn narrowed(number: f32) -> u16 {
    let magnitude = number.to_bits() & 0x7fff_ffff;
    let sign = (number.to_bits() >> 16) as u16 & 0x8000;
    // Half the place of the last bit of a denormal result is the last bit but one of this, whose own bits are not
    // among the last 16.
    let aligner = f32::from_bits(126 << 23);
    let denormal = (f32::from_bits(magnitude) + aligner).to_bits();
    let normal = magnitude.wrapping_sub(REBIAS).wrapping_add(0xfff + (magnitude >> 13 & 1)) >> 13;
    let bits = match magnitude {
        0x7f80_0001.. => 0x7e00,
        // 65536 and more; what is rounded to that is a normal one, rounded up.
        0x4780_0000.. => 0x7c00,
        0x3880_0000.. => normal,
        _ => denormal,
    };
    bits as u16 | sign
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use half::f16;

    #[test]
    fn widens_every_number() {
        for half in 0..=u16::MAX {
            let (got, want) = (widened(half), f16::from_bits(half).to_f32_const());
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{half:#x}");
        }
    }

    #[test]
    fn narrows_numbers_of_every_exponent() {
        // All bits that matter to the rounding of normal results, and every ninth number around denormal ones.
        let normal =
            (0..=u32::MAX >> 11).map(|bits| bits << 11).chain((0..1 << 21).map(|b| b << 11 | 1));
        let denormal = (0x3300_0000_u32 - 0x100_0000..0x3880_0010).step_by(9);
        for bits in normal.chain(denormal) {
            let number = f32::from_bits(bits);
            let want = if number.is_nan() {
                0x7e00 | (bits >> 16) as u16 & 0x8000
            } else {
                f16::from_f32_const(number).to_bits()
            };
            assert_eq!(narrowed(number), want, "{bits:#x}");
        }
    }
}
