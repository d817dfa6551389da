//! Where a results file is written to: something that can be emptied, for a file that starts anew,
//! and taken up again, for one that an earlier process began.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use tokio::io::{AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::NexthinkError;

/// The receiver of a results file, and of nothing else: it is empty at first, or holds what an earlier
/// process wrote of the same file.
pub trait ResultsSink: AsyncWrite + Unpin {
    /// Drops all that was written, so that the next byte is the first of the file.
    ///
    /// # Errors
    /// The reason why it could not be emptied; the export then fails.
    fn restart(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Goes to the end of what is there and tells how many bytes that is, so that the next byte
    /// follows them.
    ///
    /// # Errors
    /// The reason why that could not be found out; the export then fails.
    fn resume(&mut self) -> impl Future<Output = io::Result<u64>> + Send;
}

impl ResultsSink for tokio::fs::File {
    async fn restart(&mut self) -> io::Result<()> {
        // What is still being written must not land in the emptied file.
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
