//! A number as it is written in both text formats.

/// Ten to as much is exact in an `f64`.
const MAX_EXACT_POWER: u32 = 22;

/// Ten to as much is within a `u64`.
const MAX_U64_POWER: u32 = 19;

/// As many digits are within a `u64`, whichever they are.
const MAX_DIGITS: u32 = 19;

/// Beyond this every number but 0 is infinite, and nothing when it is negative.
const MAX_EXPONENT: i32 = 400;

/// A number as both formats write it, NaN and the infinities too.
///
/// It is the nearest `f64` where there are up to 19 digits, and up to 19 places in either direction: all that clients write but
/// the smallest and the largest, which are within a few units of the last place. The parser of `core` is exact everywhere, and
/// 18 KB of a module for that.
pub(in crate::source) fn number(text: &str) -> Option<f64> {
    let (sign, text) = match text.as_bytes() {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        rest => (1.0, rest),
    };
    let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
    if is("NaN") {
        return Some(f64::NAN);
    }
    let size = if is("Inf") || is("Infinity") { f64::INFINITY } else { finite(text)? };
    Some(sign * size)
}

/// Digits with or without a point, with or without an exponent.
fn finite(text: &[u8]) -> Option<f64> {
    let (mut significand, mut exponent) = (0_u64, 0_i32);
    let (mut digits, mut has_digits, mut has_point) = (0, false, false);
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'0'..=b'9' => {
                has_digits = true;
                // Digits beyond those that fit count for no more than the last place.
                let is_kept = digits < MAX_DIGITS;
                if is_kept {
                    significand = significand * 10 + u64::from(byte - b'0');
                    digits += u32::from(significand != 0);
                }
                exponent = exponent.saturating_add(i32::from(!is_kept) - i32::from(has_point));
            }
            b'.' if !has_point => has_point = true,
            b'e' | b'E' if has_digits => {
                let written: i64 = std::str::from_utf8(rest.as_slice()).ok()?.parse().ok()?;
                exponent = exponent.saturating_add(written.clamp(-1_000_000, 1_000_000) as i32);
                break;
            }
            _ => return None,
        }
    }
    has_digits.then(|| scaled(significand, exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT)))
}

/// `significand` times ten to `exponent`.
fn scaled(significand: u64, exponent: i32) -> f64 {
    let power = exponent.unsigned_abs();
    if significand == 0 || exponent == 0 {
        return significand as f64;
    }
    // Both are exact, and so the one operation rounds correctly.
    let is_exact = significand <= 1 << f64::MANTISSA_DIGITS && power <= MAX_EXACT_POWER;
    if is_exact {
        let (significand, power) = (significand as f64, 10_f64.powi(power as i32));
        return if exponent < 0 { significand / power } else { significand * power };
    }
    if power <= MAX_U64_POWER {
        let power = 10_u128.pow(power);
        let significand = u128::from(significand);
        if exponent > 0 {
            return (significand * power) as f64;
        }
        // More bits than an `f64` has, the last of them saying whether others follow.
        let shift = significand.leading_zeros();
        let numerator = significand << shift;
        let quotient = (numerator / power) | u128::from(numerator % power != 0);
        return quotient as f64 / (1_u128 << shift) as f64;
    }
    // In two steps, since neither the power nor what is between may be infinite or nothing when the number is not.
    let (first, second) = (power / 2, power - power / 2);
    let (first, second) = (10_f64.powi(first as i32), 10_f64.powi(second as i32));
    let significand = significand as f64;
    if exponent < 0 { significand / first / second } else { significand * first * second }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_write_a_number_is_read() {
        for text in [
            "0",
            "-0",
            "1",
            "+1.5",
            "-.5",
            "5.",
            "00.50",
            "1e3",
            "1E+3",
            "1.5e-7",
            "9007199254740993",
            "0.1",
            "1e22",
            "1e-22",
            "18446744073709551615",
            "1.7976931348623157e308",
            "1e400",
            "1e-400",
            "inf",
            "+Inf",
            "-Infinity",
            "1e18",
            "0e99999",
            "123456789012345678901234567890",
            "0.000000000000000000000001",
            "4.9e-324",
        ] {
            let exact: f64 = text.parse().unwrap();
            let read = number(text).unwrap();
            let distance = read.to_bits().abs_diff(exact.to_bits());
            assert!(distance <= 1, "{text}: {read:?}");
        }
        assert!(number("NaN").unwrap().is_nan());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1e5.0", "0x10", "1_000", "--1", "+-1", " 1", "Infinit",
            "1\u{e4}",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_with_up_to_19_places_is_the_nearest(
            digits in 0..10_000_000_000_000_000_000_u64,
            shift in 0..64_u32,
            exponent in -19..=19_i32,
        ) {
            let text = format!("{}e{exponent}", digits >> shift);
            prop_assert_eq!(number(&text), text.parse().ok());
        }

        #[test]
        fn what_clients_write_of_a_usual_size_is_read_exactly(value in prop_oneof![-1e20..1e20_f64, -1e6..1e6, -1.0..1.0]) {
            prop_assert_eq!(number(&value.to_string()), Some(value));
        }

        #[test]
        fn any_other_is_off_by_the_last_places(value in any::<f64>().prop_filter("finite", |value| value.is_normal())) {
            let read = number(&format!("{value:e}")).unwrap();
            prop_assert!((read - value).abs() <= value.abs() * 8.0 * f64::EPSILON, "{read:e} {value:e}");
        }

        #[test]
        fn anything_is_read_or_refused_as_by_core(text in "[-+]?[0-9.eE]{0,12}|[-+]?[0-9]{0,40}[.]?[0-9]{0,40}") {
            let exact = text.parse::<f64>().ok();
            prop_assert_eq!(number(&text).is_some(), exact.is_some());
        }
    }
}
