//! The generations to keep: all of the last days, then one a day, then none. Never removes the
//! published one.

use std::collections::HashSet;

use super::clock::DAY_MS;

/// The retention of generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// The age above which generations are removed, in days.
    pub keep_days: u64,
    /// The age up to which every generation is kept; after it the last one of each UTC day. In
    /// days.
    pub keep_all_days: u64,
}

impl Default for RetentionPolicy {
    /// 90 days, at most one generation a day after a week.
    fn default() -> Self {
        Self { keep_days: 90, keep_all_days: 7 }
    }
}

/// A generation for this rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dated<'a> {
    /// Its name; of two with the same time the greater one is newer.
    pub(super) name: &'a str,
    /// Its effective time, in milliseconds since 1970-01-01 UTC.
    pub(super) at_ms: u64,
    /// True if it can be read. An unreadable one never represents its day.
    pub(super) is_whole: bool,
}

/// Chooses the generations to remove, newest first. `generations` may come in any order.
pub(super) fn choose_removals<'a>(
    generations: &[Dated<'a>],
    current: Option<&str>,
    policy: RetentionPolicy,
    now_ms: u64,
) -> Vec<Dated<'a>> {
    let mut newest_first: Vec<_> = generations.iter().collect();
    newest_first
        .sort_unstable_by_key(|generation| std::cmp::Reverse((generation.at_ms, generation.name)));

    let mut days_with_one = HashSet::new();
    let mut removals = Vec::new();
    for generation in newest_first {
        let Dated { name, at_ms, is_whole } = *generation;
        let age_ms = now_ms.saturating_sub(at_ms);
        let is_first_of_its_day = is_whole && days_with_one.insert(at_ms / DAY_MS);
        let keep = Some(name) == current
            || age_ms <= policy.keep_all_days * DAY_MS
            || (age_ms <= policy.keep_days * DAY_MS && (is_first_of_its_day || !is_whole));
        if !keep {
            removals.push(*generation);
        }
    }
    removals
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000 * DAY_MS;

    /// A generation from this many hours before now.
    fn hours_ago(hours: u64, name: &str, is_whole: bool) -> Dated<'_> {
        Dated { name, at_ms: NOW_MS - hours * 60 * 60 * 1000, is_whole }
    }

    #[test]
    fn j12_all_of_a_week_then_one_a_day_then_none() {
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
        let names: Vec<String> = (0..table.len()).map(|index| format!("{index:02}")).collect();
        let generations: Vec<Dated<'_>> =
            table.iter().zip(&names).map(|(row, name)| hours_ago(row.0, name, row.1)).collect();
        let current = Some(names[0].as_str());
        let removals = choose_removals(&generations, current, RetentionPolicy::default(), NOW_MS);
        for ((hours, readable, kept), generation) in table.iter().zip(&generations) {
            assert_eq!(!removals.contains(generation), *kept, "{hours} hours, readable {readable}");
        }
    }

    #[test]
    fn the_published_generation_stays_at_any_age() {
        let generations = [hours_ago(24 * 500, "a", false), hours_ago(24 * 400, "b", true)];
        let removals = choose_removals(&generations, Some("a"), RetentionPolicy::default(), NOW_MS);
        assert_eq!(removals, [generations[1]]);
    }

    #[test]
    fn a_policy_of_no_days_leaves_only_the_published_one() {
        let generations =
            [hours_ago(1, "a", true), hours_ago(2, "b", true), hours_ago(3, "c", true)];
        let policy = RetentionPolicy { keep_days: 0, keep_all_days: 0 };
        let removals = choose_removals(&generations, Some("b"), policy, NOW_MS);
        assert_eq!(removals, [generations[0], generations[2]]);
    }
}
