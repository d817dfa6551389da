//! The head of a tenant in a bucket: the one object with the lease, the published content and the objects to delete.
//! Every change makes a new head from the previous one. This module does no I/O.
//!
//! Lease and published content are in one object on purpose. If the lease were a separate object, a holder that is
//! paused between checking the lease and writing the content would publish under a lost lease.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use core_store::GenerationId;
use serde::{Deserialize, Serialize};

/// The version that this program writes, and the newest that it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The number of earlier writes that a head names, so that a writer whose answer was lost still finds its write after
/// others have followed.
const KEPT_NONCES: usize = 8;

/// A random text that tells one write of a head from all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(String);

impl Nonce {
    /// Makes a nonce of random bits.
    pub fn new(random: u64) -> Self {
        Self(format!("{random:016x}"))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The exclusive right to write, until another process takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The holder, for messages, for example "pid 4711, started 2026-03-01T08:00:00Z".
    pub owner: String,
    /// The time without a change of the head after which others may take the lease, in milliseconds.
    pub lifetime_ms: u64,
}

/// A reference to an object and its expected content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The key below the tenant's folder. No two writes have the same.
    pub key: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the content, in hexadecimal.
    pub blake3: String,
}

/// The published content of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The published generation.
    pub current: Option<GenerationId>,
    /// The listings of files, by folder: `generations/01JN…`, `events/audit`, `ledger`.
    #[serde(default)]
    pub listings: BTreeMap<String, ObjectRef>,
    /// Small files by path, with their text. They need no object and so no request of their own.
    #[serde(default)]
    pub small_files: BTreeMap<String, String>,
    /// The notes on exports that were started and not used yet, by the name of the download, so that the next run
    /// resumes them on any machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
    /// Keys of unreferenced objects. They stay here until the objects are deleted, so that neither a crash nor a lost
    /// lease leaves or resurrects one.
    #[serde(default)]
    pub doomed: BTreeSet<String>,
}

/// The head of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of this format; 1.
    pub format_version: u32,
    /// The tenant.
    pub tenant: String,
    /// The number of this head, from 1 without gaps.
    pub revision: u64,
    /// The nonce of the write that made this head.
    pub nonce: Nonce,
    /// The nonce of the first head: it tells this store from one that was begun anew in its place.
    #[serde(default)]
    pub origin: Option<Nonce>,
    /// The nonces of the previous writes, the newest last.
    #[serde(default)]
    pub recent: Vec<Nonce>,
    /// The number of times that the lease was taken.
    pub epoch: u64,
    /// The lease, if it is held.
    pub lease: Option<Lease>,
    /// The published content.
    pub content: Content,
}

impl Head {
    /// The first head of a tenant, with the lease held.
    pub fn first(tenant: &str, lease: Lease, nonce: Nonce) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            tenant: tenant.to_owned(),
            revision: 1,
            origin: Some(nonce.clone()),
            nonce,
            recent: Vec::new(),
            epoch: 1,
            lease: Some(lease),
            content: Content::default(),
        }
    }

    /// The head after the lease was taken, from any holder or none.
    #[must_use]
    pub fn acquired(&self, lease: Lease, nonce: Nonce) -> Self {
        Self { epoch: self.epoch + 1, lease: Some(lease), ..self.next(nonce) }
    }

    /// The head after renewing the lease: only the revision changes, which is what waiters watch.
    #[must_use]
    pub fn renewed(&self, nonce: Nonce) -> Self {
        self.next(nonce)
    }

    /// The head after the lease was released.
    #[must_use]
    pub fn released(&self, nonce: Nonce) -> Self {
        Self { lease: None, ..self.next(nonce) }
    }

    /// The head with new content. It renews the lease too.
    #[must_use]
    pub fn with_content(&self, content: Content, nonce: Nonce) -> Self {
        Self { content, ..self.next(nonce) }
    }

    /// Returns true if the write with this nonce made this head or one of its last predecessors.
    pub fn descends_from(&self, nonce: &Nonce) -> bool {
        self.nonce == *nonce || self.recent.contains(nonce)
    }

    fn next(&self, nonce: Nonce) -> Self {
        let mut recent = self.recent.clone();
        recent.push(self.nonce.clone());
        if recent.len() > KEPT_NONCES {
            recent.remove(0);
        }
        let origin = self.origin.clone().or_else(|| Some(self.nonce.clone()));
        Self { revision: self.revision + 1, nonce, origin, recent, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(owner: &str) -> Lease {
        Lease { owner: owner.to_owned(), lifetime_ms: 60_000 }
    }

    #[test]
    fn every_change_has_the_next_revision_and_only_an_acquisition_the_next_epoch() {
        let first = Head::first("acme", lease("a"), Nonce::new(1));
        let renewed = first.renewed(Nonce::new(2));
        let published = renewed.with_content(
            Content { doomed: ["x".to_owned()].into(), ..Content::default() },
            Nonce::new(3),
        );
        let released = published.released(Nonce::new(4));
        let acquired = released.acquired(lease("b"), Nonce::new(5));
        let heads = [&first, &renewed, &published, &released, &acquired];
        assert_eq!(heads.map(|head| head.revision), [1, 2, 3, 4, 5]);
        assert_eq!(heads.map(|head| head.origin.clone()), [1; 5].map(|one| Some(Nonce::new(one))));
        assert_eq!(heads.map(|head| head.epoch), [1, 1, 1, 1, 2]);
        let owners = heads.map(|head| head.lease.as_ref().map(|lease| lease.owner.as_str()));
        assert_eq!(owners, [Some("a"), Some("a"), Some("a"), None, Some("b")]);
        assert_eq!(acquired.content, published.content);
    }

    #[test]
    fn a_write_is_recognized_under_later_ones_for_a_while() {
        let mut head = Head::first("acme", lease("a"), Nonce::new(0));
        let limit = u64::try_from(KEPT_NONCES).expect("a small number");
        for number in 1..=limit {
            head = head.renewed(Nonce::new(number));
        }
        assert!(head.descends_from(&Nonce::new(0)));
        assert!(head.descends_from(&head.nonce.clone()));
        head = head.renewed(Nonce::new(limit + 1));
        assert!(!head.descends_from(&Nonce::new(0)));
        assert!(!head.descends_from(&Nonce::new(99)));
    }
}
