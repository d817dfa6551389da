//! Deliveries of small stores: versions, what is kept of them, what is refused, what an erasure leaves.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use core_delta::{Delta, DeltaSettings, NAME};
use core_destination::mirror::{MirrorReport, MirrorRules};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult, Destination as _};
use core_files::SimulatedDisk;
use core_store::{
    Draft, GenerationId, Location, Outcome, Store, TableDeclaration, TableKind, TenantStore,
};
use tempfile::TempDir;

type Checked = Result<(), Box<dyn Error>>;

/// Generations of 1, 2, 10 and 21 March 2025.
const DAYS: [&str; 4] = [
    "01JN8BG900000000000000000A",
    "01JNAXX000000000000000000A",
    "01JNZH2R00000000000000000A",
    "01JPVVEN00000000000000000A",
];

struct Scene {
    folder: TempDir,
    tenant: TenantStore,
}

impl Scene {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let tenant = Store::open(Location::Folder(folder.path().join("store")))?.tenant("acme")?;
        Ok(Self { folder, tenant })
    }

    /// Publishes devices and users with these keys, and who uses which.
    fn publish(&self, id: &str, users: &[&str], devices: &[&str]) -> Checked {
        let lock = self.tenant.lock("a test")?;
        let staging = lock.stage(GenerationId::parse(id)?)?;
        let ends = Some(("user".to_owned(), "device".to_owned()));
        let (from, to) = ("_fromEntityKey", "_toEntityKey");
        let pairs = users.len().min(devices.len());
        let parts = [
            ("user", None, vec![("_key", users)]),
            ("device", None, vec![("_key", devices)]),
            ("user_uses_device", ends, vec![(from, &users[..pairs]), (to, &devices[..pairs])]),
        ];
        let mut tables = Vec::new();
        for (name, ends, columns) in parts {
            let columns = columns.into_iter().map(|(column, values)| {
                (column, Arc::new(StringArray::from(values.to_vec())) as ArrayRef, false)
            });
            let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
            let kind = if ends.is_some() { TableKind::Relationship } else { TableKind::Entity };
            let mut writer = staging.table(TableDeclaration {
                kind,
                name: name.to_owned(),
                class: vec!["Any".to_owned()],
                ends,
                schema: batch.schema(),
                personal_columns: Vec::new(),
            })?;
            writer.write(&batch)?;
            tables.push(writer.finish()?);
        }
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2025-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables,
        };
        staging.publish(draft, &[])?;
        Ok(())
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn deliver(
        &self,
        request: &DeliveryRequest,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let settings = DeltaSettings { folder: self.lake(), keep_days: 7 };
        let rules = MirrorRules {
            name: NAME,
            place: settings.place(),
            skipped_types: |_| BTreeSet::new(),
            may_be_erased: |name| name == "user",
            personal_columns: |_| Vec::new(),
            program: "the program".to_owned(),
        };
        let destination = Delta::new(rules, settings);
        let lock = self.tenant.lock_delivery(NAME, "a test")?;
        let generation = self.tenant.current()?.expect("something is published");
        let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
        runtime.block_on(destination.deliver(&lock, generation, request, &|_| (), pending()))
    }

    fn delivered(&self) -> Result<Option<MirrorReport>, DeliveryError> {
        Ok(match self.deliver(&DeliveryRequest::default())? {
            DeliveryResult::NothingChanged { .. } => None,
            DeliveryResult::Delivered { report, .. } => Some(*report),
        })
    }

    /// The message of a delivery that is refused.
    fn refused(&self) -> String {
        let error = self.delivered().expect_err("it is refused");
        format!("{:#}", anyhow::Error::from(error))
    }

    /// The names in the folder of all tables.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.lake()).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The names of the files of a table, and below them those of its log.
    fn files(&self, table: &str) -> (Vec<String>, Vec<String>) {
        let names = |folder: PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let files = entries.filter(|entry| entry.path().is_file());
            let mut names: Vec<String> =
                files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        let folder = self.lake().join(table);
        (names(folder.clone()), names(folder.join("_delta_log")))
    }
}

fn entry(number: u32) -> String {
    format!("{number:020}.json")
}

#[test]
fn a_table_gets_a_version_with_each_generation_in_which_it_changed() -> Checked {
    let scene = Scene::new()?;
    scene.publish(DAYS[0], &["ann"], &["pc-1"])?;
    let first = scene.delivered()?.expect("it is the first one");
    let creates: Vec<u64> = first.types.iter().map(|changes| changes.creates).collect();
    assert_eq!(creates, [1, 1, 1]);
    assert_eq!(scene.delivered()?, None);
    scene.publish(DAYS[1], &["ann"], &["pc-1", "pc-2"])?;
    let second = scene.delivered()?.expect("a device is new");
    let names: Vec<_> = second.types.iter().map(|changes| changes.type_name.as_str()).collect();
    assert_eq!(names, ["device"]);
    let (data, log) = scene.files("device");
    assert_eq!(data.len(), 2);
    let checkpoint = |number: u32| format!("{number:020}.checkpoint.parquet");
    let last = "_last_checkpoint".to_owned();
    assert_eq!(log, [checkpoint(0), entry(0), checkpoint(1), entry(1), last]);
    assert_eq!(scene.files("user").1.len(), 3);
    // The generation's own bytes.
    let stored = scene.folder.path().join("store/acme/generations").join(DAYS[1]);
    let stored = fs::read(stored.join("entities/device/part-00000.parquet"))?;
    assert_eq!(fs::read(scene.lake().join("device").join(&data[1]))?, stored);
    Ok(())
}

#[test]
fn versions_go_when_they_were_replaced_for_long_enough() -> Checked {
    let scene = Scene::new()?;
    for (number, day) in DAYS.iter().enumerate() {
        let names: Vec<String> = (0..=number).map(|device| format!("pc-{device}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        scene.publish(day, &["ann"], &names)?;
        scene.delivered()?;
        let (data, log) = scene.files("device");
        let entries: Vec<&String> =
            log.iter().filter(|name| !name.contains("checkpoint")).collect();
        // On 10 March the version of the 1st was replaced for 8 days, that of the 2nd only now.
        let expected: &[u32] = match number {
            0 => &[0],
            1 => &[0, 1],
            2 => &[1, 2],
            _ => &[2, 3],
        };
        let expected: Vec<String> = expected.iter().map(|number| entry(*number)).collect();
        assert_eq!(entries, expected.iter().collect::<Vec<_>>(), "{day}");
        assert_eq!(data.len(), expected.len(), "{day}");
    }
    Ok(())
}

#[test]
fn what_a_killed_delivery_left_is_finished_or_removed() -> Checked {
    let scene = Scene::new()?;
    scene.publish(DAYS[0], &["ann"], &["pc-1"])?;
    scene.delivered()?;
    let device = scene.lake().join("device");
    let whole = scene.files("device");
    fs::write(device.join(format!("{:020}-{}-00000.parquet", 1, DAYS[1])), "half")?;
    fs::write(device.join("_delta_log").join(format!("{}.new-1-2", entry(1))), "half")?;
    fs::remove_file(device.join("_delta_log").join(format!("{:020}.checkpoint.parquet", 0)))?;
    fs::remove_file(device.join("_delta_log/_last_checkpoint"))?;
    assert_eq!(scene.delivered()?, None);
    assert_eq!(scene.files("device"), whole);
    // A table that was removed by hand is made anew.
    fs::remove_dir_all(&device)?;
    assert_eq!(scene.delivered()?.map(|report| report.types.len()), Some(1));
    assert_eq!(scene.files("device"), whole);
    Ok(())
}

#[test]
fn an_erasure_leaves_one_version_and_no_other_file() -> Checked {
    let scene = Scene::new()?;
    for (day, devices) in [(DAYS[0], vec!["pc-1"]), (DAYS[1], vec!["pc-1", "pc-2"])] {
        scene.publish(day, &["ann", "bob"], &devices)?;
        scene.delivered()?;
    }
    scene.tenant.lock("a test")?.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    scene.publish("01JNAXX000000000000000000B", &["ann"], &["pc-1", "pc-2"])?;
    assert!(scene.delivered()?.is_some());
    for table in ["user", "device", "user_uses_device"] {
        let (data, log) = scene.files(table);
        assert_eq!((data.len(), log.len()), (1, 3), "{table}: {data:?} {log:?}");
    }
    let state = fs::read_to_string(scene.lake().join("_nexthink_graph.json"))?;
    assert!(state.contains("e-1"), "{state}");
    Ok(())
}

#[test]
fn a_purged_type_goes_with_what_touches_it_and_comes_back() -> Checked {
    let scene = Scene::new()?;
    scene.publish(DAYS[0], &["ann"], &["pc-1"])?;
    scene.delivered()?;
    let purge = DeliveryRequest { purge: vec!["user".to_owned()], ..DeliveryRequest::default() };
    scene.deliver(&purge)?;
    assert!(!scene.lake().join("user").exists());
    assert!(!scene.lake().join("user_uses_device").exists());
    assert!(scene.lake().join("device").exists());
    assert!(scene.delivered()?.is_some());
    assert_eq!(scene.files("user").0.len(), 1);
    Ok(())
}

/// Fails at each operation of a purge once, in each way.
#[test]
fn a_purge_that_is_interrupted_anywhere_leaves_nothing_once_it_is_repeated() -> Checked {
    let purge = DeliveryRequest { purge: vec!["user".to_owned()], ..DeliveryRequest::default() };
    for fault in ["kill-after", "power", "eio"] {
        let scene = Scene::new()?;
        scene.publish(DAYS[0], &["ann"], &["pc-1"])?;
        scene.delivered()?;
        let disk = SimulatedDisk::new(&scene.lake());
        for operation in 1.. {
            disk.start_with_fault(&format!("{fault}@{operation}"));
            let interrupted = scene.deliver(&purge);
            let was_met = disk.operations() >= operation;
            disk.start();
            scene.deliver(&purge)?;
            let names = scene.names();
            let ours = ["_nexthink_graph.json", "_nexthink_graph.lock", "device"];
            assert_eq!(names, ours, "{fault}@{operation}: {interrupted:?}");
            scene.delivered()?;
            assert_eq!(scene.files("user").0.len(), 1, "{fault}@{operation}");
            if !was_met {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn data_files_without_a_version_are_removed_and_those_of_others_stay() -> Checked {
    let scene = Scene::new()?;
    scene.publish(DAYS[0], &["ann"], &["pc-1"])?;
    scene.delivered()?;
    // As a removal by an earlier version of the program that was killed, or a first delivery that was.
    let data = format!("{:020}-{}-00000.parquet", 0, DAYS[0]);
    for folder in ["room", "desk/_delta_log", "desk", ".removing-user/_delta_log"] {
        fs::create_dir_all(scene.lake().join(folder))?;
    }
    for file in ["room", "desk", ".removing-user"] {
        fs::write(scene.lake().join(file).join(&data), "rows")?;
    }
    fs::create_dir(scene.lake().join("theirs"))?;
    for name in [&data, "notes.parquet"] {
        fs::write(scene.lake().join("theirs").join(name), "theirs")?;
    }
    assert_eq!(scene.delivered()?, None);
    let tables = ["device", "theirs", "user", "user_uses_device"];
    assert_eq!(scene.names()[2..], tables);
    assert_eq!(scene.files("theirs").0.len(), 2);
    Ok(())
}

#[test]
fn what_others_wrote_is_refused_and_stays() -> Checked {
    let scene = Scene::new()?;
    scene.publish(DAYS[1], &["ann"], &["pc-1"])?;
    fs::create_dir(scene.lake())?;
    fs::write(scene.lake().join("theirs.csv"), "1")?;
    assert!(scene.refused().contains("such as theirs.csv"), "{}", scene.refused());
    assert_eq!(fs::read_to_string(scene.lake().join("theirs.csv"))?, "1");
    fs::remove_file(scene.lake().join("theirs.csv"))?;
    scene.delivered()?;
    let state = scene.lake().join("_nexthink_graph.json");
    let ours = fs::read_to_string(&state)?;
    for (from, to, expected) in [
        ("acme-eu", "other-us", "of tenant other-us, and this is tenant acme-eu"),
        ("\"format\": 1", "\"format\": 9", "newer version"),
        (DAYS[1], "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "is newer than"),
        ("\"erasures\": []", "\"erasures\": [\"e-9\"]", "has been through erasure e-9"),
        ("{", "", "is damaged"),
    ] {
        fs::write(&state, ours.replacen(from, to, 1))?;
        assert!(scene.refused().contains(expected), "{}", scene.refused());
    }
    fs::write(&state, &ours)?;
    // Another program's version, such as that of `OPTIMIZE`.
    let log = scene.lake().join("device/_delta_log");
    let theirs = fs::read_to_string(log.join(entry(0)))?.replace("nexthink-graph", "spark");
    fs::write(log.join(entry(1)), theirs)?;
    assert!(scene.refused().contains("version 1 of"), "{}", scene.refused());
    fs::remove_file(log.join(entry(1)))?;
    assert_eq!(scene.delivered()?, None);
    Ok(())
}
