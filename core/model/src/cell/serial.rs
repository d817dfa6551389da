//! Serial numbers, and what manufacturers leave in their place.

/// Placeholders, in lower case, letters and digits alone.
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

/// What no serial number contains, written as [`PLACEHOLDERS`]. Firmware cuts these texts off at any
/// length and puts others around them.
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

/// The fewest digits that are a placeholder when they only count up.
const MIN_COUNTED_DIGITS: usize = 6;

/// Whether a text stands in the place of a serial number, whatever its case, punctuation and white space:
/// `To be filled by O.E.M`, `SystemSerialNumb`, `0123456789`, `................`.
pub fn is_placeholder_serial(text: &str) -> bool {
    let characters = text.chars().filter(|it| it.is_alphanumeric());
    let plain: String = characters.flat_map(char::to_lowercase).collect();
    PLACEHOLDERS.contains(&plain.as_str())
        || is_filler(&plain)
        || counts_up(&plain)
        || PLACEHOLDER_PARTS.iter().any(|it| plain.contains(it))
}

/// Whether a text is a row of `0` and `x`, or of `f` alone.
fn is_filler(plain: &str) -> bool {
    plain.bytes().all(|it| matches!(it, b'0' | b'x')) || plain.bytes().all(|it| it == b'f')
}

/// Whether a text is a row of digits each of which is one more than the one before; 0 follows 9.
fn counts_up(plain: &str) -> bool {
    let digits = plain.as_bytes();
    digits.len() >= MIN_COUNTED_DIGITS
        && digits.iter().all(u8::is_ascii_digit)
        && digits.windows(2).all(|pair| pair[1] - b'0' == (pair[0] - b'0' + 1) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g19_placeholders_are_known_however_they_are_written() {
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
    fn g19_a_serial_number_is_no_placeholder() {
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
