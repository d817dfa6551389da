//! The id by which an upload is found in the logs of both sides.

use core_http::Jitter;

/// Returns a correlation id: a UUID of version 4 (RFC 9562).
pub(super) fn correlation_id(random: &Jitter) -> String {
    let random = (u128::from(random.bits()) << 64) | u128::from(random.bits());
    // The version in four bits, the variant in two.
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let part = |from: usize, to: usize| &digits[from..to];
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_ids_are_uuids_and_differ() {
        let random = Jitter::new(7);
        let first = correlation_id(&random);
        assert_ne!(first, correlation_id(&random));
        let lengths: Vec<_> = first.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{first}");
        assert!(first.split('-').nth(2).is_some_and(|part| part.starts_with('4')), "{first}");
        let variant = first.split('-').nth(3).and_then(|part| part.chars().next());
        assert!(variant.is_some_and(|digit| "89ab".contains(digit)), "{first}");
    }
}
