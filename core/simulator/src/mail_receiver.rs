//! A receiver of mail: a small SMTP server that remembers what it gets, and refuses it when it is told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// The longest line and the longest mail that are read. Bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The time at which TLS begins, if it does.
#[derive(Debug, Clone)]
pub enum MailTls {
    /// Never.
    None,
    /// At once.
    Implicit(Arc<ServerConfig>),
    /// After STARTTLS, without which no mail is taken.
    Starttls(Arc<ServerConfig>),
}

/// A mail that a receiver got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The receivers of the envelope.
    pub to: Vec<String>,
    /// Headers and text, without the dots that the protocol adds.
    pub content: String,
    /// The argument of AUTH, if there was one.
    pub login: Option<String>,
    /// True if it came over TLS.
    pub is_secure: bool,
    /// True if it was taken.
    pub is_taken: bool,
}

#[derive(Default)]
struct Inbox {
    /// The code that refuses mails.
    refusal: Option<u16>,
    mails: Vec<ReceivedMail>,
}

type Shared = Arc<Mutex<Inbox>>;

fn inbox(shared: &Shared) -> MutexGuard<'_, Inbox> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes every mail, unless it is told to refuse them.
pub struct MailReceiver {
    address: SocketAddr,
    inbox: Shared,
    serving: JoinHandle<()>,
}

impl MailReceiver {
    /// Starts it on a free port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(tls: MailTls) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let inbox = Shared::default();
        let shared = Arc::clone(&inbox);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away ends its conversation.
                    let _ = converse(stream, &shared, tls).await;
                });
            }
        });
        Ok(Self { address, inbox, serving })
    }

    /// Its address, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Refuses mails with this code from now on; `None` takes them again.
    pub fn refuse_with(&self, code: Option<u16>) {
        inbox(&self.inbox).refusal = code;
    }

    /// The mails that it got, refused ones included.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        inbox(&self.inbox).mails.clone()
    }
}

impl Drop for MailReceiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, shared: &Shared, tls: MailTls) -> io::Result<()> {
    match tls {
        MailTls::None => {
            talk(&mut BufReader::new(stream), shared, Talk::new(false, true)).await.map(drop)
        }
        MailTls::Implicit(config) => {
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            talk(&mut BufReader::new(stream), shared, Talk::new(true, true)).await.map(drop)
        }
        MailTls::Starttls(config) => {
            let mut plain = BufReader::new(stream);
            if !talk(&mut plain, shared, Talk { offers_tls: true, ..Talk::new(false, true) })
                .await?
            {
                return Ok(());
            }
            let stream = TlsAcceptor::from(config).accept(plain.into_inner()).await?;
            talk(&mut BufReader::new(stream), shared, Talk::new(true, false)).await.map(drop)
        }
    }
}

/// One conversation, or its part before or after STARTTLS.
struct Talk {
    is_secure: bool,
    greets: bool,
    offers_tls: bool,
}

impl Talk {
    fn new(is_secure: bool, greets: bool) -> Self {
        Self { is_secure, greets, offers_tls: false }
    }
}

/// Returns whether TLS begins now.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    shared: &Shared,
    talk: Talk,
) -> io::Result<bool> {
    if talk.greets {
        stream.write_all(b"220 simulator ESMTP\r\n").await?;
    }
    let mut mail = ReceivedMail { is_secure: talk.is_secure, ..ReceivedMail::default() };
    loop {
        let Some(line) = line(stream).await? else { return Ok(false) };
        let command = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
        let answer = match command.as_str() {
            "EHLO" if talk.offers_tls => "250-simulator\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-simulator\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" if talk.offers_tls => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(true);
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(false);
            }
            _ if talk.offers_tls => "530 STARTTLS first".to_owned(),
            "AUTH" => {
                mail.login = Some(line["AUTH".len()..].trim().to_owned());
                "235 welcome".to_owned()
            }
            "MAIL" => {
                mail.from = between_angles(&line);
                mail.to.clear();
                "250 ok".to_owned()
            }
            "RCPT" => {
                mail.to.push(between_angles(&line));
                "250 ok".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let Some(content) = content(stream).await? else { return Ok(false) };
                let mut inbox = inbox(shared);
                let refusal = inbox.refusal;
                inbox.mails.push(ReceivedMail {
                    content,
                    is_taken: refusal.is_none(),
                    ..mail.clone()
                });
                refusal.map_or_else(|| "250 taken".to_owned(), |code| format!("{code} refused"))
            }
            _ => "500 what?".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn between_angles(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

/// The next line without its end; none if the client is gone.
async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<String>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 || line.len() > MAX_BYTES {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The content of a mail, up to the line with a single dot.
async fn content<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<String>> {
    let mut content = String::new();
    loop {
        match line(stream).await? {
            Some(line) if line == "." => return Ok(Some(content)),
            Some(line) if content.len() < MAX_BYTES => {
                content.extend([line.strip_prefix('.').unwrap_or(&line), "\r\n"]);
            }
            _ => return Ok(None),
        }
    }
}
