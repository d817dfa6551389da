//! The process that answers one query of the explorer: reads the query from standard input and writes the answer
//! to standard output. Its parent limits its time, and the system its memory.

use std::io::{self, Read as _};

use core_cli::{Global, ServeArguments};
use core_explorer::WorkerRequest;
use core_reading::REMEDY;
use core_reading::explorer_answer::{Terms, answered, refuse};

use crate::commands::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::output;

/// The longest request. Bytes.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

/// Answers the query on standard input.
pub(in crate::commands) async fn answer(
    global: &Global,
    arguments: &ServeArguments,
) -> Result<Exit, Failure> {
    let mut text = String::new();
    let input = io::stdin().lock().take(MAX_REQUEST_BYTES).read_to_string(&mut text);
    input.map_err(anyhow::Error::new)?;
    let request: WorkerRequest = serde_json::from_str(&text).map_err(anyhow::Error::new)?;
    let mut out = output::writer();
    let terms = Terms { memory_limit_bytes: arguments.memory_limit_bytes(), remedy: REMEDY };
    let answering = async {
        let opened = Opened::named(global, &request.tenant)?;
        answered(&opened.reader(), terms, &request, &mut out).await.map_err(Failure::from)
    };
    if let Err(failure) = answering.await {
        // The parent shows the error on the page; the exit code only says that this process has ended as it
        // should.
        refuse(&failure.error, &mut out).map_err(anyhow::Error::new)?;
    }
    Ok(Exit::Complete)
}
