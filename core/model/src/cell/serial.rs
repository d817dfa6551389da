//! Serial numbers, and the placeholders that manufacturers leave in their place.

/// Placeholders, in lower case, reduced to letters and digits.
const PLACEHOLDERS: &[&str] = &[
    "",
    "asset",
    "baseboard",
    "chassis",
    "default",
    "empty",
    "inapplicable",
    "invalid",
    "missing",
    "motherboard",
    "na",
    "nil",
    "none",
    "nosn",
    "notknown",
    "notset",
    "notsettable",
    "null",
    "oem",
    "serial",
    "serialno",
    "sn",
    "system",
    "tbd",
    "test",
    "undefined",
    "unknown",
    "unspecified",
    "123456789abcdef",
    "0123456789abcdef",
];

/// Parts that no serial number contains, written as [`PLACEHOLDERS`]. Firmware truncates these
/// texts and puts others around them.
const PLACEHOLDER_PARTS: &[&str] = &[
    "assettag",
    "badindex",
    "defaultstring",
    "noserial",
    "notapplicable",
    "notavailable",
    "notpresent",
    "notprovided",
    "notspecified",
    "oemstring",
    "productname",
    "serialnumb",
    "tobefilled",
];

/// The fewest digits that are a placeholder if they only count up.
const MIN_COUNTED_DIGITS: usize = 6;

/// Returns true for a placeholder, whatever its case, punctuation and white space: `To be filled by
/// O.E.M`, `SystemSerialNumb`, `0123456789`, `................`.
pub fn is_placeholder_serial(text: &str) -> bool {
    let characters = text.chars().filter(|character| character.is_alphanumeric());
    let normalized: String = characters.flat_map(char::to_lowercase).collect();
    PLACEHOLDERS.contains(&normalized.as_str())
        || is_filler(&normalized)
        || counts_up(&normalized)
        || PLACEHOLDER_PARTS.iter().any(|part| normalized.contains(part))
}

/// Returns true for a text of `0` and `x`, or of `f` alone.
fn is_filler(normalized: &str) -> bool {
    normalized.bytes().all(|byte| matches!(byte, b'0' | b'x'))
        || normalized.bytes().all(|byte| byte == b'f')
}

/// Returns true for digits each of which is one more than the previous one; 0 follows 9.
fn counts_up(normalized: &str) -> bool {
    let digits = normalized.as_bytes();
    digits.len() >= MIN_COUNTED_DIGITS
        && digits.iter().all(u8::is_ascii_digit)
        && digits.windows(2).all(|pair| pair[1] - b'0' == (pair[0] - b'0' + 1) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g19_placeholders_are_recognized_in_every_spelling() {
        for text in [
            "To be filled by O.E.M.",
            "To be filled by O.E.M",
            "TO BE FILLED BY OEM",
            "Chassis Serial Number",
            "Base Board Serial Number",
            "System Serial Number",
            "SystemSerialNumb",
            "Default string",
            "default_string",
            "oem default string inject xxxxxxxxxx",
            "Not Specified",
            "NotSpecified",
            "<BAD INDEX>",
            "No Asset Tag",
            "N/A",
            "None",
            "(none)",
            "unknown.",
            "0",
            "00000000",
            "00-00-00",
            "0x00000000",
            "xxxx",
            "FFFFFFFF",
            "................",
            "-",
            "",
            "123456789",
            "0123456789",
            "1234567890",
        ] {
            assert!(is_placeholder_serial(text), "{text}");
        }
    }

    #[test]
    fn g19_a_serial_number_is_not_a_placeholder() {
        for text in [
            "7G5K2X3",
            "1111111",
            "0000A1",
            "PF-12345",
            "12345",
            "VMware-56 4d 5c",
            "C02XF0",
            "SNX1",
        ] {
            assert!(!is_placeholder_serial(text), "{text}");
        }
    }
}
