//! Tenants for people who try the program: a small demo, and a company.

use crate::tenant::TenantSpec;

/// Seconds.
const DAY: u64 = 86_400;
/// The number of runs after which the demo stays the same.
const MOST_STEPS: u32 = 12;

impl TenantSpec {
    /// An estate whose objects were last seen in the month before today, but for one in 25 that has been silent for
    /// longer, so that questions about silent, new and noisy things have answers. It stays the same until the next day.
    /// `now` is in seconds since 1970-01-01 UTC.
    pub fn living(now: u64) -> Self {
        Self { now: now - now % DAY, silent_once_in: 25, ..Self::default() }
    }

    /// The tenant of the demo: a run takes seconds. After earlier runs, further devices have got updates, titles have been
    /// retired and alerts have been raised, so that there are changes to look at.
    pub fn demo(now: u64, earlier_runs: u32) -> Self {
        let steps = earlier_runs.min(MOST_STEPS);
        Self {
            seed: 1,
            devices: 500,
            users: 400,
            packages_per_device: 40,
            alerts: 120 + 6 * steps,
            retired_packages: steps,
            updated_devices: 40 * steps,
            ..Self::living(now)
        }
    }

    /// A tenant of a company.
    pub fn company(now: u64) -> Self {
        Self {
            devices: 2000,
            users: 1500,
            packages_per_device: 60,
            alerts: 300,
            ..Self::living(now)
        }
    }
}

/// The choices of a person for a tenant; what is not chosen stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantChoices {
    /// The seed.
    pub seed: Option<u64>,
    /// The devices.
    pub devices: Option<u32>,
    /// The users.
    pub users: Option<u32>,
    /// The packages on an average device.
    pub packages_per_device: Option<u32>,
    /// The alerts.
    pub alerts: Option<u32>,
}

impl TenantChoices {
    /// Makes a tenant as it was chosen.
    pub fn apply(self, tenant: &mut TenantSpec) {
        tenant.seed = self.seed.unwrap_or(tenant.seed);
        tenant.devices = self.devices.unwrap_or(tenant.devices);
        tenant.users = self.users.unwrap_or(tenant.users);
        let packages = self.packages_per_device;
        tenant.packages_per_device = packages.unwrap_or(tenant.packages_per_device);
        tenant.alerts = self.alerts.unwrap_or(tenant.alerts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_estate_is_the_same_until_the_next_day() {
        const NOON: u64 = 20_000 * DAY + DAY / 2;
        let [morning, noon, next] = [NOON - 40_000, NOON, NOON + DAY].map(TenantSpec::company);
        assert_eq!((morning.now, noon.now), (20_000 * DAY, 20_000 * DAY));
        assert_eq!(next.now, 20_001 * DAY);
        assert!(noon.silent_once_in > 0, "some objects are silent");
    }

    #[test]
    fn the_demo_goes_on_with_every_run_until_it_stays() {
        let specs: Vec<TenantSpec> = (0..20).map(|runs| TenantSpec::demo(DAY, runs)).collect();
        for (runs, pair) in specs.windows(2).enumerate() {
            assert_eq!(pair[0] != pair[1], runs < 12, "{runs}");
        }
        assert!(specs.iter().all(|spec| spec.updated_devices <= spec.devices));
    }

    #[test]
    fn what_is_chosen_takes_the_place_of_what_was_there_and_nothing_else_does() {
        let mut tenant = TenantSpec::demo(DAY, 0);
        TenantChoices::default().apply(&mut tenant);
        let sizes = |tenant: &TenantSpec| {
            (tenant.seed, tenant.devices, tenant.users, tenant.packages_per_device, tenant.alerts)
        };
        assert_eq!(sizes(&tenant), (1, 500, 400, 40, 120));
        let choices = TenantChoices { seed: Some(9), users: Some(0), ..TenantChoices::default() };
        choices.apply(&mut tenant);
        assert_eq!(sizes(&tenant), (9, 500, 0, 40, 120));
        let choices = TenantChoices {
            devices: Some(1),
            packages_per_device: Some(2),
            alerts: Some(3),
            ..TenantChoices::default()
        };
        choices.apply(&mut tenant);
        assert_eq!(sizes(&tenant), (9, 1, 0, 2, 3));
    }
}
