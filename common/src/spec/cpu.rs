//! A quantity of CPU as Kubernetes writes it, to and from thousandths of one.
//!
//! Deliberately nothing finer than a thousandth: it would be rounded away.

/// `"500m"`, `"0.5"` or `"2"` as thousandths of a CPU.
#[must_use]
pub fn millicores(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(thousandths) = text.strip_suffix('m') {
        return digits(thousandths).then(|| thousandths.parse().ok())?;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u32 = format!("{fraction:0<3}").parse().ok()?;
    let whole: u32 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(fraction)
}

/// Whole ones without a unit, else thousandths: it reads back as the same.
#[must_use]
pub fn show_millicores(millicores: u64) -> String {
    match millicores % 1_000 {
        0 => (millicores / 1_000).to_string(),
        _ => format!("{millicores}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_read_as_kubernetes_writes_them_and_no_other_way() {
        for (text, expected) in [
            ("500m", Some(500)),
            ("0.5", Some(500)),
            ("2", Some(2_000)),
            ("1.25", Some(1_250)),
            (" 0.001 ", Some(1)),
            ("0.0005", None),
            ("0.5m", None),
            ("-1", None),
            ("1e3", None),
            ("4294968", None),
            ("", None),
            (".", None),
            ("m", None),
        ] {
            assert_eq!(millicores(text), expected, "{text:?}");
        }
        for number in [0, 1, 500, 1_000, 1_250] {
            assert_eq!(millicores(&show_millicores(number.into())), Some(number));
        }
    }
}
