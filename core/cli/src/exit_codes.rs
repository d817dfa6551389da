//! The exit codes for people.

/// The exit codes for people, printed by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    complete
  1    internal error
  2    wrong usage or configuration
  3    credentials refused
  4    Nexthink cannot be reached, try later
  5    data refused, or what is stored is damaged or has an unfinished erasure
  6    a destination failed; what was published is safe
  7    published, but partial
  8    a finding has the severity of --fail-on or a higher one
  9    another run or delivery holds the lock
  10   the generations differ (diff --exit-code)
  11   nothing was published within --max-age (status)
  75   deferred: Nexthink's quota, or another job at the destination
  130  stopped by Ctrl-C (143: by a termination signal)";
