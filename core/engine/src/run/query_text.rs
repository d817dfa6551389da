//! Checks the text of each saved query while its export runs. If the text has a limit, rows that are missing in the
//! export are not gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use core_model::step::Step;
use core_nexthink::{Client, ErrorKind, ExecuteAnswer, NexthinkError, QueryId};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::narrowing::{Narrowing, Unchecked};

/// The longest wait for a check after the export of its query has ended, which is longer than one check can take: a
/// check that is late had to wait for those of other queries.
const GRACE: Duration = Duration::from_mins(2);

/// The time limit for a query that Nexthink could not run at once in the run before. It may have too many rows for
/// that, and the checks of the other queries wait for it.
const LIMIT_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The checks of one run.
#[derive(Clone)]
pub(super) struct QueryTexts {
    /// The permit to execute a query. The client keeps a pause between two; the permit keeps the time that a check
    /// waits for others out of its time limit.
    executing: Arc<Semaphore>,
    /// The steps whose queries Nexthink could not run at once in the run before.
    failed_before: Arc<BTreeSet<String>>,
}

impl QueryTexts {
    /// The checks after a run in which the queries of these steps could not be run at once.
    pub(super) fn new(failed_before: BTreeSet<String>) -> Self {
        let executing = Arc::new(Semaphore::new(1));
        Self { executing, failed_before: Arc::new(failed_before) }
    }

    /// Returns the result of an export, and the clauses by which its query leaves out rows. The check runs beside the
    /// export, so that it takes no extra time.
    ///
    /// # Errors
    /// Those of the export. A check that fails is part of the result.
    pub(super) async fn check_during<T>(
        exporting: impl Future<Output = Result<T, NexthinkError>>,
        checking: impl Future<Output = Narrowing>,
    ) -> Result<(T, Narrowing), NexthinkError> {
        let (mut exporting, mut checking) = (std::pin::pin!(exporting), std::pin::pin!(checking));
        let late = || Narrowing { unchecked: Some(Unchecked::Late), ..Narrowing::default() };
        let mut checked = None;
        let exported = loop {
            tokio::select! {
                exported = &mut exporting => break exported?,
                narrowing = &mut checking, if checked.is_none() => checked = Some(narrowing),
            }
        };
        let narrowing = match checked {
            Some(narrowing) => narrowing,
            None => timeout(GRACE, checking).await.unwrap_or_else(|_| late()),
        };
        Ok((exported, narrowing))
    }

    /// Returns the clauses by which a saved query leaves out rows, from the text that Nexthink runs.
    pub(super) async fn check(
        &self,
        client: &Client,
        step: &'static Step,
        query: &QueryId,
        parameters: &BTreeMap<String, String>,
    ) -> Narrowing {
        let _permit = self.executing.acquire().await.expect("the semaphore is never closed");
        let failed_before = self.failed_before.contains(step.id);
        let executing = client.execute(query, parameters);
        let answer = if failed_before {
            timeout(LIMIT_AFTER_FAILURE, executing).await.ok()
        } else {
            Some(executing.await)
        };
        if let Some(Err(error)) = &answer {
            tracing::info!(%query, %error, "the text of the query is not known");
        }
        narrowing(step, answer, failed_before)
    }
}

/// Returns the clauses of a query, from the answer to its check; None if there was none in time.
fn narrowing(
    step: &'static Step,
    answer: Option<Result<ExecuteAnswer, NexthinkError>>,
    failed_before: bool,
) -> Narrowing {
    let unchecked = match answer {
        Some(Ok(ExecuteAnswer { limits: Some(limits), .. })) => {
            return Narrowing::new(step, limits);
        }
        Some(Ok(_)) => Unchecked::Hidden,
        Some(Err(error)) => match error.kind() {
            ErrorKind::Query => Unchecked::Hidden,
            ErrorKind::Deferred => Unchecked::Late,
            _ if failed_before => Unchecked::FailedAgain,
            _ => Unchecked::Failed,
        },
        None => Unchecked::FailedAgain,
    };
    Narrowing { unchecked: Some(unchecked), ..Narrowing::default() }
}

#[cfg(test)]
mod tests {
    use core_nexthink::{Endpoint, QueryLimits};

    use super::*;

    fn users() -> &'static Step {
        Step::all().into_iter().find(|step| step.id == "fetch-users").expect("a step")
    }

    fn answered(limits: Option<QueryLimits>) -> ExecuteAnswer {
        ExecuteAnswer { columns: Vec::new(), rows: 1, limits }
    }

    fn unchecked(
        answer: Option<Result<ExecuteAnswer, NexthinkError>>,
        failed_before: bool,
    ) -> Option<Unchecked> {
        narrowing(users(), answer, failed_before).unchecked
    }

    #[test]
    fn a_check_says_why_the_text_of_the_query_is_not_known() {
        let query: QueryId = "#users".parse().expect("an ID");
        let endpoint = Endpoint::Execute;
        let wait = Duration::from_hours(1);
        let throttled = NexthinkError::Deferred { endpoint, status: 429, wait };
        let failing = NexthinkError::Unavailable { endpoint, status: 503, attempts: 8 };
        for (answer, failed_before, expected) in [
            (Ok(answered(Some(QueryLimits::default()))), true, None),
            (Ok(answered(None)), false, Some(Unchecked::Hidden)),
            (Err(NexthinkError::QueryNotFound { query }), false, Some(Unchecked::Hidden)),
            (Err(throttled.clone()), false, Some(Unchecked::Late)),
            // A query that is throttled time and again can be run at once all the same.
            (Err(throttled), true, Some(Unchecked::Late)),
            (Err(failing.clone()), false, Some(Unchecked::Failed)),
            (Err(failing), true, Some(Unchecked::FailedAgain)),
        ] {
            assert_eq!(unchecked(Some(answer), failed_before), expected);
        }
        assert_eq!(unchecked(None, true), Some(Unchecked::FailedAgain));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_has_the_time_of_its_export_and_two_minutes_more() {
        let after = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        for (export, check, expected) in [
            (600, 1, None),
            (1, 120, None),
            (600, 710, None),
            (1, 122, Some(Unchecked::Late)),
            (600, 730, Some(Unchecked::Late)),
        ] {
            let exporting = async {
                after(export).await;
                Ok(export)
            };
            let checking = async {
                after(check).await;
                Narrowing::default()
            };
            let (exported, narrowing) =
                QueryTexts::check_during(exporting, checking).await.expect("the export succeeds");
            assert_eq!((exported, narrowing.unchecked), (export, expected), "{export} {check}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_export_waits_for_no_check() {
        let started = tokio::time::Instant::now();
        let endpoint = Endpoint::StartExport;
        let failed = async {
            Err::<(), _>(NexthinkError::Unavailable { endpoint, status: 503, attempts: 3 })
        };
        assert!(QueryTexts::check_during(failed, std::future::pending()).await.is_err());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
