//! Work that ends by itself, that is stopped, and that does not stop. The clock of these tests is tokio's, which jumps to
//! the next moment at which something happens.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::pending;

use tokio::time::{Instant, sleep};

use super::*;

const TOLD: Told = Told { ended: "it ended by itself", cut_off: "it was cut off" };

/// Signals that come a time after each is waited for; none once they are used up.
struct Scripted {
    waits: RefCell<VecDeque<u64>>,
    guards: RefCell<Vec<(Duration, &'static str)>>,
}

impl Scripted {
    fn after(seconds: &[u64]) -> Self {
        let waits = RefCell::new(seconds.iter().copied().collect());
        Self { waits, guards: RefCell::default() }
    }
}

impl Signals for Scripted {
    type Guard = ();

    fn next(&self) -> impl Future<Output = StopReason> {
        let wait = self.waits.borrow_mut().pop_front();
        async move {
            match wait {
                Some(seconds) => sleep(Duration::from_secs(seconds)).await,
                None => pending().await,
            }
            StopReason::Terminated
        }
    }

    fn guard(&self, _: &Cancellation, grace: Duration, cut_off: &'static str) {
        self.guards.borrow_mut().push((grace, cut_off));
    }
}

/// Ends after some seconds, or as soon as it is asked to stop.
async fn polite(stop: &Cancellation, seconds: u64) -> Result<&'static str, Failure> {
    stop.or_stop(async {
        sleep(Duration::from_secs(seconds)).await;
        Ok("done")
    })
    .await
}

/// Ends after some seconds, whatever it is asked.
async fn stubborn(seconds: u64) -> Result<&'static str, Failure> {
    sleep(Duration::from_secs(seconds)).await;
    Ok("done")
}

async fn of(
    signals: &Scripted,
    stop: &Cancellation,
    work: impl Future<Output = Result<&'static str, Failure>>,
) -> (Result<&'static str, (FailureKind, String)>, u64) {
    let start = Instant::now();
    let ended = interruptible(signals, stop, TOLD, work).await;
    let ended = ended.map_err(|failure| (failure.kind, format!("{:#}", failure.error)));
    (ended, start.elapsed().as_secs())
}

fn stopped(told: &str) -> Result<&'static str, (FailureKind, String)> {
    let kind = FailureKind::Stopped(StopReason::Terminated);
    Err((kind, format!("stopped by a signal; {told}")))
}

#[tokio::test(start_paused = true)]
async fn work_without_a_signal_ends_as_it_ends() {
    let (signals, stop) = (Scripted::after(&[]), Cancellation::default());
    assert_eq!(of(&signals, &stop, polite(&stop, 60)).await, (Ok("done"), 60));
    let failed = async { Err(Failure::configuration("it is wrong")) };
    let expected = Err((FailureKind::Configuration, "it is wrong".to_owned()));
    assert_eq!(of(&signals, &stop, failed).await, (expected, 0));
    assert_eq!(stop.reason(), None);
}

#[tokio::test(start_paused = true)]
async fn work_that_sees_the_signal_ends_by_itself() {
    let (signals, stop) = (Scripted::after(&[10]), Cancellation::default());
    assert_eq!(of(&signals, &stop, polite(&stop, 60)).await, (stopped(TOLD.ended), 10));
    assert_eq!(stop.reason(), Some(StopReason::Terminated));
}

#[tokio::test(start_paused = true)]
async fn what_is_done_within_the_time_counts_after_all() {
    let (signals, stop) = (Scripted::after(&[10]), Cancellation::default());
    assert_eq!(of(&signals, &stop, stubborn(13)).await, (Ok("done"), 13));
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_in_time_is_cut_off() {
    let (signals, stop) = (Scripted::after(&[10]), Cancellation::default());
    let expected = (stopped(TOLD.cut_off), 10 + GRACE.as_secs());
    assert_eq!(of(&signals, &stop, stubborn(60)).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_work_at_once() {
    let (signals, stop) = (Scripted::after(&[10, 1]), Cancellation::default());
    assert_eq!(of(&signals, &stop, stubborn(60)).await, (stopped(TOLD.ended), 11));
}

#[tokio::test(start_paused = true)]
async fn work_that_begins_after_a_stop_tells_of_the_stop() {
    let (signals, stop) = (Scripted::after(&[]), Cancellation::default());
    stop.request(StopReason::Terminated);
    assert_eq!(of(&signals, &stop, polite(&stop, 60)).await, (stopped(TOLD.ended), 0));
}

#[tokio::test(start_paused = true)]
async fn the_process_outlives_the_time_that_the_work_has() {
    let (signals, stop) = (Scripted::after(&[]), Cancellation::default());
    let _ = of(&signals, &stop, polite(&stop, 1)).await;
    let [(grace, cut_off)] = signals.guards.borrow()[..] else { panic!("there is one guard") };
    assert!(grace > GRACE, "else work that ends in time would not be told of");
    assert_eq!(cut_off, TOLD.cut_off);
}
