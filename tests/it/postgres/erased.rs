//! People who were erased: in no row, in no file of the server's tables.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Database, Delivery};

/// Returns the files below a folder that hold these bytes.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let files = crate::kit::files(folder).into_iter();
    let has = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.filter(has).map(|path| path.display().to_string()).collect()
}

#[test]
fn an_erased_person_is_in_no_row_and_no_file_of_a_table() {
    let mut delivery = Delivery::new();
    // Of its own, since other tests have the same people.
    delivery.database.run("CREATE DATABASE erased");
    delivery.database = Database::connect_to("erased");
    delivery.configure_with(|configuration| {
        configuration.text("destinations.postgres.database", "erased")
    });
    let key = delivery.scene.program(&["privacy", "key", "new"]);
    assert_eq!(key.exit, Some(0), "{}", key.stderr);
    delivery.scene.run_completely();
    let schema = &delivery.schema;
    let name: String = delivery.database.value(&format!(
        "SELECT upn FROM {schema}.nexthink_user WHERE upn IS NOT NULL ORDER BY \"_key\" LIMIT 1"
    ));
    let folder: String = delivery.database.value(
        "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database WHERE datname = 'erased'",
    );
    let folder = Path::new(&folder);
    delivery.database.run("CHECKPOINT");
    assert!(!files_with(folder, &name).is_empty(), "{name} is found where it is");
    let erased = delivery
        .scene
        .program(&["privacy", "erase", "--user", &name, "--reason", "request", "--yes"]);
    assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
    assert!(erased.stderr.contains("sync postgres` deletes it there"), "{}", erased.stderr);
    // While a transaction is open, also in another database, the server keeps the rows that it removes.
    let other = Database::connect();
    other.run("BEGIN; SELECT txid_current()");
    let (exit, report, stderr) = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(3));
            other.run("COMMIT");
        });
        delivery.sync(&[])
    });
    assert_eq!(exit, Some(0), "{stderr}");
    assert!(report["reason"].to_string().contains("erased"), "{report}");
    assert_eq!(delivery.counts(), delivery.published());
    delivery.database.run("CHECKPOINT");
    assert_eq!(files_with(folder, &name), [""; 0], "{name}");
    let (_, again, _) = delivery.sync(&[]);
    assert_eq!(again["result"], "nothing_changed", "{again}");
}

#[test]
fn a_table_that_a_reader_holds_is_rewritten_by_the_next_delivery() {
    let delivery = Delivery::new();
    let key = delivery.scene.program(&["privacy", "key", "new"]);
    assert_eq!(key.exit, Some(0), "{}", key.stderr);
    delivery.scene.run_completely();
    let schema = &delivery.schema;
    let name: String = delivery.database.value(&format!(
        "SELECT upn FROM {schema}.nexthink_user WHERE upn IS NOT NULL ORDER BY \"_key\" LIMIT 1"
    ));
    let erased = delivery
        .scene
        .program(&["privacy", "erase", "--user", &name, "--reason", "request", "--yes"]);
    assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
    let is_vacuumed =
        || delivery.database.value::<bool>(&format!("SELECT is_vacuumed FROM {schema}._delivery"));
    let reader = Database::connect();
    reader.run(&format!("BEGIN; LOCK TABLE {schema}.nexthink_user IN ACCESS SHARE MODE"));
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(6), "{stderr}");
    assert!(stderr.contains("rewriting table nexthink_user failed at"), "{stderr}");
    assert!(stderr.contains("a reader or another program holds a table"), "{stderr}");
    assert!(!is_vacuumed());
    reader.run("ROLLBACK");
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(report["result"], "delivered", "{report}");
    assert!(is_vacuumed());
}
