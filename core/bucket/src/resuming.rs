//! Reads an object to its end over connections that break.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};

use crate::error::BucketError;
use crate::patience::Patience;

/// An object that is read to its end.
#[derive(Clone)]
pub(crate) struct WholeObject {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// The entity tag that the object must have; None if it never changes.
    pub(crate) e_tag: Option<String>,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its name in messages.
    pub(crate) shown: String,
    pub(crate) patience: Patience,
}

/// The reading of an object.
struct Reading {
    object: WholeObject,
    /// The number of bytes that have arrived.
    arrived: u64,
    /// The answer that is being read; None after a failure and at the start.
    pieces: Option<BoxStream<'static, object_store::Result<Bytes>>>,
}

impl WholeObject {
    /// Asks once for the bytes from `start` on.
    ///
    /// # Errors
    ///
    /// [`BucketError::Request`].
    pub(crate) async fn get_from(&self, start: u64) -> Result<GetResult, BucketError> {
        let range = (start > 0).then_some(GetRange::Offset(start));
        let options = GetOptions { range, if_match: self.e_tag.clone(), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path, options).await;
        found.map_err(BucketError::request("read", &self.shown))
    }

    /// Reads the object, from an answer that has begun or else from a new one. If the connection breaks, it goes on after
    /// the last byte that has arrived.
    pub(crate) fn read(
        self,
        begun: Option<GetResult>,
    ) -> BoxStream<'static, Result<Bytes, BucketError>> {
        let pieces = begun.map(GetResult::into_stream);
        stream::try_unfold(Reading { object: self, arrived: 0, pieces }, Reading::next).boxed()
    }
}

impl Reading {
    /// Returns the next piece, and the reading after it; None at the end. The patience begins anew with each piece.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, BucketError> {
        let patience = self.object.patience.clone();
        let mut attempts = patience.begin();
        loop {
            match self.next_once().await {
                // Nothing has arrived.
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => {
                    patience.note_answer();
                    self.arrived += piece.len() as u64;
                    return Ok(Some((piece, self)));
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.pieces = None;
                    attempts.after(error).await?;
                }
            }
        }
    }

    async fn next_once(&mut self) -> Result<Option<Bytes>, BucketError> {
        if self.arrived > 0 && self.arrived == self.object.size {
            return Ok(None);
        }
        let pieces = match &mut self.pieces {
            Some(pieces) => pieces,
            none => none.insert(self.object.get_from(self.arrived).await?.into_stream()),
        };
        pieces.next().await.transpose().map_err(BucketError::request("read", &self.object.shown))
    }
}
