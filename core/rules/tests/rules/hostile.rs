//! Names of others at every channel: 200 of them that mean something to one of the receivers stay texts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core_rules::notify::mail::Mail;
use core_rules::notify::render::{Delivery, render};
use core_rules::outbox::Message;
use serde_json::Value;

use crate::kit::{Scene, all_channels, settings};

/// Names that mean something to one of the receivers.
fn hostile_names() -> Vec<String> {
    let bases = [
        "<!channel>",
        "<!here|x>",
        "<@U123>",
        "@everyone",
        "@channel",
        "<https://evil.example|click>",
        "[click](https://evil.example)",
        "![x](https://evil.example/x.png)",
        "**bold** _it_ `code`",
        "{{DATE(2026-01-01T00:00:00Z, SHORT)}}",
        "${user.name}",
        "{{ config }}",
        "{% raw %}",
        "%7B%7B",
        "\"}, \"urgency\": \"1",
        "\\\", \"x\": \"",
        "</script><script>alert(1)</script>",
        "<at>all</at>",
        "name\r\nBcc: victim@evil.example",
        "name\nSubject: other",
        "name\r\n.\r\nQUIT\r\n",
        "name\n\n.\nMAIL FROM:<x@evil.example>",
        "=?utf-8?q?x?=",
        "a\u{0}b",
        "\u{202e}evil",
        "\u{2028}line",
        "$(touch evil)",
        "`touch evil`",
        "; touch evil",
        "| cat /etc/passwd",
        "--help",
        "-o evil",
        "'; DROP TABLE x; --",
        "%0d%0aX-Header: 1",
        "\u{1b}[31mred",
        "../../etc/passwd",
        "#EXTRA",
        "null",
        "{\"type\":\"Action.OpenUrl\",\"url\":\"https://evil.example\"}",
        "😀 名前 اسم",
    ];
    let mut names = Vec::new();
    for (place, base) in bases.iter().enumerate() {
        for form in 0..5 {
            names.push(match form {
                0 => (*base).to_owned(),
                1 => format!("PC {base}"),
                2 => format!("{base} {place}"),
                3 => format!("{base}{base}"),
                _ => format!("\"{base}\\"),
            });
        }
    }
    assert!(names.len() >= 200);
    names
}

/// All texts in a document, with the paths of members to them.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => {
            for item in items {
                texts(item, &format!("{path}[]"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}

/// The members that a document has, without the texts in them.
fn shape(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts(value, "", &mut found);
    let mut paths: Vec<String> = found.into_iter().map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn hostile_names_stay_texts_at_every_channel() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log").display().to_string();
    let channels = settings(&all_channels("http://127.0.0.1:9", &log, "127.0.0.1:9"));
    let message = |name: &str| {
        let mut scene = Scene::new(&all_channels("http://127.0.0.1:9", &log, "127.0.0.1:9"));
        scene.run(&[name]);
        scene.book.outbox().messages().to_vec()
    };
    let harmless: BTreeMap<String, Message> =
        message("harmless").into_iter().map(|it| (it.channel.clone(), it)).collect();
    for name in &hostile_names() {
        for message in message(name) {
            let kind = &channels.channels[&message.channel].kind;
            let secrets = Scene::secrets(kind);
            let delivery = render(kind, &message, &secrets, message.at).expect("rendered");
            let plain = render(kind, &harmless[&message.channel], &secrets, message.at);
            match (delivery, plain.expect("rendered")) {
                (
                    Delivery::Http { url, headers, body },
                    Delivery::Http { url: plain_url, headers: plain_headers, body: plain_body },
                ) => {
                    let [body, plain] = [body, plain_body]
                        .map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"));
                    assert_eq!(shape(&body), shape(&plain), "{}: {name:?}", message.channel);
                    let names = |headers: &[(&'static str, String)]| {
                        headers.iter().map(|(name, _)| *name).collect::<Vec<_>>()
                    };
                    assert_eq!((url, names(&headers)), (plain_url, names(&plain_headers)));
                    assert_inert(&message.channel, &body, name);
                }
                (Delivery::Mail(mail), Delivery::Mail(plain)) => {
                    assert_one_plain_part(&mail, &plain);
                }
                (Delivery::Exec { command, input }, Delivery::Exec { command: plain, .. }) => {
                    assert_eq!(command, plain);
                    assert!(serde_json::from_slice::<Value>(&input).is_ok());
                }
                _ => panic!("{}: {name:?}", message.channel),
            }
        }
    }
}

/// Fails if a receiver would act on a text.
fn assert_inert(channel: &str, body: &Value, name: &str) {
    let mut found = Vec::new();
    texts(body, "", &mut found);
    for (path, text) in found {
        let is_control = text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!is_control, "{channel}: {path}: {name:?}");
        match channel {
            // Only the fallback is read as Slack's own markup; blocks are plain text.
            "slack" if path == ".text" => {
                assert!(!text.contains('<') && !text.contains('>'), "{text}");
            }
            "slack" if path.ends_with(".text.type") => assert_eq!(text, "plain_text"),
            "teams" if path.ends_with("[].type") => {
                let known = ["RichTextBlock", "TextRun"];
                assert!(known.contains(&text.as_str()), "{text}");
            }
            "teams" if path.rsplit('.').next() == Some("text") => {
                assert!(!text.contains("{{") && !text.contains("${"), "{text}");
            }
            _ => {}
        }
    }
}

/// Fails unless a mail differs from another one in its subject, its text and its id alone.
fn assert_one_plain_part(mail: &Mail, plain: &Mail) {
    let envelope = |mail: &Mail| (mail.server.clone(), mail.from.clone(), mail.to.clone());
    assert_eq!(envelope(mail), envelope(plain));
    let [(headers, text), (plain_headers, _)] = [mail, plain].map(parts);
    let fixed = |headers: &[(String, String)]| {
        let is_fixed = |name: &str| !["Subject", "Message-ID"].contains(&name);
        let fixed = headers.iter().filter(|(name, _)| is_fixed(name));
        fixed.cloned().collect::<Vec<_>>()
    };
    assert_eq!(fixed(&headers), fixed(&plain_headers));
    assert_eq!(headers.len(), plain_headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| name == "Subject") {
        // Encoded words are ASCII, in lines of their own, and each ends.
        assert!(value.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{name}: {value}");
        let is_word = |word: &str| word.starts_with("=?utf-8?b?") && word.ends_with("?=");
        let is_encoded = value.split(' ').all(is_word);
        assert!(is_encoded || !value.contains("=?"), "{value}");
    }
    let is_control = |c: char| c.is_control() && c != '\r' && c != '\n';
    assert!(!text.contains(is_control), "{text:?}");
    // The rule, what it is about, and nothing that a name has added.
    assert_eq!(text.lines().count(), 2, "{text:?}");
}

/// The headers and the decoded text of a mail.
fn parts(mail: &Mail) -> (Vec<(String, String)>, String) {
    let content = std::str::from_utf8(&mail.content).expect("ASCII");
    assert!(content.is_ascii());
    assert!(content.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])));
    let (head, body) = content.split_once("\r\n\r\n").expect("an empty line");
    let unfolded = head.replace("\r\n ", " ");
    let headers = unfolded.split("\r\n").map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_owned(), value.to_owned())
    });
    let body: String = body.split("\r\n").collect();
    let text = STANDARD.decode(body).expect("Base64");
    (headers.collect(), String::from_utf8(text).expect("UTF-8"))
}
