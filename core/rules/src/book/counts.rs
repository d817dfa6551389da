//! The numbers of findings that hold, read from the file without keeping a finding in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use core_store::TenantStore;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Book, BookError, FILE, VERSION};
use crate::lifecycle::Phase;
use crate::rule::Severity;

/// The part of the file that is counted.
#[derive(Deserialize)]
struct Counted {
    version: u32,
    erasures: BTreeSet<String>,
    rules: BTreeMap<String, Graded>,
    #[serde(deserialize_with = "active_by_rule")]
    findings: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Graded {
    severity: Severity,
}

#[derive(Deserialize)]
struct Placed {
    rule: String,
    phase: Phase,
}

impl Book {
    /// Returns the number of active findings by severity, as [`Book::counts`] does; nothing if no rule was ever evaluated.
    /// It needs no more memory for many findings than for few.
    ///
    /// # Errors
    /// As [`Book::read`].
    pub fn read_counts(tenant: &TenantStore) -> Result<Option<BTreeMap<Severity, u64>>, BookError> {
        let Some(file) = tenant.open_state(FILE)? else { return Ok(None) };
        let counted = match serde_json::from_reader::<_, Counted>(file) {
            Ok(counted) if counted.version <= VERSION => counted,
            // Reading the whole book gives the best error.
            _ => return Ok(Self::read(tenant)?.map(|book| book.counts())),
        };
        if !tenant.erasures()?.is_subset(&counted.erasures) {
            return Err(BookError::NotCleansed);
        }
        let mut counts: BTreeMap<Severity, u64> =
            Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
        for (rule, active) in counted.findings {
            let severity = counted.rules.get(&rule).map_or(Severity::Low, |rule| rule.severity);
            *counts.entry(severity).or_default() += active;
        }
        Ok(Some(counts))
    }
}

/// Counts the active findings of each rule.
fn active_by_rule<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, u64>, D::Error> {
    struct Counter;

    impl<'de> Visitor<'de> for Counter {
        type Value = BTreeMap<String, u64>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("findings by their IDs")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut findings: A) -> Result<Self::Value, A::Error> {
            let mut counts = BTreeMap::new();
            while let Some((_, finding)) = findings.next_entry::<IgnoredAny, Placed>()? {
                if matches!(finding.phase, Phase::Open | Phase::Clearing) {
                    *counts.entry(finding.rule).or_default() += 1;
                }
            }
            Ok(counts)
        }
    }

    deserializer.deserialize_map(Counter)
}
