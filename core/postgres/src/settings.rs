//! Where a database is and who writes there.

use core_http::Trust;

/// The settings of a Postgres destination, without the password.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role that writes.
    pub user: String,
    /// The schema with the tables.
    pub schema: String,
    /// The role that may read the tables, if one is to be granted that.
    pub readers: Option<String>,
    /// The encryption of the connection.
    pub tls: Tls,
    /// The certificates that are trusted.
    pub trust: Trust,
}

/// The encryption of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Always, and the server's certificate is verified.
    Required,
    /// Never; for hosts on this machine only.
    Off,
}

impl PostgresSettings {
    /// The place, in words that tell it from every other one.
    pub fn place(&self) -> String {
        format!("database {} at {}:{}, schema {}", self.database, self.host, self.port, self.schema)
    }
}
