//! The rule that decides whether a text names a person: one rule for suppression, cleansing and
//! search.
//!
//! A text names a person only if it leaves no doubt. A *full form* tells one account from all
//! others and counts anywhere. A *bare name*, such as a login without its domain, is often a word
//! of the language (`will`, `office`, `portal`) and counts only where its context makes it a name.
//!
//! | Identifier | Named by a text that has it | Not named by |
//! | --- | --- | --- |
//! | e-mail address, UPN | as a whole address, whatever surrounds it: `<…>`, `“…”`, `/u/…/x`, `?u=…&a=1`; also with a tag (`zoe+news@`) | a longer local part (`o'neill@` for `neill@`, `jane.doe2@` for `jane.doe@`), a longer domain |
//! | `DOMAIN\login` | as a whole pair, also inside a path | a longer login or domain |
//! | SID | not continued by a digit or by `-` and a digit | `S-1-5-21-7-10` for `S-1-5-21-7-1` |
//! | uid | as a whole token of at least six characters with a letter and a digit; a UUID inside a longer token too | a shorter uid, or one that could be a word or a number |
//! | pseudonym | as a whole token | – |
//! | bare login | after the folder of homes (of Windows, macOS or Linux, or `/u/`), `~`, `user=`, `-u`, before the `@` of `ssh` or of a URL, as the whole text, as the account of an event | the same word anywhere else |
//! | device name | after `\\`, `://`, `host=`, as the whole text | the same word anywhere else |
//! | full name, serial number | never: others may share it | – |
//!
//! File names: a known file extension may follow a full form (`zoe@acme.example.ost`), and then
//! `log_` or `log-` may precede it. Before `DOMAIN\login` such a prefix may have any text without
//! capitals if the domain has no small letter (`backup-ACME\zoe`).
//!
//! Case is ignored. The rule also reads decoded forms of a text: see [`readings()`]. An identifier
//! between other words that this rule does not match is only *possible*: it is left alone, and
//! `privacy erase --review` lists the places for a person to decide.
//!
//! `tests/mentions.rs` states the same rule as a judgement about one place in a text; property
//! tests keep both equal.

mod marks;
pub mod readings;

use core_model::column::IdentifierKind;

use self::readings::{Doubt, readings};
use crate::pseudonym::PREFIX;

/// The shortest uid that is searched inside texts.
const MIN_UID: usize = 6;

/// The length of a UUID with hyphens.
const UUID: usize = 36;

/// The most words of a login name with spaces.
const MAX_LOGIN_WORDS: usize = 4;

/// The most prefixes joined by `-` or `_` that are removed.
const MAX_JOINTS: usize = 8;

/// File extensions that are not top-level domains, so that no domain ends in one.
const FILE_EXTENSIONS: [&str; 48] = [
    "7z", "bak", "bat", "bin", "bmp", "cab", "cer", "cfg", "cmd", "conf", "contact", "csv", "dat",
    "dmp", "doc", "docx", "eml", "etl", "evtx", "exe", "gz", "htm", "html", "ini", "jpeg", "jpg",
    "json", "lnk", "log", "msg", "nst", "old", "ost", "pdf", "png", "pptx", "pst", "rdp", "sql",
    "tar", "tmp", "txt", "vcf", "xls", "xlsx", "xml", "yaml", "yml",
];

/// The kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// An actor: the whole text is the name of an account.
    Account,
    /// A text that a person typed or a program composed.
    Text,
    /// A word of an enumeration, such as the source of an event: the whole text is never a bare
    /// name.
    Label,
}

/// Passes every part of a text that would name a person if it is their identifier to `take`, in its
/// original case; [`crate::canonical::canonical`] compares it.
pub fn each_mention(position: Position, text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    whole(position, text, take);
    for reading in readings(text, Doubt::Excluded) {
        addresses(&reading, take);
        accounts(&reading, take);
        sids(&reading, take);
        tokens(&reading, take);
        marks::each_bare_name(&reading, take);
    }
}

/// Returns true if a text may name a person by one of their identifiers, in any position and
/// reading: the identifier occurs, and not inside a longer word. `needles` are in lower case.
pub fn may_mention<'a, Needles>(text: &str, needles: &'a Needles) -> bool
where
    Needles: ?Sized,
    &'a Needles: IntoIterator<Item: AsRef<str>>,
{
    readings(text, Doubt::Included).into_iter().any(|reading| {
        let reading = reading.to_lowercase();
        needles.into_iter().any(|needle| stands_alone(&reading, needle.as_ref()))
    })
}

fn stands_alone(text: &str, needle: &str) -> bool {
    let is_alone = |(start, found): (usize, &str)| {
        let before = text[..start].chars().next_back();
        let after = text[start + found.len()..].chars().next();
        let is_longer_address = needle.contains('@') && matches!(before, Some('.' | '\'' | '’'));
        !before.is_some_and(char::is_alphanumeric)
            && !after.is_some_and(char::is_alphanumeric)
            && !is_longer_address
    };
    !needle.is_empty() && text.match_indices(needle).any(is_alone)
}

/// Passes the whole text as an identifier.
fn whole(position: Position, text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    let text = text.trim();
    let text = match position {
        // The mark of a system account is no part of its name.
        Position::Account => text.strip_prefix('*').unwrap_or(text),
        Position::Text => text,
        Position::Label => "",
    };
    if text.is_empty() {
        return;
    }
    for identifier_kind in [
        IdentifierKind::Login,
        IdentifierKind::Address,
        IdentifierKind::Sid,
        IdentifierKind::UserUid,
    ] {
        take(identifier_kind, text);
    }
    if position == Position::Text {
        take(IdentifierKind::DeviceUid, text);
        take(IdentifierKind::DeviceName, text);
    }
}

/// Passes every `local@domain`.
fn addresses(text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    for (at, _) in text.match_indices('@') {
        let local = last_run(&text[..at], is_login_character).trim_start_matches(is_mark);
        let domain = first_run(&text[at + 1..], is_mail_domain_character).trim_end_matches(is_mark);
        if local.is_empty() || domain.is_empty() {
            continue;
        }
        let start = at - local.len();
        let stem = without_extensions(domain);
        if let Some((mailbox, _)) = local.split_once('+') {
            take(IdentifierKind::Address, &format!("{mailbox}@{stem}"));
        }
        let mut mention = |start: usize, domain: &str| {
            take(IdentifierKind::Address, &text[start..=at + domain.len()]);
        };
        mention(start, domain);
        if stem.len() < domain.len() {
            mention(start, stem);
            joints(local).for_each(|joint| mention(start + joint, stem));
        }
        // Mail allows separators in a local part, so each longer piece may be a local part too.
        let longest = last_run(&text[..at], |character| {
            is_login_character(character) || is_mail_character(character)
        });
        let starts =
            longest.char_indices().rev().filter(|(_, character)| is_mail_character(*character));
        let starts =
            starts.map(|(place, character)| at - longest.len() + place + character.len_utf8());
        let starts = starts.chain([at - longest.len()]).filter(|longer| *longer < start);
        for start in starts.take(MAX_JOINTS) {
            mention(start, domain);
        }
    }
}

/// Passes every `DOMAIN\login`.
fn accounts(text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    for (slash, _) in text.match_indices('\\') {
        let domain =
            last_run(&text[..slash], is_windows_domain_character).trim_start_matches(is_mark);
        let rest = &text[slash + 1..];
        let login = trimmed_login(first_run(rest, is_login_character));
        let is_machine = rest[login.len()..].starts_with('$');
        if domain.is_empty() || login.is_empty() || is_machine {
            continue;
        }
        let start = slash - domain.len();
        let stem = without_extensions(login);
        let is_file = stem.len() < login.len();
        let mut mention = |start: usize, login: &str| {
            take(IdentifierKind::Login, &text[start..=slash + login.len()]);
        };
        mention(start, login);
        if is_file {
            mention(start, stem);
        }
        for longer in with_spaces(rest) {
            mention(start, longer);
        }
        for joint in joints(domain) {
            let (prefix, name) = domain.split_at(joint);
            let has_other_case =
                !prefix.contains(char::is_uppercase) && !name.contains(char::is_lowercase);
            if has_other_case {
                mention(start + joint, login);
            }
            if is_file {
                mention(start + joint, stem);
            }
        }
    }
}

/// Passes every SID.
fn sids(text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(found) = memchr::memchr2(b'S', b's', &bytes[start..]) {
        let place = start + found;
        start = place + 1;
        let is_sid = bytes.get(place + 1..place + 4) == Some(b"-1-");
        if !is_sid || text[..place].ends_with(char::is_alphanumeric) {
            continue;
        }
        let sid = first_run(&text[place + 1..], |character| {
            character == '-' || character.is_ascii_digit()
        });
        let end = place + 1 + sid.trim_end_matches('-').len();
        if !text[end..].starts_with(char::is_alphanumeric) {
            take(IdentifierKind::Sid, &text[place..end]);
        }
    }
}

/// Passes every uid and pseudonym.
fn tokens(text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    for token in text.split(|character| !is_token_character(character)) {
        let token = token.trim_matches(['-', '_']);
        if token.len() < MIN_UID || !token.is_ascii() {
            continue;
        }
        if is_strong_uid(token) {
            take(IdentifierKind::UserUid, token);
            take(IdentifierKind::DeviceUid, token);
        }
        each_uuid(token, &mut |uuid| {
            take(IdentifierKind::UserUid, uuid);
            take(IdentifierKind::DeviceUid, uuid);
        });
        if let Some(pseudonym) = pseudonym_in(token) {
            for identifier_kind in IdentifierKind::ALL {
                take(identifier_kind, pseudonym);
            }
        }
    }
}

/// Returns true if a uid can hardly be a word or a number.
fn is_strong_uid(token: &str) -> bool {
    token.len() >= MIN_UID
        && token.contains(|character: char| character.is_ascii_digit())
        && token.contains(|character: char| character.is_ascii_alphabetic())
}

/// Passes the UUIDs inside a longer token.
fn each_uuid(token: &str, take: &mut dyn FnMut(&str)) {
    let is_joint = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let bytes = token.as_bytes();
    for (start, window) in bytes.windows(UUID).enumerate() {
        let is_uuid = window.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        let before = start.checked_sub(1).and_then(|index| bytes.get(index));
        let is_whole = bytes.len() == UUID;
        if is_uuid && !is_whole && is_joint(before) && is_joint(bytes.get(start + UUID)) {
            take(&token[start..start + UUID]);
        }
    }
}

/// Returns the pseudonym at the end of a token.
fn pseudonym_in(token: &str) -> Option<&str> {
    let lower = token.to_ascii_lowercase();
    let start = lower.find(PREFIX)?;
    let is_joined = token[..start].ends_with(|character: char| character.is_ascii_alphanumeric());
    (!is_joined).then_some(&token[start..])
}

/// Iterates over the login names with spaces with which a text may begin.
fn with_spaces(text: &str) -> impl Iterator<Item = &str> {
    let piece = first_run(text, |character| is_login_character(character) || character == ' ');
    let ends = piece.match_indices(' ').map(|(end, _)| end).chain([piece.len()]);
    let longer = ends.skip(1).take(MAX_LOGIN_WORDS).map(|end| trimmed_login(&piece[..end]));
    longer.filter(|login| login.contains(' '))
}

/// Removes punctuation and a possessive from the end of a login name.
fn trimmed_login(login: &str) -> &str {
    let login = login.trim_end_matches(|character| is_mark(character) || character == ' ');
    let owner = login.strip_suffix("'s").or_else(|| login.strip_suffix("’s"));
    owner.unwrap_or(login).trim_end_matches(is_mark)
}

/// The positions after each `-` or `_` of a name, up to a limit.
fn joints(name: &str) -> impl Iterator<Item = usize> {
    let joints = name.match_indices(['-', '_']).map(|(place, _)| place + 1);
    joints.filter(|place| name[*place..].starts_with(char::is_alphanumeric)).take(MAX_JOINTS)
}

/// Removes file extensions from a name.
fn without_extensions(name: &str) -> &str {
    let mut stem = name;
    while let Some((front, extension)) = stem.rsplit_once('.') {
        let is_known = FILE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension));
        if !is_known || front.is_empty() {
            break;
        }
        stem = front;
    }
    stem
}

/// The longest prefix of such characters.
fn first_run(text: &str, is_of: impl Fn(char) -> bool) -> &str {
    text.find(|character| !is_of(character)).map_or(text, |end| &text[..end])
}

/// The longest suffix of such characters.
fn last_run(text: &str, is_of: impl Fn(char) -> bool) -> &str {
    &text[text.trim_end_matches(is_of).len()..]
}

/// Returns true for characters of local parts and login names. Mail allows more, but they are
/// nearly always separators.
fn is_login_character(character: char) -> bool {
    character.is_alphanumeric() || is_mark(character)
}

/// Returns true for further characters of the local part of an address (RFC 5322).
fn is_mail_character(character: char) -> bool {
    "!#$%&*/=?^`{|}~".contains(character)
}

fn is_mail_domain_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '-')
}

/// Returns true for characters of domain names. Windows allows `_` there.
fn is_windows_domain_character(character: char) -> bool {
    is_mail_domain_character(character) || character == '_'
}

fn is_token_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_')
}

/// Returns true for punctuation that may occur inside and around a name.
fn is_mark(character: char) -> bool {
    matches!(character, '.' | '_' | '-' | '+' | '\'' | '’')
}
