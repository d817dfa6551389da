//! The file `notify.toml`: the channels, and the routes of findings to them.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::escape::JsonTemplate;
use super::mail::{MailServer, MailSettings, MailTls, check_address};
use crate::book::RuleRecord;
use crate::document::{Document, Problem, most_similar};
use crate::finding::Finding;
use crate::outbox::Transition;
use crate::rule::Severity;
use crate::silence::matches_pattern;

/// The transitions above which a channel gets one message for all.
const DIGEST_ABOVE: usize = 10;
/// The time for which an alert stays at an Alertmanager unless it is sent again. Hours.
const EXPIRES_HOURS: u32 = 26;
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Where a secret is kept. The caller fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretPlace {
    /// In a variable of the environment.
    Env(String),
    /// In a file that only its owner can read; a relative path begins at the folder of `notify.toml`.
    File(String),
    /// In the output of a command.
    Command(Vec<String>),
}

/// An address: in the file, or a secret, since the addresses of many services are as good as a password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Address {
    /// In the file.
    Plain(String),
    /// Elsewhere.
    Secret(SecretPlace),
}

/// A channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ChannelKind,
    /// The transitions above which there is one message for all.
    pub digest_above: usize,
    /// When nothing is sent, and by which clock.
    pub quiet: Option<QuietHours>,
    /// The interval between overviews, in days.
    pub overview_days: Option<u64>,
}

/// The kinds of channels.
#[derive(Debug, Clone)]
pub enum ChannelKind {
    /// HTTP by the Standard Webhooks specification.
    Webhook {
        /// Where to.
        url: Address,
        /// The key of the signature; the form `whsec_…` is the specification's.
        secret: SecretPlace,
        /// The key before, while receivers change to the new one.
        previous_secret: Option<SecretPlace>,
    },
    /// HTTP with a body of one's own, for services such as `ServiceNow` or Jira.
    Template {
        /// Where to.
        url: Address,
        /// The body, a JSON document.
        template: String,
        /// The value of the header `Authorization`.
        authorization: Option<SecretPlace>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// Where to.
        url: Address,
    },
    /// A workflow of Microsoft Teams.
    Teams {
        /// Where to.
        url: Address,
    },
    /// The Events API of `PagerDuty`, version 2.
    Pagerduty {
        /// Where to.
        url: Address,
        /// The integration's key.
        routing_key: SecretPlace,
    },
    /// The API of Prometheus' Alertmanager, version 2.
    Alertmanager {
        /// The address before `/api/v2/alerts`.
        url: Address,
        /// The time for which an alert stays there unless it is sent again. Hours.
        expires_hours: u32,
    },
    /// Mail by SMTP.
    Email(MailSettings),
    /// A program of this machine.
    Exec {
        /// The program and its arguments. No shell reads them.
        command: Vec<String>,
    },
}

/// Hours in which a channel is left alone.
#[derive(Debug, Clone)]
pub struct QuietHours {
    /// Their beginning.
    from: Time,
    /// Their end, on the next day if it is before the beginning.
    to: Time,
    /// The clock.
    zone: TimeZone,
    /// The severity from which messages are sent even in quiet hours.
    pub urgent: Severity,
}

/// A route: the findings and the channels that they are sent to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The channels.
    to: Spanned<Vec<String>>,
    /// The least severity.
    severity: Option<Severity>,
    /// The rules; `*` stands for any text. All rules if empty.
    #[serde(default)]
    rules: Vec<String>,
    /// Labels that the rule must have.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The transitions; all if empty.
    #[serde(default)]
    on: Vec<Transition>,
}

/// Everything that the file says.
#[derive(Debug, Default)]
pub struct NotifySettings {
    /// The channels, by name.
    pub channels: BTreeMap<String, Channel>,
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyFile {
    #[serde(default)]
    channels: BTreeMap<Spanned<String>, ChannelTable>,
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelTable {
    kind: Spanned<String>,
    url: Option<Spanned<Address>>,
    secret: Option<SecretPlace>,
    previous_secret: Option<SecretPlace>,
    template: Option<Spanned<String>>,
    authorization: Option<SecretPlace>,
    routing_key: Option<SecretPlace>,
    expires_hours: Option<u32>,
    command: Option<Vec<String>>,
    server: Option<Spanned<String>>,
    tls: Option<MailTls>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<Vec<String>>>,
    user: Option<String>,
    password: Option<SecretPlace>,
    digest_above: Option<usize>,
    quiet_hours: Option<Spanned<String>>,
    time_zone: Option<Spanned<String>>,
    urgent: Option<Severity>,
    overview: Option<Overview>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Overview {
    Daily,
    Weekly,
}

/// The kinds, each with the settings that it needs and those that it may have. A receiver that keeps a state of each
/// finding has no use for an overview.
const KINDS: [(&str, &[&str], &[&str]); 8] = [
    ("webhook", &["url", "secret"], &["previous_secret", "overview"]),
    ("template", &["url", "template"], &["authorization", "overview"]),
    ("slack", &["url"], &["overview"]),
    ("teams", &["url"], &["overview"]),
    ("pagerduty", &["routing_key"], &["url"]),
    ("alertmanager", &["url"], &["expires_hours"]),
    ("email", &["server", "from", "to"], &["tls", "user", "password", "overview"]),
    ("exec", &["command"], &["overview"]),
];

impl NotifySettings {
    /// Reads the file.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn read(document: Document<'_>) -> Result<Self, Vec<Problem>> {
        let file: NotifyFile = document.read().map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        let mut channels = BTreeMap::new();
        for (name, table) in file.channels {
            match read_channel(&name, table, document) {
                Ok(channel) => _ = channels.insert(name.into_inner(), channel),
                Err(problem) => problems.push(problem),
            }
        }
        let is_whole = problems.is_empty();
        for route in file.routes.iter().filter(|_| is_whole) {
            for name in route.to.get_ref().iter().filter(|name| !channels.contains_key(*name)) {
                let near = most_similar(name, channels.keys().map(String::as_str));
                let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                let message = format!("there is no channel `{name}`{near}");
                problems.push(document.problem(&route.to.span(), &message));
            }
        }
        if problems.is_empty() { Ok(Self { channels, routes: file.routes }) } else { Err(problems) }
    }

    /// The channels that are to be told of a transition of a finding; none if no route selects the finding. A receiver that
    /// keeps a state of each finding is told of the end of every one, whatever else its routes select: they may have selected
    /// it when it was opened, and the severity or the labels of the rule be others now.
    pub fn channels_for(
        &self,
        finding: &Finding,
        rule: &RuleRecord,
        transition: Transition,
    ) -> Option<Vec<String>> {
        let keeps_state = |name: &String| {
            self.channels.get(name).is_some_and(|channel| channel.kind.keeps_state())
        };
        let (mut names, mut is_selected) = (Vec::new(), false);
        for route in self.routes.iter().filter(|route| route.is_for_rule(&finding.rule)) {
            let selects = route.selects(rule);
            is_selected |= selects;
            let has_news = selects && transition.is_for_people() && route.has(transition);
            let is_told = |name: &&String| has_news || !transition.is_open() && keeps_state(name);
            names.extend(route.to.get_ref().iter().filter(is_told).cloned());
        }
        names.sort_unstable();
        names.dedup();
        (is_selected || !names.is_empty()).then_some(names)
    }
}

impl Route {
    fn is_for_rule(&self, rule: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|pattern| matches_pattern(pattern, rule))
    }

    fn selects(&self, rule: &RuleRecord) -> bool {
        self.severity.is_none_or(|least| rule.severity >= least)
            && self.labels.iter().all(|(name, value)| rule.labels.get(name) == Some(value))
    }

    fn has(&self, transition: Transition) -> bool {
        self.on.is_empty() || self.on.contains(&transition)
    }
}

impl ChannelKind {
    /// The name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Template { .. } => "template",
            Self::Slack { .. } => "slack",
            Self::Teams { .. } => "teams",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Email(_) => "email",
            Self::Exec { .. } => "exec",
        }
    }

    /// Returns whether the receiver keeps a state of each finding, so that it must hear of every end.
    pub fn keeps_state(&self) -> bool {
        matches!(self, Self::Pagerduty { .. } | Self::Alertmanager { .. })
    }
}

impl Channel {
    /// The severity from which a finding is told at a time; none if every one is.
    pub fn least_severity(&self, now: u64) -> Option<Severity> {
        self.quiet.as_ref().filter(|quiet| quiet.is_quiet(now)).map(|quiet| quiet.urgent)
    }
}

impl QuietHours {
    /// Returns whether it is quiet at a time, milliseconds since 1970-01-01 UTC.
    pub fn is_quiet(&self, now: u64) -> bool {
        let Some(timestamp) =
            i64::try_from(now).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        else {
            return false;
        };
        let time = self.zone.to_datetime(timestamp).time();
        if self.from <= self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

fn read_channel(
    name: &Spanned<String>,
    table: ChannelTable,
    document: Document<'_>,
) -> Result<Channel, Problem> {
    let kind_name = table.kind.get_ref().clone();
    let Some((_, needed, allowed)) = KINDS.iter().find(|(kind, ..)| *kind == kind_name) else {
        let kinds = KINDS.map(|(kind, ..)| kind);
        let near = most_similar(&kind_name, kinds);
        let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
        let message = format!("there is no kind `{kind_name}`{near}; use {}", kinds.join(", "));
        return Err(document.problem(&table.kind.span(), &message));
    };
    check_settings(&table, &kind_name, needed, allowed)
        .map_err(|message| document.problem(&table.kind.span(), &message))?;
    let at = |span: Range<usize>| move |message: String| document.problem(&span, &message);
    if let Some(url) = &table.url
        && let Address::Plain(text) = url.get_ref()
    {
        check_url(text).map_err(at(url.span()))?;
    }
    if let Some(template) = &table.template {
        JsonTemplate::new(template.get_ref()).map_err(at(template.span()))?;
    }
    if let Some(server) = &table.server {
        let tls = table.tls.unwrap_or_default();
        MailServer::parse(server.get_ref(), tls).map_err(at(server.span()))?;
    }
    if let Some(from) = &table.from {
        check_address(from.get_ref()).map_err(at(from.span()))?;
    }
    if let Some(to) = &table.to {
        to.get_ref().iter().try_for_each(|to| check_address(to)).map_err(at(to.span()))?;
    }
    let quiet = read_quiet(&table, document)?;
    let overview_days = table.overview.map(|overview| match overview {
        Overview::Daily => 1,
        Overview::Weekly => 7,
    });
    let digest_above = table.digest_above.unwrap_or(DIGEST_ABOVE);
    let kind = read_kind(&kind_name, table).map_err(at(name.span()))?;
    Ok(Channel { name: name.get_ref().clone(), kind, digest_above, quiet, overview_days })
}

/// Refuses a setting of another kind, and a kind without a setting that it needs.
fn check_settings(
    table: &ChannelTable,
    kind: &str,
    needed: &[&str],
    allowed: &[&str],
) -> Result<(), String> {
    let given = [
        ("url", table.url.is_some()),
        ("secret", table.secret.is_some()),
        ("previous_secret", table.previous_secret.is_some()),
        ("template", table.template.is_some()),
        ("authorization", table.authorization.is_some()),
        ("routing_key", table.routing_key.is_some()),
        ("expires_hours", table.expires_hours.is_some()),
        ("command", table.command.as_ref().is_some_and(|words| !words.is_empty())),
        ("server", table.server.is_some()),
        ("tls", table.tls.is_some()),
        ("from", table.from.is_some()),
        ("to", table.to.as_ref().is_some_and(|to| !to.get_ref().is_empty())),
        ("user", table.user.is_some()),
        ("password", table.password.is_some()),
        ("overview", table.overview.is_some()),
    ];
    for (setting, is_given) in given {
        if needed.contains(&setting) && !is_given {
            return Err(format!("a channel of kind {kind} needs `{setting}`"));
        }
        if is_given && !needed.contains(&setting) && !allowed.contains(&setting) {
            return Err(format!("`{setting}` is not for channels of kind {kind}"));
        }
    }
    Ok(())
}

/// Refuses an address that would send findings in the clear.
fn check_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|_| "write a whole address: https://…".to_owned())?;
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address must not hold a password".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback => Ok(()),
        _ => Err("use https; http is for this machine only".to_owned()),
    }
}

/// Checks an address that came from a secret place.
///
/// # Errors
/// The reason, without the address.
pub fn check_secret_url(text: &str) -> Result<(), String> {
    check_url(text)
}

fn read_kind(name: &str, table: ChannelTable) -> Result<ChannelKind, String> {
    let missing = || format!("the channel of kind {name} is not complete");
    let url = table.url.map(Spanned::into_inner);
    Ok(match name {
        "webhook" => ChannelKind::Webhook {
            url: url.ok_or_else(missing)?,
            secret: table.secret.ok_or_else(missing)?,
            previous_secret: table.previous_secret,
        },
        "template" => ChannelKind::Template {
            url: url.ok_or_else(missing)?,
            template: table.template.map(Spanned::into_inner).ok_or_else(missing)?,
            authorization: table.authorization,
        },
        "slack" => ChannelKind::Slack { url: url.ok_or_else(missing)? },
        "teams" => ChannelKind::Teams { url: url.ok_or_else(missing)? },
        "pagerduty" => ChannelKind::Pagerduty {
            url: url.unwrap_or_else(|| Address::Plain(PAGERDUTY.to_owned())),
            routing_key: table.routing_key.ok_or_else(missing)?,
        },
        "alertmanager" => ChannelKind::Alertmanager {
            url: url.ok_or_else(missing)?,
            expires_hours: table.expires_hours.unwrap_or(EXPIRES_HOURS).clamp(1, 1_000),
        },
        "email" => {
            if table.user.is_some() != table.password.is_some() {
                return Err(
                    "a mail server that asks for a login needs `user` and `password`".to_owned()
                );
            }
            let server = table.server.ok_or_else(missing)?.into_inner();
            ChannelKind::Email(MailSettings {
                server: MailServer::parse(&server, table.tls.unwrap_or_default())?,
                from: table.from.ok_or_else(missing)?.into_inner(),
                to: table.to.ok_or_else(missing)?.into_inner(),
                user: table.user,
                password: table.password,
            })
        }
        _ => ChannelKind::Exec { command: table.command.ok_or_else(missing)? },
    })
}

fn read_quiet(table: &ChannelTable, document: Document<'_>) -> Result<Option<QuietHours>, Problem> {
    let zone = match &table.time_zone {
        Some(name) => TimeZone::get(name.get_ref())
            .map_err(|_| document.problem(&name.span(), "there is no such time zone"))?,
        None => TimeZone::UTC,
    };
    let Some(hours) = &table.quiet_hours else { return Ok(None) };
    let times = hours.get_ref().split_once('-').and_then(|(from, to)| {
        Some((from.trim().parse::<Time>().ok()?, to.trim().parse::<Time>().ok()?))
    });
    match times {
        Some((from, to)) => {
            let urgent = table.urgent.unwrap_or(Severity::Critical);
            Ok(Some(QuietHours { from, to, zone, urgent }))
        }
        None => Err(document.problem(&hours.span(), "write quiet hours as 22:00-07:00")),
    }
}
