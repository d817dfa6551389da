//! The target of a results file. It can be truncated, for a file that starts again, and resumed, for a file that an
//! earlier process began.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use tokio::io::{AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::NexthinkError;

/// The receiver of one results file: it is empty at first, or holds the part of the same file that an earlier process
/// wrote.
pub trait ResultsSink: AsyncWrite + Unpin {
    /// Drops all that was written, so that the next byte is the first of the file.
    ///
    /// # Errors
    /// The reason why it could not be emptied; the export then fails.
    fn restart(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Seeks to the end of the existing bytes, so that the next byte follows them. Returns their number.
    ///
    /// # Errors
    /// The end cannot be found; the export then fails.
    fn resume(&mut self) -> impl Future<Output = io::Result<u64>> + Send;
}

impl ResultsSink for tokio::fs::File {
    async fn restart(&mut self) -> io::Result<()> {
        // Pending writes must not reach the truncated file.
        self.flush().await?;
        self.set_len(0).await?;
        self.rewind().await.map(drop)
    }

    async fn resume(&mut self) -> io::Result<u64> {
        self.seek(SeekFrom::End(0)).await
    }
}

impl ResultsSink for Vec<u8> {
    async fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }

    async fn resume(&mut self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

pub(crate) fn sink_failed(error: io::Error) -> NexthinkError {
    NexthinkError::Sink { source: Arc::new(error) }
}
