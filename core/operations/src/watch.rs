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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CODES, ENVIRONMENT, World};

    fn tenants(world: &World) -> Tenants {
        let mut tenants =
            Tenants::new(world.source(), ENVIRONMENT, world.host.clone(), CODES, None, None);
        assert!(tenants.read().is_ok());
        tenants
    }

    #[test]
    fn each_look_reads_some_stores_in_turn_and_those_of_new_tenants() {
        let names: Vec<String> = (0..STORES_AT_ONCE + 3).map(|n| format!("t{n:03}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let world = World::fleet(&all);
        let tenants = tenants(&world);
        let mut watch = Watch::new(Bulletin::new(), world.host.clone(), CODES);
        watch.look(&tenants);
        assert_eq!(watch.healths.len(), names.len(), "all are new");
        assert_eq!(watch.last_read, names[STORES_AT_ONCE - 1]);
        // The others first, and then from the beginning.
        for name in &names {
            watch.healths.insert(name.clone(), None);
        }
        watch.look(&tenants);
        let read: Vec<_> = watch
            .healths
            .iter()
            .filter(|(_, health)| health.is_some())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(read.len(), STORES_AT_ONCE);
        let left_out = &names[STORES_AT_ONCE - 3..STORES_AT_ONCE];
        assert!(left_out.iter().all(|name| !read.contains(&name)), "{left_out:?} were the last");
    }

    #[test]
    fn ends_of_runs_are_counted_by_tenant_and_code_until_the_tenant_is_gone() {
        let world = World::fleet(&["acme", "zeta"]);
        let mut watch = Watch::new(Bulletin::new(), world.host.clone(), CODES);
        let before = tenants(&world);
        for (name, code) in [("acme", 0), ("acme", 7), ("acme", 0), ("zeta", 0)] {
            watch.ended(&before, name, code);
        }
        let counts = |watch: &Watch| Vec::from_iter(watch.runs.clone());
        let count = |name: &str, code, runs| ((name.to_owned(), code), runs);
        let expected = [count("acme", 0, 2), count("acme", 7, 1), count("zeta", 0, 1)];
        assert_eq!(counts(&watch), expected);
        world.remove_tenant("acme");
        watch.look(&tenants(&world));
        assert_eq!(counts(&watch), [count("zeta", 0, 1)]);
        assert!(!watch.healths.contains_key("acme"));
    }
}
