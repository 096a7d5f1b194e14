//! Numbers for people.

/// Returns a number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns an amount in dollars and cents.
pub fn dollars(amount: f64) -> String {
    let cents = (amount * 100.0).round().max(0.0) as u64;
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

/// Returns a number of bytes with a unit of 1,024.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut rest = number as f64;
    let mut unit = "B";
    for next in UNITS.into_iter().take_while(|_| number >= 1_024) {
        if rest < 1_024.0 {
            break;
        }
        (rest, unit) = (rest / 1_024.0, next);
    }
    if unit == "B" { format!("{number} B") } else { format!("{rest:.1} {unit}") }
}

/// Returns a time in its two largest units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
        for (amount, expected) in [(0.0, "$0.00"), (1_234.5, "$1,234.50"), (0.004, "$0.00")] {
            assert_eq!(dollars(amount), expected);
        }
        for (number, expected) in [(1_023, "1023 B"), (1_024, "1.0 KiB"), (8 << 20, "8.0 MiB"), (3 << 40, "3.0 TiB")] {
            assert_eq!(bytes(number), expected);
        }
        let times = [(59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, expected) in times {
            assert_eq!(duration(seconds), expected);
        }
    }
}
