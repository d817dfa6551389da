//! `notify`: telling people what rules have found.

use std::time::Duration;

use core_engine::settings::SecretSource as _;
use core_evaluation::channels::{self, ChannelList};
use core_evaluation::sending::{Messenger, SendReport};
use core_http::Secret;
use core_reading::Reader;
use core_rules::notify::settings::SecretPlace;

use super::opened::Opened;
use super::show::rows;
use crate::cli::{Global, NotifyCommand, ReportFormat, RowFormat};
use crate::config::{self, SecretReference, Variable};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The longest time that a run sends at its end.
pub(super) const AFTER_RUN: Duration = Duration::from_secs(30);
/// The longest time that `notify send` sends.
const SENDING: Duration = Duration::from_mins(10);
/// The longest time that a command for a secret may take.
const SECRET_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: NotifyCommand) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = &opened.reader();
    let read_secret = |place: &SecretPlace, what: &str| read_secret(reader, place, what);
    let messenger = Messenger { reader, read_secret: &read_secret };
    match command {
        NotifyCommand::List { output } => {
            let list = ChannelList::read(reader)?;
            match output.output {
                RowFormat::Table => output::result(&list.table(output::terminal_columns())),
                format => return rows(list.objects(), format),
            }
        }
        NotifyCommand::Test { name } => output::result(&messenger.test(&name).await?),
        NotifyCommand::Send { output } => {
            channels::required(reader.folder)?;
            let report = messenger.send(SENDING).await?;
            print(&report, output)?;
            if report.has_failures() {
                return Ok(Exit::DestinationFailed);
            }
        }
    }
    Ok(Exit::Complete)
}

/// Sends the messages that wait, for so long at most, and tells which channels did not take one.
pub(super) async fn send(reader: &Reader<'_>, budget: Duration) -> Result<(), Failure> {
    let read_secret = |place: &SecretPlace, what: &str| read_secret(reader, place, what);
    let report = Messenger { reader, read_secret: &read_secret }.send(budget).await?;
    output::notes(&report.failures());
    Ok(())
}

/// The failure of sending after a run that has published.
pub(super) fn failure_of(failure: Failure) -> Failure {
    let program = system::own_command();
    let error = failure.error.context(format!(
        "the messages about findings were not sent; `{program} notify send` sends them"
    ));
    Failure { error, ..failure }
}

fn read_secret(reader: &Reader<'_>, place: &SecretPlace, what: &str) -> anyhow::Result<Secret> {
    let reference = match place.clone() {
        SecretPlace::Env(name) => {
            SecretReference::Variable(Variable::new(name, config::ENVIRONMENT))
        }
        SecretPlace::File(path) => {
            let paths = config::paths(reader.folder.unwrap_or("".as_ref()));
            SecretReference::File(paths.resolve(&path).map_err(anyhow::Error::msg)?)
        }
        SecretPlace::Command(words) => SecretReference::Command { words, timeout: SECRET_TIMEOUT },
    };
    reference.read(what)
}

fn print(report: &SendReport, format: ReportFormat) -> Result<(), Failure> {
    match format {
        ReportFormat::Json => output::json(report)?,
        ReportFormat::Table if report.is_empty() => output::note("nothing waits to be sent"),
        ReportFormat::Table => output::result(&report.table(output::terminal_columns())),
    }
    output::notes(&report.failures());
    Ok(())
}
