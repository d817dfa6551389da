//! The pause between two executions of saved queries: Nexthink accepts one a second.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Executes one query at a time, with a pause between an answer and the next request.
#[derive(Debug)]
pub(crate) struct ExecutePace {
    pause: Duration,
    /// The time before which no query is executed; none before the first one.
    not_before: Mutex<Option<Instant>>,
}

impl ExecutePace {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, not_before: Mutex::new(None) }
    }

    /// Makes a call as soon as the pause after the one before is over. No pause follows the last call.
    pub(crate) async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        let mut not_before = self.not_before.lock().await;
        if let Some(not_before) = *not_before {
            sleep_until(not_before).await;
        }
        // A call that its caller gives up leaves this behind.
        *not_before = Some(Instant::now() + self.pause);
        let answered = call.await;
        // Counted from the answer: requests take different times to arrive, and the first one opens the connection, so
        // two that are sent a second apart may arrive within one.
        *not_before = Some(Instant::now() + self.pause);
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(pace: &ExecutePace, started: Instant, answer_ms: u64) -> u128 {
        let call = async {
            let began = started.elapsed().as_millis();
            tokio::time::sleep(Duration::from_millis(answer_ms)).await;
            began
        };
        pace.run(call).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_is_before_the_next_call_and_never_after_the_last() {
        let (pace, started) = (ExecutePace::new(Duration::from_secs(1)), Instant::now());
        assert_eq!(after(&pace, started, 300).await, 0, "the first call waits for nothing");
        assert_eq!(started.elapsed().as_millis(), 300, "nothing is waited for at the end");
        let together = tokio::join!(
            after(&pace, started, 20),
            after(&pace, started, 20),
            after(&pace, started, 20)
        );
        assert_eq!(together, (1_300, 2_320, 3_340));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(after(&pace, started, 0).await, 8_360, "the pause is over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_counts_too() {
        let (pace, started) = (ExecutePace::new(Duration::from_secs(1)), Instant::now());
        let call = after(&pace, started, 60_000);
        assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
        assert_eq!(after(&pace, started, 0).await, 1_000);
    }
}
