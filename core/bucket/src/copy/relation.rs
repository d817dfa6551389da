//! The relation of a target to the source that may replace it: it must be an earlier state of the same store.
//!
//! The ledger proves that. Its entries are chained by hashes, so a source whose ledger contains the last entry of the
//! target's ledger contains everything that was ever done at the target.

use core_store::{LEDGER_PATH, LedgerHead, TenantSnapshot};

use super::CopyRequest;
use super::source::Source;
use crate::error::BucketError;

/// The state of a target before a copy.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its files.
    pub(super) snapshot: TenantSnapshot,
    /// The last entry of its ledger.
    pub(super) ledger: Option<LedgerHead>,
}

/// Checks that the source is a later state of the target.
pub(super) async fn check(
    request: &CopyRequest<'_>,
    source: &Source,
    target: &Known,
) -> Result<(), BucketError> {
    let snapshot = source.snapshot();
    if snapshot.current.is_none() {
        let (tenant, place) = (request.tenant.to_owned(), request.from.to_string());
        return Err(BucketError::Empty { tenant, place });
    }
    let to = request.to;
    if target.snapshot.current > snapshot.current {
        return Err(BucketError::Refused {
            reason: format!("{to} has a newer generation than {}", request.from),
            fix: "copy in the other direction, or to another place",
        });
    }
    let Some(head) = &target.ledger else {
        return match target.snapshot.generations().first() {
            Some(_) if target.snapshot.files.contains_key(LEDGER_PATH) => {
                Err(BucketError::Refused {
                    reason: format!("the last entry of the ledger in {to} is damaged"),
                    fix: "look into it with `privacy ledger verify`, or copy to another place",
                })
            }
            Some(_) => Err(BucketError::Refused {
                reason: format!(
                    "{to} has generations and no ledger, so nothing proves whose they are"
                ),
                fix: "copy to another place",
            }),
            None => Ok(()),
        };
    };
    let ledger = match snapshot.files.get(LEDGER_PATH) {
        Some(_) => source.read(LEDGER_PATH).await?.read_all().await?,
        None => bytes::Bytes::new(),
    };
    if head.is_in(&ledger) {
        return Ok(());
    }
    Err(BucketError::Refused {
        reason: format!(
            "the ledger in {to} has entries that the one in {} has not: it is another tenant's store, or it was used \
             since the last copy",
            request.from
        ),
        fix: "copy to another place, and compare both with `privacy ledger`",
    })
}
