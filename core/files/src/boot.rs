//! Which start of the system this is.

use std::fs;

use crate::checkpoint;

/// Linux's id of this start of the system, the same in all containers.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Returns an id of this start of the system; `None` if the system has none.
///
/// Bytes that were written before another start and not fsynced cannot be trusted: some file systems keep the length
/// of a file and lose what was in it.
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(checkpoint::boot_id(id.trim().to_owned()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_start_of_the_system_has_one_id() {
        let id = boot_id().expect("Linux has one");
        assert_eq!((id.len(), boot_id()), (36, Some(id)));
    }
}
