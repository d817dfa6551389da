//! Where a database is and who writes there.

use core_http::Trust;

/// The settings of a Neo4j destination, without the password.
#[derive(Debug, Clone)]
pub struct Neo4jSettings {
    /// The host.
    pub host: String,
    /// The port of Bolt.
    pub port: u16,
    /// The database, which has the graph of this tenant alone.
    pub database: String,
    /// The user that writes.
    pub user: String,
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

impl Neo4jSettings {
    /// The place, in words that tell it from every other one.
    pub fn place(&self) -> String {
        format!("database {} at {}:{}", self.database, self.host, self.port)
    }
}
