//! The report of a delivery.

use std::collections::{BTreeMap, BTreeSet};

use core_store::GenerationId;
use serde::Serialize;

use super::delivered::Delivered;
use super::destination::DestinationIdentity;
use super::job::{JobCounters, JobId, JobStatus};
use super::upload::Uploads;
use crate::extras::Extras;
use crate::schema_violations::{Fix, SchemaViolation};
use crate::shape::SHAPE_VERSION;

/// The report of a delivery. It holds keys as samples, and no other content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReport {
    /// Where to.
    pub destination: DestinationIdentity,
    /// Which generation.
    pub generation: GenerationId,
    /// The job.
    pub job: JobId,
    /// The end of the job.
    pub status: JobStatus,
    /// The changes at JupiterOne, by its own count.
    pub counters: JobCounters,
    /// The types that it was told to delete nothing of.
    pub partial_datasets: Vec<String>,
    /// The uploads, and what JupiterOne did not take.
    pub uploads: Uploads,
    /// The values that had to be changed.
    pub findings: Vec<SchemaViolation>,
    /// The types that were delivered, as [`Delivered::types`] has them.
    #[serde(skip)]
    pub(crate) types: BTreeMap<String, Option<(String, String)>>,
    /// The types that were withheld, so that JupiterOne deleted them.
    #[serde(skip)]
    pub(crate) purged: BTreeSet<String>,
    /// The objects that were delivered besides the generation's tables.
    #[serde(skip)]
    pub(crate) extras: Extras,
    /// The type of the events that were delivered, and the number from which on others are new.
    #[serde(skip)]
    pub(crate) events_through: Option<(String, u64)>,
}

impl core_destination::DeliveryReport for DeliveryReport {
    fn job(&self) -> String {
        self.job.to_string()
    }

    fn is_whole(&self) -> bool {
        Self::is_whole(self)
    }
}

impl DeliveryReport {
    /// Returns true if JupiterOne has every object of the generation.
    pub fn is_whole(&self) -> bool {
        self.uploads.losses.is_empty()
            && self.counters.errors() == 0
            && self.findings.iter().all(|finding| finding.remedy != Fix::ObjectLeftOut)
    }

    /// Returns true if JupiterOne has every event of the delivery, whatever it lacks of the rest. An error that it counts
    /// may be about an event.
    fn has_all_events(&self, event_type: &str) -> bool {
        let is_of_events = |name: &str| {
            let ends = self.types.get(name).and_then(Option::as_ref);
            name == event_type
                || ends.is_some_and(|(from, to)| [from, to].iter().any(|end| *end == event_type))
        };
        self.counters.errors() == 0
            && !self.uploads.losses.keys().any(|name| is_of_events(name))
            && !self.findings.iter().any(|finding| {
                finding.remedy == Fix::ObjectLeftOut && is_of_events(&finding.type_name)
            })
    }

    /// Returns the record to keep of it, together with the types that were delivered there `before`.
    pub fn delivered(&self, before: Option<&Delivered>) -> Delivered {
        let mut types = before.map(|before| before.types.clone()).unwrap_or_default();
        types.extend(self.types.clone());
        let mut events = before.map(|before| before.events.clone()).unwrap_or_default();
        events.extend(self.events_through.clone().filter(|(name, _)| self.has_all_events(name)));
        // What is purged is delivered from its beginning if it ever is again.
        events.retain(|name, _| !self.purged.contains(name));
        Delivered {
            destination: self.destination.clone(),
            generation: self.generation.clone(),
            whole: self.is_whole(),
            types,
            purged: self.purged.clone(),
            pending: None,
            unfinished: None,
            shape: SHAPE_VERSION,
            extras: self.extras,
            partial: Some(self.partial_datasets.iter().cloned().collect()),
            erasures: before.map(|before| before.erasures.clone()).unwrap_or_default(),
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_violations::SchemaViolation;
    use crate::sync::Loss;

    fn report() -> DeliveryReport {
        let destination = serde_json::json!({
            "host": "api.eu.jupiterone.io", "account": "acme", "source": "api", "scope": "one",
        });
        DeliveryReport {
            destination: serde_json::from_value(destination).expect("it is a destination"),
            generation: GenerationId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV").expect("it is an ID"),
            job: JobId::parse("a-1").expect("it is an ID"),
            status: JobStatus::Finished,
            counters: JobCounters::default(),
            partial_datasets: vec!["nexthink_user".to_owned()],
            uploads: Uploads::default(),
            findings: Vec::new(),
            types: BTreeMap::from([("nexthink_device".to_owned(), None)]),
            purged: BTreeSet::new(),
            extras: Extras::default(),
            events_through: Some(("nexthink_audit_event".to_owned(), 7)),
        }
    }

    fn violation(remedy: Fix) -> SchemaViolation {
        let (type_name, property) = ("nexthink_device".to_owned(), "osType".to_owned());
        SchemaViolation { type_name, property, remedy, count: 1, sample_key: None }
    }

    #[test]
    fn a_delivery_is_whole_if_every_object_arrived_however_it_was_mended() {
        assert!(report().is_whole());
        let mended = vec![violation(Fix::Nulled), violation(Fix::Cut), violation(Fix::NameLeftOut)];
        assert!(DeliveryReport { findings: mended, ..report() }.is_whole());
        let left_out = vec![violation(Fix::ObjectLeftOut)];
        assert!(!DeliveryReport { findings: left_out, ..report() }.is_whole());
        let mut lost = report();
        lost.uploads.losses.insert("nexthink_device".to_owned(), Loss::default());
        assert!(!lost.is_whole());
        assert!(!core_destination::DeliveryReport::is_whole(&lost), "the engine asks this way");
        let counters = JobCounters { num_relationship_create_errors: 1, ..JobCounters::default() };
        assert!(!DeliveryReport { counters, ..report() }.is_whole());
    }

    #[test]
    fn a_record_keeps_every_type_that_was_ever_there_and_what_was_erased() {
        let before = Delivered {
            types: BTreeMap::from([("nexthink_old".to_owned(), None)]),
            erasures: BTreeSet::from(["e-1".to_owned()]),
            ..report().delivered(None)
        };
        let now = report().delivered(Some(&before));
        assert_eq!(now.types.keys().collect::<Vec<_>>(), ["nexthink_device", "nexthink_old"]);
        assert_eq!(now.erasures, before.erasures);
        assert_eq!(now.partial, Some(BTreeSet::from(["nexthink_user".to_owned()])));
        assert!(now.whole && now.pending.is_none() && now.shape == SHAPE_VERSION);
    }

    #[test]
    fn events_count_as_delivered_if_all_of_them_arrived_and_begin_anew_after_a_purge() {
        let (name, through) = ("nexthink_audit_event".to_owned(), 7);
        let before = report().delivered(None);
        assert_eq!(before.events, BTreeMap::from([(name.clone(), through)]));
        let edges = "nexthink_account_has_audit_event".to_owned();
        let ends = ("nexthink_account".to_owned(), name.clone());
        let new = || DeliveryReport {
            types: BTreeMap::from([(edges.clone(), Some(ends.clone()))]),
            events_through: Some((name.clone(), 9)),
            ..report()
        };
        let counters = JobCounters { num_entity_create_errors: 1, ..JobCounters::default() };
        let left_out = |name: &str| SchemaViolation {
            type_name: name.to_owned(),
            ..violation(Fix::ObjectLeftOut)
        };
        let (mut event, mut edge, mut other) = (new(), new(), new());
        event.uploads.losses.insert(name.clone(), Loss::default());
        edge.uploads.losses.insert(edges.clone(), Loss::default());
        other.uploads.losses.insert("nexthink_device".to_owned(), Loss::default());
        for (what, report, expected) in [
            ("a lost event", event, through),
            ("a lost relationship of an event", edge, through),
            (
                "an event that is not valid",
                DeliveryReport { findings: vec![left_out(&name)], ..new() },
                through,
            ),
            ("an error of an unknown object", DeliveryReport { counters, ..new() }, through),
            ("a device that is refused each time", other, 9),
            (
                "a device that is not valid",
                DeliveryReport { findings: vec![left_out("nexthink_device")], ..new() },
                9,
            ),
        ] {
            let now = report.delivered(Some(&before));
            assert!(!now.whole, "{what}");
            assert_eq!(now.events[&name], expected, "{what}");
        }
        let purged = DeliveryReport { purged: BTreeSet::from([name.clone()]), ..report() };
        assert!(purged.delivered(Some(&before)).events.is_empty());
    }
}
