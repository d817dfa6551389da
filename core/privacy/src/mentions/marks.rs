//! The contexts that make a bare word the name of an account or of a device.

use core_model::column::IdentifierKind;

use super::{first_run, is_login_character, is_mark, last_run, trimmed_login, without_extensions};

/// Folders whose subfolders are named after accounts.
const HOMES: [&str; 9] = [
    "documents and settings",
    "home",
    "homes",
    "people",
    "profile",
    "profiles",
    "u",
    "user",
    "users",
];

/// Names of settings whose value is an account; a setting's name may end in one of these.
const ACCOUNT_KEYS: [&str; 8] =
    ["account", "accountname", "login", "loginname", "logon", "uid", "user", "username"];

/// Names of settings whose value is a device.
const DEVICE_KEYS: [&str; 9] = [
    "computer",
    "computername",
    "device",
    "devicename",
    "host",
    "hostname",
    "machine",
    "machinename",
    "workstation",
];

/// Command options that an account follows.
const ACCOUNT_OPTIONS: [&str; 5] = ["-U", "-u", "--login", "--user", "--username"];

/// Commands that take `login@host`.
const REMOTE_COMMANDS: [&str; 7] = ["ftp", "mosh", "rsync", "scp", "sftp", "ssh", "ssh-copy-id"];

/// Passes each bare name that its context marks as one.
pub(super) fn each_bare_name(text: &str, take: &mut dyn FnMut(IdentifierKind, &str)) {
    let mut end = 0;
    while let Some(start) = text[end..].find(is_login_character).map(|offset| end + offset) {
        let run = first_run(&text[start..], is_login_character);
        end = start + run.len();
        let name = trimmed_login(run.trim_start_matches(is_mark));
        if name.is_empty() {
            continue;
        }
        let before = &text[..start + run.len() - run.trim_start_matches(is_mark).len()];
        let after = &text[end..];
        if is_account(before, after) {
            take(IdentifierKind::Login, name);
            take(IdentifierKind::Login, without_extensions(name));
        }
        if is_device(before, after) {
            take(IdentifierKind::DeviceName, name);
        }
        if is_home(before) {
            folders_with_spaces(&text[before.len()..])
                .for_each(|folder| take(IdentifierKind::Login, folder));
        }
    }
}

/// Returns true if the text around a word makes it the name of an account.
fn is_account(before: &str, after: &str) -> bool {
    if after.starts_with('@') {
        return before.ends_with("://") || is_remote_command(before, after);
    }
    let has_password = || after.split(['/', ' ']).next().is_some_and(|host| host.contains('@'));
    if before.ends_with("://") {
        return after.starts_with(':') && has_password();
    }
    let is_after_tilde =
        before.strip_suffix('~').is_some_and(|rest| !rest.ends_with(char::is_alphanumeric));
    is_after_tilde
        || is_home(before)
        || is_value_of(before, &ACCOUNT_KEYS)
        || ACCOUNT_OPTIONS.contains(&last_word(before))
}

/// Returns true if the text around a word makes it the name of a device.
fn is_device(before: &str, after: &str) -> bool {
    let ends = after.starts_with(['/', '\\', ':']) || after.is_empty();
    let is_share = before.strip_suffix("\\\\").is_some_and(|rest| {
        !rest.ends_with(|character: char| character.is_alphanumeric() || character == '\\')
    });
    ((is_share || before.ends_with("://")) && ends) || is_value_of(before, &DEVICE_KEYS)
}

/// Returns true if the next part of a path is the home of an account.
fn is_home(before: &str) -> bool {
    let Some(folders) = before.strip_suffix(['/', '\\']) else { return false };
    let folders = folders.trim_end_matches(['/', '\\']);
    HOMES.iter().any(|home| {
        let split = folders.len().checked_sub(home.len());
        let parts = split.and_then(|place| folders.split_at_checked(place));
        parts.is_some_and(|(parent, folder)| {
            folder.eq_ignore_ascii_case(home) && parent.ends_with(['/', '\\'])
        })
    })
}

/// Iterates over the folder names with spaces with which a path may continue.
fn folders_with_spaces(path: &str) -> impl Iterator<Item = &str> {
    let folder = first_run(path, |character| is_login_character(character) || character == ' ');
    let is_folder = path[folder.len()..].starts_with(['/', '\\', '"', '\'']);
    let folder = folder.trim();
    (folder.contains(' ') && (is_folder || path.len() == folder.len()))
        .then_some(folder)
        .into_iter()
}

/// Returns true if `before` ends in a setting of one of these names: `user=`, `"user": "`,
/// `/user:`.
fn is_value_of(before: &str, keys: &[&str]) -> bool {
    let quote = |character: char| matches!(character, '"' | '\'' | '“' | '‘');
    let unquoted = before.strip_suffix(quote);
    let sign = unquoted.unwrap_or(before);
    let key = sign.trim_end_matches(' ');
    let key = match (key.strip_suffix('='), key.strip_suffix(':')) {
        (Some(key), _) => key.trim_end_matches(' '),
        // A colon and a space are prose: `Account: will expire`.
        (None, Some(key)) if unquoted.is_some() || sign.ends_with(':') => key,
        _ => return false,
    };
    let name = last_run(key.trim_end_matches(['"', '\'', '”', '’']), |character| {
        character.is_ascii_alphabetic()
    });
    keys.iter().any(|known| {
        let split = name.len().checked_sub(known.len());
        split.is_some_and(|split| name[split..].eq_ignore_ascii_case(known))
    })
}

/// Returns true if a command for another host takes `login@host` here: options may be in between.
fn is_remote_command(before: &str, after: &str) -> bool {
    let clause = before.rsplit(['\n', ';', '|', '&']).next().unwrap_or(before);
    let words: Vec<&str> = clause.split_whitespace().collect();
    let is_command = |word: &str| {
        let name = word.rsplit(['/', '\\', '"', '\'', '(', '`']).next().unwrap_or(word);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        REMOTE_COMMANDS.iter().any(|command| command.eq_ignore_ascii_case(name))
    };
    let Some(command) = words.iter().rposition(|word| is_command(word)) else { return false };
    let host = after[1..].split(char::is_whitespace).next().unwrap_or("");
    let mut is_option_value = false;
    let only_options = words[command + 1..].iter().all(|word| {
        let is_option = word.starts_with('-');
        let fits = is_option || is_option_value;
        is_option_value = is_option;
        fits
    });
    clause.ends_with([' ', '\t']) && (only_options || host.contains(':'))
}

/// The word before a space.
fn last_word(before: &str) -> &str {
    let Some(before) = before.strip_suffix(' ') else { return "" };
    before.rsplit(char::is_whitespace).next().unwrap_or("")
}
