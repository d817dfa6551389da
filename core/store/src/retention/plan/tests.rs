//! Four hundred days with clocks that go wrong, compared with the real ages.

use super::*;

const START_MS: u64 = 20_000 * DAY_MS;

fn id_at(time_ms: u64, last: char) -> GenerationId {
    let mut time = time_ms;
    let mut digits = [b'0'; 10];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(time % 32) as usize];
        time /= 32;
    }
    let time = String::from_utf8_lossy(&digits);
    GenerationId::parse(&format!("{time}000000000000000{last}")).expect("made of digits")
}

/// The items, with the real times of their creation.
struct Made {
    item: Item,
    really_ms: u64,
}

fn make(kind: ItemKind, name: String, own_ms: u64, really_ms: u64) -> Made {
    Made { item: Item { kind, name, own_ms, is_whole: true }, really_ms }
}

/// A period, in milliseconds. Every generation is kept to its end, so that there is only one to
/// compare with.
fn window(windows: &Windows, kind: ItemKind) -> u64 {
    window_ms(windows, kind).unwrap_or(windows.generations.keep_days * DAY_MS)
}

/// The error of the clock on a day: thirty hours behind, ten years ahead, two years behind.
fn clock(day: u64, really_ms: u64) -> u64 {
    match day {
        60 => really_ms - HOUR_MS * 30,
        150 => really_ms + 3_650 * DAY_MS,
        260 => really_ms - 730 * DAY_MS,
        _ => really_ms,
    }
}

#[test]
fn j15_no_clock_error_keeps_an_item_a_day_too_long_or_removes_it_early() {
    let generations = RetentionPolicy { keep_days: 90, keep_all_days: 90 };
    let windows = Windows { generations, ..Windows::default() };
    let mut state = RetentionState::default();
    let mut there: Vec<Made> = Vec::new();
    let (mut refused, mut removed) = (0, 0);
    for day in 0..400 {
        let really_ms = START_MS + day * DAY_MS + 6 * HOUR_MS;
        let now_ms = clock(day, really_ms);
        let current = id_at(now_ms, 'A');
        let generation = format!("generations/{current}");
        there.push(make(ItemKind::Generation, generation, now_ms, really_ms));
        for (kind, folder) in [
            (ItemKind::Quarantine, "quarantine"),
            (ItemKind::Staging, "staging"),
            (ItemKind::Log, "logs"),
        ] {
            there.push(make(kind, format!("{folder}/{day}"), now_ms, really_ms));
        }

        let items: Vec<Item> = there.iter().map(|made| made.item.clone()).collect();
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: false };
        let plan = plan(state, &items, Some(&current), None, retention);
        state = plan.state;
        refused += u64::from(plan.clock != ClockVerdict::Steady);
        removed += plan.removals.len();
        let gone: Vec<&str> = plan.removals.iter().map(|removal| removal.name.as_str()).collect();
        for made in there.iter().filter(|made| gone.contains(&made.item.name.as_str())) {
            let age = really_ms.saturating_sub(made.really_ms);
            let window = window(&windows, made.item.kind);
            assert!(age > window, "day {day}: {} went early", made.item.name);
        }
        there.retain(|made| !gone.contains(&made.item.name.as_str()));
        // A clock that is known to be wrong removes nothing; the first good day catches up.
        if plan.clock == ClockVerdict::Steady {
            for made in &there {
                let age = really_ms.saturating_sub(made.really_ms);
                let window = window(&windows, made.item.kind);
                let late = age.saturating_sub(window);
                assert!(late <= DAY_MS, "day {day}: {} is {late} ms late", made.item.name);
            }
        }
    }
    assert_eq!(refused, 3, "one day each");
    assert!(removed > 1_200, "{removed}");
}

#[test]
fn the_ledger_keeps_its_entries_for_the_period_and_a_day_at_most() {
    let windows = Windows { ledger_days: 30, ..Windows::default() };
    let mut state = RetentionState::default();
    let mut first = 1;
    for day in 0..400 {
        let now_ms = clock(day, START_MS + day * DAY_MS);
        // Three entries a day: the last of day n is 3 n + 3.
        let head = 3 * day + 3;
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: false };
        let plan = plan(state, &[], None, Some(head), retention);
        state = plan.state;
        if let Some(through) = plan.ledger_through {
            let day_of_last = (through - 1) / 3;
            assert!(day - day_of_last > 30, "day {day}: entry {through} went early");
            first = through + 1;
        }
        if plan.clock == ClockVerdict::Steady {
            let day_of_first = (first - 1) / 3;
            // The period, the day until the observation that dates it, the day that it must be
            // older.
            assert!(day - day_of_first <= 32, "day {day}: entry {first} is there still");
        }
    }
    assert!(first > 1_000, "{first}");
}

#[test]
fn a_long_pause_removes_with_the_second_run() {
    let windows = Windows::default();
    let item = |own_ms| Item {
        kind: ItemKind::Quarantine,
        name: "quarantine/a".to_owned(),
        own_ms,
        is_whole: true,
    };
    let look = |state, now_ms| {
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: false };
        plan(state, &[item(START_MS)], None, None, retention)
    };
    let first = look(RetentionState::default(), START_MS);
    let after_pause = look(first.state, START_MS + 50 * DAY_MS);
    assert_eq!(
        (after_pause.clock, after_pause.removals.len()),
        (ClockVerdict::Jumped { seen_ms: START_MS }, 0)
    );
    let next_day = look(after_pause.state, START_MS + 51 * DAY_MS);
    assert_eq!((next_day.clock, next_day.removals.len()), (ClockVerdict::Steady, 1));
}

/// The time for which generations and events are kept.
const KEPT_HOURS: u64 = 10 * 24;

/// The error of the clock, in days.
const JUMPS: [i64; 12] = [-7_305, -365, -30, -3, -1, 0, 1, 2, 3, 30, 200, 365];

/// Returns the generations and events that are gone after forty days with daily runs, some of which have a clock that
/// is off by so many hours: the age of the youngest of each that went, and whether the last run removes by age. Where
/// Nexthink's clock `is_known`, a run whose clock disagrees with it does not ask for a plan.
fn youngest_gone(off_hours: i64, wrong: std::ops::Range<u64>, is_known: bool) -> (u64, u64, bool) {
    let kept_days = KEPT_HOURS / 24;
    let generations = RetentionPolicy { keep_days: kept_days, keep_all_days: kept_days };
    let windows = Windows { generations, events_days: kept_days, ..Windows::default() };
    let mut state = RetentionState::default();
    let mut there: Vec<Made> = Vec::new();
    let (mut youngest_gone, mut youngest_event_gone) = (u64::MAX, u64::MAX);
    let mut is_steady = false;
    let mut newest_ms = 0;
    for day in 0..40 {
        let really_ms = START_MS + day * DAY_MS;
        let off_ms = if wrong.contains(&day) { off_hours * 3_600_000 } else { 0 };
        let now_ms = really_ms.saturating_add_signed(off_ms);
        // As a run makes its ID: after the newest one, by the later of two clocks if Nexthink's is known. The
        // manifest has the same time.
        let made_ms = if is_known { now_ms.max(really_ms) } else { now_ms };
        newest_ms = made_ms.max(newest_ms + 1);
        let current = id_at(newest_ms, 'A');
        there.push(make(
            ItemKind::Generation,
            format!("generations/{current}"),
            made_ms,
            really_ms,
        ));
        let items: Vec<Item> = there.iter().map(|made| made.item.clone()).collect();
        if is_known && off_ms != 0 {
            continue;
        }
        let retention = Retention { windows: &windows, pinned: &[], now_ms, accept_clock: false };
        let plan = plan(state, &items, Some(&current), None, retention);
        state = plan.state;
        is_steady = plan.clock == ClockVerdict::Steady;
        let gone = |made: &Made| plan.removals.iter().any(|removal| removal.name == made.item.name);
        let ages = there.iter().filter(|made| gone(made)).map(|made| really_ms - made.really_ms);
        youngest_gone = youngest_gone.min(ages.min().unwrap_or(u64::MAX));
        there.retain(|made| !gone(made));
        // Events bear the times of Nexthink's clock, which is right.
        if let Some(from_ms) = plan.events_from_ms {
            youngest_event_gone = youngest_event_gone.min(really_ms.saturating_sub(from_ms));
        }
    }
    (youngest_gone / HOUR_MS, youngest_event_gone / HOUR_MS, is_steady)
}

#[test]
fn j15_j24_a_jump_of_the_clock_removes_nothing_early_where_nexthinks_is_known() {
    for off_hours in JUMPS.map(|days| days * 24).into_iter().chain([1, -1]) {
        for wrong in [0..1, 0..3, 20..21, 20..23, 20..35] {
            let (generations, events, is_steady) = youngest_gone(off_hours, wrong.clone(), true);
            let case = format!("{off_hours} h on days {wrong:?}");
            assert!(generations >= KEPT_HOURS, "{case}: a generation of {generations} h is gone");
            assert!(events >= KEPT_HOURS, "{case}: events of {events} h are gone");
            // A first generation that is dated ahead keeps everything until its time, or until it is accepted.
            let is_dated_ahead = wrong.start == 0 && off_hours > 0;
            assert!(is_steady || is_dated_ahead, "{case}: nothing goes any more");
        }
    }
}

#[test]
fn j15_j24_a_jump_in_mid_life_is_noticed_without_nexthinks_clock() {
    /// A clock may be so far ahead without question: a run a day of which one is missing, less that day.
    const DOUBT_HOURS: u64 = 36;

    for off_hours in JUMPS.map(|days| days * 24).into_iter().chain([1, -1]) {
        let (generations, events, is_steady) = youngest_gone(off_hours, 20..21, false);
        let case = format!("{off_hours} h");
        // For hours a clock may be believed that is ahead; by days it is not.
        let least = KEPT_HOURS - DOUBT_HOURS;
        assert!(generations >= least, "{case}: a generation of {generations} h is gone");
        assert!(events >= least, "{case}: events of {events} h are gone");
        assert!(is_steady, "{case}: nothing goes any more");
    }
}

#[test]
fn an_entry_of_the_ledger_goes_after_its_days_and_not_a_moment_earlier() {
    let windows = Windows { ledger_days: 30, ..Windows::default() };
    let at = 1_000 * DAY_MS;
    let expired = |now_ms| {
        let mut marks = BTreeMap::from([(5, at - 400 * DAY_MS), (9, at), (12, at + DAY_MS)]);
        let through = expired_entries(&mut marks, Some(12), &windows, now_ms);
        (through, marks.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(expired(at + 30 * DAY_MS), (Some(5), vec![9, 12]));
    assert_eq!(expired(at + 30 * DAY_MS + 1), (Some(9), vec![12]));
}

#[test]
fn the_last_entry_of_the_ledger_is_dated_once_in_twenty_hours() {
    let (windows, at) = (Windows::default(), 1_000 * DAY_MS);
    for (hours, is_dated) in [(0, false), (19, false), (20, true)] {
        let mut marks = BTreeMap::from([(9, at)]);
        expired_entries(&mut marks, Some(12), &windows, at + hours * HOUR_MS);
        assert_eq!(marks.contains_key(&12), is_dated, "after {hours} hours");
    }
}
