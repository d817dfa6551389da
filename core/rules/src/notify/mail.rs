//! A message as a mail: one part of plain text, and headers that this program alone writes.
//!
//! Names of others are in the subject and in the text only. The subject is encoded (RFC 2047) unless it is harmless as it
//! is, and the text is Base64, so that neither can end a header, a line or the mail.

use std::net::IpAddr;

use email_encoding::body::base64;
use email_encoding::headers::rfc2047;
use email_encoding::headers::writer::EmailWriter;
use jiff::Timestamp;
use serde::Deserialize;

use super::settings::SecretPlace;
use crate::template::one_line;

/// The characters of a subject.
const MAX_SUBJECT: usize = 200;
/// The longest subject that is written as it is; a header line should have at most 78 characters.
const MAX_PLAIN_SUBJECT: usize = 60;
/// The longest address (RFC 5321, 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// The settings of a channel that sends mail.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server that takes mail.
    pub server: MailServer,
    /// The address of the sender.
    pub from: String,
    /// The addresses of the receivers.
    pub to: Vec<String>,
    /// The account at the server.
    pub user: Option<String>,
    /// The password of the account.
    pub password: Option<SecretPlace>,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub tls: MailTls,
}

/// When TLS begins on the connection to a mail server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// After the command STARTTLS, which the server must know.
    #[default]
    Starttls,
    /// At once.
    Implicit,
    /// Never; for servers of this machine only.
    None,
}

/// A mail, and the server that is to take it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The server.
    pub server: MailServer,
    /// The account and its password.
    pub login: Option<(String, String)>,
    /// The address of the sender.
    pub from: String,
    /// The addresses of the receivers.
    pub to: Vec<String>,
    /// Headers and text, as they are sent.
    pub content: Vec<u8>,
}

/// The content of a mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'a> {
    /// The ID of the message, the same at every attempt, so that receivers know a mail that comes twice.
    pub(super) id: &'a str,
    /// When the message was made, milliseconds since 1970-01-01 UTC.
    pub(super) at: u64,
    /// One line.
    pub(super) subject: &'a str,
    /// The lines below it.
    pub(super) text: &'a str,
}

impl MailServer {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    /// The mistake.
    pub fn parse(text: &str, tls: MailTls) -> Result<Self, String> {
        // An address of IPv6 with a port is in brackets, as in a URL.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_host =
            !host.is_empty() && (host.chars().all(is_name) || host.parse::<IpAddr>().is_ok());
        let port = port.map_or(Some(tls.port()), |port| port.parse().ok().filter(|port| *port > 0));
        let (true, Some(port)) = (is_host, port) else {
            return Err(
                "write a mail server as `mail.example.com` or `mail.example.com:587`".to_owned()
            );
        };
        let is_loopback = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if tls == MailTls::None && !is_loopback {
            return Err("`tls = \"none\"` is for mail servers of this machine only".to_owned());
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl MailTls {
    /// The port that servers have for this.
    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// Checks that a text is one plain mail address: without a name, not a list, without characters that could begin
/// another header or command.
///
/// # Errors
/// The mistake. The address is not part of it.
pub fn check_address(text: &str) -> Result<(), String> {
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let is_address = text.len() <= MAX_ADDRESS
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && local.chars().all(is_local)
                && domain.chars().all(is_domain)
        });
    if is_address {
        return Ok(());
    }
    Err("write a mail address as `name@example.com`, without a name beside it".to_owned())
}

impl Letter<'_> {
    /// Writes the mail.
    ///
    /// # Errors
    /// A time that no calendar has.
    pub(super) fn mail(
        self,
        settings: &MailSettings,
        login: Option<(String, String)>,
    ) -> Result<Mail, String> {
        let MailSettings { server, from, to, .. } = settings;
        let domain = from.rsplit('@').next().unwrap_or(from);
        let mut content = String::new();
        let mut header = |name: &str, value: &str| {
            content.extend([name, ": ", value, "\r\n"]);
        };
        header("From", &format!("Nexthink Graph <{from}>"));
        // One address a line: a line must not have more than 998 characters.
        header("To", &to.join(",\r\n "));
        header("Subject", &encoded_subject(self.subject)?);
        header("Date", &date(self.at)?);
        header("Message-ID", &format!("<{}@{domain}>", self.id));
        // Prevents automatic replies, such as absence notices (RFC 3834).
        header("Auto-Submitted", "auto-generated");
        header("MIME-Version", "1.0");
        header("Content-Type", "text/plain; charset=utf-8");
        header("Content-Transfer-Encoding", "base64");
        content.push_str("\r\n");
        let text = format!("{}\r\n", self.text.replace('\n', "\r\n"));
        base64::encode(text.as_bytes(), &mut content).map_err(unwritable)?;
        Ok(Mail {
            server: server.clone(),
            login,
            from: from.clone(),
            to: to.clone(),
            content: content.into_bytes(),
        })
    }
}

fn encoded_subject(subject: &str) -> Result<String, String> {
    let subject = one_line(subject, MAX_SUBJECT);
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
    // A name that looks like encoded text must not be decoded.
    if subject.len() <= MAX_PLAIN_SUBJECT
        && subject.chars().all(is_plain)
        && !subject.contains("=?")
    {
        return Ok(subject);
    }
    let mut encoded = String::new();
    let mut writer = EmailWriter::new(&mut encoded, "Subject: ".len(), 0, false);
    rfc2047::encode(&subject, &mut writer).map_err(unwritable)?;
    drop(writer);
    Ok(encoded)
}

/// A time as RFC 5322 writes it.
fn date(ms: u64) -> Result<String, String> {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let date = timestamp.and_then(|timestamp| {
        jiff::fmt::rfc2822::to_string(&timestamp.to_zoned(jiff::tz::TimeZone::UTC)).ok()
    });
    date.ok_or_else(|| "the time of the message is out of range".to_owned())
}

fn unwritable(_: std::fmt::Error) -> String {
    "the mail cannot be written".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_with_a_port_and_only_this_machine_is_called_without_tls() {
        use MailTls::{Implicit, None, Starttls};
        let table = [
            ("mail.example", Starttls, Ok(("mail.example", 587))),
            ("mail.example", Implicit, Ok(("mail.example", 465))),
            ("mail.example:2525", Starttls, Ok(("mail.example", 2525))),
            ("localhost", None, Ok(("localhost", 25))),
            ("127.0.0.1:1025", None, Ok(("127.0.0.1", 1025))),
            ("::1", None, Ok(("::1", 25))),
            ("[::1]:1025", None, Ok(("::1", 1025))),
            ("mail.example", None, Err("this machine only")),
            ("smtp://mail.example", Starttls, Err("write a mail server")),
            ("mail.example:0", Starttls, Err("write a mail server")),
            ("mail.example:x", Starttls, Err("write a mail server")),
            ("mail example", Starttls, Err("write a mail server")),
            ("", Starttls, Err("write a mail server")),
        ];
        for (text, tls, expected) in table {
            match (MailServer::parse(text, tls), expected) {
                (Ok(server), Ok((host, port))) => {
                    assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
                }
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        for address in ["a@b.example", "first.last+tag@sub.b-c.example", "a@localhost"] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
        for address in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "A <a@b>",
            "a@b, c@d",
            "a@b\r\nBcc: c@d",
            "a@b\nc",
            "a@b>",
            "\"a\"@b",
            "a@b SIZE=1",
            "ä@b.example",
        ] {
            assert!(check_address(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_mail_has_exactly_our_headers() {
        let settings = MailSettings {
            server: MailServer::parse("mail.example", MailTls::Implicit).expect("valid"),
            from: "graph@acme.example".to_owned(),
            to: vec!["a@acme.example".to_owned(), "b@acme.example".to_owned()],
            user: None,
            password: None,
        };
        let letter = Letter {
            id: "msg_1",
            at: 1_800_000_000_000,
            subject: "[acme] opened (high): Größe\r\nBcc: x@evil.example",
            text: "one\n.\ntwo",
        };
        let mail = letter.mail(&settings, None).expect("written");
        let expected = "From: Nexthink Graph <graph@acme.example>\r\n\
             To: a@acme.example,\r\n b@acme.example\r\n\
             Subject: =?utf-8?b?W2FjbWVdIG9wZW5lZCAoaGlnaCk6IEdyw7bDn2UgIEJjYzogeEBl?=\r\n \
             =?utf-8?b?dmlsLmV4YW1wbGU=?=\r\n\
             Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n\
             Message-ID: <msg_1@acme.example>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n\
             b25lDQouDQp0d28NCg==";
        assert_eq!(String::from_utf8_lossy(&mail.content), expected);
    }
}
