//! Numbers of 16 bits (IEEE 754 binary16), as files keep them.

/// The nearest one; beyond their range it is the largest.
pub(super) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = u16::try_from(bits >> 16).unwrap_or(0) & 0x8000;
    let magnitude = f32::from_bits(bits & 0x7fff_ffff);
    if magnitude.is_nan() {
        return sign | 0x7e00;
    }
    // The largest is 65504; from half way to the next power of two it would be infinite.
    if magnitude >= 65504.0 {
        return sign | 0x7bff;
    }
    // Below 2^-14 they are evenly spaced, 2^-24 apart; above, 10 bits follow the first.
    let bits = if magnitude < 6.103_515_6e-5 {
        round(magnitude * 16_777_216.0)
    } else {
        let bits = magnitude.to_bits();
        let kept = (bits >> 13) + u32::from(bits & 0x1fff > 0x1000 || bits & 0x3fff == 0x3000);
        kept - (112 << 10)
    };
    sign | u16::try_from(bits).unwrap_or(0x7bff)
}

/// What one stands for.
pub(super) fn from_half(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    let magnitude = match exponent {
        0 => f32::from(half & 0x3ff) / 16_777_216.0,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// The nearest whole number of a small one that is not negative.
fn round(value: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 1024 and not negative"
    )]
    let whole = value.round() as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back_and_numbers_between_go_to_the_nearest() {
        for half in 0..=u16::MAX {
            let value = from_half(half);
            if value.is_finite() {
                assert_eq!(to_half(value), half, "{value}");
            }
        }
        for value in [1.0f32, -0.1, 3.3, 1000.7, 1e-6, -65_000.0] {
            let back = from_half(to_half(value));
            assert!(
                (back - value).abs() <= value.abs() / 2048.0 + 3e-8,
                "{value} {back}"
            );
        }
        assert_eq!(to_half(1e9), 0x7bff);
    }
}
