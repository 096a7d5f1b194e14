//! Parses numbers of the Prometheus and OpenMetrics text formats.

/// Parses a number, including `NaN` and the infinities, to the nearest `f64`.
///
/// OpenMetrics allows `NaN`, `Inf` and `Infinity` in any case, and a sign for the infinities only. Go's other formats
/// (`0x1p-2`, `1_000`) are valid in neither text format, and `str::parse` refuses them.
pub(in crate::source) fn number(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let is_signed_nan = value.is_nan() && text.starts_with(['+', '-']);
    (!is_signed_nan).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_every_format_are_parsed() {
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
            assert_eq!(number(text), Some(exact), "{text}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert!(number(text).unwrap().is_nan(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1e5.0", "0x10", "1_000", "--1", "+-1", " 1", "Infinit",
            "1\u{e4}", "+NaN", "-nan", "infinite", "0x1p-2", "1e5_0", "1e1.5", "1f", "\u{0661}", "1 ",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn finite_numbers_are_parsed_exactly(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            for text in [value.to_string(), format!("{value:e}"), format!("{value:E}"), format!("{value:?}")] {
                prop_assert_eq!(number(&text).map(f64::to_bits), Some(value.to_bits()), "{}", text);
            }
        }

        #[test]
        fn a_text_is_parsed_if_it_is_in_the_grammar(text in "[-+]{0,2}[0-9.eE_xXpP ]{0,8}|[-+]?[iInNfFaAtTyY]{2,8}") {
            prop_assert_eq!(number(&text).is_some(), is_in_grammar(&text), "{}", text);
        }
    }

    /// Returns true if a text is in OpenMetrics' ABNF extended by Prometheus' `5.`: a sign, digits with an optional
    /// point, and an exponent.
    fn is_in_grammar(text: &str) -> bool {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let name = unsigned.to_ascii_lowercase();
        if ["inf", "infinity"].contains(&name.as_str()) || text.eq_ignore_ascii_case("nan") {
            return true;
        }
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
            None => (unsigned, "0"),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        are_digits(whole)
            && are_digits(fraction)
            && !(whole.is_empty() && fraction.is_empty())
            && are_digits(exponent)
            && !exponent.is_empty()
    }
}
