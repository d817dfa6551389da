//! The content of a file or object, in pieces. At the end, its size and hash are compared with the expected ones.

use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use core_files::File;
use core_store::{Fingerprint, TenantPart, TenantStore};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::error::BucketError;

/// The size of a piece: the smallest part of an upload that S3 accepts.
pub(crate) const PIECE: usize = 5 * 1024 * 1024;

/// The content of a file or object.
pub(crate) struct Pieces {
    origin: Origin,
    /// The name for messages.
    name: String,
    expected: Fingerprint,
    hasher: blake3::Hasher,
    /// True if another process may replace the file while it is read, so that different content is not damage.
    is_replaceable: bool,
    is_at_end: bool,
}

enum Origin {
    Memory(Option<Bytes>),
    File(File),
    Stream { stream: BoxStream<'static, Result<Bytes, BucketError>>, waiting: BytesMut },
}

impl Pieces {
    pub(crate) fn from_memory(name: &str, bytes: Bytes) -> Self {
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        let expected = Fingerprint { bytes: bytes.len() as u64, blake3 };
        Self::new(name, Origin::Memory(Some(bytes)), expected)
    }

    /// The bytes that the file had when it was fingerprinted. The ledger may have grown since.
    fn from_file(name: &str, file: File, expected: Fingerprint, is_replaceable: bool) -> Self {
        Self { is_replaceable, ..Self::new(name, Origin::File(file), expected) }
    }

    pub(crate) fn from_stream(
        name: &str,
        stream: BoxStream<'static, Result<Bytes, BucketError>>,
        expected: Fingerprint,
    ) -> Self {
        Self::new(name, Origin::Stream { stream, waiting: BytesMut::new() }, expected)
    }

    fn new(name: &str, origin: Origin, expected: Fingerprint) -> Self {
        let hasher = blake3::Hasher::new();
        let name = name.to_owned();
        Self { origin, name, expected, hasher, is_replaceable: false, is_at_end: false }
    }

    pub(crate) fn expected(&self) -> &Fingerprint {
        &self.expected
    }

    /// The next piece, of [`PIECE`] bytes unless it is the last one.
    ///
    /// # Errors
    ///
    /// [`BucketError::Corrupt`] at the end if the content is not the expected one.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BucketError> {
        if self.is_at_end {
            return Ok(None);
        }
        let piece = match &mut self.origin {
            Origin::Memory(bytes) => bytes.take().unwrap_or_default(),
            Origin::File(file) => {
                let left = self.expected.bytes - self.hasher.count();
                read_piece(file, left)?
            }
            Origin::Stream { stream, waiting } => {
                while waiting.len() < PIECE
                    && let Some(bytes) = stream.next().await
                {
                    waiting.extend_from_slice(&bytes?);
                }
                waiting.split_to(waiting.len().min(PIECE)).freeze()
            }
        };
        self.hasher.update(&piece);
        if piece.is_empty() {
            self.is_at_end = true;
            self.compare()?;
            return Ok(None);
        }
        if self.hasher.count() > self.expected.bytes {
            self.compare()?;
        }
        Ok(Some(piece))
    }

    /// Reads everything into memory.
    pub(crate) async fn read_all(mut self) -> Result<Bytes, BucketError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if all.is_empty() && piece.len() as u64 == self.expected.bytes {
                // The usual case: no copy.
                self.next().await?;
                return Ok(piece);
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Reads everything, only to compare it.
    pub(crate) async fn read_to_end(mut self) -> Result<(), BucketError> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    fn compare(&self) -> Result<(), BucketError> {
        let (found, expected) = (self.hasher.count(), self.expected.bytes);
        let what = if found != expected {
            format!("it has {found} bytes instead of {expected}")
        } else if self.hasher.finalize().to_hex().as_str() != self.expected.blake3 {
            "its content is another one".to_owned()
        } else {
            return Ok(());
        };
        if self.is_replaceable {
            return Err(BucketError::SourceChanged);
        }
        Err(BucketError::Corrupt { place: self.name.clone(), what })
    }
}

/// Opens a file of a tenant's folder. Reading it compares it with its state at the time of the listing.
///
/// # Errors
///
/// [`BucketError::SourceChanged`] if it was replaced since then.
pub(crate) fn open_file(
    tenant: &TenantStore,
    path: &str,
    expected: Fingerprint,
) -> Result<Pieces, BucketError> {
    let place = tenant.file_path(path)?;
    let is_replaceable =
        matches!(TenantPart::of_path(path), Some(TenantPart::State | TenantPart::Ledger));
    match File::open(&place) {
        Ok(file) => Ok(Pieces::from_file(path, file, expected, is_replaceable)),
        Err(_) if is_replaceable && !place.exists() => Err(BucketError::SourceChanged),
        Err(error) => Err(error.into()),
    }
}

fn read_piece(file: &mut File, left: u64) -> Result<Bytes, BucketError> {
    let mut piece = Vec::with_capacity(usize::try_from(left.min(PIECE as u64)).unwrap_or(PIECE));
    let read = file.by_ref().take(left.min(PIECE as u64)).read_to_end(&mut piece);
    read.map_err(|source| BucketError::File {
        action: "read",
        path: file.path().to_owned(),
        source,
    })?;
    Ok(piece.into())
}
