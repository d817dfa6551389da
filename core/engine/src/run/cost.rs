//! The cost of a run in exports, before it starts.

use std::fmt;

use core_model::plan::Plan;
use core_nexthink::ClockOffset;

use super::quota::{self, ExportEstimate, Left, QuotaClock};
use super::resumable_exports::ResumableExports;
use super::{RunState, exports};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::privacy;

/// The number of exports that a run would start, and of those that are left.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    estimate: ExportEstimate,
    left: Left,
    /// The time from which it can be started; None if that is now.
    not_before: Option<Moment>,
}

/// Returns the present cost of a run of this plan. The clock may be corrected by Nexthink's.
pub fn cost(plan: &Plan, engine: Engine<'_>, offset: Option<ClockOffset>) -> Result<Cost, Failure> {
    let clock = QuotaClock::read(engine.host, offset);
    let tenant = engine.tenant()?;
    let parts_before = RunState::before(tenant.current()?.as_ref()).parts;
    let is_encrypted = privacy::encrypts_downloads(engine, &tenant)?;
    let deadline = engine.settings.poll.deadline;
    let resumable = ResumableExports::of_tenant(&tenant, is_encrypted, deadline, clock)?;
    let estimate = exports::sum(&exports::estimates(plan, engine, &resumable, &parts_before));
    let limit = engine.settings.daily_exports;
    let left = quota::left(&tenant, limit, clock)?;
    Ok(Cost { estimate, left, not_before: quota::earliest(&tenant, limit, estimate, clock)? })
}

impl Cost {
    /// Returns true if a run could start now.
    pub fn is_affordable(self) -> bool {
        let (needed, left) = (self.estimate.all(), self.left);
        needed == 0 || (needed <= left.exports && left.deferred_until.is_none())
    }

    /// Returns the time from which a run can start, if that is not now: the quota has enough exports then, and the wait
    /// that Nexthink has asked for is over.
    pub fn not_before(self) -> Option<Moment> {
        self.not_before
    }

    /// For programs.
    pub fn to_json(self) -> serde_json::Value {
        let Left { exports, of, deferred_until } = self.left;
        serde_json::json!({
            "needed": self.estimate.all(),
            "ofParts": self.estimate.parts,
            "left": exports,
            "daily": of,
            "notBefore": deferred_until.map(Moment::to_rfc3339),
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Left { exports, of, deferred_until } = self.left;
        let needed = self.estimate.all();
        let costs = core_terminal::count(needed, "export");
        write!(f, "costs {costs}; {exports} of {of} a day are left")?;
        if needed > of {
            write!(
                f,
                ", which can never be enough: split into fewer parts, or run fewer steps at once"
            )?;
        }
        match deferred_until {
            Some(until) => write!(f, ", not before {}", until.to_rfc3339()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(wholes: u32, parts: u32, exports: u32, deferred: Option<u64>) -> Cost {
        let left = Left { exports, of: 100, deferred_until: deferred.map(Moment) };
        Cost { estimate: ExportEstimate { wholes, parts }, left, not_before: None }
    }

    #[test]
    fn a_run_is_affordable_if_the_rest_of_the_day_is_enough_and_no_run_waits() {
        for (cost, is_affordable) in [
            (cost(4, 0, 4, None), true),
            (cost(4, 1, 4, None), false),
            (cost(4, 0, 4, Some(0)), false),
            (cost(0, 0, 0, Some(0)), true),
        ] {
            assert_eq!(cost.is_affordable(), is_affordable, "{cost}");
        }
    }

    #[test]
    fn a_cost_is_told_in_words() {
        for (cost, expected) in [
            (cost(1, 0, 9, None), "costs 1 export; 9 of 100 a day are left"),
            (cost(4, 16, 9, None), "costs 20 exports; 9 of 100 a day are left"),
            (
                cost(4, 0, 9, Some(1_772_359_200_000)),
                "costs 4 exports; 9 of 100 a day are left, not before 2026-03-01T10:00:00Z",
            ),
        ] {
            assert_eq!(cost.to_string(), expected);
        }
        let never = cost(101, 0, 9, None).to_string();
        assert!(never.contains("can never be enough"), "{never}");
        assert_eq!(cost(4, 16, 9, None).to_json()["ofParts"], 16);
    }
}
