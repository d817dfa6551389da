//! The rows of an export or an execution: those of a query that match its parameter, up to a cap.

use std::io;
use std::ops::ControlFlow;

use crate::exports::{SavedQuery, Written};
use crate::row::Row;
use crate::tenant::Tenant;

/// Rows of one query.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) query: SavedQuery,
    pub(crate) filter: Option<Filter>,
    pub(crate) row_cap: Option<u64>,
}

/// `where column == value`, as NQL compares text: `*` is any text, `?` any one character.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    column: usize,
    /// The pattern in lower case.
    pattern: Vec<char>,
}

impl Filter {
    /// Returns `None` if the query has no such column.
    pub(crate) fn new(query: SavedQuery, column: &str, value: &str) -> Option<Self> {
        let column = query.columns().iter().position(|name| *name == column)?;
        let pattern = value.chars().flat_map(char::to_lowercase).collect();
        Some(Self { column, pattern })
    }

    fn matches(&self, row: &Row) -> bool {
        row.cells().nth(self.column).is_some_and(|cell| is_like(&self.pattern, cell))
    }
}

impl Selection {
    /// Passes each row to `visit`, one after the other, and keeps none. A device that the filter
    /// excludes is skipped as a whole, so sixteen parts of the packages cost little more than all
    /// of them at once.
    ///
    /// # Errors
    ///
    /// Those of `visit`.
    pub(crate) fn for_each(
        &self,
        tenant: &Tenant,
        mut visit: impl FnMut(&Row) -> io::Result<()>,
    ) -> io::Result<Written> {
        let mut written = Written { rows: 0, truncated: false };
        let mut row = Row::new();
        let (mut slot, end) = (0, tenant.slots(self.query));
        while slot < end {
            match self.look(tenant, slot, &mut row) {
                ControlFlow::Break(next) => slot = next,
                ControlFlow::Continue(()) => {
                    if self.row_cap.is_some_and(|cap| written.rows >= cap) {
                        written.truncated = true;
                        break;
                    }
                    visit(&row)?;
                    written.rows += 1;
                    slot += 1;
                }
            }
        }
        Ok(written)
    }

    /// Makes the row at a slot, or returns the slot to continue at.
    fn look(&self, tenant: &Tenant, slot: u64, row: &mut Row) -> ControlFlow<u64> {
        if !tenant.row(self.query, slot, row) {
            return ControlFlow::Break(slot + 1);
        }
        match &self.filter {
            Some(filter) if !filter.matches(row) => {
                let is_by_device = self.query.columns()[filter.column] == "device.uid";
                let next = if is_by_device && self.query == SavedQuery::Packages {
                    tenant.next_device_slot(slot)
                } else {
                    slot + 1
                };
                ControlFlow::Break(next)
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Returns true if `text` matches a pattern in lower case. The time is at most proportional to the
/// product of their lengths, and no memory is allocated.
fn is_like(pattern: &[char], text: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    let mut position = 0;
    // The position of the last `*` and the text that it has not taken yet, for backtracking.
    let mut star = None;
    loop {
        let rest = text.clone();
        let character = text.next();
        match (pattern.get(position), character) {
            // A final `*` takes the rest.
            (Some('*'), _) if position + 1 == pattern.len() => return true,
            (Some('*'), _) => {
                star = Some((position, rest.clone()));
                position += 1;
                text = rest;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if *wanted == '?' || *wanted == found => position += 1,
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((at, mut left)) = star.take() else {
                    return false;
                };
                left.next();
                text = left.clone();
                star = Some((at, left));
                position = at + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::TenantSpec;

    fn rows(tenant: &Tenant, selection: &Selection) -> Vec<Row> {
        let mut rows = Vec::new();
        let visited = selection.for_each(tenant, |row| {
            rows.push(row.clone());
            Ok(())
        });
        visited.expect("a vector takes every row");
        rows
    }

    #[test]
    fn a_pattern_matches_a_text_as_in_nql() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "ABC", true),
            ("A*".to_lowercase().as_str(), "abc", true),
            ("b*", "abc", false),
            ("*c", "abcabc", true),
            ("*b*c", "abcab", false),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a12b3b4c", true),
            ("abc", "abcd", false),
            ("é*", "É1", true),
        ] {
            let pattern: Vec<char> = pattern.chars().collect();
            assert_eq!(is_like(&pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn parts_by_device_are_disjoint_and_cover_all_rows() {
        let spec = TenantSpec {
            devices: 61,
            dangling_rows: 5,
            duplicate_rows: 300,
            retired_packages: 3,
            ..TenantSpec::default()
        };
        let tenant = Tenant::new(spec);
        for query in [SavedQuery::Packages, SavedQuery::Devices] {
            let mut selection = Selection { query, filter: None, row_cap: None };
            let all = rows(&tenant, &selection);
            let mut n_together = 0;
            for digit in "0123456789abcdef".chars() {
                selection.filter = Filter::new(query, "device.uid", &format!("{digit}*"));
                let part = rows(&tenant, &selection);
                let is_ours =
                    |row: &&Row| row.cells().next().is_some_and(|cell| cell.starts_with(digit));
                assert_eq!(part, all.iter().filter(is_ours).cloned().collect::<Vec<_>>());
                n_together += part.len();
            }
            assert_eq!(n_together, all.len());
        }
    }

    #[test]
    fn a_cap_counts_only_rows_that_pass_the_filter() {
        let tenant = Tenant::new(TenantSpec::default());
        let query = SavedQuery::Devices;
        let filter = Filter::new(query, "device.operating_system.platform", "macos");
        let all = rows(&tenant, &Selection { query, filter: filter.clone(), row_cap: None });
        assert!(all.len() > 2);
        for (cap, truncated) in [(all.len() - 1, true), (all.len(), false)] {
            let row_cap = Some(cap as u64);
            let selection = Selection { query, filter: filter.clone(), row_cap };
            let written = selection.for_each(&tenant, |_| Ok(())).expect("nothing fails");
            assert_eq!(written, Written { rows: cap as u64, truncated });
        }
    }
}
