//! Where a results file is written to: something that can be emptied, for a file that starts anew.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::NexthinkError;

/// What takes a results file, and nothing else: it is empty at first.
pub trait ResultsSink: AsyncWrite + Unpin {
    /// Drops all that was written, so that the next byte is the first of the file.
    ///
    /// # Errors
    /// Why it could not be emptied; the export then fails.
    fn restart(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

impl ResultsSink for tokio::fs::File {
    async fn restart(&mut self) -> io::Result<()> {
        // What is still being written must not land in the emptied file.
        self.flush().await?;
        self.set_len(0).await?;
        self.rewind().await.map(drop)
    }
}

impl ResultsSink for Vec<u8> {
    async fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

pub(crate) fn sink_failed(error: io::Error) -> NexthinkError {
    NexthinkError::Sink { source: Arc::new(error) }
}
