//! `mcp`: serves an assistant over standard input and output.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Read as _};
use std::process::Command;

use core_assistant::{Program, Server, Settings};
use core_cli::Global;
use core_engine::ledger::Event;
use core_store::TenantStore;
use tokio::sync::mpsc;

use super::query::REMEDY;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::{host, output, system};

/// The longest line of a client, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// The lines of a client that wait.
const WAITING: usize = 8;

/// Serves until the client closes standard input. Nothing but the protocol is printed to standard output.
pub(super) async fn serve(global: &Global) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let personal = match config::find(global.config.as_deref()) {
        Some(source) => config::load(&source)?.mcp.personal,
        None => false,
    };
    let settings = Settings { personal, withheld_advice: REMEDY };
    let words = config::own_words(global.config.as_deref());
    let program = Box::new(OwnProgram { tenant: tenant.clone(), words, personal });
    let mut server = Server::new(tenant, program, settings);
    let (sender, mut lines) = mpsc::channel(WAITING);
    // A thread, since reading standard input cannot be stopped.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            let is_end = read.map_or(true, |bytes| bytes == 0);
            if is_end || sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        if let Some(answer) = server.answer(&line).await {
            output::result(&answer);
        }
    }
    Ok(Exit::Complete)
}

/// This program, whose commands answer the calls.
struct OwnProgram {
    tenant: TenantStore,
    /// The options that name the configuration.
    words: Vec<OsString>,
    personal: bool,
}

impl Program for OwnProgram {
    fn command(&self) -> io::Result<Command> {
        let mut program = system::own_program()?;
        program.args(&self.words);
        Ok(program)
    }

    fn record_call(&self, tool: &str, client: &str) {
        let event = Event::McpCall { tool, client, personal: self.personal };
        host::record_read(&self.tenant, &event);
    }
}
