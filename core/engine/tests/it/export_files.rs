//! Runs that read files which something else has written in place of an export.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow_array::cast::AsArray as _;
use core_bucket::FileFolder;
use core_engine::export_files::FilePattern;
use core_engine::run::Finished;
use core_engine::run::report::{StepOutcome, StepReport};
use core_engine::{Ending, FailureKind, Moment};
use core_privacy::profile::Profile;
use core_simulator::{Compression, SavedQuery, write_results};
use core_store::{Generation, TableKind};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tempfile::TempDir;

use super::support::{NOON, Tenant, rows};

/// The queries, and the settings that name them.
const QUERIES: [(&str, SavedQuery); 4] = [
    ("devices", SavedQuery::Devices),
    ("users", SavedQuery::Users),
    ("packages", SavedQuery::Packages),
    ("alerts", SavedQuery::Alerts),
];

/// A tenant whose exports are files in a folder.
struct Exports {
    tenant: Tenant,
    folder: TempDir,
}

impl Exports {
    async fn new() -> Self {
        let mut tenant = Tenant::start("acme", 1, NOON).await;
        let folder = TempDir::new().expect("a folder can be made");
        tenant.settings.queries.clear();
        tenant.settings.credential = None;
        for (name, _) in QUERIES {
            tenant.settings.files.insert(name, vec![pattern(folder.path(), &format!("{name}-*"))]);
        }
        let exports = Self { tenant, folder };
        for (name, query) in QUERIES {
            exports.write(&format!("{name}-1.csv"), &exports.csv(query), hours_before(NOON, 1));
        }
        exports
    }

    /// The export of the simulated tenant.
    fn export(&self, query: SavedQuery, compression: Compression) -> Vec<u8> {
        let mut spec = None;
        self.tenant.simulator.update(|behaviour| spec = Some(behaviour.tenant.clone()));
        let tenant = core_simulator::Tenant::new(spec.expect("there is a tenant"));
        let mut bytes = Vec::new();
        write_results(&tenant, query, None, compression, &mut bytes).expect("memory takes it");
        bytes
    }

    fn csv(&self, query: SavedQuery) -> Vec<u8> {
        self.export(query, Compression::None)
    }

    fn write(&self, name: &str, content: &[u8], modified: SystemTime) {
        let mut file = File::create(self.folder.path().join(name)).expect("it can be made");
        file.write_all(content).expect("it can be written");
        file.set_modified(modified).expect("its time can be set");
    }

    async fn run(&self) -> Finished {
        self.tenant.run().await.expect("it runs")
    }

    fn published(&self) -> Generation {
        self.tenant.published().expect("it is published")
    }
}

fn pattern(folder: &Path, name: &str) -> FilePattern {
    FilePattern::parse(&folder.join(name)).expect("it is a path of a file")
}

fn hours_before(moment: Moment, hours: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(moment.0) - Duration::from_hours(hours)
}

fn step<'a>(finished: &'a Finished, id: &str) -> &'a StepReport {
    finished.report.steps.iter().find(|step| step.id == id).expect("the step is reported")
}

/// The checksums of all tables.
fn checksums(generation: &Generation) -> BTreeMap<String, String> {
    let tables = generation.manifest().tables.iter().flat_map(|table| &table.files);
    tables.map(|file| (file.file.path.clone(), format!("{:?}", file.file))).collect()
}

#[tokio::test]
async fn files_give_the_same_tables_as_exports_without_one_call() {
    let exported = Tenant::start("acme", 1, NOON).await;
    exported.run().await.expect("it runs");
    let exports = Exports::new().await;
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    assert_eq!(exports.tenant.simulator.recorded_requests().len(), 0);
    assert_eq!(
        checksums(&exports.published()),
        checksums(&exported.published().expect("it is published"))
    );
    let devices = step(&finished, "fetch-devices");
    assert_eq!((devices.exports, devices.export_id.as_deref()), (0, None));
    let source = devices.query_id.as_deref().expect("it says where the rows are from");
    assert!(source.ends_with("devices-*"), "{source}");
}

#[tokio::test]
async fn one_dataset_comes_from_files_and_the_others_from_exports() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let exports = Exports::new().await;
    let packages = exports.tenant.settings.files["packages"].clone();
    tenant.settings.queries.remove("packages");
    tenant.settings.files.insert("packages", packages);
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let of = |id| step(&finished, id).exports;
    assert_eq!((of("fetch-devices"), of("fetch-packages")), (1, 0));
}

#[tokio::test]
async fn the_newest_file_counts_and_several_patterns_make_one_dataset() {
    let mut exports = Exports::new().await;
    let text = exports.csv(SavedQuery::Devices);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let half = lines.len() / 2;
    let (first, second) = (lines[..half].concat(), [&lines[..1], &lines[half..]].concat().concat());
    exports.write("devices-0.csv", b"an older file", hours_before(NOON, 9));
    exports.write("devices-1.csv", &first, hours_before(NOON, 1));
    exports.write("rest.csv", &second, hours_before(NOON, 2));
    let patterns = ["devices-*", "rest.csv"].map(|name| pattern(exports.folder.path(), name));
    exports.tenant.settings.files.insert("devices", patterns.to_vec());
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let devices = exports.tenant.simulator.counts().devices;
    assert_eq!(rows(&exports.published(), "nexthink_device"), devices);
}

/// A bucket with files, and the patterns that find them.
async fn in_bucket(exports: &mut Exports, files: &[(&str, Vec<u8>)]) -> Arc<InMemory> {
    let bucket = Arc::new(InMemory::new());
    for (name, content) in files {
        put(&bucket, name, content.clone()).await;
    }
    for (name, _) in QUERIES {
        let client: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&bucket);
        let folder = FileFolder::new(client, "exports".into(), "s3://bucket/exports");
        let pattern = FilePattern::in_bucket(folder, &format!("{name}-*")).expect("a name");
        exports.tenant.settings.files.insert(name, vec![pattern]);
    }
    bucket
}

async fn put(bucket: &InMemory, name: &str, content: Vec<u8>) {
    let path = format!("exports/{name}").into();
    bucket.put(&path, content.into()).await.expect("memory takes it");
}

#[tokio::test]
async fn files_in_a_bucket_give_the_same_tables_as_exports() {
    let exported = Tenant::start("acme", 1, NOON).await;
    exported.run().await.expect("it runs");
    let mut exports = Exports::new().await;
    let mut files = vec![("devices-0.csv", b"an older file".to_vec())];
    files.push(("devices-1.csv", exports.csv(SavedQuery::Devices)));
    files.push(("users-1.csv.gz", exports.export(SavedQuery::Users, Compression::Gzip)));
    let zstd = Compression::Zstd { checksum: true };
    files.push(("packages-1.csv.zst", exports.export(SavedQuery::Packages, zstd)));
    files.push(("alerts-1.csv", exports.csv(SavedQuery::Alerts)));
    in_bucket(&mut exports, &files).await;
    let finished = exports.run().await;
    // Plain files are whole, however new they are.
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    assert_eq!(
        checksums(&exports.published()),
        checksums(&exported.published().expect("it is published"))
    );
    let source = step(&finished, "fetch-devices").query_id.as_deref();
    assert_eq!(source, Some("s3://bucket/exports/devices-*"));
    let reasons = finished.report.steps.iter().filter_map(|step| step.reason.as_deref());
    assert_eq!(reasons.collect::<Vec<_>>(), [""; 0], "nothing is lacking");
}

#[tokio::test]
async fn a_file_that_a_bucket_lacks_or_that_is_cut_keeps_what_is_published() {
    let mut exports = Exports::new().await;
    exports.run().await;
    let users = rows(&exports.published(), "nexthink_user");
    let alerts = rows(&exports.published(), "nexthink_alert");
    assert!(users > 0 && alerts > 0);
    let packed = exports.export(SavedQuery::Users, Compression::Gzip);
    let files = [
        ("devices-1.csv", exports.csv(SavedQuery::Devices)),
        ("packages-1.csv", exports.csv(SavedQuery::Packages)),
        ("users-1.csv.gz", packed[..packed.len() - 3].to_vec()),
    ];
    in_bucket(&mut exports, &files).await;
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Partial);
    let reason = |id| step(&finished, id).reason.clone().expect("it says why");
    assert_eq!(reason("fetch-alerts"), "there is no file s3://bucket/exports/alerts-*");
    assert!(reason("fetch-users").starts_with("the file "), "{}", reason("fetch-users"));
    assert_eq!(rows(&exports.published(), "nexthink_user"), users);
    assert_eq!(rows(&exports.published(), "nexthink_alert"), alerts);
}

/// A file whose end may be missing removes nothing. A compressed one may grow by another member.
#[tokio::test]
async fn a_file_that_may_still_grow_is_no_proof_that_anything_is_gone() {
    let exports = Exports::new().await;
    exports.run().await;
    let text = exports.csv(SavedQuery::Users);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let half = lines[..lines.len() / 2].concat();
    let just_now = hours_before(NOON, 0);
    let users = exports.tenant.simulator.counts().users;

    exports.write("users-2.csv", &half, just_now);
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Partial);
    let report = step(&finished, "fetch-users");
    assert_eq!(report.outcome, StepOutcome::Partial);
    let reason = report.reason.as_deref().expect("it says why");
    assert!(reason.starts_with("a file was changed less than a minute ago"), "{reason}");
    assert_eq!(rows(&exports.published(), "nexthink_user"), users);

    for compression in [Compression::Gzip, Compression::Zstd { checksum: true }] {
        let packed = exports.export(SavedQuery::Users, compression);
        exports.write("users-2.csv", &packed, just_now);
        let finished = exports.run().await;
        assert_eq!(step(&finished, "fetch-users").outcome, StepOutcome::Partial);
        exports.write("users-2.csv", &packed[..packed.len() - 3], just_now);
        let finished = exports.run().await;
        let report = step(&finished, "fetch-users");
        assert_eq!(report.outcome, StepOutcome::Failed);
        let reason = report.reason.as_deref().expect("it says why");
        assert!(reason.starts_with("the file "), "{reason}");
        assert_eq!(rows(&exports.published(), "nexthink_user"), users);
    }
}

#[tokio::test]
async fn a_file_that_is_older_than_one_that_was_read_removes_nothing() {
    let exports = Exports::new().await;
    let text = exports.csv(SavedQuery::Users);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    exports.write("users-0.csv", &lines[..lines.len() - 1].concat(), hours_before(NOON, 8 * 24));
    exports.run().await;
    let users = rows(&exports.published(), "nexthink_user");
    std::fs::remove_file(exports.folder.path().join("users-1.csv")).expect("it is there");
    std::os::unix::fs::symlink("nowhere", exports.folder.path().join("users-3.csv"))
        .expect("a link can be made");
    let finished = exports.run().await;
    let report = step(&finished, "fetch-users");
    assert_eq!(report.outcome, StepOutcome::Partial);
    assert_eq!(report.files_age_days, Some(8));
    let reason = report.reason.as_deref().expect("it says why");
    assert!(reason.starts_with("a file is older than the one"), "{reason}");
    let remarks = finished.report.remarks().join("\n");
    assert!(remarks.contains("the file that was read is 8 days old"), "{remarks}");
    assert_eq!(rows(&exports.published(), "nexthink_user"), users);
    // An older file stays older, until there is a newer one.
    let again = exports.run().await;
    assert_eq!(step(&again, "fetch-users").outcome, StepOutcome::Partial);
    exports.write("users-4.csv", &text, hours_before(NOON, 1));
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
}

/// Runs with a file for one of the queries; each number is an hour later.
async fn run_with(exports: &mut Exports, name: &'static str, number: u64, text: &str) -> Finished {
    let files = vec![pattern(exports.folder.path(), "own-*")];
    exports.tenant.settings.files.insert(name, files);
    let modified = hours_before(NOON, 9) + Duration::from_hours(number);
    exports.write(&format!("own-{number}.csv"), text.as_bytes(), modified);
    exports.run().await
}

/// The values of a property, sorted.
fn values(generation: &Generation, type_name: &str, property: &str) -> Vec<String> {
    let batches = generation.batches(TableKind::Entity, type_name).expect("it has the table");
    let mut values = Vec::new();
    for batch in batches {
        let batch = batch.expect("it can be read");
        let column = batch.column_by_name(property).expect("it has the property");
        let column = column.as_string::<i32>();
        values.extend(column.iter().map(|value| value.unwrap_or("null").to_owned()));
    }
    values.sort_unstable();
    values
}

#[tokio::test]
async fn a_value_of_one_column_counts_if_another_one_is_missing() {
    let mut exports = Exports::new().await;
    let all = "user.uid,user.name,user.upn,user.ad.full_name\n";
    let file = format!("{all}u1,jdoe,jane.doe@acme.example,Jane Doe\nu2,rroe,,Rita Roe\n");
    run_with(&mut exports, "users", 1, &file).await;
    let names = |exports: &Exports| values(&exports.published(), "nexthink_user", "name");
    assert_eq!(names(&exports), ["Jane Doe", "Rita Roe"]);
    // The full name is not exported any more: the login names of today count.
    let file = "user.uid,user.name,user.upn\nu1,jsmith,jane.smith@acme.example\nu2,,\n";
    let finished = run_with(&mut exports, "users", 2, file).await;
    assert_eq!(names(&exports), ["Rita Roe", "jsmith"]);
    let report = step(&finished, "fetch-users");
    assert_eq!(report.outcome, StepOutcome::Complete);
    assert!(report.doubtful.contains(&"name"), "{:?}", report.doubtful);
    let file = "user.uid,user.name,user.upn\nu1,jmiller,jane.miller@acme.example\nu2,rroe,\n";
    let finished = run_with(&mut exports, "users", 3, file).await;
    assert_eq!(names(&exports), ["jmiller", "rroe"]);
    let doubtful = &step(&finished, "fetch-users").doubtful;
    assert!(doubtful.contains(&"firstName") && !doubtful.contains(&"name"), "{doubtful:?}");
}

#[tokio::test]
async fn a_name_without_its_version_and_a_version_without_its_name_keep_what_was_whole() {
    let mut exports = Exports::new().await;
    let name = |exports: &Exports| values(&exports.published(), "nexthink_package", "displayName");
    let file = "package.uid,package.name,package.version\np1,Zoom,1.0\np2,Edge,2.0\n";
    run_with(&mut exports, "packages", 1, file).await;
    let file = "package.uid,package.version\np1,1.1\np2,2.0\n";
    run_with(&mut exports, "packages", 2, file).await;
    assert_eq!(name(&exports), ["Edge 2.0", "Zoom 1.0"]);
    let file = "package.uid,package.name\np1,Zoom\np2,Chrome\n";
    run_with(&mut exports, "packages", 3, file).await;
    assert_eq!(name(&exports), ["Chrome", "Zoom 1.0"]);
}

const ALERTS: &str = "alert.status,alert.trigger_time,monitor.name,monitor.nql_id,monitor.priority,device.uid,user.uid";

#[tokio::test]
async fn alerts_without_identifiers_are_complete_and_keep_their_keys_if_a_monitor_is_renamed() {
    let mut exports = Exports::new().await;
    let alert = |name: &str, priority: &str| {
        format!("{ALERTS}\nopen,2026-02-01 08:00:00,{name},#disk,{priority},,\n")
    };
    run_with(&mut exports, "alerts", 2, &alert("Disk", "critical")).await;
    let keys = |exports: &Exports| values(&exports.published(), "nexthink_alert", "_key");
    let before = keys(&exports);
    let finished = run_with(&mut exports, "alerts", 3, &alert("Full disk", "informational")).await;
    let report = step(&finished, "fetch-alerts");
    assert_eq!((report.outcome, report.reason.as_deref()), (StepOutcome::Complete, None));
    assert_eq!((before.len(), keys(&exports)), (1, before));
    // A priority without a severity says that the earlier severity is over.
    assert_eq!(values(&exports.published(), "nexthink_alert", "severity"), ["null"]);
}

/// Nexthink keeps alerts for 30 days.
#[tokio::test]
async fn alerts_that_are_gone_by_their_age_are_no_shrinking_estate() {
    let mut exports = Exports::new().await;
    let of_month = |month: u8| -> String {
        let alert = |day: u8| format!("open,2026-{month:02}-{day:02} 08:00:00,m,#m{day},high,,\n");
        (1..26).map(alert).collect()
    };
    let newest = "open,2026-02-28 08:00:00,new,#new,high,,\n";
    let (january, february) = (of_month(1), of_month(2));
    let all = format!("{ALERTS}\n{january}{february}{newest}");
    run_with(&mut exports, "alerts", 1, &all).await;
    let finished =
        run_with(&mut exports, "alerts", 2, &format!("{ALERTS}\n{january}{newest}")).await;
    assert_eq!(step(&finished, "fetch-alerts").outcome, StepOutcome::Partial);
    let finished =
        run_with(&mut exports, "alerts", 3, &format!("{ALERTS}\n{february}{newest}")).await;
    let report = step(&finished, "fetch-alerts");
    assert_eq!((report.outcome, report.reason.as_deref()), (StepOutcome::Complete, None));
    assert_eq!(rows(&exports.published(), "nexthink_alert"), 26);
}

#[tokio::test]
async fn a_file_that_is_not_there_keeps_what_is_published() {
    let exports = Exports::new().await;
    exports.run().await;
    let before = rows(&exports.published(), "nexthink_alert");
    assert!(before > 0);
    std::fs::remove_file(exports.folder.path().join("alerts-1.csv")).expect("it is there");
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Partial);
    let reason = step(&finished, "fetch-alerts").reason.clone().expect("it says why");
    assert!(reason.starts_with("there is no file "), "{reason}");
    assert_eq!(rows(&exports.published(), "nexthink_alert"), before);

    for (name, _) in QUERIES {
        _ = std::fs::remove_file(exports.folder.path().join(format!("{name}-1.csv")));
    }
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Failed(FailureKind::Unreachable));
    assert_eq!(finished.generation, None);
}

/// The copy in the store is encrypted where a profile changes anything, as a download is.
#[tokio::test]
async fn a_strict_profile_leaves_no_copy_that_can_be_read() {
    let mut exports = Exports::new().await;
    core_engine::keys::create(exports.tenant.engine()).expect("there are no keys yet");
    exports.tenant.settings.privacy.policy =
        core_engine::privacy::policy(Profile::Minimal, &[]).expect("no overrides");
    let text = String::from_utf8(exports.csv(SavedQuery::Users)).expect("it is text");
    let finished = exports.run().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let mail =
        text.split([',', '\n']).find(|cell| cell.contains('@')).expect("a user has an address");
    let store = match &exports.tenant.settings.store {
        core_store::Location::Folder(folder) => folder.clone(),
        _ => panic!("the store of a test is a folder"),
    };
    let mut folders = vec![store];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it can be listed").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("it can be read");
            let found = bytes.windows(mail.len()).any(|window| window == mail.as_bytes());
            assert!(!found, "{}", entry.path().display());
        }
    }
}
