//! A connection to a database, over TLS as `core/http` sets it up for every connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use core_http::{Secret, tls_client_config};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, NoTls, TlsConnect, TlsStream};
use tokio_postgres::{CancelToken, Client, Config};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use crate::error::PostgresError;
use crate::settings::{PostgresSettings, Tls};

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// An open connection. Dropping it closes it, which undoes what was not committed.
pub(crate) struct Connection {
    pub(crate) client: Client,
    tls: Option<RustlsConnect>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Connection {
    /// Connects and logs in.
    pub(crate) async fn open(
        settings: &PostgresSettings,
        password: Option<&Secret>,
    ) -> Result<Self, PostgresError> {
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .dbname(&settings.database)
            .user(&settings.user)
            .application_name("nexthink-graph")
            .connect_timeout(CONNECT);
        if let Some(password) = password {
            config.password(password.expose());
        }
        let place = settings.place();
        let failed = |error| PostgresError::connecting(&error, &place, &settings.user);
        let late = |_| PostgresError::Unreachable {
            place: place.clone(),
            reason: "no answer in time".to_owned(),
        };
        match settings.tls {
            Tls::Off => {
                config.ssl_mode(SslMode::Disable);
                let connecting = tokio::time::timeout(CONNECT, config.connect(NoTls));
                let (client, connection) = connecting.await.map_err(late)?.map_err(failed)?;
                let serving = tokio::spawn(async move { note_end(connection.await) });
                Ok(Self { client, tls: None, serving })
            }
            Tls::Required => {
                config.ssl_mode(SslMode::Require);
                let tls = RustlsConnect(Arc::new(tls_client_config(&settings.trust)?));
                let connecting = tokio::time::timeout(CONNECT, config.connect(tls.clone()));
                let (client, connection) = connecting.await.map_err(late)?.map_err(failed)?;
                let serving = tokio::spawn(async move { note_end(connection.await) });
                Ok(Self { client, tls: Some(tls), serving })
            }
        }
    }

    /// Asks the server to end what it does for this connection. It ends by itself too, once it sees that no one
    /// listens.
    pub(crate) async fn cancel(&self) {
        let token: CancelToken = self.client.cancel_token();
        let cancelled = match &self.tls {
            None => token.cancel_query(NoTls).await,
            Some(tls) => token.cancel_query(tls.clone()).await,
        };
        if let Err(error) = cancelled {
            tracing::debug!(%error, "the server could not be asked to stop");
        }
    }
}

fn note_end(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        // What a statement waits for fails with it, and says so.
        tracing::debug!(code = ?error.code(), "the connection to the database ended");
    }
}

/// TLS for `tokio-postgres` by rustls.
#[derive(Clone)]
struct RustlsConnect(Arc<rustls::ClientConfig>);

/// TLS with one host.
struct RustlsHost {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection with TLS.
struct RustlsStream<S>(client::TlsStream<S>);

impl<S> MakeTlsConnect<S> for RustlsConnect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = RustlsStream<S>;
    type TlsConnect = RustlsHost;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<RustlsHost, Self::Error> {
        let name = ServerName::try_from(host.to_owned())?;
        Ok(RustlsHost { connector: TlsConnector::from(Arc::clone(&self.0)), name })
    }
}

impl<S> TlsConnect<S> for RustlsHost
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = RustlsStream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<RustlsStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(RustlsStream(self.connector.connect(self.name, stream).await?)) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for RustlsStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate is verified, which is what a binding would prove once more.
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for RustlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RustlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
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
            let _ = stream.read(&mut [0; 8]).await;
            // TLS is said to begin, and does not.
            let _ = stream.write_all(b"S").await;
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        let settings = PostgresSettings {
            host: "127.0.0.1".to_owned(),
            port,
            database: "acme".to_owned(),
            user: "graph".to_owned(),
            schema: "nexthink".to_owned(),
            readers: None,
            tls: Tls::Required,
            trust: Trust::default(),
        };
        let error = Connection::open(&settings, None).await.err().expect("no TLS");
        let text = error.to_string();
        assert!(text.contains("it does not speak TLS (check its address and port"), "{text}");
        assert!(text.contains("corrupt message"), "the words of the library are there: {text}");
    }
}
