//! From transitions to messages.
//!
//! Which transitions a message has is decided once, and written down before the message is sent for the
//! first time, so that every attempt says the same under the same id.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::settings::{Channel, ChannelKind, NotifySettings};
use crate::book::Book;
use crate::finding::{Finding, Told};
use crate::fingerprint::FindingId;
use crate::outbox::{Item, MAX_LISTED, Message, Row, Transition};
use crate::rule::Severity;

/// The alerts of one request to an Alertmanager.
const ALERTS_AT_ONCE: usize = 500;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
const HOUR_MS: u64 = 3_600 * 1_000;
/// An overview may come this much early, so that a run that starts a little earlier each day sends it.
const SLACK_MS: u64 = HOUR_MS;

impl Book {
    /// Composes messages from the outbox, for every channel that may receive some now. `new_id` makes the ID of each
    /// message. Returns the channels that do not exist any more, and how many messages to each are given up.
    pub fn compose(
        &mut self,
        settings: &NotifySettings,
        tenant: &str,
        now: u64,
        new_id: &mut dyn FnMut() -> String,
    ) -> BTreeMap<String, usize> {
        let is_known = |name: &str| settings.channels.contains_key(name);
        let given_up = self.outbox.give_up_channels(is_known, now);
        for channel in settings.channels.values() {
            let mut rows = self.outbox.rows.remove(&channel.name).unwrap_or_default();
            let keeps_state = channel.kind.keeps_state();
            rows.retain(|row| keeps_state || row.transition.is_for_people());
            let messages = self.outbox.messages.iter_mut();
            messages
                .filter(|message| message.channel == channel.name)
                .for_each(|message| message.keeps_state = keeps_state);
            let (rows, later) = self.told_now(channel, rows, now);
            if !later.is_empty() {
                self.outbox.rows.insert(channel.name.clone(), later);
            }
            for rows in self.batches(channel, rows) {
                let message = self.message(channel, tenant, now, &rows, new_id());
                self.outbox.messages.push(message);
            }
            if !channel.quiet.as_ref().is_some_and(|quiet| quiet.is_quiet(now)) {
                self.add_overview(channel, tenant, now, new_id);
            }
            self.refresh(channel, settings, tenant, now, new_id);
        }
        self.forget_erased();
        given_up
    }

    /// The messages of a channel that may be sent now, the oldest first, up to a number. In quiet hours, those without an
    /// urgent finding wait. Those about silenced findings alone wait for the end of the silence. One that is also about
    /// another finding is sent, since a silence must not hold that one back.
    pub fn due(&self, channel: &Channel, now: u64, limit: usize) -> Vec<Message> {
        let least = channel.least_severity(now);
        let is_urgent = |message: &Message| {
            least.is_none_or(|least| message.items.iter().any(|item| item.severity >= least))
        };
        // A request to an Alertmanager has many findings. If one waited, the end of a finding could overtake its beginning.
        let has_batches = matches!(channel.kind, ChannelKind::Alertmanager { .. });
        let mut held_back: HashSet<FindingId> = HashSet::new();
        // Receivers may know a finding by an ID of an earlier version.
        let ids: HashMap<FindingId, FindingId> = self
            .findings
            .iter()
            .filter_map(|(id, finding)| Some((finding.known_as?, *id)))
            .collect();
        let mut is_silenced = |message: &Message| {
            let is_whole =
                !has_batches && message.total > 0 && message.items.len() == message.total;
            let is_silenced = is_whole
                && message.items.iter().all(|item| {
                    let id = ids.get(&item.finding).unwrap_or(&item.finding);
                    held_back.contains(&item.finding) || self.is_silenced(*id, item.transition, now)
                });
            if is_silenced {
                held_back.extend(message.items.iter().map(|item| item.finding));
            }
            is_silenced
        };
        self.outbox.due(
            &channel.name,
            |message| is_silenced(message) || !is_urgent(message),
            now,
            limit,
        )
    }

    /// Parts rows into those to tell now, and those that wait: for the end of quiet hours, or of a silence that someone has
    /// begun since. A row does not overtake another one of its finding.
    fn told_now(&self, channel: &Channel, rows: Vec<Row>, now: u64) -> (Vec<Row>, Vec<Row>) {
        let least = channel.least_severity(now);
        let mut held_back: HashSet<FindingId> = HashSet::new();
        rows.into_iter().partition(|row| {
            let finding = self.findings.get(&row.finding);
            let is_urgent = least
                .is_none_or(|least| finding.is_some_and(|finding| self.severity(finding) >= least));
            let waits = !is_urgent
                || self.is_silenced(row.finding, row.transition, now)
                || held_back.contains(&row.finding);
            if waits {
                held_back.insert(row.finding);
            }
            !waits
        })
    }

    /// Returns true for a transition that people are not told of now, since its finding is silenced.
    fn is_silenced(&self, id: FindingId, transition: Transition, now: u64) -> bool {
        transition.is_for_people() && self.silence_of(id, now).is_some()
    }

    /// The rows of each message.
    fn batches(&self, channel: &Channel, mut rows: Vec<Row>) -> Vec<Vec<Row>> {
        match channel.kind {
            ChannelKind::Pagerduty { .. } => rows.into_iter().map(|row| vec![row]).collect(),
            ChannelKind::Alertmanager { .. } => {
                rows.chunks(ALERTS_AT_ONCE).map(<[Row]>::to_vec).collect()
            }
            _ if rows.is_empty() => Vec::new(),
            _ => {
                // The most severe first: of many, only the first ones are listed one by one.
                let grade = |row: &Row| {
                    let finding = self.findings.get(&row.finding);
                    finding.map(|finding| self.severity(finding))
                };
                rows.sort_by_key(|row| std::cmp::Reverse(grade(row)));
                if rows.len() > channel.digest_above {
                    return vec![rows];
                }
                let mut groups: BTreeMap<_, Vec<Row>> = BTreeMap::new();
                for (place, row) in rows.iter().enumerate() {
                    let finding = self.findings.get(&row.finding);
                    let group = finding.and_then(|finding| finding.group.as_deref());
                    let rule = finding.map(|finding| finding.rule.as_str());
                    let place = if group.is_some() { 0 } else { place };
                    groups.entry((rule, group, place)).or_default().push(*row);
                }
                groups.into_values().collect()
            }
        }
    }

    fn message(
        &self,
        channel: &Channel,
        tenant: &str,
        now: u64,
        rows: &[Row],
        id: String,
    ) -> Message {
        let keeps_state = channel.kind.keeps_state();
        let limit = if keeps_state { rows.len() } else { MAX_LISTED };
        let known = rows.iter().filter_map(|row| {
            let finding = self.findings.get(&row.finding)?;
            Some(self.item(row.finding, finding, row.transition, row.at))
        });
        let items: Vec<Item> = known.take(limit).collect();
        let opened = rows.iter().filter(|row| row.transition.is_open()).count();
        let mut severities: BTreeMap<Severity, usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.transition.is_open()) {
            if let Some(finding) = self.findings.get(&row.finding) {
                *severities.entry(self.severity(finding)).or_default() += 1;
            }
        }
        Message {
            id,
            channel: channel.name.clone(),
            tenant: tenant.to_owned(),
            at: now,
            items,
            total: rows.len(),
            opened,
            severities,
            keeps_state,
            overview: None,
            attempts: 0,
            next: now,
            error: None,
        }
    }

    fn item(&self, id: FindingId, finding: &Finding, transition: Transition, at: u64) -> Item {
        let rule = self.rules.get(&finding.rule);
        Item {
            finding: finding.known_as.unwrap_or(id),
            transition,
            at,
            rule: finding.rule.clone(),
            title: rule.map_or_else(String::new, |rule| rule.title.clone()),
            severity: self.severity(finding),
            text: finding.text.clone(),
            entity: finding.entity.clone(),
            labels: rule.map(|rule| rule.labels.clone()).unwrap_or_default(),
            opened: finding.opened.unwrap_or(finding.first_seen),
        }
    }

    /// Adds the overview of a channel that wants one, if it is time.
    fn add_overview(
        &mut self,
        channel: &Channel,
        tenant: &str,
        now: u64,
        new_id: &mut dyn FnMut() -> String,
    ) {
        let Some(days) = channel.overview_days else { return };
        let last = self.outbox.overviews.get(&channel.name).copied();
        // A clock that was set back does not silence overviews for good.
        let is_due = last.is_none_or(|last| now + SLACK_MS >= last + days * DAY_MS || last > now);
        if !is_due {
            return;
        }
        self.outbox.overviews.insert(channel.name.clone(), now);
        let mut message = self.message(channel, tenant, now, &[], new_id());
        message.overview = Some(self.counts());
        self.outbox.messages.push(message);
    }

    /// Sends open alerts again to a receiver that forgets them.
    fn refresh(
        &mut self,
        channel: &Channel,
        settings: &NotifySettings,
        tenant: &str,
        now: u64,
        new_id: &mut dyn FnMut() -> String,
    ) {
        let ChannelKind::Alertmanager { expires_hours, .. } = channel.kind else { return };
        let expires_ms = u64::from(expires_hours) * HOUR_MS;
        let last = self.outbox.overviews.get(&channel.name).copied().unwrap_or(0);
        if now >= last && now - last < expires_ms / 3 {
            return;
        }
        self.outbox.overviews.insert(channel.name.clone(), now);
        // In quiet hours, the first message about them waits.
        let rows = self.outbox.rows.get(&channel.name).into_iter().flatten();
        let held_back: HashSet<FindingId> = rows.map(|row| row.finding).collect();
        let is_told = |finding: &Finding| {
            let rule = self.rules.get(&finding.rule);
            let channels =
                rule.and_then(|rule| settings.channels_for(finding, rule, Transition::Opened));
            finding.told == Told::Open
                && finding.life.is_active()
                && channels.is_some_and(|names| names.contains(&channel.name))
        };
        let told = self
            .findings
            .iter()
            .filter(|(id, finding)| !held_back.contains(id) && is_told(finding));
        let rows: Vec<Row> = told
            .map(|(id, finding)| Row {
                finding: *id,
                transition: Transition::Opened,
                at: finding.opened.unwrap_or(now),
            })
            .collect();
        for rows in rows.chunks(ALERTS_AT_ONCE) {
            let message = self.message(channel, tenant, now, rows, new_id());
            self.outbox.messages.push(message);
        }
    }

    /// A message to try a channel with. It is about no finding and is not kept.
    pub fn trial(
        channel: &Channel,
        tenant: &str,
        now: u64,
        id: String,
        transition: Transition,
    ) -> Message {
        let fingerprints = crate::fingerprint::Fingerprints::new(tenant, None);
        let item = Item {
            finding: fingerprints.of("test", []),
            transition,
            at: now,
            rule: "test".to_owned(),
            title: "Test of a channel".to_owned(),
            severity: Severity::Informational,
            text: format!("this is a test of the channel {}", channel.name),
            entity: None,
            labels: BTreeMap::new(),
            opened: now,
        };
        let mut message = Self::default().message(channel, tenant, now, &[], id);
        let opened = usize::from(transition.is_open());
        (message.items, message.total, message.opened) = (vec![item], 1, opened);
        message
    }
}
