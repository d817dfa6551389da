//! The saved queries and their CSV: RFC 4180, UTF-8, LF, quoted only where a cell needs it.

use std::io::{self, Write};

use serde::Deserialize;

use crate::selection::Selection;
use crate::tenant::Tenant;

/// A query that an administrator has saved in the tenant, with the ID that JupiterOne's
/// integration page suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum SavedQuery {
    /// `#j1_devices`
    #[serde(rename = "#j1_devices")]
    Devices,
    /// `#j1_users`
    #[serde(rename = "#j1_users")]
    Users,
    /// `#j1_packages`
    #[serde(rename = "#j1_packages")]
    Packages,
    /// `#j1_alerts`
    #[serde(rename = "#j1_alerts")]
    Alerts,
    /// `#j1_device_users`, which no page suggests: the devices to which users logged in
    #[serde(rename = "#j1_device_users")]
    DeviceUsers,
    /// `#j1_audit`, which the integration page lacks: the table of the audit trail.
    #[serde(rename = "#j1_audit")]
    AuditLogs,
}

impl SavedQuery {
    /// Every saved query of the estate.
    pub const ALL: [Self; 5] =
        [Self::Devices, Self::Users, Self::Packages, Self::Alerts, Self::DeviceUsers];

    /// The query ID, with its `#`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Devices => "#j1_devices",
            Self::Users => "#j1_users",
            Self::Packages => "#j1_packages",
            Self::Alerts => "#j1_alerts",
            Self::DeviceUsers => "#j1_device_users",
            Self::AuditLogs => "#j1_audit",
        }
    }

    /// The query with this ID, if the tenant has one.
    pub fn from_id(id: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::AuditLogs]);
        all.find(|query| query.id() == id)
    }

    /// The table of the query.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Users => "users",
            Self::Packages => "package.installed_packages",
            Self::Alerts => "alerts",
            Self::DeviceUsers => "session.logins during past 30d",
            Self::AuditLogs => "platform.audit_logs",
        }
    }

    /// The columns in the order in which the query lists them.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Devices => &[
                "device.uid",
                "device.name",
                "device.collector.uid",
                "device.operating_system.platform",
                "device.operating_system.name",
                "device.operating_system.build",
                "device.hardware.manufacturer",
                "device.hardware.model",
                "device.hardware.chassis_serial_number",
                "device.hardware.machine_serial_number",
                "device.hardware.type",
                "device.license_type",
                "device.last_seen",
                "device.first_seen",
                "device.entity",
                "device.sid",
                "device.connectivity.last_local_ip",
            ],
            Self::Users => &[
                "user.uid",
                "user.name",
                "user.upn",
                "user.sid",
                "user.type",
                "user.last_seen",
                "user.first_seen",
                "user.entity",
                "user.ad.email_address",
                "user.ad.full_name",
                "user.ad.department",
            ],
            Self::Packages => &[
                "device.uid",
                "package.uid",
                "package.name",
                "package.version",
                "package.publisher",
                "package.type",
                "package.platform",
            ],
            Self::Alerts => &[
                "alert.uid",
                "alert.status",
                "alert.trigger_time",
                "alert.recovery_time",
                "alert.trigger_value",
                "alert.duration",
                "monitor.name",
                "monitor.nql_id",
                "monitor.priority",
                "monitor.type",
                "monitor.origin",
                "device.uid",
                "user.uid",
            ],
            Self::DeviceUsers => &["user.uid", "device.uid"],
            // Nexthink does not document them.
            Self::AuditLogs => &["time", "account", "code", "message"],
        }
    }
}

/// The size of a written export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The number of rows, without the header.
    pub rows: u64,
    /// True if `row_cap` left rows out.
    pub truncated: bool,
}

/// The number of bytes passed to the sink at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes the export of `query` as CSV, at most `row_cap` rows, without keeping any of it.
///
/// # Errors
///
/// Those of `sink`.
pub fn write_csv<W: Write>(
    tenant: &Tenant,
    query: SavedQuery,
    row_cap: Option<u64>,
    sink: &mut W,
) -> io::Result<Written> {
    write_rows(tenant, &Selection { query, filter: None, row_cap }, sink)
}

pub(crate) fn write_rows<W: Write>(
    tenant: &Tenant,
    selection: &Selection,
    sink: &mut W,
) -> io::Result<Written> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 4 * 1024);
    push_csv_line(&mut buffer, selection.query.columns().iter().copied());
    let written = selection.for_each(tenant, |row| {
        push_csv_line(&mut buffer, row.cells());
        if buffer.len() >= CHUNK_BYTES {
            sink.write_all(&buffer)?;
            buffer.clear();
        }
        Ok(())
    })?;
    sink.write_all(&buffer)?;
    Ok(written)
}

/// Appends a line of CSV: RFC 4180, LF, quoted only where a cell needs it.
pub fn push_csv_line<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (position, cell) in cells.enumerate() {
        if position > 0 {
            buffer.push(b',');
        }
        push_cell(buffer, cell.as_bytes());
    }
    buffer.push(b'\n');
}

fn push_cell(buffer: &mut Vec<u8>, cell: &[u8]) {
    if !cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        buffer.extend_from_slice(cell);
        return;
    }
    buffer.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            buffer.push(b'"');
        }
        buffer.push(byte);
    }
    buffer.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cell_that_needs_it_is_quoted() {
        let mut line = Vec::new();
        push_csv_line(
            &mut line,
            ["plain", "", " a ", "a,b", "say \"hi\"", "two\nlines"].into_iter(),
        );
        assert_eq!(
            String::from_utf8_lossy(&line),
            "plain,, a ,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"
        );
    }

    #[test]
    fn a_query_is_found_by_its_id_only() {
        for query in SavedQuery::ALL.into_iter().chain([SavedQuery::AuditLogs]) {
            assert_eq!(SavedQuery::from_id(query.id()), Some(query));
        }
        assert_eq!(SavedQuery::from_id("#j1_binaries"), None);
    }
}
