//! Redaction of events by the privacy policy, before anything is stored.

use core_model::column::ColumnForm;
use core_privacy::profile::{Action, Policy};
use core_privacy::pseudonym::Pseudonyms;

use crate::event::AuditEvent;
use crate::window::HOUR_MS;

const DAY_MS: i64 = 24 * HOUR_MS;

/// Redacts events by a policy that changes them.
pub struct EventRedactor {
    policy: Policy,
    pseudonyms: Pseudonyms,
}

impl EventRedactor {
    /// Redacts events by a policy; pseudonyms stand for people.
    pub fn new(policy: Policy, pseudonyms: Pseudonyms) -> Self {
        Self { policy, pseudonyms }
    }

    /// The identity of an event: a hash of its record, which reveals the record to anyone who can guess it, unless it
    /// is keyed.
    pub(crate) fn id(&self, id: String) -> String {
        self.pseudonym("audit.id", &id).unwrap_or(id)
    }

    /// The time by which an event is kept.
    pub(crate) fn observed_ms(&self, ms: i64) -> i64 {
        match self.policy.action("audit.observed") {
            Action::Keep => ms,
            _ => day(ms),
        }
    }

    /// Returns true if nothing is kept of a column.
    pub(crate) fn drops(&self, column: &str) -> bool {
        self.policy.action(column) == Action::Drop
    }

    /// The event after redaction; dropped columns are left to the caller.
    pub(crate) fn event(&self, mut event: AuditEvent) -> AuditEvent {
        event.occurred_ms = match self.policy.action("audit.occurred") {
            Action::Keep => event.occurred_ms,
            Action::Day => event.occurred_ms.map(day),
            _ => None,
        };
        event.account = self.account(event.account);
        event.category = event.category.filter(|_| !self.drops("audit.category"));
        event
    }

    /// The `*` of an account of the system stays: it is no part of the name.
    fn account(&self, account: Option<String>) -> Option<String> {
        const COLUMN: &str = "audit.account";
        if self.policy.action(COLUMN) != Action::Pseudonym {
            return account;
        }
        let account = account?;
        let (mark, name) = match account.strip_prefix('*') {
            Some(name) => ("*", name),
            None => ("", account.as_str()),
        };
        self.pseudonym(COLUMN, name).map(|pseudonym| format!("{mark}{pseudonym}"))
    }

    /// The pseudonym of a column's value, if the policy uses one.
    fn pseudonym(&self, column: &str, value: &str) -> Option<String> {
        let Some(ColumnForm::Identifier(family)) =
            self.policy.column(column).map(|column| column.form)
        else {
            return None;
        };
        let is_hidden = self.policy.action(column) == Action::Pseudonym;
        is_hidden.then(|| self.pseudonyms.of(family, value)).flatten()
    }
}

/// The first millisecond of a day by UTC.
fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}
