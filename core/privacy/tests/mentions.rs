//! The rule that decides whether a text names a person: a table, a plain twin, and planted
//! positives and look-alikes.

use core_model::column::IdentifierKind;
use core_privacy::canonical::canonical;
use core_privacy::mentions::{Position, each_mention, may_mention};
use proptest::prelude::*;
use proptest::sample::select;

const MAIL: &str = "zoe.quuxberg@acme.example";
const LOGIN: &str = "ACME\\zquuxberg";
const SID: &str = "S-1-5-21-777888999-1-2-7777";
const UID: &str = "u-0009";
const UUID: &str = "7d0c5a52-9c1f-44de-8b1a-0123456789ab";

/// Returns true if a text names the owner of an identifier.
fn names(text: &str, identifier_kind: IdentifierKind, identifier: &str) -> bool {
    let expected = canonical(identifier_kind, identifier);
    let mut is_named = false;
    each_mention(Position::Text, text, &mut |identifier_kind, mention| {
        is_named |= canonical(identifier_kind, mention) == expected;
    });
    is_named
}

#[test]
fn an_invisible_character_hides_no_address() {
    let invisible = [
        '\u{34f}',
        '\u{61c}',
        '\u{180b}',
        '\u{180e}',
        '\u{206a}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{fff9}',
        '\u{e0001}',
        '\u{e0100}',
    ];
    for character in invisible {
        let text = format!("LT of zoe.quu{character}xberg@acme.example");
        assert!(names(&text, IdentifierKind::Address, MAIL), "{text:?}");
    }
}

#[test]
fn a_full_form_is_found_anywhere_in_a_text() {
    let mails = [
        "https://intranet/u/zoe.quuxberg@acme.example/x",
        "https://x/?u=zoe.quuxberg@acme.example&a=1",
        "C:\\Users\\zoe.quuxberg@acme.example\\x",
        "\u{201c}zoe.quuxberg@acme.example\u{201d}",
        "\u{2018}zoe.quuxberg@acme.example\u{2019}s laptop",
        "'zoe.quuxberg@acme.example's laptop",
        "zoe.quuxberg@acme.example\u{2026}",
        "zoe.quuxberg@acme.example/bob@acme.example",
        "&lt;zoe.quuxberg@acme.example&gt;",
        "zoe.quuxberg&#64;acme.example",
        "#zoe.quuxberg@acme.example",
        "u=zoe.quuxberg%40acme.example&x",
        "u=zoe%2Equuxberg%2540acme.example",
        "ZOE.QUUXBERG@ACME.EXAMPLE.",
        "mailto:zoe.quuxberg+news@acme.example",
        "log_zoe.quuxberg@acme.example.txt",
        "archive-zoe.quuxberg@acme.example.tar.gz",
        "Outlook\\zoe.quuxberg@acme.example.ost",
        "{\"to\":\"zoe.quuxberg\\u0040acme.example\"}",
        "zoe.quux\u{ad}berg\u{ff20}acme.example",
        "data:em9lLnF1dXhiZXJnQGFjbWUuZXhhbXBsZQ==",
    ];
    for text in mails {
        assert!(names(text, IdentifierKind::Address, MAIL), "{text}");
    }
    let logins = [
        "backup-ACME\\zquuxberg",
        "log_EU-ACME\\zquuxberg.txt",
        "acme\\ZQUUXBERG, acme\\other",
        "\"ACME\\\\zquuxberg\"",
        "ACME%5Czquuxberg",
        "ACME&bsol;zquuxberg",
        "D:\\backup\\ACME\\zquuxberg\\Desktop",
        "ACME\\zquuxberg's laptop",
        "\\\\ACME\\zquuxberg",
    ];
    for text in logins {
        assert!(names(text, IdentifierKind::Login, LOGIN), "{text}");
    }
    let slashed = "zoé.x/quux@acme.example";
    for text in ["blocked (zoé.x/quux@acme.example)", "https://h/u/zoé.x/quux@acme.example"] {
        assert!(names(text, IdentifierKind::Address, slashed), "{text}");
    }
    assert!(names("by ACME\\Zoe Quuxberg at noon", IdentifierKind::Login, "ACME\\Zoe Quuxberg"));
    for text in ["HKU\\S-1-5-21-777888999-1-2-7777_Classes", "s-1-5-21-777888999-1-2-7777."] {
        assert!(names(text, IdentifierKind::Sid, SID), "{text}");
    }
    for text in ["uid=U-0009;", "/users/u-0009/x", "_u-0009_"] {
        assert!(names(text, IdentifierKind::UserUid, UID), "{text}");
    }
    assert!(names(
        "dump-7d0c5a52-9c1f-44de-8b1a-0123456789ab-1.dmp",
        IdentifierKind::UserUid,
        UUID
    ));
    let pseudonym = "p1-bnapz2lc-abcdefghijklmnopqrstuvwxyz";
    assert!(names(&format!("user_{pseudonym}."), IdentifierKind::Address, pseudonym));
}

#[test]
fn m3_a_look_alike_is_another_person() {
    let table = [
        (
            IdentifierKind::Address,
            "neill@acme.example",
            "o'neill@acme.example and o\u{2019}neill@acme.example",
        ),
        (IdentifierKind::Address, "jane.doe@acme.example", "jane.doe2@acme.example"),
        (IdentifierKind::Address, "jane.doe@acme.example", "mary.jane.doe@acme.example"),
        (IdentifierKind::Address, "jane.doe@acme.example", "xjane.doe@acme.example"),
        (IdentifierKind::Address, "jane.doe@acme.example", "jane.doe@acme.example.com"),
        (IdentifierKind::Address, "jane.doe@acme.example", "jane.doe@acme.examples"),
        (IdentifierKind::Address, "jane.doe@acme.example", "jane.doe@my-acme.example"),
        (
            IdentifierKind::Address,
            "marie@acme.example",
            "anne-marie@acme.example, anne_marie@acme.example",
        ),
        (IdentifierKind::Address, "zoe@acme.example", "C:\\nzoe@acme.example"),
        (
            IdentifierKind::Login,
            "ACME\\jdoe",
            "ACME\\jdoe2, XACME\\jdoe, ACME\\jdoe.smith, ACME\\jdoe$",
        ),
        (IdentifierKind::Login, "ACME\\jdoe", "EU-ACME\\jdoe"),
        (IdentifierKind::Login, "ACME\\jdoe", "jdoe, jdoe@other.example, OTHER\\jdoe"),
        (IdentifierKind::Sid, "S-1-5-21-7-1", "S-1-5-21-7-10 S-1-5-21-7-1-1 XS-1-5-21-7-1"),
        (IdentifierKind::UserUid, "u-0009", "u-00091 xu-0009 u-0009-1"),
        (IdentifierKind::UserUid, "user", "the user is here"),
        (IdentifierKind::UserUid, "20261128", "on 20261128"),
        (IdentifierKind::PersonName, "Will Smith", "Will Smith"),
    ];
    for (identifier_kind, identifier, text) in table {
        assert!(!names(text, identifier_kind, identifier), "{identifier} in {text}");
    }
}

#[test]
fn a_bare_login_counts_where_its_context_marks_it() {
    let named = [
        "jdoe",
        " JDOE ",
        "C:\\Users\\jdoe\\Desktop\\x.txt",
        "C:/Users/jdoe",
        "C:\\Documents and Settings\\jdoe\\x",
        "\\\\server\\home\\jdoe",
        "/home/jdoe/x",
        "file:///home/jdoe/x",
        "https://intranet/~jdoe/",
        "https://intranet/u/jdoe?x",
        "https://intranet/?user=jdoe&a=1",
        "{\"userName\": \"jdoe\"}",
        "SubjectUserName=jdoe;",
        "runas /user:jdoe cmd",
        "sudo -u jdoe id",
        "ssh jdoe@10.0.0.1",
        "/usr/bin/ssh -p 22 jdoe@build-7",
        "scp x.txt jdoe@build-7:/tmp",
        "sftp://jdoe@files.acme.example/x",
        "ftp://jdoe:secret@files.acme.example/x",
        "path=%2Fhome%2Fjdoe%2Fx",
        "/home/jdoe.tar.gz",
    ];
    for text in named {
        assert!(names(text, IdentifierKind::Login, "jdoe"), "{text}");
    }
    let not_named = [
        "call jdoe",
        "C:\\Users\\jdoe2\\x",
        "C:\\Users\\x.jdoe\\x",
        "/home/jdoe@other.example",
        "jdoe@other.example",
        "ssh key of jdoe@other.example",
        "Account: jdoe expires",
        "/opt/jdoe/x",
        "OTHER\\jdoe",
        "user=jdoe2",
    ];
    for text in not_named {
        assert!(!names(text, IdentifierKind::Login, "jdoe"), "{text}");
    }
    let words = [
        ("will", "Password will expire, name=carl"),
        ("will", "The account: will expire; user will log out"),
        ("user", "User logged in, 3 user sessions"),
        ("office", "Microsoft Office 2019"),
        ("admin", "role admin"),
    ];
    for (login, text) in words {
        assert!(!names(text, IdentifierKind::Login, login), "{login} in {text}");
        assert!(may_mention(text, &[login]), "{login} in {text} is for a person to decide");
    }
    assert!(names("C:\\Users\\Jane Doe\\x", IdentifierKind::Login, "Jane Doe"));
}

#[test]
fn a_device_name_counts_where_its_context_marks_it() {
    for text in [
        "portal",
        "\\\\PORTAL\\share",
        "https://portal/x",
        "host=portal, x",
        "Computer: \"portal\"",
    ] {
        assert!(names(text, IdentifierKind::DeviceName, "PORTAL"), "{text}");
    }
    let not_named = [
        "[Portal|LOGIN|20101|anna] User logged in",
        "https://portal.acme.example/",
        "\\\\server\\portal\\x",
        "user@portal",
        "the host portal",
    ];
    for text in not_named {
        assert!(!names(text, IdentifierKind::DeviceName, "PORTAL"), "{text}");
    }
}

#[test]
fn possible_mentions_are_distinguished_from_certain_ones() {
    let table = [
        ("report of zoe.quuxberg@acme.example.com", MAIL, true),
        ("anne_zoe.quuxberg@acme.example", MAIL, true),
        ("a%20zoe.quuxberg%40acme.example-x", MAIL, true),
        ("C:\\nzoe.quuxberg@acme.example", MAIL, true),
        ("xzoe.quuxberg@acme.example", MAIL, false),
        ("o'zoe.quuxberg@acme.example", MAIL, false),
        ("a.zoe.quuxberg@acme.example", MAIL, false),
        ("signed: Zoe Quuxberg.", "zoe quuxberg", true),
        ("Zoe Quuxbergs", "zoe quuxberg", false),
        ("anything", "", false),
    ];
    for (text, needle, expected) in table {
        assert_eq!(may_mention(text, &[needle]), expected, "{needle} in {text}");
    }
}

/// The rule for addresses and accounts as a judgement about each place of an identifier, in texts
/// that are not encoded.
mod twin {
    fn edge(run: &str) -> &str {
        run.trim_matches(|character| "._-+'".contains(character))
    }

    fn is_file(run: &str) -> bool {
        let mut extensions = run.split('.');
        extensions.next() == Some("") && {
            let mut extensions = extensions.peekable();
            extensions.peek().is_some()
                && extensions
                    .all(|extension| ["txt", "ost", "gz", "tar", "log"].contains(&extension))
        }
    }

    /// The following text, without punctuation and a possessive at its end.
    fn tail(run: &str, is_address: bool) -> &str {
        if is_address {
            return run.trim_end_matches(['.', '-']);
        }
        let marks = ['.', '_', '-', '+', '\''];
        let run = run.trim_end_matches(marks);
        run.strip_suffix("'s").unwrap_or(run).trim_end_matches(marks)
    }

    pub(super) fn names(text: &str, identifier: &str) -> bool {
        let is_address = identifier.contains('@');
        let places = text.match_indices(identifier);
        places.into_iter().any(|(start, found)| {
            let (before, after) = (&text[..start], &text[start + found.len()..]);
            let left = |character: char| {
                character.is_alphanumeric()
                    || ".-_".contains(character)
                    || (is_address && "+'".contains(character))
            };
            let right = |character: char| {
                character.is_alphanumeric()
                    || ".-".contains(character)
                    || (!is_address && "_+'".contains(character))
            };
            let left = &before[before.trim_end_matches(left).len()..];
            let right = &after[..after.find(|character| !right(character)).unwrap_or(after.len())];
            let right = tail(right, is_address);
            let file = is_file(right);
            let ends = right.is_empty() || file;
            let domain = identifier.split('\\').next().unwrap_or("");
            let is_joined = left.ends_with(['-', '_']) && !edge(left).is_empty();
            let is_lower =
                !left.contains(char::is_uppercase) && !domain.contains(char::is_lowercase);
            let begins =
                edge(left).is_empty() || (is_joined && (file || (!is_address && is_lower)));
            begins && ends
        })
    }
}

fn around() -> impl Strategy<Value = String> {
    let piece = select(vec![
        " ", "a", "B", "7", ".", "-", "_", "'", "'s", "/", "(", "=", ",", ".txt", ".ost", ".com",
        "\"", "x-", "log_", ":", ";", "é", "“", "",
    ]);
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_rule_and_its_twin_agree(before in around(), after in around(), is_mail in any::<bool>()) {
        let (identifier_kind, identifier) =
            if is_mail { (IdentifierKind::Address, "zoe.q@acme.example") } else { (IdentifierKind::Login, "ACME\\zoeq") };
        let text = format!("{before}{identifier}{after}");
        // The pieces have no home folder, `~` or the like, so only full forms decide.
        prop_assert_eq!(names(&text, identifier_kind, identifier), twin::names(&text, identifier), "{}", text);
    }

    #[test]
    fn planted_positives_are_found_and_look_alikes_are_not(
        local in "[a-z][a-z0-9]{2,6}(\\.[a-z][a-z0-9]{2,6})?",
        domain in "[a-z]{3,6}\\.example",
        carrier in select(vec![
            "https://h/u/{}/x", "<{}>", "“{}”", "x={}&y", "a, {}; b", "log_{}.txt", "{}…", "#{}", "({})",
            "C:\\Users\\{}\\x", "{}/b@c.example", "\t{}\n",
        ]),
        wrong in select(vec![
            "x{l}@{d}", "{l}x@{d}", "{l}2@{d}", "o'{l}@{d}", "a.{l}@{d}", "a-{l}@{d}", "a_{l}@{d}",
            "{l}@{d}.com", "{l}@a.{d}", "{l}@a-{d}", "{l}.a@{d}",
        ]),
        encode in 0..4_usize,
    ) {
        let identifier = format!("{local}@{domain}");
        let encoded = match encode {
            0 => identifier.clone(),
            1 => identifier.replace('@', "%40"),
            2 => identifier.replace('@', "&#64;"),
            _ => identifier.to_uppercase(),
        };
        let text = carrier.replace("{}", &encoded);
        prop_assert!(names(&text, IdentifierKind::Address, &identifier), "{} in {}", identifier, text);
        let other = wrong.replace("{l}", &local).replace("{d}", &domain);
        let text = carrier.replace("{}", &other);
        let is_file = carrier.contains(".txt") && wrong.starts_with(['a']) && !wrong.starts_with("a.");
        prop_assert!(is_file || !names(&text, IdentifierKind::Address, &identifier), "{} in {}", identifier, text);
    }

    #[test]
    fn any_text_is_read_without_a_fault(text in "\\PC{0,60}", noise in "[@\\\\%&;~=:/a-z0-9é“-]{0,60}") {
        each_mention(Position::Text, &text, &mut |_, _| {});
        each_mention(Position::Account, &noise, &mut |_, _| {});
        may_mention(&noise, &["a"]);
    }
}
