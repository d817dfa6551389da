//! A small invented estate, its steps, and a simulated JupiterOne to deliver it to.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{Field, Schema};
use core_jupiterone::{
    ApiKey, BaseUrl, Contents, Delivered, DeliveryReport, Destination, Extras, JobEvent,
    JupiterOneError, Progress, SHAPE_VERSION, Source, SyncClient, SyncSettings,
};
use core_model::prelude::*;
use core_simulator::{JupiterOne, JupiterOneBehaviour, JupiterOneConfig};
use core_store::{
    Draft, Generation, GenerationId, Location, Outcome, Staging, Store, StoreError, Table,
    TableDeclaration, TableKind, TenantStore,
};
use tempfile::TempDir;

pub(crate) type Checked = Result<(), Box<dyn Error>>;

pub(crate) const FIRST: &str = "01JN7Z1M80000000000000000A";
pub(crate) const SECOND: &str = "01JN9Y1M80000000000000000B";
pub(crate) const THIRD: &str = "01JNCX1M80000000000000000C";
pub(crate) const FOURTH: &str = "01JNFW1M80000000000000000D";
pub(crate) const SCOPE: &str = "nexthink-acme";

const fn entity(
    type_name: &'static str,
    class: &'static [Class],
    resource: &'static str,
    key_column: &'static str,
) -> EntityType {
    EntityType {
        type_name,
        class,
        resource,
        key_column,
        fallback_key: &[],
        newest_by: &[],
        properties: &[],
    }
}

static ACCOUNT: EntityType = entity("nexthink_account", &[Class::Account], "Account", "account.id");
static DEVICE: EntityType = entity("nexthink_device", &[Class::Device], "Device", "device.uid");
static ALERT: EntityType =
    entity("nexthink_alert", &[Class::Alert, Class::Finding], "Alert", "alert.uid");

static ACCOUNT_HAS_DEVICE: RelationshipType = RelationshipType {
    type_name: "nexthink_account_has_device",
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&DEVICE, "device.uid"),
    properties: &[],
};
static DEVICE_HAS_ALERT: RelationshipType = RelationshipType {
    type_name: "nexthink_device_has_alert",
    from: by_column(&DEVICE, "device.uid"),
    class: RelationshipClass::Has,
    to: by_column(&ALERT, "alert.uid"),
    properties: &[],
};

static ACCOUNT_STEP: Step = Step {
    id: "fetch-account",
    name: "Fetch Account",
    depends_on: &[],
    source: core_model::step::Source::Configuration,
    entities: &[&ACCOUNT],
    relationships: &[],
};
static DEVICE_STEP: Step = Step {
    id: "fetch-devices",
    name: "Fetch Devices",
    depends_on: &[&ACCOUNT_STEP],
    source: core_model::step::Source::Configuration,
    entities: &[&DEVICE],
    relationships: &[&ACCOUNT_HAS_DEVICE],
};
static ALERT_STEP: Step = Step {
    id: "fetch-alerts",
    name: "Fetch Alerts",
    depends_on: &[&DEVICE_STEP],
    source: core_model::step::Source::Configuration,
    entities: &[&ALERT],
    relationships: &[&DEVICE_HAS_ALERT],
};

/// The steps of the estate, in run order.
pub(crate) static STEPS: [&Step; 3] = [&ACCOUNT_STEP, &DEVICE_STEP, &ALERT_STEP];

static USER: EntityType = entity("nexthink_user", &[Class::User], "User", "user.uid");

/// A step apart, for what is made of users.
pub(crate) static USER_STEP: Step = Step {
    id: "fetch-users",
    name: "Fetch Users",
    depends_on: &[],
    source: core_model::step::Source::Configuration,
    entities: &[&USER],
    relationships: &[],
};

/// Which devices there are, which of them have an alert, and what the generation says of its tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estate {
    pub(crate) devices: Vec<String>,
    pub(crate) alerts: Vec<String>,
    /// The model of every device.
    pub(crate) model: &'static str,
    pub(crate) partial: Vec<&'static str>,
}

impl Estate {
    /// Devices 0 to `n`, the first half of which have an alert.
    pub(crate) fn of(n: usize) -> Self {
        let uid = |i: usize| format!("uid-{i:05}");
        Self {
            devices: (0..n).map(uid).collect(),
            alerts: (0..n / 2).map(uid).collect(),
            model: "Latitude",
            ..Self::default()
        }
    }
}

/// A store of its own, removed afterwards.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    tenant: TenantStore,
}

impl Place {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(Location::Folder(folder.path().join("store")))?;
        Ok(Self { tenant: store.tenant("acme")?, folder })
    }

    pub(crate) fn tenant(&self) -> &TenantStore {
        &self.tenant
    }

    pub(crate) fn publish(&self, id: &str, estate: &Estate) -> Result<Generation, StoreError> {
        let keys = |kind: &str, uids: &[String]| {
            let key = |uid: &String| format!("nexthink_{kind}:{uid}");
            uids.iter().map(key).collect::<Vec<_>>()
        };
        let (devices, alerts) = (keys("device", &estate.devices), keys("alert", &estate.alerts));
        let with_alert = keys("device", &estate.alerts);
        let account = vec!["nexthink_account:acme".to_owned(); devices.len()];
        self.publish_tables(id, |staging| {
            let mut tables = vec![
                write(staging, "nexthink_account", &["Account"], None, account_columns())?,
                write(
                    staging,
                    "nexthink_device",
                    &["Device"],
                    None,
                    device_columns(&devices, estate.model),
                )?,
                write(
                    staging,
                    "nexthink_alert",
                    &["Alert", "Finding"],
                    None,
                    alert_columns(&alerts),
                )?,
                write(
                    staging,
                    "nexthink_account_has_device",
                    &["HAS"],
                    Some(("nexthink_account", "nexthink_device")),
                    edge_columns(&account, &devices),
                )?,
                write(
                    staging,
                    "nexthink_device_has_alert",
                    &["HAS"],
                    Some(("nexthink_device", "nexthink_alert")),
                    edge_columns(&with_alert, &alerts),
                )?,
            ];
            for table in &mut tables {
                table.partial = estate.partial.contains(&&*table.name);
            }
            Ok(tables)
        })
    }

    /// Publishes the tables that `make` writes.
    pub(crate) fn publish_tables(
        &self,
        id: &str,
        make: impl FnOnce(&Staging) -> Result<Vec<Table>, StoreError>,
    ) -> Result<Generation, StoreError> {
        let lock = self.tenant.lock("pid 1, started 2026-03-01T08:00:00Z")?;
        let staging = lock.stage(GenerationId::parse(id)?)?;
        let tables = make(&staging)?;
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables,
        };
        staging.publish(draft, &[])
    }

    /// Publishes an estate as it is to be delivered where this program has delivered before.
    pub(crate) fn contents(&self, id: &str, estate: &Estate) -> Result<Contents, Box<dyn Error>> {
        Ok(Contents::new(
            self.publish(id, estate)?,
            &STEPS,
            Some(&delivered_before()?),
            Extras::default(),
        ))
    }
}

/// A delivery of nothing, after which one may delete.
pub(crate) fn delivered_before() -> Result<Delivered, JupiterOneError> {
    let base = BaseUrl::parse("http://127.0.0.1:9")?;
    let source = Source::Api { scope: SCOPE.to_owned() };
    Ok(Delivered {
        destination: Destination::new(base, "demo", source)?.identity(),
        generation: GenerationId::parse(FIRST)?,
        whole: true,
        types: BTreeMap::new(),
        purged: BTreeSet::new(),
        pending: None,
        unfinished: None,
        shape: SHAPE_VERSION,
        extras: Extras::default(),
        partial: None,
        erasures: BTreeSet::new(),
        events: BTreeMap::new(),
    })
}

pub(crate) type Columns = Vec<(&'static str, ArrayRef)>;

/// Writes one table.
pub(crate) fn write(
    staging: &Staging,
    name: &str,
    class: &[&str],
    ends: Option<(&str, &str)>,
    columns: Columns,
) -> Result<Table, StoreError> {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let kind = if ends.is_some() { TableKind::Relationship } else { TableKind::Entity };
    let mut writer = staging.table(TableDeclaration {
        kind,
        name: name.to_owned(),
        class: class.iter().map(|&class| class.to_owned()).collect(),
        ends: ends.map(|(from, to)| (from.to_owned(), to.to_owned())),
        schema: Arc::clone(&schema),
        personal_columns: Vec::new(),
    })?;
    writer.write(&RecordBatch::try_new(schema, arrays).expect("the columns are as long"))?;
    writer.finish()
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(crate) fn numbers(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn booleans(values: impl IntoIterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<BooleanArray>())
}

pub(crate) fn times(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

pub(crate) fn lists(values: &[Option<&[&str]>]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        match value {
            Some(items) => builder.append_value(items.iter().map(|item| Some(*item))),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

pub(crate) fn account_columns() -> Columns {
    vec![
        ("_key", texts([Some("nexthink_account:acme")])),
        ("name", texts([Some("acme")])),
        ("displayName", texts([Some("acme")])),
        ("vendor", texts([Some("Nexthink")])),
        ("tag.AccountName", texts([Some("acme")])),
    ]
}

pub(crate) fn device_columns(keys: &[String], model: &str) -> Columns {
    let n = keys.len();
    let same = |value: &'static str| texts(vec![Some(value); n]);
    let nothing = || lists(&vec![None; n]);
    let addresses: Vec<Option<&[&str]>> = vec![Some(&["10.0.0.1"]); n];
    vec![
        ("_key", texts(keys.iter().map(|key| Some(key.as_str())))),
        ("name", texts(keys.iter().map(|key| Some(key.as_str())))),
        ("displayName", texts(keys.iter().map(|key| Some(key.as_str())))),
        ("category", same("endpoint")),
        ("make", same("Dell Inc.")),
        ("model", texts(vec![Some(model); n])),
        ("serial", texts(vec![None; n])),
        ("hardwareSerial", texts(vec![None; n])),
        ("deviceId", nothing()),
        ("hostname", same("LON-LT-0042")),
        ("fqdn", nothing()),
        ("ipv4Addresses", lists(&addresses)),
        ("ipv6Addresses", nothing()),
        ("privateIpAddresses", lists(&addresses)),
        ("publicIpAddresses", nothing()),
        ("macAddresses", nothing()),
        ("lastSeenOn", times(vec![Some(1_795_000_000_000); n])),
        ("osName", same("Windows 11")),
        ("osType", same("windows")),
        ("osDetails", texts(vec![None; n])),
        ("osVersion", texts(vec![None; n])),
        ("licenseType", texts(vec![None; n])),
    ]
}

fn alert_columns(keys: &[String]) -> Columns {
    let n = keys.len();
    vec![
        ("_key", texts(keys.iter().map(|key| Some(key.as_str())))),
        ("name", texts(vec![Some("System crash"); n])),
        ("displayName", texts(vec![Some("System crash"); n])),
        ("category", texts(vec![Some("endpoint"); n])),
        ("severity", texts(vec![None; n])),
        ("numericSeverity", numbers(vec![Some(10); n])),
        ("open", booleans(vec![Some(true); n])),
    ]
}

pub(crate) fn edge_columns(from: &[String], to: &[String]) -> Columns {
    let column = |keys: &[String]| -> ArrayRef {
        Arc::new(keys.iter().map(String::as_str).collect::<DictionaryArray<UInt32Type>>())
    };
    vec![("_fromEntityKey", column(from)), ("_toEntityKey", column(to))]
}

/// Bounds that suit a server on this machine.
pub(crate) fn quick_settings() -> SyncSettings {
    let mut settings = SyncSettings::new(7);
    settings.retry.first_wait = Duration::from_millis(1);
    settings.retry.first_throttled_wait = Duration::from_millis(1);
    settings.retry.max_attempts = 4;
    settings.poll.first = Duration::from_millis(1);
    settings.poll.cap = Duration::from_millis(5);
    settings
}

/// The same, for a server that does not answer some calls.
pub(crate) fn impatient_settings() -> SyncSettings {
    let mut settings = quick_settings();
    settings.timeouts.answer = Duration::from_millis(1_500);
    settings
}

/// A simulated JupiterOne that behaves so.
pub(crate) async fn jupiterone(behaviour: JupiterOneBehaviour) -> std::io::Result<JupiterOne> {
    JupiterOne::start(JupiterOneConfig { behaviour, ..JupiterOneConfig::default() }).await
}

/// A client of it for the source `api`.
pub(crate) fn client(
    server: &JupiterOne,
    settings: SyncSettings,
) -> Result<SyncClient, JupiterOneError> {
    client_for(server, Source::Api { scope: SCOPE.to_owned() }, settings)
}

pub(crate) fn client_for(
    server: &JupiterOne,
    source: Source,
    settings: SyncSettings,
) -> Result<SyncClient, JupiterOneError> {
    let destination = Destination::new(BaseUrl::parse(server.url())?, "demo", source)?;
    SyncClient::new(destination, ApiKey::new("demo-key".to_owned())?, settings)
}

/// Delivers with quick settings.
pub(crate) async fn deliver(
    server: &JupiterOne,
    contents: Contents,
) -> Result<DeliveryReport, JupiterOneError> {
    deliver_with(&client(server, quick_settings())?, contents, &[], |_| ()).await
}

/// Delivers with a job of its own, which is not recorded.
pub(crate) async fn deliver_with(
    client: &SyncClient,
    contents: Contents,
    events: &[JobEvent],
    on_progress: impl Fn(Progress),
) -> Result<DeliveryReport, JupiterOneError> {
    let job = client.open_job().await?;
    client.deliver(job, contents, events, on_progress).await
}

/// The keys of a type's objects that JupiterOne keeps.
pub(crate) fn kept(server: &JupiterOne, type_name: &str) -> Vec<String> {
    let graph = server.graph("api", SCOPE);
    let objects = graph.entities.iter().chain(&graph.relationships);
    let of_type = objects.filter(|(_, object)| object["_type"] == type_name);
    of_type.map(|(key, _)| key.clone()).collect()
}
