//! What the explorer gets from the program: clock, randomness, the store and its state, the ledger.

use std::io;
use std::process::{Child, Stdio};

use core_audit::Span;
use core_engine::Moment;
use core_engine::audit::{Gap, LOG, Notes};
use core_engine::ledger::{self, Event};
use core_engine::processing;
use core_engine::run::quota::{self, QuotaClock};
use core_explorer::{
    Due, FindingsChange, Host, HostError, Period, PersonalProperties, PrivacyStatus, Quota, Read,
    Role, SessionFuture, TenantStatus, Trail, Window,
};
use core_model::property::PersonalData;
use core_model::step::Step;
use core_query::QuerySettings;
use core_query::questions::Questions;
use core_store::{ClockVerdict, Generation, Location, Retention, Store, TenantStore};

use super::session;
use crate::cli::Global;
use crate::commands::software::tables;
use crate::commands::{ask, demo, tenant};
use crate::config::{self, Config};
use crate::exit::Failure;
use crate::host;
use crate::host::engine;
use crate::system;

/// The memory of look-ups, which read a few columns at a time.
const LOOK_UPS: QuerySettings = QuerySettings { memory_limit_bytes: 512 * 1024 * 1024 };

/// This program, for the explorer.
pub(in crate::commands) struct ProgramHost {
    /// None if nothing is configured.
    config: Option<Config>,
    store: Option<Store>,
    global: Option<Global>,
    /// The tenant that is shown first.
    first: String,
}

impl ProgramHost {
    /// The host of the configured store, or of the demo's where nothing is configured.
    pub(in crate::commands) fn new(global: &Global) -> Result<Self, Failure> {
        // Says what to do if there is nothing to read.
        let first = tenant(global)?.name().to_owned();
        let source = config::find(global.config.as_deref());
        let config = source.map(|source| config::load(&source)).transpose()?;
        let location = match &config {
            Some(config) => config.store.clone(),
            None => Location::Folder(demo::STORE.into()),
        };
        let store = Some(Store::open(location)?);
        Ok(Self { config, store, global: Some(global.clone()), first })
    }

    /// A host of nothing but the clock and randomness.
    pub(super) fn without_store() -> Self {
        Self { config: None, store: None, global: None, first: String::new() }
    }

    fn configured(&self, tenant: &TenantStore) -> Option<&Config> {
        self.config.as_ref().filter(|config| config.tenant.as_str() == tenant.name())
    }

    fn quota(&self, tenant: &TenantStore) -> Result<Option<Quota>, Failure> {
        let Some(config) = self.configured(tenant) else { return Ok(None) };
        let left =
            quota::left(tenant, config.daily_exports, QuotaClock::read(crate::host::host(), None))?;
        Ok(Some(Quota {
            left: left.exports,
            of: left.of,
            deferred_until: left.deferred_until.map(Moment::to_rfc3339),
        }))
    }

    fn privacy(&self, tenant: &TenantStore) -> Result<PrivacyStatus, Failure> {
        let mut status = PrivacyStatus { personal: personal(), ..PrivacyStatus::default() };
        let Some(config) = self.configured(tenant) else { return Ok(status) };
        status.windows = processing::kept(config)
            .into_iter()
            .map(|kept| Window { what: kept.what.to_owned(), kept: kept.window })
            .collect();
        let pinned = core_jupiterone::compared_with(tenant);
        let plan = tenant.plan_retention(Retention {
            windows: &config.retention,
            pinned: &pinned,
            now_ms: system::now().0,
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

impl Host for ProgramHost {
    fn tenants(&self) -> Result<Vec<TenantStore>, HostError> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        let first = store.tenant(&self.first)?;
        if let Some(config) = self.configured(&first) {
            core_engine::privacy::check_erasures(engine(config), &first)
                .map_err(|failure| failure.error)?;
        }
        let others = store.tenants()?.into_iter().filter(|tenant| tenant.name() != self.first);
        Ok([first].into_iter().chain(others).collect())
    }

    fn status(&self, tenant: &TenantStore) -> Result<TenantStatus, HostError> {
        let log = tenant.events(LOG)?;
        let now_ms = crate::system::now_ms();
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
        match &self.global {
            Some(global) => Ok(ask::questions(global).map_err(|failure| failure.error)?),
            None => Ok(Questions::default()),
        }
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
        system::now().0
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        system::fill_random(buffer).map_err(io::Error::other)
    }

    fn record_read(&self, tenant: &TenantStore, read: &Read<'_>) {
        let Read { view, user, generation } = *read;
        host::record_read(tenant, &Event::ExplorerRead { view, user, generation });
    }

    fn record_change(
        &self,
        tenant: &TenantStore,
        change: &FindingsChange<'_>,
    ) -> Result<(), HostError> {
        let FindingsChange { action, findings, user } = *change;
        let event = Event::FindingsChanged { action, findings, user: Some(user) };
        ledger::record(host::host(), tenant, &event)?;
        Ok(())
    }

    fn tables_on_demand(&self) -> &'static [&'static str] {
        &[tables::EOL, tables::ADVISORIES]
    }

    fn account(&self) -> String {
        system::user()
    }

    fn lock_owner(&self) -> String {
        host::host().lock_owner()
    }

    fn new_id(&self) -> Result<String, HostError> {
        Ok(host::host().new_id(system::now())?)
    }

    fn open_session<'a>(&'a self, generation: &'a Generation, role: Role) -> SessionFuture<'a> {
        Box::pin(async move {
            let (Some(store), Some(global)) = (&self.store, &self.global) else {
                return Err("there is no store".into());
            };
            let tenant = store.tenant(&generation.manifest().tenant)?;
            let session =
                session::open(global, &tenant, Some(generation), role, session::REMEDY, LOOK_UPS)
                    .await;
            Ok(session.map_err(|failure| failure.error)?)
        })
    }

    fn start_worker(&self) -> io::Result<Child> {
        let mut command = system::this_command(&["--worker"])?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
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
