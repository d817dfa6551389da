//! String checks that work at compile time, where iterators and `==` on `str` are not available.

pub(crate) const fn contains(text: &str, byte: u8) -> bool {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

pub(crate) const fn ends_with(text: &str, byte: u8) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty() && bytes[bytes.len() - 1] == byte
}

pub(crate) const fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && equal_at(a.as_bytes(), 0, b.as_bytes(), 0, b.len())
}

/// Returns true if `a[a_start..]` and `b[b_start..]` begin with the same `len` bytes.
pub(crate) const fn equal_at(
    a: &[u8],
    a_start: usize,
    b: &[u8],
    b_start: usize,
    len: usize,
) -> bool {
    if a_start + len > a.len() || b_start + len > b.len() {
        return false;
    }
    let mut i = 0;
    while i < len {
        if a[a_start + i] != b[b_start + i] {
            return false;
        }
        i += 1;
    }
    true
}

pub(crate) const fn is_one_of(text: &str, list: &[&str]) -> bool {
    let mut i = 0;
    while i < list.len() {
        if equal(text, list[i]) {
            return true;
        }
        i += 1;
    }
    false
}

/// Returns true if the lists share a text.
pub(crate) const fn intersect(a: &[&str], b: &[&str]) -> bool {
    let mut i = 0;
    while i < a.len() {
        if is_one_of(a[i], b) {
            return true;
        }
        i += 1;
    }
    false
}

/// Returns true for letters and digits that begin with a lower-case letter.
pub(crate) const fn is_lower_camel_case(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut i = 1;
    while i < bytes.len() {
        if !bytes[i].is_ascii_alphanumeric() {
            return false;
        }
        i += 1;
    }
    true
}
