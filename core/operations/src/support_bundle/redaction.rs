//! Removes configured texts from a text, and everything that looks like an address, a host or a path.

use std::net::{IpAddr, SocketAddr};

use core_config::Config;
use core_settings::{Effective, Kind, Place, settings};
use serde_json::Value;

/// The shortest configured text to remove: shorter ones are parts of ordinary words.
const SHORTEST: usize = 3;

/// The separators between the words of a message.
const BETWEEN: [char; 11] = [' ', '\n', '\t', '`', '"', '\'', ',', ';', '(', ')', '='];

/// The texts to remove, the longest first, and their replacements.
#[derive(Debug, Default)]
pub(super) struct Redaction(Vec<(String, String)>);

impl Redaction {
    /// Removes all texts of a configuration, and the name of a tenant in a fleet.
    pub(super) fn new(config: &Config, name: Option<&str>) -> Self {
        let mut texts = configured(config);
        texts.extend(name.map(|name| (name.to_owned(), "<tenant>".to_owned())));
        texts.retain(|(text, _)| text.len() >= SHORTEST);
        texts.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then(one.cmp(other)));
        Self(texts)
    }

    /// Returns a text without them, and without addresses, hosts and paths.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (configured, name) in &self.0 {
            text = text.replace(configured.as_str(), name);
        }
        let words = text.split_inclusive(BETWEEN);
        words.map(without_places).collect()
    }
}

/// The texts that a configuration sets, and those that are computed from them.
fn configured(config: &Config) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = config.effective.iter().flat_map(texts).collect();
    let hosts = texts.iter().filter_map(|(text, name)| {
        let (_, rest) = text.split_once("://")?;
        Some((rest.split('/').next()?.to_owned(), name.clone()))
    });
    let hosts: Vec<_> = hosts.collect();
    texts.extend(hosts);
    // A configured address contains it too.
    texts.push((config.tenant.as_str().to_owned(), "<nexthink.tenant>".to_owned()));
    let folder = config.store.folder().display().to_string();
    texts.push((folder, "<store.location>".to_owned()));
    texts.extend(
        config.bucket.iter().map(|bucket| (bucket.address.clone(), "<store.location>".to_owned())),
    );
    texts
}

/// The texts of a setting that a file or a variable has set.
fn texts(setting: &Effective) -> Vec<(String, String)> {
    let declared = settings().find(|declared| declared.path == setting.path);
    let is_bounded = declared.is_some_and(|declared| {
        matches!(declared.kind, Kind::Flag | Kind::Integer { .. } | Kind::Choice(_))
    });
    if setting.place == Place::Nowhere || is_bounded {
        return Vec::new();
    }
    let name = format!("<{}>", setting.path);
    let mut texts = Vec::new();
    collect(&setting.json(), &mut texts);
    texts.into_iter().map(|text| (text, name.clone())).collect()
}

/// The texts anywhere in a value.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

/// A word with its separator. A placeholder replaces a word that looks like an address or a path.
fn without_places(word: &str) -> String {
    let content = word.trim_end_matches(BETWEEN);
    let end = &word[content.len()..];
    let mark = if content.contains("://") {
        "<url>"
    } else if content.contains('@') || is_address(content) {
        "<address>"
    } else if content.starts_with(['/', '~']) && content.len() > 1 || content.contains('\\') {
        "<path>"
    } else if content.contains(".toml") {
        "<file>"
    } else if is_host(content) {
        "<host>"
    } else {
        content
    };
    format!("{mark}{end}")
}

/// Returns true for an address, also in brackets, with punctuation, a port, a zone or the length of a network.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches([':', '.', '?', '!']);
    let bare = word.trim_start_matches('[').split(['%', '/', ']']).next().unwrap_or(word);
    bare.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok()
}

/// The extensions of this program's own files. No top-level domain has such a name.
const OWN_FILES: [&str; 6] = ["json", "parquet", "csv", "ndjson", "gz", "zst"];

/// Returns true for several labels with dots between them, of which the last is a word and no number, as in a version.
/// Settings and files of this program are no hosts.
fn is_host(word: &str) -> bool {
    let word = word.trim_matches(['[', ']', ':', '.', '?', '!']);
    let host = word.split([':', '/']).next().unwrap_or(word);
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
    };
    let [_, .., last] = labels[..] else { return false };
    let is_word = last.chars().count() > 1 && last.starts_with(char::is_alphabetic);
    is_word
        && labels.iter().all(is_label)
        && !OWN_FILES.contains(&last)
        && !settings().any(|declared| declared.path == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_texts_addresses_and_paths_are_taken_out_the_longest_first() {
        let texts = [("acme", "<nexthink.tenant>"), ("acme-reader", "<audit.account>")];
        let mut redaction =
            Redaction(texts.map(|(text, name)| (text.to_owned(), name.to_owned())).to_vec());
        redaction.0.reverse();
        for (text, expected) in [
            ("no rows", "no rows"),
            ("acme is down", "<nexthink.tenant> is down"),
            ("acme-reader is refused", "<audit.account> is refused"),
            ("see https://x.example/a?b, later", "see <url>, later"),
            ("of (jane@x.example)", "of (<address>)"),
            ("cannot open /srv/data/x: full", "cannot open <path> full"),
            ("at `C:\\Users\\jane`", "at `<path>`"),
            ("in tenants.d/acme.toml:3:1: it", "in <file> it"),
            ("10.0.0.1, port 3", "<address>, port 3"),
            ("50 / 60 of a/b", "50 / 60 of a/b"),
            ("its host results.example-internal.example is not one", "its host <host> is not one"),
            ("at results.example.", "at <host>"),
            ("no answer from db.example:8443/x: it", "no answer from <host> it"),
            ("its host [fe80::1]", "its host <address>"),
            ("[fe80::1%eth0]:443 is down", "<address> is down"),
            ("cannot reach 127.0.0.1: the", "cannot reach <address> the"),
            ("10.0.0.1:8443: no answer from ::1.", "<address> no answer from <address>"),
            ("in state.json and packages.csv.gz", "in state.json and packages.csv.gz"),
            (
                "set `nexthink.region` and store.location",
                "set `nexthink.region` and store.location",
            ),
            ("1.2.3 of v1.20 took 1.5 s, e.g. now.", "1.2.3 of v1.20 took 1.5 s, e.g. now."),
            ("at 12:30:00: Parquet: it", "at 12:30:00: Parquet: it"),
        ] {
            assert_eq!(redaction.apply(text), expected);
        }
    }
}
