//! The store and its state, as the explorer gets them, with the clock, randomness and the ledger.

use std::io;
use std::path::PathBuf;
use std::process::Child;

use core_audit::Span;
use core_engine::audit::{Gap, LOG, Notes};
use core_engine::ledger::{self, Event};
use core_engine::processing;
use core_engine::run::quota::{self, QuotaClock};
use core_engine::settings::Settings;
use core_engine::{Engine, Failure, Moment, privacy};
use core_explorer::{
    Due, FindingsChange, Host, HostError, Period, PersonalProperties, PrivacyStatus, Quota, Read,
    Role, SessionFuture, TenantStatus, Trail, Window,
};
use core_model::property::PersonalData;
use core_model::step::Step;
use core_query::QuerySettings;
use core_query::questions::Questions;
use core_store::{ClockVerdict, Generation, Retention, Store, TenantStore};

use crate::explorer_answer::open_session;
use crate::reader::{Reader, questions};
use crate::software_tables::{ADVISORIES, EOL};

/// The advice to a viewer who asks for personal data.
pub const REMEDY: &str = "sign in with a token of the role `analyst` to see it";

/// The memory of look-ups, which read a few columns at a time.
const LOOK_UPS: QuerySettings = QuerySettings { memory_limit_bytes: 512 * 1024 * 1024 };

/// Starts a process that answers a query of the explorer.
pub type StartWorker = Box<dyn Fn() -> io::Result<Child> + Send + Sync>;

/// The parts of a host of the explorer.
pub struct ExplorerSettings {
    /// The settings of the tenant that is configured; none if nothing is.
    pub settings: Option<Settings>,
    /// The store.
    pub store: Store,
    /// The tenant that is shown first.
    pub first: String,
    /// The folder with the user's own questions and files; none if nothing is configured.
    pub folder: Option<PathBuf>,
    /// The clock, randomness and process.
    pub host: core_engine::Host,
    /// Tells whoever runs the server something.
    pub tell: fn(&str),
    /// Starts a process that answers a query.
    pub start_worker: StartWorker,
}

/// A store, for the explorer.
pub struct ExplorerHost(ExplorerSettings);

impl ExplorerHost {
    /// The host of a store.
    pub fn new(settings: ExplorerSettings) -> Self {
        Self(settings)
    }

    fn reader<'a>(&'a self, tenant: &'a TenantStore) -> Reader<'a> {
        let ExplorerSettings { settings, folder, host, tell, .. } = &self.0;
        let (settings, folder) = (settings.as_ref(), folder.as_deref());
        Reader { tenant, settings, host, folder, tell: *tell, is_quiet: true }
    }

    /// The settings of a tenant, if it is the configured one.
    fn configured(&self, tenant: &TenantStore) -> Option<&Settings> {
        let settings = self.0.settings.as_ref();
        settings.filter(|settings| settings.tenant.as_str() == tenant.name())
    }

    fn quota(&self, tenant: &TenantStore) -> Result<Option<Quota>, Failure> {
        let Some(settings) = self.configured(tenant) else { return Ok(None) };
        let left =
            quota::left(tenant, settings.daily_exports, QuotaClock::read(&self.0.host, None))?;
        Ok(Some(Quota {
            left: left.exports,
            of: left.of,
            deferred_until: left.deferred_until.map(Moment::to_rfc3339),
        }))
    }

    fn privacy(&self, tenant: &TenantStore) -> Result<PrivacyStatus, Failure> {
        let mut status = PrivacyStatus { personal: personal(), ..PrivacyStatus::default() };
        let Some(settings) = self.configured(tenant) else { return Ok(status) };
        status.windows = processing::kept(settings)
            .into_iter()
            .map(|kept| Window { what: kept.what.to_owned(), kept: kept.window })
            .collect();
        let pinned = core_engine::mirrors::compared_with(tenant);
        let plan = tenant.plan_retention(Retention {
            windows: &settings.retention,
            pinned: &pinned,
            now_ms: self.0.host.now().0,
            accept_clock: false,
        })?;
        let due = plan.removals.into_iter().map(|removal| Due {
            item: removal.name,
            kept_since: Moment(removal.dated_ms).to_rfc3339(),
        });
        status.due = due.collect();
        status.clock = match plan.clock {
            ClockVerdict::Steady => None,
            ClockVerdict::Behind { seen_ms } | ClockVerdict::Jumped { seen_ms } => Some(format!(
                "the clock has been at {} before, and does not fit that; `privacy retention` says what to do",
                Moment(seen_ms).to_rfc3339()
            )),
        };
        Ok(status)
    }
}

impl Host for ExplorerHost {
    fn tenants(&self) -> Result<Vec<TenantStore>, HostError> {
        let ExplorerSettings { store, first, host, .. } = &self.0;
        let shown = store.tenant(first)?;
        if let Some(settings) = self.configured(&shown) {
            privacy::check_erasures(Engine { settings, host }, &shown)
                .map_err(|failure| failure.error)?;
        }
        let others = store.tenants()?.into_iter().filter(|tenant| tenant.name() != first);
        Ok([shown].into_iter().chain(others).collect())
    }

    fn status(&self, tenant: &TenantStore) -> Result<TenantStatus, HostError> {
        let log = tenant.events(LOG)?;
        let now_ms = self.0.host.now_ms();
        let time = |ms: i64| Gap::of(&Span { from_ms: ms, to_ms: ms }).from;
        let periods = |spans: &[Span]| -> Vec<Period> {
            let gaps = spans.iter().map(Gap::of);
            gaps.map(|gap| Period { from: gap.from, to: gap.to }).collect()
        };
        let trails = Notes::of(&log)?.trails.into_iter().map(|(name, coverage)| Trail {
            name,
            newest_event: coverage.newest_event_ms().map(time),
            gaps: periods(&coverage.gaps(now_ms)),
            lost: periods(coverage.lost()),
        });
        Ok(TenantStatus {
            quota: self.quota(tenant).map_err(|failure| failure.error)?,
            running: tenant.lock_owner()?,
            trails: trails.collect(),
            events: log.rows(),
            privacy: self.privacy(tenant).map_err(|failure| failure.error)?,
        })
    }

    fn questions(&self) -> Result<Questions, HostError> {
        Ok(questions(self.0.folder.as_deref()).map_err(|failure| failure.error)?)
    }

    fn types_of_step(&self, step: &str) -> Vec<String> {
        let steps = Step::all().into_iter().filter(|known| known.id == step);
        let names = steps.flat_map(|step| {
            let entities = step.entities.iter().map(|entity| entity.type_name);
            entities.chain(step.relationships.iter().map(|relationship| relationship.type_name))
        });
        names.map(str::to_owned).collect()
    }

    fn now_ms(&self) -> u64 {
        self.0.host.now().0
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.host.fill_random(buffer).map_err(io::Error::other)
    }

    fn record_read(&self, tenant: &TenantStore, read: &Read<'_>) {
        let Read { view, user, generation } = *read;
        self.reader(tenant).record(&Event::ExplorerRead { view, user, generation });
    }

    fn record_change(
        &self,
        tenant: &TenantStore,
        change: &FindingsChange<'_>,
    ) -> Result<(), HostError> {
        let FindingsChange { action, findings, user } = *change;
        let event = Event::FindingsChanged { action, findings, user: Some(user) };
        ledger::record(&self.0.host, tenant, &event)?;
        Ok(())
    }

    fn tables_on_demand(&self) -> &'static [&'static str] {
        &[EOL, ADVISORIES]
    }

    fn account(&self) -> String {
        self.0.host.user.clone()
    }

    fn lock_owner(&self) -> String {
        self.0.host.lock_owner()
    }

    fn new_id(&self) -> Result<String, HostError> {
        let host = &self.0.host;
        Ok(host.new_id(host.now())?)
    }

    fn open_session<'a>(&'a self, generation: &'a Generation, role: Role) -> SessionFuture<'a> {
        Box::pin(async move {
            let tenant = self.0.store.tenant(&generation.manifest().tenant)?;
            let reader = self.reader(&tenant);
            let session = open_session(&reader, Some(generation), role, REMEDY, LOOK_UPS).await;
            Ok(session.map_err(|failure| failure.error)?)
        })
    }

    fn start_worker(&self) -> io::Result<Child> {
        (self.0.start_worker)()
    }
}

/// The properties that hold personal data, as the steps declare them.
fn personal() -> Vec<PersonalProperties> {
    let entities = Step::all().into_iter().flat_map(|step| step.entities);
    let types = entities.map(|entity| {
        let of = |class: PersonalData| {
            let properties =
                entity.properties.iter().filter(|property| property.personal_data() == class);
            properties.map(|property| property.name.to_owned()).collect()
        };
        PersonalProperties {
            type_name: entity.type_name.to_owned(),
            direct: of(PersonalData::Direct),
            indirect: of(PersonalData::Indirect),
        }
    });
    types.filter(|kept| !(kept.direct.is_empty() && kept.indirect.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, IDS, host};

    fn explorer_host(fixture: &Fixture, first: &str) -> ExplorerHost {
        ExplorerHost::new(ExplorerSettings {
            settings: None,
            store: fixture.store.clone(),
            first: first.to_owned(),
            folder: None,
            host: host(),
            tell: |_| {},
            start_worker: Box::new(|| Err(io::ErrorKind::Unsupported.into())),
        })
    }

    #[test]
    fn the_configured_tenant_is_shown_first_and_each_once() {
        let fixture = Fixture::new(1);
        let other = fixture.store.tenant("zeta").expect("it is a name");
        drop(other.lock("a test").expect("the lock is free"));
        for (first, expected) in [("acme", ["acme", "zeta"]), ("zeta", ["zeta", "acme"])] {
            let tenants = explorer_host(&fixture, first).tenants().expect("the store can be read");
            let names: Vec<_> = tenants.iter().map(TenantStore::name).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn without_settings_there_is_no_quota_and_the_declared_personal_columns_are_named_all_the_same()
    {
        let fixture = Fixture::new(1);
        let host = explorer_host(&fixture, "acme");
        let status = host.status(&fixture.tenant).expect("the store can be read");
        assert!(status.quota.is_none() && status.running.is_none() && status.events == 0);
        let users = status.privacy.personal.iter().find(|kept| kept.type_name == "nexthink_user");
        assert!(users.is_some_and(|users| !users.direct.is_empty()));
        assert_eq!(host.types_of_step("no-such-step"), [""; 0]);
        assert_eq!(host.account(), "uid 1000 (tester)");
    }

    #[tokio::test]
    async fn reads_and_changes_of_users_are_in_the_ledger() {
        let fixture = Fixture::new(1);
        let host = explorer_host(&fixture, "acme");
        let read = Read { view: "entity", user: "helpdesk", generation: Some(IDS[0]) };
        host.record_read(&fixture.tenant, &read);
        let change = FindingsChange { action: "acknowledge", findings: 2, user: "desk" };
        host.record_change(&fixture.tenant, &change).expect("it can be written");
        let entries = fixture.tenant.ledger().entries().expect("it can be read");
        let events: Vec<_> = entries.iter().map(|entry| entry.record.event.as_str()).collect();
        assert_eq!(events, ["explorer_read", "findings_changed"]);
        let generation = fixture.tenant.current().expect("it can be read").expect("it is there");
        let session = host.open_session(&generation, Role::Viewer).await;
        assert!(session.is_ok());
    }
}
