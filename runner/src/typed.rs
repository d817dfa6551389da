//! The values of the command line as the crates below know them.

use core_cli::{DiffDetail, RoleName, RowFormat, SeverityName, StateName, TableFormat};
use core_explorer::Role;
use core_query::Format;
use core_rules::finding::State;
use core_rules::rule::Severity;

/// The form of rows.
pub(crate) fn format(format: RowFormat) -> Format {
    match format {
        RowFormat::Table => Format::Table,
        RowFormat::Json => Format::Json,
        RowFormat::Ndjson => Format::Ndjson,
        RowFormat::Csv => Format::Csv,
    }
}

/// The form of exported tables.
pub(crate) fn table_format(format: TableFormat) -> core_export::TableFormat {
    match format {
        TableFormat::Csv => core_export::TableFormat::Csv,
        TableFormat::Parquet => core_export::TableFormat::Parquet,
    }
}

/// The detail of changes.
pub(crate) fn detail(detail: DiffDetail) -> core_query::DiffDetail {
    match detail {
        DiffDetail::Summary => core_query::DiffDetail::Summary,
        DiffDetail::Names => core_query::DiffDetail::Names,
        DiffDetail::Rows => core_query::DiffDetail::Rows,
    }
}

/// The rights of a user.
pub(crate) fn role(name: RoleName) -> Role {
    match name {
        RoleName::Viewer => Role::Viewer,
        RoleName::Analyst => Role::Analyst,
    }
}

/// The severity of a rule.
pub(crate) fn severity(name: SeverityName) -> Severity {
    match name {
        SeverityName::Informational => Severity::Informational,
        SeverityName::Low => Severity::Low,
        SeverityName::Medium => Severity::Medium,
        SeverityName::High => Severity::High,
        SeverityName::Critical => Severity::Critical,
    }
}

/// The state of a finding.
pub(crate) fn state(name: StateName) -> State {
    match name {
        StateName::Pending => State::Pending,
        StateName::Open => State::Open,
        StateName::Acknowledged => State::Acknowledged,
        StateName::Clearing => State::Clearing,
        StateName::Resolved => State::Resolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_severity_can_be_typed_by_its_name() {
        let typed = Severity::ALL.map(|known| known.name().parse().map(severity));
        assert_eq!(typed, Severity::ALL.map(Ok));
    }
}
