//! The table `program_status`: facts about this program's own work, for rules about it.
//!
//! Each row is a fact: a check, its subject, a sentence, and a number. The rules decide which numbers are too high.

mod complete_runs;
mod failed_runs;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use core_engine::audit::{LOG, Notes};
use core_engine::privacy::load_keys;
use core_engine::run::quota::{self, QuotaClock};
use core_engine::run::{RunState, StepState};
use core_engine::settings::Settings;
use core_engine::{Engine, Host};
use core_fleet::TenantSettings;
use core_query::AddedTable;
use core_reading::Reader;
use core_rules::book::{Book, FILE};
use core_store::{ClockVerdict, Generation, Retention, TenantStore};
use core_terminal::count;
use serde_json::Value;

/// The name of the table.
const TABLE: &str = "program_status";
const CLASS: &str = "Record";
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// The prefix of the names of delivery records.
const DELIVERED: &str = "delivered-";

struct Fact {
    check: &'static str,
    subject: String,
    detail: String,
    value: f64,
}

impl Fact {
    fn new(check: &'static str, subject: &str, detail: String, value: f64) -> Self {
        Self { check, subject: subject.to_owned(), detail, value }
    }
}

/// Returns the facts about a tenant as a table. Facts that cannot be read are left out; the command that needs them
/// reports the error.
pub(crate) fn table(reader: &Reader<'_>, schedule: Option<&TenantSettings>) -> AddedTable {
    table_of(&facts(reader, schedule))
}

fn table_of(facts: &[Fact]) -> AddedTable {
    let texts = |text: &dyn Fn(&Fact) -> String| -> ArrayRef {
        Arc::new(facts.iter().map(|fact| Some(text(fact))).collect::<StringArray>())
    };
    let columns: [ArrayRef; 5] = [
        texts(&|fact| format!("{}|{}", fact.check, fact.subject)),
        texts(&|fact| fact.check.to_owned()),
        texts(&|fact| fact.subject.clone()),
        texts(&|fact| fact.detail.clone()),
        Arc::new(facts.iter().map(|fact| Some(fact.value)).collect::<Float64Array>()),
    ];
    let text = |name| Field::new(name, DataType::Utf8, false);
    let schema = Arc::new(Schema::new(vec![
        text("_key"),
        text("check"),
        text("subject"),
        text("detail"),
        Field::new("value", DataType::Float64, false),
    ]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec());
    let batches = vec![batch.expect("each column has a cell for each fact")];
    let (name, class) = (TABLE.to_owned(), CLASS.to_owned());
    AddedTable { name, class, schema, batches, partial: false }
}

fn facts(reader: &Reader<'_>, schedule: Option<&TenantSettings>) -> Vec<Fact> {
    let Reader { tenant, settings, host, .. } = *reader;
    let now_ms = host.now().0;
    let mut facts = complete_runs::facts(tenant, schedule, now_ms);
    facts.extend(failed_runs::fact(tenant, host));
    let current = tenant.current().ok().flatten();
    facts.extend(current.iter().flat_map(steps));
    facts.extend(audit_gaps(tenant));
    facts.extend(given_up(tenant));
    if let Some(settings) = settings {
        facts.extend(not_delivered(settings, tenant, current.as_ref()));
        facts.extend(exports(settings, tenant, host));
        facts.extend(keys(Engine { settings, host }));
        facts.extend(retention(settings, tenant, now_ms));
    }
    facts
}

#[expect(clippy::cast_precision_loss, reason = "days are few")]
fn whole_days(milliseconds: u64) -> f64 {
    (milliseconds / DAY_MS) as f64
}

/// The steps of the published generation that are not complete.
fn steps(generation: &Generation) -> Vec<Fact> {
    let steps = RunState::read(generation).steps.into_iter();
    let lacking = steps.filter(|step| !step.outcome.lacks_nothing());
    let fact = |step: StepState| {
        let reason = step.reason.as_deref().unwrap_or("the report of the run says why");
        Fact::new("step-not-complete", &step.id, format!("{}: {reason}", step.outcome), 1.0)
    };
    lacking.map(fact).collect()
}

/// Periods of the audit trail that will never be read.
fn audit_gaps(tenant: &TenantStore) -> Vec<Fact> {
    let notes = tenant.events(LOG).ok().and_then(|log| Notes::of(&log).ok()).unwrap_or_default();
    let mut facts = Vec::new();
    for (trail, coverage) in &notes.trails {
        for span in coverage.lost() {
            let gap = core_engine::audit::Gap::of(span);
            let subject = format!("{trail} {}", span.from_ms);
            let detail = format!("{trail}: lost from {} to {}", gap.from, gap.to);
            facts.push(Fact::new("audit-gap", &subject, detail, 1.0));
        }
    }
    facts
}

/// The channels with messages that were given up.
fn given_up(tenant: &TenantStore) -> Vec<Fact> {
    if !matches!(tenant.state(FILE), Ok(Some(_))) {
        return Vec::new();
    }
    let book = Book::read(tenant).ok().flatten().unwrap_or_default();
    let mut channels: Vec<&str> =
        book.outbox().dead().iter().map(|message| message.channel.as_str()).collect();
    channels.dedup();
    channels.sort_unstable();
    channels.dedup();
    let fact = |channel: &&str| {
        let dead = book.outbox().dead().iter().filter(|message| message.channel == **channel);
        let count = count(dead.count(), "message");
        let detail = format!("{count} to {channel} could not be delivered");
        Fact::new("message-given-up", channel, detail, 1.0)
    };
    channels.iter().map(fact).collect()
}

/// Destinations that do not have the published generation.
fn not_delivered(
    settings: &Settings,
    tenant: &TenantStore,
    current: Option<&Generation>,
) -> Vec<Fact> {
    let Some(current) = current else { return Vec::new() };
    let destinations = [
        (core_engine::mirrors::JUPITERONE, settings.jupiterone.as_ref().map(|to| to.after_run)),
        (core_engine::mirrors::POSTGRES, settings.postgres.as_ref().map(|to| to.after_run)),
        (core_engine::mirrors::DELTA, settings.delta.as_ref().map(|to| to.after_run)),
        (core_engine::mirrors::NEO4J, settings.neo4j.as_ref().map(|to| to.after_run)),
    ];
    let configured = destinations.into_iter().filter_map(|(name, to)| Some((name, to?)));
    configured
        .filter_map(|(name, after_run)| not_delivered_to(tenant, current, name, after_run))
        .collect()
}

fn not_delivered_to(
    tenant: &TenantStore,
    current: &Generation,
    name: &str,
    after_run: bool,
) -> Option<Fact> {
    let delivered = tenant.state(&format!("{DELIVERED}{name}")).ok()?;
    let detail = match delivered.map(|bytes| serde_json::from_slice::<Value>(&bytes)) {
        // Deliveries by hand begin whenever the operator likes.
        None if !after_run => return None,
        None => format!("{name} has got no generation yet"),
        Some(Ok(delivered))
            if delivered["generation"].as_str() == Some(current.id().as_str())
                && delivered["whole"].as_bool() == Some(true) =>
        {
            return None;
        }
        Some(_) => format!("{name} does not have the published generation"),
    };
    Some(Fact::new("not-delivered", name, detail, 1.0))
}

/// The used share of the day's exports, in percent.
fn exports(settings: &Settings, tenant: &TenantStore, host: &Host) -> Option<Fact> {
    let left = quota::left(tenant, settings.daily_exports, QuotaClock::read(host, None)).ok()?;
    let used = left.of.saturating_sub(left.exports);
    let detail = format!("{used} of {} exports of the day are used", left.of);
    let percent = f64::from(used) * 100.0 / f64::from(left.of.max(1));
    Some(Fact::new("exports-used", "exports", detail, percent.floor()))
}

/// The age of the key that makes the pseudonyms, in days.
fn keys(engine: Engine<'_>) -> Option<Fact> {
    if !engine.settings.privacy.policy.needs_key() {
        return None;
    }
    let keys = load_keys(engine).ok()?;
    let active = keys.active_id();
    let created = keys.describe().into_iter().find(|key| key.id == active)?;
    let created: jiff::Timestamp = created.created.parse().ok()?;
    let created = u64::try_from(created.as_millisecond()).ok()?;
    let days = whole_days(engine.host.now().0.saturating_sub(created));
    Some(Fact::new("key-age", active, String::new(), days))
}

/// The fact that items are kept for too long, because the clock is not trusted.
fn retention(settings: &Settings, tenant: &TenantStore, now_ms: u64) -> Option<Fact> {
    let pinned = core_engine::mirrors::compared_with(tenant);
    let look = |accept_clock| {
        let windows = &settings.retention;
        tenant.plan_retention(Retention { windows, pinned: &pinned, now_ms, accept_clock }).ok()
    };
    if look(false)?.clock == ClockVerdict::Steady {
        return None;
    }
    let waiting = look(true)?.removals.len();
    let count = count(waiting, "item");
    let detail = format!("{count} past their retention period: the clock is not believed");
    (waiting > 0).then(|| Fact::new("retention-overdue", "retention", detail, 1.0))
}
