//! The processes that answer queries of the explorer, one each, and of sessions of Postgres clients. Each reads from
//! standard input and writes to standard output. Its parent limits its time, and the system its memory.

use std::io;

use core_cli::{Global, ServeArguments};
use core_explorer::WorkerRequest;
use core_postgres_wire::Worker;
use core_reading::REMEDY;
use core_reading::explorer_answer::{Terms, answered, refuse};

use crate::commands::opened::Opened;
use crate::exit::{Exit, Failure};
use crate::output;

/// Answers the query on standard input.
pub(in crate::commands) async fn answer(
    global: &Global,
    arguments: &ServeArguments,
) -> Result<Exit, Failure> {
    let request = WorkerRequest::read(io::stdin().lock()).map_err(anyhow::Error::new)?;
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

/// Answers the queries of a session, which come on standard input.
pub(in crate::commands) async fn answer_session(
    global: &Global,
    arguments: &ServeArguments,
) -> Result<Exit, Failure> {
    let worker = Worker::new(io::stdin()).map_err(anyhow::Error::new)?;
    let opened = Opened::named(global, worker.tenant())?;
    let (reader, limit) = (opened.reader(), arguments.memory_limit_bytes());
    worker.run(&reader, limit, &mut output::writer()).await.map_err(anyhow::Error::new)?;
    Ok(Exit::Complete)
}
