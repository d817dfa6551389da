//! The engine's interface to the outside: the clock, randomness, and the process that it runs in.

use std::fmt;
use std::io;
use std::sync::Arc;

use anyhow::Context as _;

use crate::failure::Ending;
use crate::moment::Moment;

/// Fills a buffer with random bytes.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync>;

/// The clock, randomness and process that the engine runs with. The engine reads neither by itself.
#[derive(Clone)]
pub struct Host {
    /// Reads the clock.
    pub clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Fills a buffer with random bytes.
    pub random: RandomSource,
    /// The number of threads that can work at the same time.
    pub processors: usize,
    /// The process, for messages of processes that find a lock taken: `process 17`.
    pub process: String,
    /// The user who runs the process, for the ledger.
    pub user: String,
    /// The command that starts the program, for messages that say what to do.
    pub program: String,
    /// The code with which the process ends, for reports and the ledger. The engine decides nothing by it.
    pub exit_code: fn(Ending) -> u8,
}

impl Host {
    /// Reads the clock.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Reads the clock, in milliseconds since 1970-01-01 UTC.
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.now().0).unwrap_or(i64::MAX)
    }

    /// Returns a random number.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random(&self) -> anyhow::Result<u64> {
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Fills a buffer with random bytes.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn fill_random(&self, buffer: &mut [u8]) -> anyhow::Result<()> {
        (self.random)(buffer).context("the system gives no random numbers")
    }

    /// Returns a new identifier, which sorts by time.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new_id(&self, now: Moment) -> anyhow::Result<String> {
        let random = u128::from(self.random()?) << 64 | u128::from(self.random()?);
        Ok(ulid::Ulid::from_parts(now.0, random).to_string())
    }

    /// Returns the owner text of a lock, for processes that find it taken.
    pub fn lock_owner(&self) -> String {
        format!("{}, since {}", self.process, self.now().to_rfc3339())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("process", &self.process).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::testing::host;

    #[test]
    fn identifiers_sort_by_time_and_differ_at_the_same_time() {
        let host = host();
        let [early, late] =
            [1_000, 2_000].map(|at| host.new_id(Moment(at)).expect("it has numbers"));
        assert!(early < late, "{early} {late}");
        assert_ne!(host.new_id(Moment(1_000)).expect("it has numbers"), early);
    }

    #[test]
    fn a_system_without_random_numbers_makes_no_identifier() {
        let host = Host { random: Arc::new(|_| Err(io::ErrorKind::Unsupported.into())), ..host() };
        let failed = host.new_id(host.now()).expect_err("there is no randomness");
        assert!(failed.to_string().contains("the system gives no random numbers"), "{failed}");
    }

    #[test]
    fn whoever_finds_a_lock_taken_reads_who_has_it_and_since_when() {
        assert_eq!(host().lock_owner(), "a test, since 2026-03-01T10:00:00Z");
        assert_eq!(format!("{:?}", host()), "Host { process: \"a test\", .. }");
    }
}
