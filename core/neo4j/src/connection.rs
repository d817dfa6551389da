//! A connection to a server, over TLS as `core/http` sets it up for every connection.

use std::sync::Arc;
use std::time::Duration;

use core_http::{Secret, describe_tls_failure, tls_client_config};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::bolt::{Bolt, BoltError, Rows};
use crate::error::Neo4jError;
use crate::session::Session;
use crate::settings::{Neo4jSettings, Tls};
use crate::statement::Statement;

/// The longest wait for a connection and a login.
const CONNECT: Duration = Duration::from_secs(15);
/// The longest wait for an answer. The first statement about a type may have to fill an index.
const ANSWER: Duration = Duration::from_mins(15);

/// A stream of bytes, encrypted or not.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// An open connection. Dropping it closes it, which undoes a statement that has not ended.
pub(crate) struct Connection<'a> {
    bolt: Bolt<Box<dyn Transport>>,
    settings: &'a Neo4jSettings,
}

impl<'a> Connection<'a> {
    /// Connects and logs in.
    pub(crate) async fn open(
        settings: &'a Neo4jSettings,
        password: Option<&Secret>,
    ) -> Result<Self, Neo4jError> {
        let unreachable = |reason: &str| Neo4jError::Unreachable {
            place: settings.place(),
            reason: reason.to_owned(),
        };
        let connecting = async {
            let stream = connect(settings).await?;
            let opened = Bolt::open(stream, &settings.user, password).await;
            opened.map_err(|error| match error {
                BoltError::Io(error) => unreachable(&error.to_string()),
                BoltError::Version | BoltError::Protocol => {
                    Neo4jError::NotBolt { place: settings.place() }
                }
                BoltError::Failure { code, .. } => {
                    Neo4jError::login(&code, &settings.place(), &settings.user)
                }
            })
        };
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let bolt = connected.map_err(|_| unreachable("no answer in time"))??;
        Ok(Self { bolt, settings })
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        if self.bolt.close().await.is_err() {
            tracing::debug!("the server had ended the connection");
        }
    }
}

/// Connects, and encrypts the connection unless the settings say otherwise.
async fn connect(settings: &Neo4jSettings) -> Result<Box<dyn Transport>, Neo4jError> {
    let failed = |error: std::io::Error| Neo4jError::Unreachable {
        place: settings.place(),
        reason: error.to_string(),
    };
    let host = settings.host.as_str();
    let connecting = TcpStream::connect((host, settings.port));
    let stream = connecting.await.map_err(failed)?;
    // A message is written in one go, and an answer is waited for.
    stream.set_nodelay(true).map_err(failed)?;
    if settings.tls == Tls::Off {
        return Ok(Box::new(stream));
    }
    let connector = TlsConnector::from(Arc::new(tls_client_config(&settings.trust)?));
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Neo4jError::Unreachable {
        place: settings.place(),
        reason: "the host is no name that a certificate can have".to_owned(),
    })?;
    let connected =
        connector.connect(name, stream).await.map_err(|error| match describe_tls_failure(&error) {
            Some(reason) => Neo4jError::TlsFailed { place: settings.place(), reason },
            None => failed(error),
        });
    Ok(Box::new(connected?))
}

impl Session for Connection<'_> {
    async fn run(&mut self, statement: Statement<'_>) -> Result<Rows, Neo4jError> {
        let (action, text) = (statement.action(), statement.cypher());
        let database = &self.settings.database;
        let running = self.bolt.run(database, &text, statement.into_parameters());
        let place = || self.settings.place();
        match tokio::time::timeout(ANSWER, running).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(BoltError::Failure { code, message })) => {
                Err(Neo4jError::statement(&code, &message, &action, &place()))
            }
            Ok(Err(BoltError::Io(error))) => {
                Err(Neo4jError::broken(&action, &place(), &error.to_string()))
            }
            Ok(Err(BoltError::Version | BoltError::Protocol)) => {
                Err(Neo4jError::broken(&action, &place(), "the answer is not one of Bolt"))
            }
            Err(_) => Err(Neo4jError::broken(&action, &place(), "no answer in time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use core_http::Trust;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told_in_plain_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client comes");
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        let settings = Neo4jSettings {
            host: "127.0.0.1".to_owned(),
            port,
            database: "neo4j".to_owned(),
            user: "neo4j".to_owned(),
            tls: Tls::Required,
            trust: Trust::default(),
        };
        let error = Connection::open(&settings, None).await.err().expect("no TLS");
        let text = error.to_string();
        assert!(text.contains("it does not speak TLS (check its address and port"), "{text}");
        assert!(text.contains("corrupt message"), "the words of the library are there: {text}");
    }
}
