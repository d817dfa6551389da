//! `findings`: what the rules have found.

use core_cli::{
    FindingsCommand, FindingsListArguments, Global, ReportFormat, RowFormat, SilenceArguments,
    TimeSpan,
};
use core_evaluation::findings::{self, Acknowledging, Findings, SilenceRequest};
use core_reading::Reader;
use core_rules::silence::Matcher;
use core_rules::view::Wanted;

use super::opened::Opened;
use super::show::rows;
use crate::exit::{Exit, Failure};
use crate::{output, typed};

/// The findings of a table, unless the user says otherwise.
const TABLE_LINES: usize = 50;

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: FindingsCommand) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let reader = &opened.reader();
    let columns = output::terminal_columns();
    match command {
        FindingsCommand::List(arguments) => list(reader, &arguments)?,
        FindingsCommand::Show { id, output } => {
            let findings = Findings::read(reader)?;
            let one = findings.one(&id)?;
            match output {
                ReportFormat::Json => output::json(&one.object())?,
                ReportFormat::Table => output::result(&one.page(output::terminal_columns())),
            }
        }
        FindingsCommand::Ack { ids, note, undo } => {
            let acknowledging = match note.as_deref() {
                _ if undo => Acknowledging::Withdraw,
                note => Acknowledging::Acknowledge { note },
            };
            let lines = findings::acknowledge(reader, &ids, acknowledging).await?;
            output::lines(&lines);
        }
        FindingsCommand::Silence(arguments) => silence(reader, arguments).await?,
        FindingsCommand::History { id, lines, output } => {
            let findings = Findings::read(reader)?;
            let in_table = (output.output == RowFormat::Table).then_some(TABLE_LINES);
            let history = findings.history(id.as_deref(), lines.or(in_table))?;
            match output.output {
                RowFormat::Table => output::result(&history.table(columns)),
                format => return rows(history.objects(), format),
            }
            output::notes(&Vec::from_iter(history.remark()));
        }
    }
    Ok(Exit::Complete)
}

fn list(reader: &Reader<'_>, arguments: &FindingsListArguments) -> Result<(), Failure> {
    let findings = Findings::read(reader)?;
    let wanted = Wanted {
        states: arguments.states.iter().copied().map(typed::state).collect(),
        severity: arguments.severity.map(typed::severity),
        matcher: Matcher { rule: arguments.rule.clone(), ..Matcher::default() },
    };
    let format = arguments.output.output;
    let in_table = (format == RowFormat::Table).then_some(TABLE_LINES);
    let list = findings.list(&wanted, arguments.lines.or(in_table));
    if format != RowFormat::Table {
        rows(list.objects(), format)?;
        return Ok(());
    }
    output::result(&list.table(output::terminal_columns()));
    reader.remark(&list.remark());
    Ok(())
}

async fn silence(reader: &Reader<'_>, arguments: SilenceArguments) -> Result<(), Failure> {
    let SilenceArguments { finding, rule, entity, label, duration, why, end, output } = arguments;
    if let Some(id) = end {
        output::result(&findings::end_silence(reader, &id).await?);
        return Ok(());
    }
    let length_ms = duration.map(TimeSpan::milliseconds);
    let request = SilenceRequest { finding, rule, entity, label, length_ms, why };
    if !request.names_nothing() {
        output::result(&findings::silence(reader, request).await?);
        return Ok(());
    }
    let findings = Findings::read(reader)?;
    match output.output {
        RowFormat::Table => {
            output::result(&findings.silences_table(output::terminal_columns()));
        }
        format => {
            rows(findings.silence_objects(), format)?;
        }
    }
    Ok(())
}
