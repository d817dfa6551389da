//! The losses of a step: rows that make no relationship, and objects that are gone. They have remarks of their own,
//! since a reader of the totals would miss them.

use core_ingest::edges::EdgeCounts;
use serde::Serialize;

use super::StepReport;

/// Counts of rows that name an entity that no export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dangling {
    /// Their number.
    rows: u64,
    /// The number of all rows that name an entity at both ends.
    of: u64,
}

impl Dangling {
    /// Counts them; none if there are none.
    pub(super) fn of(counts: EdgeCounts) -> Option<Dangling> {
        let of = counts.edges + counts.duplicates + counts.dangling;
        (counts.dangling > 0).then_some(Dangling { rows: counts.dangling, of })
    }

    /// Returns a remark with the number of rows and a likely cause. If all rows dangle, the estate is hardly ever the
    /// cause: the two queries then cover different objects.
    fn remark(self, step: &str, relationship: &str) -> String {
        let Dangling { rows, of } = self;
        let advice = if rows == of {
            ": the step of one end has not run, or the queries of its two ends have no object in common; compare \
             their `where` clauses, and the columns that name the other end"
        } else {
            ": they name an object that no export has, for example one that was removed meanwhile or that \
             another query leaves out"
        };
        format!("{step}: {rows} of {of} rows draw no `{relationship}`{advice}")
    }
}

/// Objects that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Their number.
    objects: u64,
    /// The number of all of them in the previous generation.
    of: u64,
}

impl StepReport {
    /// Notes the removals of a complete step: for each type, the number of objects before, and of those that are
    /// gone.
    pub fn note_removals(&mut self, removals: &[(&'static str, u64, u64)]) {
        let gone = removals.iter().filter(|(.., objects)| *objects > 0);
        self.removed = gone.map(|&(name, of, objects)| (name, Removed { objects, of })).collect();
    }

    /// Adds a remark for each type that lost rows or objects.
    pub(in crate::run) fn remark_on_absence(&self, remarks: &mut Vec<String>) {
        for (name, dangling) in &self.dangling_of {
            remarks.push(dangling.remark(self.id, name));
        }
        for (name, Removed { objects, of }) in &self.removed {
            remarks.push(format!(
                "{}: {objects} of {of} `{name}` of the generation before are gone",
                self.id
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(step: &StepReport) -> Vec<String> {
        let mut remarks = Vec::new();
        step.remark_on_absence(&mut remarks);
        remarks
    }

    #[test]
    fn rows_that_draw_no_relationship_are_remarked_and_all_of_them_are_a_hint_at_the_queries() {
        let counts = |edges, dangling| EdgeCounts { edges, dangling, ..EdgeCounts::default() };
        for (counts, expected) in [
            (counts(503, 0), None),
            (counts(0, 503), Some("503 of 503 rows draw no `uses`: the step of one end")),
            (
                counts(500, 3),
                Some("3 of 503 rows draw no `uses`: they name an object that no export"),
            ),
        ] {
            let mut step = StepReport { id: "fetch", ..StepReport::default() };
            step.dangling_of.extend(Dangling::of(counts).map(|dangling| ("uses", dangling)));
            let found = remarks(&step);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
            assert!(
                found.iter().all(|remark| remark.contains(expected.unwrap_or_default())),
                "{found:?}"
            );
        }
    }

    #[test]
    fn objects_that_are_gone_are_remarked_by_type_below_any_limit() {
        let mut step = StepReport { id: "fetch-devices", ..StepReport::default() };
        step.note_removals(&[("nexthink_device", 500, 50), ("nexthink_user", 7, 0)]);
        assert_eq!(
            remarks(&step),
            ["fetch-devices: 50 of 500 `nexthink_device` of the generation before are gone"]
        );
    }
}
