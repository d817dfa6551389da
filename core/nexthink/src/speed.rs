//! Notices a download that never stops and never gets done either.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::DownloadSpeed;

/// The bounds of a stretch of time: below, it would be checked without a pause; above, its end
/// could not be told.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(24);

/// Counts the bytes of one answer, one stretch of time after the other.
pub(crate) struct SpeedCheck {
    slowest: DownloadSpeed,
    stretch_began: Instant,
    bytes: u64,
}

/// The finding that fewer bytes came than must.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl SpeedCheck {
    pub(crate) fn new(slowest: DownloadSpeed, now: Instant) -> Self {
        Self { slowest, stretch_began: now, bytes: 0 }
    }

    /// When to call [`SpeedCheck::stretch_ended`] if nothing comes before.
    pub(crate) fn stretch_ends(&self) -> Instant {
        self.stretch_began + self.slowest.within.clamp(SHORTEST, LONGEST)
    }

    /// Counts bytes that came.
    ///
    /// # Errors
    /// [`TooSlow`] if a stretch of time ended without enough of them.
    pub(crate) fn came(&mut self, bytes: u64, now: Instant) -> Result<(), TooSlow> {
        self.bytes = self.bytes.saturating_add(bytes);
        if now < self.stretch_ends() { Ok(()) } else { self.stretch_ended(now) }
    }

    /// Begins the next stretch of time.
    ///
    /// # Errors
    /// [`TooSlow`] if too few bytes came in the one before.
    pub(crate) fn stretch_ended(&mut self, now: Instant) -> Result<(), TooSlow> {
        if self.bytes < self.slowest.bytes {
            return Err(TooSlow);
        }
        self.stretch_began = now;
        self.bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds a download is too slow that gets `bytes` every `seconds`.
    async fn too_slow_after(bytes: u64, seconds: u64) -> Option<u64> {
        let began = Instant::now();
        let mut check = SpeedCheck::new(DownloadSpeed::default(), began);
        for _ in 0..600 / seconds {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            if check.came(bytes, Instant::now()).is_err() {
                return Some(began.elapsed().as_secs());
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn c8_c15_a_kibibyte_per_second_is_fast_enough_and_less_is_not() {
        for (bytes, seconds, expected) in [
            (1024, 1, None),
            (20 << 10, 20, None),
            (1 << 20, 50, None),
            (1023, 1, Some(60)),
            (1, 20, Some(60)),
            (0, 25, Some(75)),
            (100, 7, Some(63)),
        ] {
            let found = too_slow_after(bytes, seconds).await;
            assert_eq!(found, expected, "{bytes} bytes every {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_fast_before_does_not_count_for_later() {
        let mut check = SpeedCheck::new(DownloadSpeed::default(), Instant::now());
        assert_eq!(check.came(1 << 30, Instant::now()), Ok(()));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(check.stretch_ended(Instant::now()), Ok(()));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(check.stretch_ended(Instant::now()), Err(TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn no_least_speed_lets_everything_pass() {
        let any = DownloadSpeed { bytes: 0, ..DownloadSpeed::default() };
        let mut check = SpeedCheck::new(any, Instant::now());
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(check.stretch_ended(Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_senseless_stretch_of_time_is_held_within_bounds() {
        let now = Instant::now();
        for (within, expected) in [(Duration::ZERO, SHORTEST), (Duration::MAX, LONGEST)] {
            let check = SpeedCheck::new(DownloadSpeed { bytes: 1, within }, now);
            assert_eq!(check.stretch_ends() - now, expected);
        }
    }
}
