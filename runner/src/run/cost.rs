//! What a run would cost, before anything of it is spent.

use std::fmt;

use core_model::plan::Plan;
use core_nexthink::ClockOffset;
use core_store::Store;

use super::journal::Leftovers;
use super::quota::{self, Left, Need, QuotaClock};
use super::{exports, report};
use crate::config::Config;
use crate::exit::Failure;
use crate::system::Moment;

/// What a run would cost, and what is left for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    need: Need,
    left: Left,
}

/// What a run of this plan would cost now, by a clock that may be corrected by Nexthink's.
pub(crate) fn cost(
    plan: &Plan,
    config: &Config,
    offset: Option<ClockOffset>,
) -> Result<Cost, Failure> {
    let clock = QuotaClock::read(offset);
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    let parts_before = report::parts_of(tenant.current()?.as_ref());
    let leftovers = Leftovers::of(tenant.download_notes()?, clock);
    let need = exports::sum(&exports::needs(plan, config, &leftovers, &parts_before));
    Ok(Cost { need, left: quota::left(&tenant, config.daily_exports, clock)? })
}

impl Cost {
    /// Whether a run could start now.
    pub(crate) fn is_affordable(self) -> bool {
        let (needed, left) = (self.need.all(), self.left);
        needed == 0 || (needed <= left.exports && left.deferred_until.is_none())
    }

    /// For programs.
    pub(crate) fn to_json(self) -> serde_json::Value {
        let Left { exports, of, deferred_until } = self.left;
        serde_json::json!({
            "needed": self.need.all(),
            "ofParts": self.need.parts,
            "left": exports,
            "daily": of,
            "notBefore": deferred_until.map(Moment::to_rfc3339),
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Left { exports, of, deferred_until } = self.left;
        let needed = self.need.all();
        let plural = if needed == 1 { "" } else { "s" };
        write!(f, "costs {needed} export{plural}; {exports} of {of} a day are left")?;
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
