//! Statements that the session answers itself: transactions, settings, cursors.

use bytes::BytesMut;

use super::portal::Portal;
use super::{MAX_PREPARED, Session, Stop};
use crate::backend::{self, Column, Severity};
use crate::command::{Command, Text};
use crate::error::{WireError, state};
use crate::kind::Kind;
use crate::settings::Settings;

/// An answer of the session itself.
#[derive(Debug, Default)]
pub(super) struct Answer {
    columns: Vec<&'static str>,
    /// The name of the only column, if it is not one of ours.
    name: Option<String>,
    rows: Vec<Vec<String>>,
    tag: String,
}

impl Answer {
    fn tag(tag: &str) -> Self {
        Self { tag: tag.to_owned(), ..Self::default() }
    }

    /// Appends its messages, with the columns if they are wanted.
    pub(super) fn write(&self, out: &mut BytesMut, is_told: bool) {
        let columns = columns(&self.columns, self.name.as_deref());
        if is_told && !columns.is_empty() {
            backend::row_description(out, &columns);
        }
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            backend::text_row(out, &cells);
        }
        backend::complete(out, &self.tag);
    }
}

fn columns(names: &[&str], only: Option<&str>) -> Vec<Column> {
    let names = names.iter().copied().chain(only);
    let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text, is_binary: false };
    names.map(column).collect()
}

/// The name of the column that `select set_config(…)` has.
const SET_CONFIG: &str = "set_config";

/// The columns of `show all`.
const ALL: [&str; 3] = ["name", "setting", "description"];

impl Session {
    /// Answers a statement that is no query.
    pub(super) fn utility(&mut self, command: Command) -> Result<Answer, Stop> {
        Ok(match command {
            Command::Begin => {
                self.transaction.begin(&self.settings);
                Answer::tag("BEGIN")
            }
            Command::Commit => {
                let is_kept = !self.transaction.has_failed;
                self.end_transaction(is_kept);
                Answer::tag(if is_kept { "COMMIT" } else { "ROLLBACK" })
            }
            Command::Rollback => {
                self.end_transaction(false);
                Answer::tag("ROLLBACK")
            }
            Command::Savepoint(tag) => {
                self.check_open(tag)?;
                Answer::tag(tag)
            }
            Command::RollbackTo => {
                self.check_open("ROLLBACK TO SAVEPOINT")?;
                self.transaction.has_failed = false;
                Answer::tag("ROLLBACK")
            }
            Command::Set { name, value, is_local } => {
                if is_local && !self.transaction.is_open {
                    let message = "SET LOCAL changes nothing outside of a transaction";
                    self.remark(Severity::Warning, state::NO_TRANSACTION, message);
                }
                self.set(&name, &value, is_local)?;
                Answer::tag("SET")
            }
            Command::SetConfig { name, value, is_local } => {
                let value = self.set(&name, &value, is_local)?;
                let name = Some(SET_CONFIG.to_owned());
                Answer { name, rows: vec![vec![value]], ..Answer::tag("SELECT 1") }
            }
            Command::SetTransaction => Answer::tag("SET"),
            Command::Show(name) => self.show(&name)?,
            Command::Reset(name) => {
                self.reset(name.as_deref())?;
                Answer::tag("RESET")
            }
            Command::DiscardAll => {
                self.statements.clear();
                self.portals.clear();
                self.reset(None)?;
                Answer::tag("DISCARD ALL")
            }
            Command::Discard => Answer::tag("DISCARD"),
            Command::Deallocate(name) => self.deallocate(name)?,
            Command::Unlisten => Answer::tag("UNLISTEN"),
            Command::Close(None) => {
                self.portals.clear();
                Answer::tag("CLOSE CURSOR ALL")
            }
            Command::Close(Some(cursor)) => {
                self.portals.remove(&cursor).ok_or_else(|| {
                    WireError::new(state::NO_PORTAL, format!("there is no cursor {cursor}"))
                })?;
                Answer::tag("CLOSE CURSOR")
            }
            Command::Declare { .. } => self.declare(command)?,
            Command::Unsupported(what) => {
                let message = format!("{what} is not supported: this server only answers queries");
                return Err(WireError::new(state::UNSUPPORTED, message).into());
            }
            Command::Empty | Command::Query | Command::Copy { .. } | Command::Fetch { .. } => {
                Answer::default()
            }
        })
    }

    /// Tells the columns of a statement that is no query.
    pub(super) fn describe_utility(&mut self, command: &Command) {
        let columns = match command {
            Command::Show(name) if name == "all" => columns(&ALL, None),
            Command::Show(name) => {
                columns(&[], Some(self.settings.get(name).map_or(name, |(name, _)| name)))
            }
            Command::SetConfig { .. } => columns(&[], Some(SET_CONFIG)),
            _ => Vec::new(),
        };
        let out = &mut self.connection.out;
        if columns.is_empty() {
            backend::bare(out, b'n');
        } else {
            backend::row_description(out, &columns);
        }
    }

    fn check_open(&self, statement: &str) -> Result<(), WireError> {
        if self.transaction.is_open {
            return Ok(());
        }
        let message = format!("{statement} is for a transaction: BEGIN starts one");
        Err(WireError::new(state::NO_TRANSACTION, message))
    }

    /// Changes a setting, and returns its value. One of the transaction alone changes nothing outside of one.
    fn set(&mut self, name: &str, value: &str, is_local: bool) -> Result<String, WireError> {
        let mut settings = self.settings.clone();
        let changed = settings.set(name, value)?;
        let kept = settings.get(changed.name)?.1.to_owned();
        if is_local && !self.transaction.is_open {
            return Ok(kept);
        }
        if !is_local && let Some(saved) = &mut self.transaction.settings {
            saved.committed.set(name, value)?;
        }
        self.settings = settings;
        if changed.is_told {
            backend::parameter_status(&mut self.connection.out, changed.name, &kept);
        }
        if let Some(remark) = changed.remark {
            // The code of a success.
            self.remark(Severity::Notice, "00000", remark);
        }
        Ok(kept)
    }

    fn remark(&mut self, severity: Severity, code: &'static str, message: &str) {
        backend::error(&mut self.connection.out, severity, &WireError::new(code, message));
    }

    /// Gives a setting, or all, the value that it had at first.
    fn reset(&mut self, name: Option<&str>) -> Result<(), WireError> {
        let mut settings = self.settings.clone();
        settings.reset(name)?;
        if let Some(saved) = &mut self.transaction.settings {
            saved.committed.reset(name)?;
        }
        self.restore(settings);
        Ok(())
    }

    /// Replaces all settings, and tells the client what has changed.
    pub(super) fn restore(&mut self, settings: Settings) {
        let before = std::mem::replace(&mut self.settings, settings);
        for (name, value) in self.settings.told() {
            if before.get(name).is_ok_and(|(_, old)| old != value) {
                backend::parameter_status(&mut self.connection.out, name, value);
            }
        }
    }

    fn show(&self, name: &str) -> Result<Answer, WireError> {
        let tag = "SHOW".to_owned();
        if name == "all" {
            let rows = self.settings.values().iter();
            let rows = rows.map(|(name, value)| vec![name.clone(), value.clone(), String::new()]);
            return Ok(Answer { columns: ALL.to_vec(), name: None, rows: rows.collect(), tag });
        }
        let (name, value) = self.settings.get(name)?;
        let rows = vec![vec![value.to_owned()]];
        Ok(Answer { columns: Vec::new(), name: Some(name.to_owned()), rows, tag })
    }

    fn deallocate(&mut self, name: Option<String>) -> Result<Answer, WireError> {
        let Some(name) = name else {
            self.statements.clear();
            return Ok(Answer::tag("DEALLOCATE ALL"));
        };
        self.statements.remove(&name).ok_or_else(|| {
            WireError::new(state::NO_STATEMENT, format!("there is no prepared statement {name}"))
        })?;
        Ok(Answer::tag("DEALLOCATE"))
    }

    fn declare(&mut self, command: Command) -> Result<Answer, WireError> {
        let Command::Declare { cursor, query, is_held } = command else {
            return Ok(Answer::default());
        };
        if !is_held {
            self.check_open("DECLARE CURSOR without WITH HOLD")?;
        }
        if self.portals.contains_key(&cursor) {
            let message = format!("there is a cursor {cursor} already");
            return Err(WireError::new(state::TAKEN_CURSOR, message));
        }
        if self.portals.len() >= MAX_PREPARED {
            let message = format!("the session has {MAX_PREPARED} cursors: close some");
            return Err(WireError::new(state::LIMIT, message));
        }
        let portal = Portal { is_held, ..Portal::new(Command::Query, Text::made(query)) };
        self.check_held(portal.held_bytes())?;
        self.portals.insert(cursor, portal);
        Ok(Answer::tag("DECLARE CURSOR"))
    }
}
