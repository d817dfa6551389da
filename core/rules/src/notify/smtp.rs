//! Sends a mail by SMTP, over TLS as `core/http` sets it up for every connection.
//!
//! No answer's text is kept: it may repeat an address. Its code says enough.

use std::sync::Arc;
use std::time::Duration;

use async_smtp::authentication::{Credentials, Mechanism};
use async_smtp::error::Error;
use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use core_http::{Trust, describe_tls_failure, tls_client_config};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::mail::{Mail, MailServer, MailTls};
use super::send::{ANSWER, CONNECT, failed};
use crate::outbox::Attempt;

/// The time that the server has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection, with or without TLS.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

type Transport = SmtpTransport<BufReader<Box<dyn Connection>>>;

/// Sends a mail. Every failure may be mended at the server or in the settings, so that none is final.
pub(super) async fn send(mail: &Mail, trust: &Trust) -> Attempt {
    match timeout(ANSWER, deliver(mail, trust)).await {
        Ok(Ok(mut transport)) => {
            // The server has the mail, however the connection ends.
            let _ = timeout(GOODBYE, transport.quit()).await;
            Attempt::Delivered
        }
        Ok(Err(reason)) => failed(&reason),
        Err(_) => failed("the mail server did not answer in time"),
    }
}

async fn deliver(mail: &Mail, trust: &Trust) -> Result<Transport, String> {
    let mut transport = connect(&mail.server, trust).await?;
    if let Some((user, password)) = &mail.login {
        log_in(&mut transport, user, password).await?;
    }
    let address = |text: &String| {
        EmailAddress::new(text.clone()).map_err(|_| "an address of the channel is none".to_owned())
    };
    let to = mail.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let envelope = Envelope::new(Some(address(&mail.from)?), to);
    let envelope = envelope.map_err(|_| "the channel has no receiver".to_owned())?;
    let sent = transport.send(SendableEmail::new(envelope, mail.content.clone())).await;
    sent.map_err(|error| describe("the mail", &error))?;
    Ok(transport)
}

async fn connect(server: &MailServer, trust: &Trust) -> Result<Transport, String> {
    let connecting = timeout(CONNECT, TcpStream::connect((server.host.as_str(), server.port)));
    let stream =
        connecting.await.map_err(|_| "the mail server cannot be reached in time".to_owned());
    let stream = stream?.map_err(|error| format!("the mail server cannot be reached: {error}"))?;
    // Without pipelining an answer belongs to the command before it.
    let client = || SmtpClient::new().pipelining(false);
    let (stream, client): (Box<dyn Connection>, SmtpClient) = match server.tls {
        MailTls::None => (Box::new(stream), client()),
        MailTls::Implicit => (Box::new(secure(stream, server, trust).await?), client()),
        MailTls::Starttls => {
            let stream = start_tls(stream, client()).await?;
            let stream = secure(stream, server, trust).await?;
            (Box::new(stream), client().without_greeting())
        }
    };
    let transport = SmtpTransport::new(client, BufReader::new(stream)).await;
    transport.map_err(|error| describe("the greeting", &error))
}

/// Asks for TLS on a connection that has none yet.
async fn start_tls(stream: TcpStream, client: SmtpClient) -> Result<TcpStream, String> {
    let transport = SmtpTransport::new(client, BufReader::new(stream)).await;
    let transport = transport.map_err(|error| describe("the greeting", &error))?;
    let stream = transport.starttls().await.map_err(|error| match error {
        Error::Client(_) => {
            "the mail server does not know STARTTLS: use its port for it, often 587, or `tls = \"implicit\"` with \
             port 465"
                .to_owned()
        }
        error => describe("STARTTLS", &error),
    })?;
    // Bytes before TLS come from an unauthenticated sender.
    if !stream.buffer().is_empty() {
        return Err("the mail server sent something between STARTTLS and TLS".to_owned());
    }
    Ok(stream.into_inner())
}

async fn secure(
    stream: TcpStream,
    server: &MailServer,
    trust: &Trust,
) -> Result<impl Connection + use<>, String> {
    let config = tls_client_config(trust).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(server.host.clone());
    let name =
        name.map_err(|_| "the mail server's name is none that a certificate has".to_owned())?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| {
        let reason = describe_tls_failure(&error).unwrap_or_else(|| error.to_string());
        format!("no TLS with the mail server: {reason}")
    })
}

/// Logs in by PLAIN, or by LOGIN, which is all that some servers know.
async fn log_in(transport: &mut Transport, user: &str, password: &str) -> Result<(), String> {
    let credentials = Credentials::new(user.to_owned(), password.to_owned());
    let mut result = transport.auth(Mechanism::Plain, &credentials).await;
    // 504: the server does not know the mechanism (RFC 4954).
    if let Err(Error::Permanent(response)) = &result
        && response.has_code(504)
    {
        result = transport.auth(Mechanism::Login, &credentials).await;
    }
    result.map(drop).map_err(|error| describe("the login", &error))
}

/// A reason without the text of an answer.
fn describe(what: &str, error: &Error) -> String {
    match error {
        Error::Transient(response) | Error::Permanent(response) => {
            format!("the mail server answered {} to {what}", response.code)
        }
        Error::Io(error) => {
            format!("the connection to the mail server broke at {what}: {}", error.kind())
        }
        _ => format!("the mail server's answer to {what} cannot be read"),
    }
}
