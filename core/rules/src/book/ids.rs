//! The secret by which the IDs of findings are keyed.
//!
//! An identity is short, so a plain hash of it would tell who sees nothing of a finding but its ID whom it is about: they
//! could hash each name that they know. The secret is in the file of the book, which only readers of every name can read.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{Book, VERSION};
use crate::finding::Finding;
use crate::fingerprint::FindingId;
use crate::observation::Observed;

/// A random secret of the findings of one tenant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct IdSecret([u8; 32]);

impl IdSecret {
    fn keyed(&self, id: FindingId) -> FindingId {
        id.keyed(&self.0)
    }
}

impl fmt::Debug for IdSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdSecret")
    }
}

impl TryFrom<String> for IdSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("the secret of IDs has 64 hexadecimal digits")
    }
}

impl From<IdSecret> for String {
    fn from(secret: IdSecret) -> Self {
        HEXLOWER.encode(&secret.0)
    }
}

impl Book {
    /// Returns true if the IDs are keyed by a secret of the book.
    pub fn has_keyed_ids(&self) -> bool {
        self.id_secret.is_some()
    }

    /// Keys all IDs by a secret, unless they are keyed already. Earlier versions wrote plain ones: receivers know such a
    /// finding by its plain ID for as long as it is kept, so that no incident is opened twice.
    pub fn key_ids(&mut self, secret: [u8; 32]) {
        if self.id_secret.is_some() {
            return;
        }
        let secret = IdSecret(secret);
        let keyed = |(id, finding): (FindingId, Finding)| {
            (secret.keyed(id), Finding { known_as: Some(id), ..finding })
        };
        self.findings = std::mem::take(&mut self.findings).into_iter().map(keyed).collect();
        for row in self.outbox.rows.values_mut().flatten() {
            row.finding = secret.keyed(row.finding);
        }
        for id in self.silences.iter_mut().filter_map(|silence| silence.matcher.finding.as_mut()) {
            *id = secret.keyed(*id);
        }
        self.version = VERSION;
        self.id_secret = Some(secret);
    }

    /// Returns the ID in this book of a finding with this fingerprint.
    pub(super) fn keyed_id(&self, fingerprint: FindingId) -> FindingId {
        self.id_secret.as_ref().map_or(fingerprint, |secret| secret.keyed(fingerprint))
    }

    /// Returns the rows of an evaluation by their IDs in this book.
    pub(super) fn by_keyed_ids(&self, observed: Observed) -> Observed {
        let Observed { findings, too_many } = observed;
        let keyed = findings.into_iter().map(|(id, row)| (self.keyed_id(id), row));
        Observed { findings: keyed.collect(), too_many }
    }
}
