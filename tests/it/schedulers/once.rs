//! Every due run happens once, on one machine.

use std::time::Duration;

use jiff::Timestamp;

use crate::kit::until;
use crate::machine::Scheduler;
use crate::{EXPORTS, Estate, TAKEOVER, number};

/// The due times of a minute, of which the gaps between runs may differ since a run takes some seconds.
const GAP: std::ops::RangeInclusive<i64> = 40..=80;

#[test]
fn three_schedulers_run_a_tenant_once_for_each_due_time() {
    let runs = usize::try_from(number("TORTURE_MINUTES").unwrap_or(4)).expect("a small number");
    let estate = Estate::with_interval("1 minute");
    let machines = [estate.machine(), estate.machine(), estate.machine()];
    let first = machines[0].schedule();
    estate.wait_for_generations(1, TAKEOVER);
    // They would be due for a first run, but it was made.
    let others = [machines[1].schedule(), machines[2].schedule()];
    for other in &others {
        other.wait_until_said("another process has run this tenant", 1);
    }
    assert_eq!(estate.exports(), EXPORTS);
    let minutes = Duration::from_secs(60 * runs as u64 + 30);
    let ran = until(minutes, || (estate.published().0.len() > runs).then_some(()));
    let said = [first].into_iter().chain(others).map(Scheduler::end).collect::<Vec<_>>();
    assert!(ran.is_some(), "{:?}\n{}", estate.published(), said.join("\n\n"));
    let audit = estate.audit();
    audit.assert_one_run_each(&[0]);
    assert_eq!(estate.exports(), EXPORTS * audit.generations.len() as u64);
    let times: Vec<Timestamp> =
        audit.generations.iter().map(|(_, at)| at.parse().expect("a time")).collect();
    // The first run is due at once, and the second one at the tenant's own point of the minute.
    for pair in times[1..].windows(2) {
        let gap = pair[1].duration_since(pair[0]).as_secs();
        assert!(GAP.contains(&gap), "{times:?}");
    }
}
