//! The record of what a destination got, kept between deliveries.

use std::collections::{BTreeMap, BTreeSet};

use core_store::GenerationId;
use serde::{Deserialize, Serialize};

use super::destination::{Destination, DestinationIdentity};
use super::ending::Settled;
use super::job::JobId;
use crate::contents::Contents;
use crate::error::JupiterOneError;
use crate::extras::Extras;
use crate::shape::SHAPE_VERSION;

/// The last delivery, as `delivery/record` keeps it in the store: the destination's own cursor, whatever runs
/// publish meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Where to.
    pub destination: DestinationIdentity,
    /// The generation.
    pub generation: GenerationId,
    /// True if JupiterOne has all of it; else the next delivery takes place even if nothing changed.
    pub whole: bool,
    /// Every type that was ever delivered there, and of a relationship type the types of both its ends,
    /// from and to. A type that no step makes any more is known by this alone.
    #[serde(default)]
    pub types: BTreeMap<String, Option<(String, String)>>,
    /// The types that were purged with the last delivery.
    #[serde(default)]
    pub purged: BTreeSet<String>,
    /// The job that was under way when this was written, to be looked after with
    /// [`SyncClient::settle`](crate::SyncClient::settle).
    #[serde(default)]
    pub pending: Option<JobId>,
    /// The contents of the pending job; none where it was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// The [`SHAPE_VERSION`] of the objects; 0 where it was not written down.
    #[serde(default)]
    pub shape: u32,
    /// The objects that were delivered besides the generation's tables.
    #[serde(default)]
    pub extras: Extras,
    /// The types of which that job deleted nothing; none where it was not written down.
    #[serde(default)]
    pub partial: Option<BTreeSet<String>>,
    /// The IDs of the erasures whose people are no longer at the destination.
    #[serde(default)]
    pub erasures: BTreeSet<String>,
    /// Of each type of events, the number of [`core_store::EventLog::next_part`] from which on they were
    /// not delivered yet.
    #[serde(default)]
    pub events: BTreeMap<String, u64>,
}

/// The contents of a job whose end is not on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Its generation.
    pub generation: GenerationId,
    /// The [`SHAPE_VERSION`] of its objects.
    pub shape: u32,
    /// The objects that it delivers besides the generation's tables.
    pub extras: Extras,
    /// The types that it delivers, as in [`Delivered::types`].
    pub types: BTreeMap<String, Option<(String, String)>>,
    /// The types that it purges.
    pub purged: BTreeSet<String>,
    /// True if JupiterOne had all of the delivery before it.
    pub was_whole: bool,
}

impl Delivered {
    /// The record of a delivery that is about to take place, after what was delivered `before`. It must be
    /// durable before anything is uploaded.
    pub fn begin(
        before: Option<&Self>,
        destination: &Destination,
        contents: &Contents,
        job: &JobId,
    ) -> Self {
        let generation = contents.generation().id().clone();
        let unfinished = Unfinished {
            generation: generation.clone(),
            shape: SHAPE_VERSION,
            extras: contents.extras(),
            types: contents.delivered_types(),
            purged: contents.purged_types().clone(),
            was_whole: before.is_some_and(|before| before.whole),
        };
        let nothing_yet = || Self {
            destination: destination.identity(),
            generation,
            whole: false,
            types: BTreeMap::new(),
            purged: BTreeSet::new(),
            pending: None,
            unfinished: None,
            shape: SHAPE_VERSION,
            extras: contents.extras(),
            partial: None,
            erasures: BTreeSet::new(),
            events: BTreeMap::new(),
        };
        Self {
            whole: false,
            pending: Some(job.clone()),
            unfinished: Some(unfinished),
            ..before.cloned().unwrap_or_else(nothing_yet)
        }
    }

    /// The record once the pending job's end is known, by its state at JupiterOne.
    ///
    /// Only a job that was given up leaves JupiterOne as it was. Even one that finished is not known to have
    /// brought everything, since its losses died with the process that uploaded: the next delivery is a
    /// whole one.
    #[must_use]
    pub fn resolve(self, found: &Settled) -> Self {
        let unfinished = self.unfinished.clone();
        let mut known = Self { pending: None, unfinished: None, ..self };
        let Some(job) = unfinished else { return known };
        match found {
            Settled::Dropped => known.whole = job.was_whole,
            Settled::Finished(_) => {
                // What is purged is delivered from its beginning if it ever is again.
                known.events.retain(|name, _| !job.purged.contains(name));
                known.types.extend(job.types);
                known.generation = job.generation;
                known.shape = job.shape;
                known.extras = job.extras;
                known.purged = job.purged;
                known.partial = None;
            }
            // A first delivery that may have brought nothing stays the first, which deletes nothing.
            Settled::Failed | Settled::Gone | Settled::Running => {
                if !known.types.is_empty() {
                    known.types.extend(job.types);
                }
            }
        }
        known
    }

    /// Refuses a destination that is not the one of the last delivery: with another account a typing
    /// error would fill a foreign graph, with another scope everything would be made a second time.
    ///
    /// # Errors
    /// [`JupiterOneError::DestinationChanged`].
    pub fn check(&self, now: &Destination) -> Result<(), JupiterOneError> {
        let (before, now) = (&self.destination, now.identity());
        let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        // A port that was not written down is not known to differ.
        let (port_before, port_now) = (port(before.port.or(now.port)), port(now.port));
        let parts = [
            ("host", &*before.host, &*now.host),
            ("port", &*port_before, &*port_now),
            ("account", &*before.account, &*now.account),
            ("source", before.source.name(), now.source.name()),
            ("scope or integration instance", before.source.id(), now.source.id()),
        ];
        match parts.into_iter().find(|(_, before, now)| before != now) {
            None => Ok(()),
            Some((what, before, now)) => Err(JupiterOneError::DestinationChanged {
                what,
                before: before.to_owned(),
                now: now.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::base_url::BaseUrl;
    use crate::sync::destination::Source;

    fn destination(
        url: &str,
        account: &str,
        source: Source,
    ) -> Result<Destination, JupiterOneError> {
        Destination::new(BaseUrl::explicit(url)?, account, source)
    }

    fn api(scope: &str) -> Source {
        Source::Api { scope: scope.to_owned() }
    }

    fn delivered() -> Result<Delivered, JupiterOneError> {
        Ok(Delivered {
            destination: destination("https://gateway.example", "acme", api("one"))?.identity(),
            generation: GenerationId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV")?,
            whole: true,
            types: BTreeMap::from([
                ("nexthink_device".to_owned(), None),
                (
                    "nexthink_device_has_alert".to_owned(),
                    Some(("nexthink_device".to_owned(), "nexthink_alert".to_owned())),
                ),
            ]),
            purged: BTreeSet::from(["nexthink_alert".to_owned()]),
            pending: Some(JobId::parse("a-1")?),
            unfinished: None,
            shape: 1,
            extras: Extras { persons: true, raw_data: false },
            partial: Some(BTreeSet::from(["nexthink_user".to_owned()])),
            erasures: BTreeSet::from(["e-1".to_owned()]),
            events: BTreeMap::from([("nexthink_audit_event".to_owned(), 7)]),
        })
    }

    #[test]
    fn k17_another_host_port_account_source_or_scope_is_not_the_same_destination()
    -> Result<(), JupiterOneError> {
        let instance =
            |id: &str| Source::IntegrationExternal { integration_instance_id: id.to_owned() };
        let url = "https://gateway.example";
        for (url, account, source, expected) in [
            (url, "acme", api("one"), None),
            ("https://gateway.example:443", "acme", api("one"), None),
            ("https://other.example", "acme", api("one"), Some("host")),
            ("https://gateway.example:8443", "acme", api("one"), Some("port")),
            (url, "other", api("one"), Some("account")),
            (url, "acme", api("two"), Some("scope or integration instance")),
            (url, "acme", instance("one"), Some("source")),
        ] {
            let found = delivered()?.check(&destination(url, account, source)?).err();
            let what = found.map(|error| match error {
                JupiterOneError::DestinationChanged { what, .. } => what,
                _ => "something else",
            });
            assert_eq!(what, expected);
        }
        Ok(())
    }

    #[test]
    fn a_delivery_is_kept_as_json() -> Result<(), Box<dyn std::error::Error>> {
        let delivered = delivered()?;
        let text = serde_json::to_string(&delivered)?;
        assert_eq!(serde_json::from_str::<Delivered>(&text)?, delivered);
        Ok(())
    }

    #[test]
    fn what_was_kept_by_an_earlier_version_is_read_and_its_port_is_any()
    -> Result<(), Box<dyn std::error::Error>> {
        let text = r#"{"destination":{"host":"gateway.example","account":"acme","source":"api",
            "scope":"one"},"generation":"01ARYZ6S41TSV4RRFFQ69G5FAV","whole":true}"#;
        let delivered: Delivered = serde_json::from_str(text)?;
        assert!(delivered.types.is_empty() && delivered.pending.is_none());
        assert_eq!((delivered.shape, delivered.extras), (0, Extras::default()));
        delivered.check(&destination("https://gateway.example:8443", "acme", api("one"))?)?;
        Ok(())
    }

    /// A record with the job `a-1` pending, which delivers another generation.
    fn begun(was_whole: bool) -> Result<Delivered, JupiterOneError> {
        let before = delivered()?;
        let unfinished = Unfinished {
            generation: GenerationId::parse("01JN7Z1M80000000000000000A")?,
            shape: 2,
            extras: Extras::default(),
            types: BTreeMap::from([("nexthink_user".to_owned(), None)]),
            purged: BTreeSet::from(["nexthink_audit_event".to_owned()]),
            was_whole,
        };
        Ok(Delivered { whole: false, unfinished: Some(unfinished), ..before })
    }

    fn finished() -> Result<Settled, serde_json::Error> {
        let job = serde_json::from_str(r#"{"id":"a-1","status":"FINISHED"}"#)?;
        Ok(Settled::Finished(Box::new(job)))
    }

    #[test]
    fn k19_a_pending_job_is_resolved_by_its_state() -> Result<(), Box<dyn std::error::Error>> {
        let before = delivered()?;
        for (found, was_whole, expected) in [
            // (whole, takes the job's generation, knows the job's types)
            (Settled::Dropped, true, (true, false, false)),
            (Settled::Dropped, false, (false, false, false)),
            (finished()?, true, (false, true, true)),
            (Settled::Failed, true, (false, false, true)),
            (Settled::Gone, true, (false, false, true)),
        ] {
            let resolved = begun(was_whole)?.resolve(&found);
            assert!(resolved.pending.is_none() && resolved.unfinished.is_none(), "{found:?}");
            let is_moved = resolved.generation != before.generation;
            let is_known = resolved.types.contains_key("nexthink_user");
            assert_eq!((resolved.whole, is_moved, is_known), expected, "{found:?} {was_whole}");
            assert_eq!(resolved.purged != before.purged, is_moved, "{found:?}");
            assert_eq!(resolved.events.is_empty(), is_moved, "purged events start over: {found:?}");
            assert!(resolved.types.contains_key("nexthink_device"), "{found:?}");
        }
        Ok(())
    }

    #[test]
    fn k19_a_first_delivery_that_may_have_brought_nothing_stays_the_first()
    -> Result<(), Box<dyn std::error::Error>> {
        for (found, is_first) in [
            (Settled::Dropped, true),
            (Settled::Failed, true),
            (Settled::Gone, true),
            (finished()?, false),
        ] {
            let first = Delivered { types: BTreeMap::new(), ..begun(false)? };
            assert_eq!(first.resolve(&found).types.is_empty(), is_first, "{found:?}");
        }
        Ok(())
    }

    #[test]
    fn a_record_without_what_its_job_was_to_bring_builds_on_nothing()
    -> Result<(), Box<dyn std::error::Error>> {
        let old = Delivered { whole: false, ..delivered()? };
        let resolved = old.clone().resolve(&finished()?);
        assert_eq!(resolved, Delivered { pending: None, ..old });
        Ok(())
    }
}
