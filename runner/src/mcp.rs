//! `mcp`: a server of the Model Context Protocol on standard input and output, for assistants that ask about
//! the estate.
//!
//! Each tool runs a command of this program in a process of its own, so that what a person can read in a
//! terminal, with its limits, its entry in the ledger and its withheld columns, is what an assistant gets,
//! and no more. The server itself opens no table.
//!
//! `protocol` are the messages, `tools` what can be called, `call` runs a command within the limits,
//! `describe` explains tables, `resources` what can be read without a call.

mod call;
mod describe;
mod protocol;
mod resources;
mod tools;

use std::io::{BufRead as _, Read as _};

use core_store::TenantStore;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::call::Caller;
use self::protocol::{Problem, Request};
use crate::exit::{Exit, Failure};
use crate::output;

/// The longest line of a client, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// The lines of a client that wait.
const WAITING: usize = 8;

/// Serves one client until it closes standard input.
pub(crate) async fn serve(
    tenant: TenantStore,
    config: Option<&std::path::Path>,
    personal: bool,
) -> Result<Exit, Failure> {
    let mut server =
        Server { caller: Caller::new(config, personal), tenant, client: String::new() };
    let (sender, mut lines) = mpsc::channel(WAITING);
    // A thread, since reading standard input cannot be stopped.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
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
            output::result(&answer.to_string());
        }
    }
    Ok(Exit::Complete)
}

struct Server {
    caller: Caller,
    tenant: TenantStore,
    /// The name that the client gives itself.
    client: String,
}

impl Server {
    /// The answer to a line; none for a notification.
    async fn answer(&mut self, line: &[u8]) -> Option<Value> {
        let request = match Request::parse(line) {
            Ok(Some(request)) => request,
            Ok(None) => return None,
            Err((id, problem)) => return Some(problem.answer(&id)),
        };
        let result = self.result(&request).await;
        Some(match result {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": request.id, "result": result }),
            Err(problem) => problem.answer(&request.id),
        })
    }

    async fn result(&mut self, request: &Request) -> Result<Value, Problem> {
        match request.method.as_str() {
            "initialize" => {
                self.client = protocol::client_name(&request.params);
                Ok(protocol::greeting(&request.params))
            }
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": tools::list() })),
            "tools/call" => self.call(&request.params).await,
            "resources/list" => Ok(json!({ "resources": resources::list() })),
            "resources/templates/list" => Ok(json!({ "resourceTemplates": [] })),
            "resources/read" => resources::read(&self.tenant, &request.params),
            method => Err(Problem::unknown_method(method)),
        }
    }

    async fn call(&self, params: &Value) -> Result<Value, Problem> {
        let name = params["name"].as_str().unwrap_or_default();
        let command = tools::command(name, &params["arguments"])?;
        let answer = self.caller.call(&self.tenant, &self.client, name, &command).await;
        let text = answer.text.to_string();
        Ok(json!({
            "content": [{ "type": "text", "text": text }],
            "isError": answer.is_error,
        }))
    }
}
