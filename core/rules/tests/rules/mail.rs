//! Mail to a server over TLS: only one with a trusted certificate gets a login and a mail.

use std::sync::Arc;

use core_http::Trust;
use core_rules::notify::mail::{Mail, MailServer, MailTls as Tls};
use core_rules::notify::render::Delivery;
use core_rules::notify::send::Sender;
use core_rules::outbox::Attempt;
use core_simulator::{MailReceiver, MailTls, ReceivedMail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::rustls::{self, ServerConfig};

/// A server with a certificate for `name`, and the authority that has issued it, as PEM.
fn server(name: &str, authority_name: &str) -> (Arc<ServerConfig>, Vec<u8>) {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new([]).expect("no names");
    authority.distinguished_name.push(DnType::CommonName, authority_name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).expect("signed").pem().into_bytes();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = own.signed_by(&key, &issuer).expect("signed").der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them all")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key fits the certificate");
    (Arc::new(config), pem)
}

/// Sends a mail with a login and tells what came of it.
async fn send(receiver: &MailReceiver, tls: Tls, trust: Trust) -> Attempt {
    let server = MailServer::parse(&receiver.address(), tls).expect("a server");
    Sender::new(trust, None).expect("a client").send(Delivery::Mail(mail(server))).await
}

fn mail(server: MailServer) -> Mail {
    Mail {
        server,
        login: Some(("user".to_owned(), "canary-password".to_owned())),
        from: "graph@acme.example".to_owned(),
        to: vec!["desk@acme.example".to_owned()],
        content: b"Subject: x\r\n\r\n.\r\nSGVsbG8=".to_vec(),
    }
}

fn reason(attempt: Attempt) -> String {
    let Attempt::Failed { reason, .. } = attempt else { panic!("{attempt:?}") };
    assert!(!reason.contains("canary"), "{reason}");
    reason
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_gets_the_mail_and_no_other_one_gets_the_login() {
    let (trusted, pem) = server("127.0.0.1", "ours");
    let trust = || Trust { extra_ca_pem: Some(pem.clone()) };
    let kinds = [
        (Tls::Implicit, MailTls::Implicit as fn(_) -> _),
        (Tls::Starttls, MailTls::Starttls as fn(_) -> _),
    ];
    for (tls, offered) in kinds {
        let receiver = MailReceiver::start(offered(Arc::clone(&trusted))).await.expect("a port");
        assert_eq!(send(&receiver, tls, trust()).await, Attempt::Delivered, "{tls:?}");
        let expected = ReceivedMail {
            from: "graph@acme.example".to_owned(),
            to: vec!["desk@acme.example".to_owned()],
            content: "Subject: x\r\n\r\n.\r\nSGVsbG8=\r\n".to_owned(),
            login: Some("PLAIN AHVzZXIAY2FuYXJ5LXBhc3N3b3Jk".to_owned()),
            is_secure: true,
            is_taken: true,
        };
        assert_eq!(receiver.mails(), [expected], "{tls:?}");

        let (stranger, _) = server("127.0.0.1", "a stranger");
        let (other_name, other_pem) = server("mail.example", "another");
        for (config, trust, expected) in [
            (stranger, trust(), "UnknownIssuer"),
            (other_name, Trust { extra_ca_pem: Some(other_pem) }, "not valid for name"),
        ] {
            let receiver = MailReceiver::start(offered(config)).await.expect("a port");
            let reason = reason(send(&receiver, tls, trust).await);
            assert!(reason.starts_with("no TLS with the mail server: "), "{tls:?}: {reason}");
            assert!(reason.contains(expected), "{tls:?}: {reason}");
            assert_eq!(receiver.mails(), []);
        }
    }
    // A server without TLS, and one whose STARTTLS an attacker removed, get nothing.
    let receiver = MailReceiver::start(MailTls::None).await.expect("a port");
    let answer = reason(send(&receiver, Tls::Starttls, trust()).await);
    assert!(answer.contains("does not know STARTTLS"), "{answer}");
    let answer = reason(send(&receiver, Tls::Implicit, trust()).await);
    assert!(answer.starts_with("no TLS with the mail server: "), "{answer}");
    assert_eq!(receiver.mails(), []);
}

#[tokio::test]
async fn a_mail_that_is_refused_waits_with_the_code_of_the_answer() {
    let receiver = MailReceiver::start(MailTls::None).await.expect("a port");
    for code in [451, 550] {
        receiver.refuse_with(Some(code));
        let reason = reason(send(&receiver, Tls::None, Trust::default()).await);
        assert_eq!(reason, format!("the mail server answered {code} to the mail"));
    }
    receiver.refuse_with(None);
    assert_eq!(send(&receiver, Tls::None, Trust::default()).await, Attempt::Delivered);
}

#[tokio::test]
async fn what_a_server_says_between_starttls_and_tls_is_not_listened_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        let answers =
            ["220 hello\r\n", "250-me\r\n250 STARTTLS\r\n", "220 go on\r\n250 all taken\r\n"];
        for answer in answers {
            stream.write_all(answer.as_bytes()).await.expect("it listens");
            let mut line = String::new();
            // After the last answer the client goes away.
            let _ = stream.read_line(&mut line).await;
        }
    });
    let mail = mail(MailServer::parse(&address, Tls::Starttls).expect("a server"));
    let sender = Sender::new(Trust::default(), None).expect("a client");
    let reason = reason(sender.send(Delivery::Mail(mail)).await);
    assert!(reason.contains("between STARTTLS and TLS"), "{reason}");
    serving.await.expect("it ends");
}

#[tokio::test]
async fn a_server_that_says_no_goodbye_has_the_mail_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hello\r\n").await.expect("it listens");
        let mut is_content = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let answer = match line.trim_end() {
                "." => "250 queued\r\n",
                _ if is_content => continue,
                "DATA" => "354 go on\r\n",
                "QUIT" => continue,
                _ => "250 me\r\n",
            };
            is_content = answer.starts_with("354") || (is_content && line.trim_end() != ".");
            stream.write_all(answer.as_bytes()).await.expect("it listens");
        }
    });
    let mut mail = mail(MailServer::parse(&address, Tls::None).expect("a server"));
    mail.login = None;
    let sender = Sender::new(Trust::default(), None).expect("a client");
    assert_eq!(sender.send(Delivery::Mail(mail)).await, Attempt::Delivered);
    serving.await.expect("it ends");
}
