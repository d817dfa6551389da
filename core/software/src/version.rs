//! Versions: how two compare, and whether one is of a release.

use std::cmp::Ordering;

/// Compares two versions as `libversion` does. None if either cannot be read: then nothing is known of it.
pub fn compare_versions(left: &str, right: &str) -> Option<Ordering> {
    Some(libversion::version_compare2(cleaned(left)?, cleaned(right)?))
}

/// Returns whether a text is a version that can be compared.
pub fn is_version(text: &str) -> bool {
    cleaned(text).is_some()
}

/// A version without the `v` before it and notes such as `(x64)` behind it. None if the rest is no version:
/// one begins with a digit and has no spaces.
fn cleaned(text: &str) -> Option<&str> {
    let mut text = text.trim();
    while let Some(start) = text.strip_suffix(')').and_then(|rest| rest.rfind('(')) {
        text = text[..start].trim_end();
    }
    text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-+~:".contains(c);
    let is_version = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(is_part);
    is_version.then_some(text)
}

/// Returns the number of parts of a version that a release such as `3.12` names. None if the version is of another
/// release.
pub(crate) fn parts_of_release(version: &str, release: &str) -> Option<usize> {
    let version: Vec<&str> = cleaned(version)?.split('.').collect();
    let release: Vec<&str> = release.split('.').collect();
    let is_same = |(own, named): (&&str, &&str)| match (own.parse::<u64>(), named.parse::<u64>()) {
        (Ok(own), Ok(named)) => own == named,
        _ => own.eq_ignore_ascii_case(named),
    };
    let is_of_release = version.len() >= release.len() && version.iter().zip(&release).all(is_same);
    is_of_release.then_some(release.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_and_what_is_none_is_unknown() {
        let table = [
            ("1.2", "1.10", Some(Ordering::Less)),
            ("v2.0 (x64)", "2.0", Some(Ordering::Equal)),
            ("1.0-beta2", "1.0", Some(Ordering::Less)),
            ("10.0", "9.9.9", Some(Ordering::Greater)),
            ("", "1.0", None),
            ("unknown", "1.0", None),
            ("1.0", "latest", None),
            ("1 2", "1.0", None),
        ];
        for (left, right, order) in table {
            assert_eq!(compare_versions(left, right), order, "{left} {right}");
            assert_eq!(is_version(left) && is_version(right), order.is_some(), "{left} {right}");
        }
    }

    #[test]
    fn a_version_is_of_the_release_that_begins_it() {
        let table = [
            ("3.12.4", "3.12", Some(2)),
            ("3.12", "3.12", Some(2)),
            ("3.1", "3.12", None),
            ("3.120.1", "3.12", None),
            ("137.0.1", "137", Some(1)),
            ("03.012.1", "3.12", Some(2)),
            ("3", "3.12", None),
            ("", "3", None),
        ];
        for (version, release, parts) in table {
            assert_eq!(parts_of_release(version, release), parts, "{version} {release}");
        }
    }
}
