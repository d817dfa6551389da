//! From a line of a client to its answer.

use std::io;
use std::process::Command;

use core_store::TenantStore;
use core_terminal::escape_in_json;
use serde_json::{Value, json};

use crate::call::Caller;
use crate::protocol::{self, ProtocolError, Request};
use crate::{resources, tools};

/// The program whose commands answer calls.
pub trait Program: Send + Sync {
    /// Returns the program as a process that has not been started, with the options that name the configuration.
    ///
    /// # Errors
    ///
    /// The system cannot tell where the program is.
    fn command(&self) -> io::Result<Command>;

    /// Records in the ledger that a client has called a tool.
    fn record_call(&self, tool: &str, client: &str);
}

/// The extent of what assistants see.
#[derive(Debug, Clone)]
pub struct Settings {
    /// True if assistants are shown personal columns.
    pub personal: bool,
    /// The advice in the errors of commands for whoever is refused a personal column. An assistant cannot follow it.
    pub withheld_advice: &'static str,
}

/// A server for one client.
pub struct Server {
    caller: Caller,
    tenant: TenantStore,
    /// The name that the client gives itself.
    client: String,
}

impl Server {
    /// Creates a server that answers from a tenant's store.
    pub fn new(tenant: TenantStore, program: Box<dyn Program>, settings: Settings) -> Self {
        Self { caller: Caller::new(program, settings), tenant, client: String::new() }
    }

    /// Returns the answer to a line: a line of JSON without its end, or nothing for a notification.
    pub async fn answer(&mut self, line: &[u8]) -> Option<String> {
        let request = match Request::parse(line) {
            Ok(Some(request)) => request,
            Ok(None) => return None,
            Err((id, error)) => return Some(error.answer(&id).to_string()),
        };
        let answer = match self.result(&request).await {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": request.id, "result": result }),
            Err(error) => error.answer(&request.id),
        };
        Some(answer.to_string())
    }

    async fn result(&mut self, request: &Request) -> Result<Value, ProtocolError> {
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
            method => Err(ProtocolError::unknown_method(method)),
        }
    }

    async fn call(&self, params: &Value) -> Result<Value, ProtocolError> {
        let name = params["name"].as_str().unwrap_or_default();
        let command = tools::command(name, &params["arguments"])?;
        let answer = self.caller.call(&self.client, name, &command).await;
        // A client may show the text to the person who approves what the assistant does next.
        let text = answer.text.to_string();
        Ok(json!({
            "content": [{ "type": "text", "text": escape_in_json(&text) }],
            "isError": answer.is_error,
        }))
    }
}

#[cfg(all(test, unix))]
mod tests;
