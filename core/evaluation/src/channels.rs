//! The channels for notifications: the file that names them, the secrets that each needs, and a list with their
//! messages.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use core_engine::Failure;
use core_http::Secret;
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::document::Document;
use core_rules::notify::render::ChannelSecrets;
use core_rules::notify::settings::{
    Address, Channel, ChannelKind, NotifySettings, SecretPlace, check_secret_url,
};
use core_rules::outbox::Message;
use serde_json::{Value, json};

use crate::rule_files::beside_configuration;

/// The file with channels and routes, beside the configuration.
const FILE: &str = "notify.toml";

/// Reads a secret; the text describes it in messages.
pub type ReadSecret<'a> = &'a dyn Fn(&SecretPlace, &str) -> anyhow::Result<Secret>;

fn path(folder: Option<&Path>) -> PathBuf {
    beside_configuration(folder, FILE)
}

/// Reads the channels and routes beside the configuration in `folder`; none without a file.
///
/// # Errors
///
/// The file cannot be read, or has mistakes, which are all reported at once.
pub fn read(folder: Option<&Path>) -> Result<Option<NotifySettings>, Failure> {
    let path = path(folder);
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::configuration(format!("cannot read {file}: {error}"))),
    };
    let read = NotifySettings::read(Document { file: &file, text: &text });
    read.map(Some).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        Failure::configuration(format!("the channels are not valid:\n{}", lines.join("\n")))
    })
}

/// Reads the channels and routes, which are required.
///
/// # Errors
///
/// As [`read`], and if there is no file.
pub fn required(folder: Option<&Path>) -> Result<NotifySettings, Failure> {
    read(folder)?.ok_or_else(|| {
        Failure::configuration(format!(
            "there is no {}: it names the channels (docs/rules.md)",
            path(folder).display()
        ))
    })
}

/// Says that changes wait for the file that names the channels.
pub(crate) fn missing(folder: Option<&Path>, changes: usize) -> String {
    format!(
        "{} not sent, since there is no {}: put the file back, or make an empty one to give up what waits",
        if changes == 1 { "1 change was".to_owned() } else { format!("{changes} changes were") },
        path(folder).display()
    )
}

/// Reads the secrets of a channel.
pub(crate) fn secrets(
    channel: &Channel,
    read_secret: ReadSecret<'_>,
) -> anyhow::Result<ChannelSecrets> {
    let text = |place: &SecretPlace, what: &str| -> anyhow::Result<String> {
        let secret = read_secret(place, &format!("{what} of channel {}", channel.name))?;
        Ok(secret.expose().to_owned())
    };
    let url = |address: &Address| -> anyhow::Result<String> {
        match address {
            Address::Plain(text) => Ok(text.clone()),
            Address::Secret(place) => {
                let url = text(place, "the address")?;
                check_secret_url(&url).map_err(anyhow::Error::msg)?;
                Ok(url)
            }
        }
    };
    let mut secrets = ChannelSecrets::default();
    match &channel.kind {
        ChannelKind::Webhook { url: address, secret, previous_secret } => {
            secrets.url = url(address)?;
            secrets.key = Some(text(secret, "the key")?);
            let previous = previous_secret.as_ref().map(|place| text(place, "the previous key"));
            secrets.previous_key = previous.transpose()?;
        }
        ChannelKind::Template { url: address, authorization, .. } => {
            secrets.url = url(address)?;
            let key = authorization.as_ref().map(|place| text(place, "the authorization"));
            secrets.key = key.transpose()?;
        }
        ChannelKind::Slack { url: address }
        | ChannelKind::Teams { url: address }
        | ChannelKind::Alertmanager { url: address, .. } => secrets.url = url(address)?,
        ChannelKind::Pagerduty { url: address, routing_key } => {
            secrets.url = url(address)?;
            secrets.key = Some(text(routing_key, "the routing key")?);
        }
        ChannelKind::Email(settings) => {
            let password = settings.password.as_ref().map(|place| text(place, "the password"));
            secrets.key = password.transpose()?;
        }
        ChannelKind::Exec { .. } => {}
    }
    Ok(secrets)
}

/// The channels with the numbers of their messages.
#[derive(Debug)]
pub struct ChannelList(Vec<ListedChannel>);

#[derive(Debug)]
struct ListedChannel {
    name: String,
    kind: &'static str,
    /// The changes that are not in a message yet.
    held_back: usize,
    waiting: usize,
    given_up: usize,
    last_failure: String,
}

impl ChannelList {
    /// Reads the channels beside the configuration, and the messages of the tenant.
    ///
    /// # Errors
    ///
    /// There are no channels, or the findings cannot be read.
    pub fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        let settings = required(reader.folder)?;
        let book = Book::read(reader.tenant)?.unwrap_or_default();
        let outbox = book.outbox();
        let known = settings.channels.values();
        let mut kinds: BTreeMap<&str, &'static str> =
            known.map(|channel| (channel.name.as_str(), channel.kind.name())).collect();
        for message in outbox.dead() {
            kinds.entry(&message.channel).or_insert("not in the file");
        }
        let listed = kinds.into_iter().map(|(name, kind)| {
            let name = name.to_owned();
            let of_channel = |messages: &[Message]| {
                messages.iter().filter(|message| message.channel == name).count()
            };
            let first = outbox.messages().iter().find(|message| message.channel == name);
            ListedChannel {
                kind,
                held_back: outbox.waiting(&name),
                waiting: of_channel(outbox.messages()),
                given_up: of_channel(outbox.dead()),
                last_failure: first.and_then(|message| message.error.clone()).unwrap_or_default(),
                name,
            }
        });
        Ok(Self(listed.collect()))
    }

    /// Returns a table for a terminal of so many columns.
    pub fn table(&self, columns: Option<usize>) -> String {
        let rows = self.0.iter().map(|channel| {
            let numbers = [channel.held_back, channel.waiting, channel.given_up];
            let [held_back, waiting, given_up] = numbers.map(|number| number.to_string());
            let (name, kind) = (channel.name.clone(), channel.kind.to_owned());
            [name, kind, channel.last_failure.clone(), held_back, waiting, given_up]
        });
        let header = ["channel", "kind", "last failure", "held back", "waiting", "given up"];
        core_terminal::table(header, rows, 3, columns)
    }

    /// Returns the channels as objects.
    pub fn objects(&self) -> Vec<Value> {
        let object = |channel: &ListedChannel| {
            json!({
                "channel": channel.name, "kind": channel.kind, "heldBack": channel.held_back,
                "waiting": channel.waiting, "givenUp": channel.given_up,
                "lastFailure": channel.last_failure,
            })
        };
        self.0.iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::testing::Scene;

    #[test]
    fn no_file_is_no_channels_unless_they_are_required() {
        let scene = Scene::new("");
        let folder = Some(scene.folder.path());
        assert!(read(folder).expect("it is not there").is_none());
        let failure = required(folder).expect_err("it is not there");
        let text = failure.error.to_string();
        assert!(text.ends_with("notify.toml: it names the channels (docs/rules.md)"), "{text}");
    }

    #[test]
    fn all_mistakes_of_the_file_are_told_at_once() {
        let scene = Scene::new("");
        scene.write(
            FILE,
            "[channels.a]\nkind = 'pigeon'\n[channels.b]\nkind = 'slack'\n[[routes]]\nto = ['c']\n",
        );
        let failure = read(Some(scene.folder.path())).expect_err("it is not valid");
        let text = failure.error.to_string();
        assert!(text.starts_with("the channels are not valid:\n  "), "{text}");
        assert!(text.contains("pigeon") && text.contains("needs `url`"), "{text}");
    }

    #[test]
    fn each_kind_of_channel_reads_the_secrets_that_it_needs_under_their_names() {
        let table = [
            (
                "kind = 'webhook'\nurl = { env = 'URL' }\nsecret = { env = 'KEY' }\n\
                 previous_secret = { file = 'old' }",
                "the address, the key, the previous key",
            ),
            ("kind = 'webhook'\nurl = 'https://a.example'\nsecret = { env = 'KEY' }", "the key"),
            (
                "kind = 'template'\nurl = 'https://a.example'\ntemplate = '{}'\n\
                 authorization = { command = ['pass'] }",
                "the authorization",
            ),
            ("kind = 'slack'\nurl = { env = 'URL' }", "the address"),
            ("kind = 'teams'\nurl = 'https://a.example'", ""),
            ("kind = 'pagerduty'\nrouting_key = { env = 'KEY' }", "the routing key"),
            ("kind = 'exec'\ncommand = ['cat']", ""),
        ];
        for (text, expected) in table {
            let text = format!("[channels.ops]\n{text}\n");
            let settings = NotifySettings::read(Document { file: FILE, text: &text });
            let settings = settings.expect("it is valid");
            let asked = RefCell::new(Vec::new());
            let read_secret = |_: &SecretPlace, what: &str| {
                asked.borrow_mut().push(what.replace(" of channel ops", ""));
                Ok(Secret::new("https://hook.example/s3cret".to_owned()))
            };
            let secrets = secrets(&settings.channels["ops"], &read_secret).expect("they are there");
            assert_eq!(asked.borrow().join(", "), expected, "{text}");
            assert_eq!(
                secrets.key.is_some(),
                expected.contains("key") || expected.contains("auth")
            );
        }
    }

    #[test]
    fn an_address_that_is_a_secret_is_checked_like_one_in_the_file() {
        let text = "[channels.ops]\nkind = 'slack'\nurl = { env = 'URL' }\n";
        let settings = NotifySettings::read(Document { file: FILE, text }).expect("it is valid");
        let channel = &settings.channels["ops"];
        let read = |address: &'static str| {
            let read_secret = |_: &SecretPlace, _: &str| Ok(Secret::new(address.to_owned()));
            secrets(channel, &read_secret).map(|secrets| secrets.url)
        };
        assert_eq!(read("https://a.example/x").expect("it is one"), "https://a.example/x");
        let error = read("http://a.example/s3cret").map(drop).expect_err("it is not encrypted");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
