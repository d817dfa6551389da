//! Statements that are prepared first and answered later, with values.

use bytes::{Buf as _, Bytes};

use super::answer::Until;
use super::portal::{Portal, without_formats};
use super::{MAX_PREPARED, Session, Stop, check_text};
use crate::backend;
use crate::command::{Command, Text, split};
use crate::error::{WireError, state};
use crate::frontend::Bind;
use crate::process::body;

/// A prepared statement.
pub(crate) struct Statement {
    command: Command,
    text: Text,
    /// The types of parameters that the client has told, by their numbers; 0 for those that it has not.
    types: Vec<u32>,
    /// The messages about its parameters and columns, once the client was told.
    described: Option<(Bytes, Bytes)>,
}

impl Statement {
    /// Returns the types of the parameters, those that the client was told of if it was.
    fn types(&self) -> Vec<u32> {
        let Some((parameters, _)) = &self.described else { return self.types.clone() };
        let mut body = body(parameters.clone());
        let count = body.try_get_u16().unwrap_or(0);
        (0..count).map_while(|_| body.try_get_u32().ok()).collect()
    }

    /// Returns the number of bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.text.text.len() + size_of_val(&*self.types)
    }

    /// Returns the query of a statement that has rows.
    fn query(&self) -> Text {
        match &self.command {
            Command::Copy { query, .. } => Text::made(query.clone()),
            _ => self.text.clone(),
        }
    }
}

impl Session {
    /// Prepares a statement.
    pub(super) fn parse(&mut self, name: String, text: &str, types: Vec<u32>) -> Result<(), Stop> {
        check_text(text)?;
        let mut statements = split(text);
        statements.retain(|statement| Command::parse(&statement.text) != Command::Empty);
        if statements.len() > 1 {
            let message = "a prepared statement is one statement, and this text has several";
            return Err(WireError::new(state::SYNTAX, message).into());
        }
        let text = statements.pop().unwrap_or_default();
        let command = Command::parse(&text.text);
        self.check_transaction(&command)?;
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("there is a prepared statement {name} already");
            return Err(WireError::new(state::TAKEN_STATEMENT, message).into());
        }
        if self.statements.len() >= MAX_PREPARED {
            let message = format!("the session has {MAX_PREPARED} prepared statements: close some");
            return Err(WireError::new(state::LIMIT, message).into());
        }
        let statement = Statement { command, text, types, described: None };
        self.check_held(statement.held_bytes())?;
        self.statements.insert(name, statement);
        backend::bare(&mut self.connection.out, b'1');
        Ok(())
    }

    fn prepared(&self, name: &str) -> Result<&Statement, WireError> {
        self.statements.get(name).ok_or_else(|| {
            WireError::new(state::NO_STATEMENT, format!("there is no prepared statement {name}"))
        })
    }

    /// Gives a prepared statement the values of its parameters.
    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Stop> {
        let statement = self.prepared(&bind.statement)?;
        let command = statement.command.clone();
        self.check_transaction(&command)?;
        let types = statement.types();
        if statement.described.is_some() && bind.values.len() != types.len() {
            let (given, needed) = (bind.values.len(), types.len());
            let message =
                format!("the statement has {needed} parameters, and {given} values were given");
            return Err(WireError::new(state::PROTOCOL, message).into());
        }
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            let message = format!("there is a cursor {} already", bind.portal);
            return Err(WireError::new(state::TAKEN_CURSOR, message).into());
        }
        if self.portals.len() >= MAX_PREPARED {
            let message = format!("the session has {MAX_PREPARED} cursors: close some");
            return Err(WireError::new(state::LIMIT, message).into());
        }
        let columns = statement.described.as_ref().map(|(_, columns)| columns);
        let expected = columns.map(|columns| without_formats(columns).freeze());
        let portal = Portal {
            types,
            values: bind.values.into_iter().map(|value| value.map(Vec::from)).collect(),
            formats: bind.formats,
            result_formats: bind.result_formats,
            expected,
            ..Portal::new(command, statement.text.clone())
        };
        self.check_held(portal.held_bytes())?;
        self.portals.insert(bind.portal, portal);
        backend::bare(&mut self.connection.out, b'2');
        Ok(())
    }

    /// Tells the parameters and columns of a prepared statement.
    pub(super) async fn describe_statement(&mut self, name: &str) -> Result<(), Stop> {
        let statement = self.prepared(name)?;
        self.check_transaction(&statement.command)?;
        let types = statement.types.clone();
        match statement.command.clone() {
            Command::Query => {
                if statement.described.is_none() {
                    let query = statement.query();
                    let described = self.describe(query, types).await?;
                    if let Some(statement) = self.statements.get_mut(name) {
                        statement.described = Some(described);
                    }
                }
                if let Some((parameters, columns)) = self.prepared(name)?.described.clone() {
                    self.connection.out.extend_from_slice(&parameters);
                    self.connection.out.extend_from_slice(&columns);
                }
                Ok(())
            }
            command => {
                backend::parameter_description(&mut self.connection.out, &types);
                self.describe_command(&command).await
            }
        }
    }

    /// Tells the columns of a statement with its values. A query begins, so that its columns are those of its answer.
    pub(super) async fn describe_portal(&mut self, name: &str) -> Result<(), Stop> {
        let mut portal = self.take_portal(name)?;
        self.check_transaction(&portal.command)?;
        if portal.command != Command::Query {
            let described = self.describe_command(&portal.command).await;
            self.portals.insert(name.to_owned(), portal);
            return described;
        }
        match &portal.columns {
            Some(columns) => self.connection.out.extend_from_slice(columns),
            None => drop(self.answer(&mut portal, Until::Columns, true).await?),
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// Tells the columns of a statement that is no query.
    async fn describe_command(&mut self, command: &Command) -> Result<(), Stop> {
        if let Command::Fetch { cursor, .. } = command {
            let mut portal = self.take_portal(cursor)?;
            if portal.columns.is_none() {
                self.answer(&mut portal, Until::Columns, false).await?;
            }
            if let Some(columns) = &portal.columns {
                self.connection.out.extend_from_slice(columns);
            }
            self.portals.insert(cursor.clone(), portal);
            return Ok(());
        }
        self.describe_utility(command);
        Ok(())
    }

    /// Sends an answer, or the next rows of one.
    pub(super) async fn execute(&mut self, name: &str, max_rows: u32) -> Result<(), Stop> {
        let mut portal = self.take_portal(name)?;
        self.check_transaction(&portal.command)?;
        match portal.command.clone() {
            Command::Empty => backend::bare(&mut self.connection.out, b'I'),
            Command::Query | Command::Copy { .. } => {
                let limit = (max_rows > 0).then_some(max_rows.into());
                let advanced = self.advance(&mut portal, limit, false).await?;
                let out = &mut self.connection.out;
                if advanced.is_over {
                    backend::complete(out, &advanced.tag("SELECT"));
                } else {
                    backend::bare(out, b's');
                }
            }
            Command::Fetch { cursor, count } => self.fetch(&cursor, count, false).await?,
            command => {
                let answer = self.utility(command)?;
                answer.write(&mut self.connection.out, false);
            }
        }
        // A statement that ends a transaction ends its cursors too.
        if self.transaction.is_open
            || !matches!(portal.command, Command::Commit | Command::Rollback)
        {
            self.portals.insert(name.to_owned(), portal);
        }
        Ok(())
    }

    /// Sends the next rows of a cursor.
    pub(super) async fn fetch(
        &mut self,
        cursor: &str,
        count: Option<u32>,
        is_told: bool,
    ) -> Result<(), Stop> {
        let mut portal = self.take_portal(cursor)?;
        let advanced = self.advance(&mut portal, count.map(u64::from), is_told).await?;
        self.portals.insert(cursor.to_owned(), portal);
        backend::complete(&mut self.connection.out, &advanced.tag("FETCH"));
        Ok(())
    }

    /// Takes a portal, which an error ends.
    fn take_portal(&mut self, name: &str) -> Result<Portal, WireError> {
        self.portals.remove(name).ok_or_else(|| {
            WireError::new(
                state::NO_PORTAL,
                format!("there is no cursor {name}; one that is not read for 10 minutes ends"),
            )
        })
    }
}
