//! Which generations to keep: all of the last days, then one a day, then none. Never the published one.

use std::collections::HashSet;

use crate::names::GenerationId;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How long generations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Older generations than this are removed. Days.
    pub keep_days: u64,
    /// Up to this age every generation is kept, after it the last one of each UTC day. Days.
    pub keep_all_days: u64,
}

impl Default for RetentionPolicy {
    /// 90 days, at most one generation a day after a week.
    fn default() -> Self {
        Self { keep_days: 90, keep_all_days: 7 }
    }
}

/// Chooses the generations to remove, newest first.
///
/// `generations` may come in any order; the flag tells whether a generation can be read. One that
/// cannot never stands in for its day. Ages come from the ids (see [`GenerationId::time_ms`]), so that
/// a broken generation ages too. `now_ms` is in milliseconds since 1970-01-01 UTC.
pub fn choose_removals(
    generations: &[(GenerationId, bool)],
    current: &GenerationId,
    policy: RetentionPolicy,
    now_ms: u64,
) -> Vec<GenerationId> {
    let mut newest_first: Vec<_> = generations.iter().collect();
    newest_first.sort_unstable_by(|(left, _), (right, _)| right.cmp(left));

    let mut days_with_one = HashSet::new();
    let mut removals = Vec::new();
    for (id, readable) in newest_first {
        let age_ms = now_ms.saturating_sub(id.time_ms());
        let is_first_of_its_day = *readable && days_with_one.insert(id.time_ms() / DAY_MS);
        let keep = id == current
            || age_ms <= policy.keep_all_days * DAY_MS
            || (age_ms <= policy.keep_days * DAY_MS && (is_first_of_its_day || !readable));
        if !keep {
            removals.push(id.clone());
        }
    }
    removals
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000 * DAY_MS;

    /// An id whose time is that many hours before now.
    fn hours_ago(hours: u64, last_digit: char) -> GenerationId {
        let mut time = NOW_MS - hours * 60 * 60 * 1000;
        let mut digits = [b'0'; 10];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(time % 32) as usize];
            time /= 32;
        }
        let time = String::from_utf8_lossy(&digits);
        GenerationId::parse(&format!("{time}000000000000000{last_digit}")).expect("made of digits")
    }

    #[test]
    fn all_of_a_week_then_one_a_day_then_none() {
        let day = 24;
        // Hours of age, readable, kept. Now is midnight, so 24 * n + 1 .. 24 * (n + 1) is one day.
        let table = [
            (1, true, true),
            (2, true, true),
            (2, false, true),
            (7 * day, true, true),
            (7 * day + 1, true, true),
            (7 * day + 2, true, false),
            (7 * day + 3, false, true),
            (30 * day + 1, false, true),
            (30 * day + 2, true, true),
            (30 * day + 3, true, false),
            (90 * day, true, true),
            (90 * day + 1, true, false),
            (91 * day, false, false),
            (400 * day, true, false),
        ];
        let ids: Vec<_> = table
            .iter()
            .map(|row| (hours_ago(row.0, if row.1 { '1' } else { '0' }), row.1))
            .collect();
        let removals = choose_removals(&ids, &ids[0].0, RetentionPolicy::default(), NOW_MS);
        for ((hours, readable, kept), (id, _)) in table.iter().zip(&ids) {
            assert_eq!(!removals.contains(id), *kept, "{hours} hours, readable {readable}");
        }
    }

    #[test]
    fn the_published_generation_stays_however_old() {
        let ids = [(hours_ago(24 * 500, '0'), false), (hours_ago(24 * 400, '0'), true)];
        let removals = choose_removals(&ids, &ids[0].0, RetentionPolicy::default(), NOW_MS);
        assert_eq!(removals, [ids[1].0.clone()]);
    }

    #[test]
    fn a_policy_of_no_days_leaves_only_the_published_one() {
        let ids = [(hours_ago(1, '0'), true), (hours_ago(2, '0'), true), (hours_ago(3, '0'), true)];
        let policy = RetentionPolicy { keep_days: 0, keep_all_days: 0 };
        let removals = choose_removals(&ids, &ids[1].0, policy, NOW_MS);
        assert_eq!(removals, [ids[0].0.clone(), ids[2].0.clone()]);
    }
}
