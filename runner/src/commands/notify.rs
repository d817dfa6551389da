//! `notify`: telling people what rules have found.

use std::time::Duration;

use core_cli::{Global, NotifyCommand, ReportFormat, RowFormat};
use core_engine::settings::SecretSource as _;
use core_evaluation::channels::{self, ChannelList};
use core_evaluation::sending::{Messenger, SendReport};
use core_http::Secret;
use core_reading::Reader;
use core_rules::notify::settings::SecretPlace;

use super::opened::Opened;
use super::show::rows;
use crate::config::{self, SecretReference, Variable};
use crate::exit::{Exit, Failure};
use crate::output;

/// The longest time that `notify send` sends.
const SENDING: Duration = Duration::from_mins(10);
/// The longest time that a command for a secret may take.
const SECRET_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: NotifyCommand) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = &opened.reader();
    let read_secret = read_secret(reader);
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

/// Returns what reads the secrets of channels.
pub(super) fn read_secret(
    reader: &Reader<'_>,
) -> impl Fn(&SecretPlace, &str) -> anyhow::Result<Secret> {
    let paths = config::paths(reader.folder.unwrap_or("".as_ref()));
    move |place, what| {
        let reference = match place.clone() {
            SecretPlace::Env(name) => {
                SecretReference::Variable(Variable::new(name, config::ENVIRONMENT))
            }
            SecretPlace::File(path) => {
                SecretReference::File(paths.resolve(&path).map_err(anyhow::Error::msg)?)
            }
            SecretPlace::Command(words) => {
                SecretReference::Command { words, timeout: SECRET_TIMEOUT }
            }
        };
        reference.read(what)
    }
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
