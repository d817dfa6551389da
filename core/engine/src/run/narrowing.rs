//! Saved queries that leave out rows: an edit in Nexthink changes the meaning of a complete export.

use core_model::step::Step;
use core_nexthink::QueryLimits;
use serde::Serialize;

/// The clauses by which the saved query of a step leaves out rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Narrowing {
    /// The limit on the number of rows. Rows beyond it are missing and not gone.
    pub limit: Option<String>,
    /// The clauses that select rows. Rows that they leave out are not part of the wanted estate.
    pub filters: Vec<String>,
    /// The reason why the text of the query is not known, so that it may have more clauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<Unchecked>,
}

/// The reason why a run does not know the text of a saved query, the weightiest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unchecked {
    /// Nexthink does not show it.
    Hidden,
    /// Nexthink could not run the query at once, as in the run before: it may have too many rows for that.
    FailedAgain,
    /// Nexthink could not run the query at once.
    Failed,
    /// Nexthink throttled the calls until long after the end of the export.
    Late,
}

impl Unchecked {
    /// Returns true if the next run may well know the text. Until then, no row counts as gone.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Failed | Self::Late)
    }
}

impl Narrowing {
    /// Returns the clauses of a query, except those that its step expects: the parameter of its parts, and the time
    /// frame of a table of events.
    pub fn new(step: &Step, limits: QueryLimits) -> Narrowing {
        let Some(query) = step.query() else { return Narrowing::default() };
        let QueryLimits { limit, time_frame, filters } =
            limits.without_parameter(query.partition_column);
        let is_of_events = query.table.contains(' ') || query.table == "alerts";
        let time_frame = time_frame.filter(|_| !is_of_events);
        let filters = time_frame.into_iter().chain(filters).collect();
        Narrowing { limit, filters, unchecked: None }
    }

    /// Adds the clauses of another query of the same step.
    pub fn add(&mut self, other: Narrowing) {
        self.limit = self.limit.take().or(other.limit);
        self.unchecked = self.unchecked.max(other.unchecked);
        let new = other.filters.into_iter().filter(|filter| !self.filters.contains(filter));
        let new: Vec<String> = new.collect();
        self.filters.extend(new);
    }

    /// The clauses in quotes, for people; nothing if there are none.
    pub fn clauses(&self) -> Option<String> {
        let all: Vec<String> =
            self.limit.iter().chain(&self.filters).map(|clause| format!("`{clause}`")).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Returns true if the query may have a limit that the next run will see.
    pub fn may_have_limit(&self) -> bool {
        self.unchecked.is_some_and(Unchecked::is_temporary)
    }

    /// Returns the remark that a limit would not be noticed; none if the text is known or the step is partial for that.
    pub fn unnoticed_limit(&self) -> Option<&'static str> {
        match self.unchecked? {
            Unchecked::Hidden => Some(
                "Nexthink does not show the text of the saved query, so a limit in it would not be noticed",
            ),
            Unchecked::FailedAgain => Some(
                "Nexthink cannot run the saved query at once to show its text, so a limit in it would not be noticed",
            ),
            Unchecked::Failed | Unchecked::Late => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowing(limit: Option<&str>, filters: &[&str]) -> Narrowing {
        let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        Narrowing { limit: limit.map(str::to_owned), filters, unchecked: None }
    }

    #[test]
    fn of_several_queries_that_were_not_checked_the_weightiest_reason_counts() {
        let not_checked = |unchecked| Narrowing { unchecked, ..Narrowing::default() };
        let mut both = not_checked(None);
        for (other, expected, is_temporary) in [
            (Unchecked::Hidden, Unchecked::Hidden, false),
            (Unchecked::FailedAgain, Unchecked::FailedAgain, false),
            (Unchecked::Late, Unchecked::Late, true),
            (Unchecked::Failed, Unchecked::Late, true),
        ] {
            both.add(not_checked(Some(other)));
            assert_eq!((both.unchecked, both.may_have_limit()), (Some(expected), is_temporary));
            assert_eq!(both.unnoticed_limit().is_none(), is_temporary, "{other:?}");
        }
    }

    #[test]
    fn queries_of_one_step_leave_out_together_what_each_leaves_out() {
        let mut both = narrowing(None, &["where a", "where b"]);
        both.add(narrowing(Some("limit 9"), &["where b", "where c"]));
        assert_eq!(both, narrowing(Some("limit 9"), &["where a", "where b", "where c"]));
        both.add(narrowing(Some("limit 10"), &[]));
        assert_eq!(both.limit.as_deref(), Some("limit 9"), "the first one is told");
    }

    #[test]
    fn clauses_are_told_in_quotes_the_limit_first() {
        assert_eq!(narrowing(None, &[]).clauses(), None);
        let clauses = narrowing(Some("limit 9"), &["where a", "where b"]).clauses();
        assert_eq!(clauses.as_deref(), Some("`limit 9`, `where a`, `where b`"));
    }

    #[test]
    fn only_unexpected_clauses_narrow_a_query() {
        for (step, query, limit, filters) in [
            ("fetch-devices", "devices | list device.uid", None, &[] as &[&str]),
            ("fetch-devices", "devices during past 7d | list a", None, &["during past 7d"]),
            ("fetch-alerts", "alerts during past 30d | list a", None, &[]),
            ("fetch-packages", "p | where device.uid == \"0*\" | list a", None, &[]),
            (
                "fetch-users",
                "users | where user.name == \"jane\" | list a | limit 9",
                Some("limit 9"),
                &["where user.name == \"…\""],
            ),
        ] {
            let step = Step::all().into_iter().find(|known| known.id == step).expect("a step");
            let limits = QueryLimits::parse(query).expect("a whole text");
            let narrowing = Narrowing::new(step, limits);
            assert_eq!(narrowing.limit.as_deref(), limit, "{query}");
            assert_eq!(narrowing.filters, filters, "{query}");
        }
    }
}
