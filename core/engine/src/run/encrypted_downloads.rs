//! Downloads that only this run can read. If a privacy policy changes or suppresses anything,
//! downloads are encrypted under keys that exist only in this process's memory. A killed run leaves
//! bytes without a key, which the next run removes, so no run resumes encrypted downloads of
//! another.

use std::collections::BTreeMap;
use std::io::{self, Read, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use core_files::Operation;
use core_nexthink::ResultsSink;
use core_store::{Downloads, StoreError};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::host::Host;

/// A key of 32 bytes and a nonce of 12 (RFC 8439).
type DownloadKey = Zeroizing<[u8; 44]>;

/// The downloads of a run, encrypted or as they are.
#[derive(Clone)]
pub struct Files {
    downloads: Downloads,
    keys: Option<Arc<DownloadKeys>>,
}

/// The keys of downloads. Dropping the last reference removes the downloads too.
struct DownloadKeys {
    by_name: Mutex<BTreeMap<String, DownloadKey>>,
    downloads: Downloads,
    host: Host,
}

/// A download that is being written.
pub(super) enum Sink {
    Open(File),
    Encrypted(Box<EncryptedFile>),
}

/// A file that is encrypted while it is written.
pub(super) struct EncryptedFile {
    file: File,
    name: String,
    keys: Arc<DownloadKeys>,
    cipher: ChaCha20,
    /// The encrypted bytes that are not written yet: a write may accept fewer bytes than it was
    /// given.
    pending: Vec<u8>,
}

impl Files {
    /// Creates the downloads of a run; `encrypted` if no other process may read them.
    pub fn new(downloads: Downloads, encrypted: bool, host: &Host) -> Files {
        let keys = encrypted.then(|| {
            Arc::new(DownloadKeys {
                by_name: Mutex::default(),
                downloads: downloads.clone(),
                host: host.clone(),
            })
        });
        Files { downloads, keys }
    }

    /// The downloads themselves.
    pub fn downloads(&self) -> &Downloads {
        &self.downloads
    }

    /// Returns true if only this run can read them, so that no later run can resume them.
    pub(super) fn are_encrypted(&self) -> bool {
        self.keys.is_some()
    }

    /// Opens a download for writing, or to resume it.
    pub(super) fn write(&self, name: &str) -> io::Result<Sink> {
        let file = self.downloads.resume(name).map_err(io::Error::other)?;
        let Some(keys) = &self.keys else { return Ok(Sink::Open(File::from_std(file))) };
        // The key of the existing bytes is gone.
        file.set_len(0)?;
        Ok(Sink::Encrypted(Box::new(EncryptedFile {
            file: File::from_std(file),
            name: name.to_owned(),
            cipher: keys.renew(name)?,
            keys: Arc::clone(keys),
            pending: Vec::new(),
        })))
    }

    /// Opens a download to read it from its start.
    pub fn read(&self, name: &str) -> Result<Box<dyn Read + Send>, StoreError> {
        let file = self.downloads.read(name)?;
        let cipher = self.keys.as_ref().and_then(|keys| keys.cipher(name));
        Ok(match cipher {
            Some(cipher) => Box::new(DecryptingReader { file, cipher }),
            None => Box::new(file),
        })
    }
}

/// A download whose bytes are decrypted as they are read.
struct DecryptingReader {
    file: std::fs::File,
    cipher: ChaCha20,
}

impl Read for DecryptingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.cipher.try_apply_keystream(&mut buffer[..read]).map_err(too_long)?;
        Ok(read)
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        core_files::checkpoint(Operation::Write, Path::new("a download"))?;
        match &mut *self {
            Sink::Open(file) => Pin::new(file).poll_write(context, bytes),
            Sink::Encrypted(encrypted) => encrypted.poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Sink::Open(file) => Pin::new(file).poll_flush(context),
            Sink::Encrypted(encrypted) => {
                std::task::ready!(encrypted.poll_pending(context))?;
                Pin::new(&mut encrypted.file).poll_flush(context)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(context))?;
        match &mut *self {
            Sink::Open(file) => Pin::new(file).poll_shutdown(context),
            Sink::Encrypted(encrypted) => Pin::new(&mut encrypted.file).poll_shutdown(context),
        }
    }
}

impl ResultsSink for Sink {
    async fn restart(&mut self) -> io::Result<()> {
        match self {
            Sink::Open(file) => file.restart().await,
            Sink::Encrypted(encrypted) => {
                encrypted.pending.clear();
                encrypted.file.restart().await?;
                // Two texts must never be encrypted with the same key stream.
                encrypted.cipher = encrypted.keys.renew(&encrypted.name)?;
                Ok(())
            }
        }
    }

    async fn resume(&mut self) -> io::Result<u64> {
        self.flush().await?;
        match self {
            Sink::Open(file) => file.resume().await,
            Sink::Encrypted(encrypted) => {
                let end = encrypted.file.seek(SeekFrom::End(0)).await?;
                encrypted.cipher.try_seek(end).map_err(too_long)?;
                Ok(end)
            }
        }
    }
}

impl EncryptedFile {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_pending(context))?;
        self.pending.extend_from_slice(bytes);
        self.cipher.try_apply_keystream(&mut self.pending).map_err(too_long)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let file = Pin::new(&mut self.file);
            let written = std::task::ready!(file.poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl DownloadKeys {
    /// Returns a cipher with a new key, and keeps the key for the reader.
    fn renew(&self, name: &str) -> io::Result<ChaCha20> {
        let mut key = DownloadKey::new([0; 44]);
        self.host.fill_random(key.as_mut_slice()).map_err(io::Error::other)?;
        let cipher = cipher_of(&key);
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(name.to_owned(), key);
        Ok(cipher)
    }

    /// Returns the cipher with which a download was written.
    fn cipher(&self, name: &str) -> Option<ChaCha20> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).map(cipher_of)
    }
}

impl Drop for DownloadKeys {
    fn drop(&mut self) {
        if let Err(error) = self.downloads.clear_except(|_| false) {
            tracing::warn!(%error, "downloads that cannot be read were left behind");
        }
    }
}

fn cipher_of(key: &DownloadKey) -> ChaCha20 {
    let (key, nonce) = key.split_at(32);
    ChaCha20::new_from_slices(key, nonce).expect("32 and 12 bytes")
}

/// The key stream has 256 GiB, which exceeds the size limit of a download.
fn too_long<E>(_: E) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a download of more than 256 GiB")
}

#[cfg(test)]
mod tests {
    use core_store::{Location, Store};
    use tempfile::TempDir;

    use super::*;

    const TEXT: &[u8] = b"user.uid,user.name\nu-1,ACME\\jane.doe\n";

    fn read(files: &Files) -> Vec<u8> {
        let mut text = Vec::new();
        files.read("export").expect("it is there").read_to_end(&mut text).expect("it is a file");
        text
    }

    #[tokio::test]
    async fn an_encrypted_download_is_unreadable_to_others_and_gone_with_its_run() {
        let folder = TempDir::new().expect("a folder can be made");
        let location = Location::Folder(folder.path().to_owned());
        let tenant =
            Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
        let downloads =
            tenant.lock("a test").and_then(|lock| lock.downloads()).expect("the lock is free");
        let path = folder.path().join("acme").join("staging").join("downloads").join("export");
        let files = Files::new(downloads, true, &crate::testing::host());
        let mut sink = files.write("export").expect("it can be made");
        // A file that starts again gets a new key.
        sink.write_all(&[0; 40]).await.expect("there is room");
        sink.flush().await.expect("there is room");
        let other = std::fs::read(&path).expect("it is there");
        sink.restart().await.expect("it can be emptied");
        sink.write_all(&TEXT[..7]).await.expect("there is room");
        assert_eq!(sink.resume().await.expect("it is there"), 7);
        sink.write_all(&TEXT[7..]).await.expect("there is room");
        sink.flush().await.expect("there is room");
        assert_eq!(read(&files), TEXT);
        let encrypted = std::fs::read(&path).expect("it is there");
        assert_eq!(encrypted.len(), TEXT.len());
        assert!(!encrypted.windows(4).any(|window| TEXT.windows(4).any(|plain| plain == window)));
        let stream: Vec<u8> =
            encrypted.iter().zip(TEXT).map(|(byte, plain)| byte ^ plain).collect();
        assert!(!other.starts_with(&stream[..8]), "two texts have two key streams");
        drop((sink, files));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn an_open_download_is_as_it_came_and_stays() {
        let folder = TempDir::new().expect("a folder can be made");
        let location = Location::Folder(folder.path().to_owned());
        let tenant =
            Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
        let downloads =
            tenant.lock("a test").and_then(|lock| lock.downloads()).expect("the lock is free");
        let files = Files::new(downloads.clone(), false, &crate::testing::host());
        let mut sink = files.write("export").expect("it can be made");
        sink.write_all(TEXT).await.expect("there is room");
        sink.flush().await.expect("there is room");
        drop((sink, files));
        assert_eq!(read(&Files::new(downloads, false, &crate::testing::host())), TEXT);
    }
}
