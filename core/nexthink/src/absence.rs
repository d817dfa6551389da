//! The time for which something has been missing, so that a late appearance does not count as gone.

use std::time::Duration;

use tokio::time::Instant;

/// The number of times that the wait between two questions doubles.
const DOUBLINGS: u32 = 3;

/// An unbroken row of answers that something does not exist.
#[derive(Debug, Default)]
pub(crate) struct Absence {
    since: Option<Instant>,
    waits: u32,
}

impl Absence {
    /// Notes one more such answer; returns whether they have been coming for `long_enough`.
    pub(crate) fn lasts(&mut self, long_enough: Duration) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() >= long_enough
    }

    /// The wait before the next question: `first`, then longer, up to eight times that.
    pub(crate) fn next_wait(&mut self, first: Duration) -> Duration {
        let wait = first * (1 << self.waits);
        self.waits = (self.waits + 1).min(DOUBLINGS);
        wait
    }

    /// It is there.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_unbroken_absence_counts() {
        let long_enough = Duration::from_mins(1);
        let mut absence = Absence::default();
        assert!(!absence.lasts(long_enough));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!absence.lasts(long_enough));
        absence.end();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(!absence.lasts(long_enough), "it was there in between");
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(absence.lasts(long_enough));
        assert!(Absence::default().lasts(Duration::ZERO), "nothing is waited for");
    }

    #[test]
    fn questions_come_less_and_less_often() {
        let mut absence = Absence::default();
        let waits = [(); 6].map(|()| absence.next_wait(Duration::from_secs(1)).as_secs());
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    }
}
