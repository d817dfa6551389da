//! The order of generations and of the ledger's entries, whatever the clock does from one run to the next.

use core_store::{GenerationId, LedgerRecord};
use serde_json::Map;

use crate::support::{Checked, Place, device_batch, devices, draft, write};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 1 March 2026.
const NOW: u64 = 1_772_323_200_000;

/// The error of the clock in one run.
const JUMPS: [i64; 10] = [
    -7_305 * DAY,
    -365 * DAY,
    -30 * DAY,
    -2 * DAY,
    // A zone that was mistaken, as where summer time begins or ends.
    -HOUR,
    0,
    HOUR,
    2 * DAY,
    30 * DAY,
    365 * DAY,
];

/// Which of five daily runs have the wrong clock: the first, one in mid-life, all from one on.
const WRONG: [&[usize]; 3] = [&[0], &[2], &[2, 3, 4]];

/// The clock of each run.
fn clocks(jump: i64, wrong: &[usize]) -> Vec<u64> {
    let clock = |run: usize| {
        let right = NOW + run as u64 * 24 * HOUR.unsigned_abs();
        if wrong.contains(&run) { right.saturating_add_signed(jump) } else { right }
    };
    (0..5).map(clock).collect()
}

/// An ID with a time, as a run makes it.
fn id_at(mut time_ms: u64) -> String {
    let mut digits = [b'0'; 26];
    for digit in digits[..10].iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(time_ms % 32) as usize];
        time_ms /= 32;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[test]
fn j24_generations_are_in_the_order_in_which_they_were_published() -> Checked {
    for jump in JUMPS {
        for wrong in WRONG {
            let place = Place::new()?;
            let mut published = Vec::new();
            for now_ms in clocks(jump, wrong) {
                let lock = place.lock()?;
                let time_ms = lock.next_generation_ms(now_ms)?;
                assert!(time_ms >= now_ms);
                let staging = lock.stage(GenerationId::parse(&id_at(time_ms))?)?;
                let table = write(&staging, devices(), &[device_batch(&["a"])])?;
                published.push(staging.publish(draft(vec![table]), &[])?.id().clone());
            }
            published.reverse();
            let history = place.tenant.history()?;
            let ids: Vec<_> = history.iter().map(|entry| entry.id.clone()).collect();
            assert_eq!(ids, published, "{jump} in {wrong:?}");
            assert!(history[0].is_current, "{jump} in {wrong:?}");
        }
    }
    Ok(())
}

#[test]
fn j24_a_right_clock_gives_generations_its_own_time() -> Checked {
    let place = Place::new()?;
    assert_eq!(place.lock()?.next_generation_ms(NOW)?, NOW);
    Ok(())
}

#[test]
fn j24_the_ledger_has_its_entries_in_the_order_in_which_things_were_done() -> Checked {
    for jump in JUMPS {
        for wrong in WRONG {
            let place = Place::new()?;
            let ledger = place.tenant.ledger();
            place.lock()?;
            let clocks = clocks(jump, wrong);
            for at_ms in &clocks {
                let (at, who, event) = (at_ms.to_string(), "a test".to_owned(), "run".to_owned());
                ledger.append(&LedgerRecord {
                    at,
                    at_ms: *at_ms,
                    who,
                    event,
                    facts: Map::new(),
                })?;
            }
            let entries = ledger.entries()?;
            let order: Vec<_> =
                entries.iter().map(|entry| (entry.sequence, &*entry.record.at)).collect();
            let times: Vec<String> = clocks.iter().map(u64::to_string).collect();
            let done: Vec<_> = (1..).zip(times.iter().map(String::as_str)).collect();
            assert_eq!(order, done, "{jump} in {wrong:?}");
            assert!(ledger.verify(&[])?.findings.is_empty(), "{jump} in {wrong:?}");
        }
    }
    Ok(())
}
