//! Archives whose bytes depend on their contents alone: one time, no owners, sorted paths.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The time of all files, in seconds since 1970-01-01 UTC: 2026-01-01. Debian refuses files of 1970.
pub(super) const FILE_TIME: u64 = 1_767_225_600;

/// A file of an archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The path within the archive, with `/` between folders.
    pub(super) path: String,
    /// The permissions.
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// A file that everyone may read.
    pub(super) fn file(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode: 0o644, bytes }
    }
}

/// Returns a tar archive of files, each path with a prefix, and of the folders above them.
pub(super) fn tar(entries: &[Entry], prefix: &str) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folders: Vec<String> = Vec::new();
    for entry in entries {
        let path = format!("{prefix}{}", entry.path);
        for (end, _) in path.match_indices('/') {
            let folder = &path[..=end];
            if folder != "./" && !folders.iter().any(|known| known == folder) {
                let mut header = header(0o755, 0);
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, folder, &[][..])?;
                folders.push(folder.to_owned());
            }
        }
        let mut header = header(entry.mode, entry.bytes.len());
        builder.append_data(&mut header, path, &entry.bytes[..])?;
    }
    Ok(builder.into_inner()?)
}

fn header(mode: u32, bytes: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(bytes as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(FILE_TIME);
    header
}

/// Compresses bytes. A higher level than this takes twice the time for a hundredth of the size.
pub(super) fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    compress(bytes, Compression::new(6))
}

/// Compresses bytes as much as can be, as Debian wants it of pages.
pub(super) fn gzip_best(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    compress(bytes, Compression::best())
}

fn compress(bytes: &[u8], level: Compression) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_has_folders_before_files_and_the_same_bytes_each_time() {
        let entries = [Entry::file("a/b/one", b"1".to_vec()), Entry::file("a/two", b"22".to_vec())];
        let bytes = tar(&entries, "top/").expect("there is room");
        assert_eq!(bytes, tar(&entries, "top/").expect("there is room"));
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().expect("it is one") {
            let mut entry = entry.expect("it is whole");
            let path = entry.path().expect("it is a text").display().to_string();
            let mode = entry.header().mode().expect("it is a number");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("it is a text");
            found.push(format!("{path} {mode:o} {text}"));
        }
        let expected =
            ["top/ 755 ", "top/a/ 755 ", "top/a/b/ 755 ", "top/a/b/one 644 1", "top/a/two 644 22"];
        assert_eq!(found, expected);
    }
}
