//! The metrics of `schedule`: the state of its tenants' stores, its activity, and the runs that it has seen end.

use std::collections::BTreeMap;

use core_engine::Host;
use core_fleet::TenantStatus;

use crate::bulletin::Bulletin;
use crate::exit_codes::ExitCodes;
use crate::figures::Figures;
use crate::health::Health;
use crate::tenants::Tenants;

/// The largest number of stores to read again each minute. Runs by hand change stores too, but reading thousands of
/// them must not hold up the scheduler.
const STORES_AT_ONCE: usize = 100;

/// The metrics, and their bulletin.
pub(crate) struct Watch {
    bulletin: Bulletin,
    host: Host,
    codes: ExitCodes,
    healths: BTreeMap<String, Option<Health>>,
    runs: BTreeMap<(String, u8), u64>,
    /// The tenant after which the next stores are read.
    last_read: String,
}

impl Watch {
    /// Creates metrics without any tenant.
    pub(crate) fn new(bulletin: Bulletin, host: Host, codes: ExitCodes) -> Self {
        let (healths, runs) = (BTreeMap::new(), BTreeMap::new());
        Self { bulletin, host, codes, healths, runs, last_read: String::new() }
    }

    /// Records the end of a run.
    pub(crate) fn ended(&mut self, tenants: &Tenants, name: &str, exit_code: u8) {
        *self.runs.entry((name.to_owned(), exit_code)).or_default() += 1;
        self.read(tenants, name);
    }

    /// Reads the stores of new tenants and, in turn, those of the others. Forgets removed tenants.
    pub(crate) fn look(&mut self, tenants: &Tenants) {
        let names: Vec<String> = tenants.names().cloned().collect();
        self.healths.retain(|name, _| names.contains(name));
        self.runs.retain(|(name, _), _| names.contains(name));
        let start = names.partition_point(|name| *name <= self.last_read);
        let in_turn = names[start..].iter().chain(&names[..start]).take(STORES_AT_ONCE);
        let in_turn: Vec<&String> = in_turn.collect();
        let new = names.iter().filter(|name| !self.healths.contains_key(*name));
        let due: Vec<&String> = in_turn.iter().copied().chain(new).collect();
        if let Some(last) = in_turn.last() {
            self.last_read.clone_from(last);
        }
        for name in due {
            self.read(tenants, name);
        }
    }

    fn read(&mut self, tenants: &Tenants, name: &str) {
        let config = tenants.config(name);
        let health = config.and_then(|config| Health::read(config, &self.host, self.codes).ok());
        self.healths.insert(name.to_owned(), health);
    }

    /// Publishes the present state.
    pub(crate) fn publish(&self, states: Vec<TenantStatus>, problem: Option<String>) {
        let tenants = self.healths.iter().map(|(name, health)| (name.as_str(), health.as_ref()));
        let figures = Figures { tenants: tenants.collect(), states, runs: Some(&self.runs) };
        self.bulletin.publish(figures.to_text(), problem);
    }
}
