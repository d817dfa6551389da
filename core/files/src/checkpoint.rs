//! The seam at which tests kill the process or make a file operation fail. Without the feature
//! `fault-injection` it compiles to nothing.

mod effect;
#[cfg(not(feature = "fault-injection"))]
mod inert;
#[cfg(feature = "fault-injection")]
mod injected;

use std::io;
use std::path::Path;

#[cfg(not(feature = "fault-injection"))]
use inert as faults;
#[cfg(feature = "fault-injection")]
use injected as faults;

pub(crate) use self::effect::Effect;
#[cfg(feature = "fault-injection")]
pub use self::injected::SimulatedDisk;

/// A kind of file operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Creates a file or folder.
    Create,
    /// Opens an existing file.
    Open,
    /// Writes bytes, or truncates a file.
    Write,
    /// Makes a file or the entries of a folder durable.
    Sync,
    /// Renames or exchanges files or folders.
    Rename,
    /// Removes a file or folder.
    Remove,
}

/// Announces an operation that another library carries out, such as an asynchronous write.
///
/// # Errors
///
/// The fault that a test injects here; none without the feature.
#[inline]
pub fn checkpoint(operation: Operation, path: &Path) -> io::Result<()> {
    faults::pass(operation, path).map(drop)
}

/// Announces that no operation will follow: a test may have the power lost now, to see whether what the process
/// has said is durable.
#[inline]
pub fn end_of_operations() {
    faults::end_of_operations();
}

/// Returns the free bytes of a disk, or the number that a test has set.
#[inline]
pub(crate) fn free_bytes(free: Option<u64>) -> Option<u64> {
    faults::free_bytes(free)
}

/// Returns the id of this start of the system, or another one if a test loses the power of this process.
#[inline]
pub(crate) fn boot_id(id: String) -> String {
    faults::boot_id(id)
}

/// Carries out one operation between two checkpoints.
#[inline]
pub(crate) fn guarded<T>(effect: Effect<'_>, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let passed = faults::pass_effect(effect)?;
    let result = run();
    passed.finish(result.is_ok());
    result
}

/// Writes to a file between two checkpoints. A test may let only half of the bytes be written.
#[inline]
pub(crate) fn guarded_write(
    path: &Path,
    buffer: &[u8],
    write: impl FnOnce(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let passed = faults::pass_effect(Effect::Write(path))?;
    let result = write(passed.cut(buffer));
    passed.finish(result.is_ok());
    result
}
