//! Exports of small stores: what is stored is written, what is damaged is named, nothing is overwritten.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use core_export::{FolderError, TableFormat, check_folder, check_outside, export};
use core_store::{
    Draft, GenerationId, Location, Outcome, Store, TableDeclaration, TableKind, TenantStore,
};
use tempfile::TempDir;

type Checked = Result<(), Box<dyn Error>>;

const FIRST: &str = "01JN7Z1M80000000000000000A";
const SECOND: &str = "01JN7Z1M80000000000000000B";

/// A store with a tenant, and a place to export it to.
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

    /// Publishes a table of devices with these names and an empty one of users.
    fn publish(&self, id: &str, names: &[&str]) -> Checked {
        let lock = self.tenant.lock("a test")?;
        let staging = lock.stage(GenerationId::parse(id)?)?;
        let mut tables = Vec::new();
        for (name, values) in [("nexthink_device", names), ("nexthink_user", &[])] {
            let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
            let batch = RecordBatch::try_from_iter_with_nullable([("name", column, true)])?;
            let mut writer = staging.table(TableDeclaration {
                kind: TableKind::Entity,
                name: name.to_owned(),
                class: vec!["Device".to_owned()],
                ends: None,
                schema: batch.schema(),
                personal_columns: Vec::new(),
            })?;
            if batch.num_rows() > 0 {
                writer.write(&batch)?;
            }
            tables.push(writer.finish()?);
        }
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables,
        };
        staging.publish(draft, &[])?;
        Ok(())
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store/acme")
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn export(&self, format: TableFormat) -> anyhow::Result<core_export::FolderReport> {
        export(&self.tenant.lock("a test")?, &self.target(), format, "audit")
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The paths of the Parquet files below a folder.
fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found
}

/// The contents of the Parquet files below a folder, in any order.
fn parquet_contents(folder: &Path) -> Vec<Vec<u8>> {
    let files = parquet_files(folder).into_iter();
    let mut contents: Vec<_> = files.map(|path| fs::read(path).expect("it can be read")).collect();
    contents.sort_unstable();
    contents
}

#[test]
fn tables_are_written_with_their_headers_and_formulas_are_defused() -> Checked {
    let scene = Scene::new()?;
    scene.publish(FIRST, &["pc-1", "=1+1"])?;
    let report = scene.export(TableFormat::Csv)?;
    let entities = scene.target().join(format!("generations/{FIRST}/entities"));
    assert_eq!(text(&entities.join("nexthink_device.csv")), "name\r\npc-1\r\n'=1+1\r\n");
    assert_eq!(text(&entities.join("nexthink_user.csv")), "name\r\n", "a table without rows");
    let device = format!("generations/{FIRST}/entities/nexthink_device.csv");
    assert_eq!(report.tables.get(&device), Some(&2));
    let page = text(&scene.target().join("README.md"));
    assert!(page.contains(&format!("| 2 | `{device}` |")), "{page}");
    assert!(!scene.target().join("INCOMPLETE").exists());
    let manifest = text(&scene.target().join(format!("generations/{FIRST}/manifest.json")));
    assert!(manifest.contains(FIRST));
    Ok(())
}

#[test]
fn parquet_files_are_those_of_the_store() -> Checked {
    let scene = Scene::new()?;
    scene.publish(FIRST, &["pc-1"])?;
    scene.export(TableFormat::Parquet)?;
    let (stored, exported) = (parquet_contents(&scene.store()), parquet_contents(&scene.target()));
    assert!(!stored.is_empty());
    assert_eq!(stored, exported);
    Ok(())
}

#[test]
fn a_damaged_generation_is_named_and_the_others_are_written() -> Checked {
    let scene = Scene::new()?;
    scene.publish(FIRST, &["pc-1"])?;
    scene.publish(SECOND, &["pc-2"])?;
    let entities = scene.store().join(format!("generations/{FIRST}/entities"));
    fs::write(&parquet_files(&entities)[0], "no Parquet")?;
    let report = scene.export(TableFormat::Csv)?;
    assert_eq!(report.unreadable.keys().collect::<Vec<_>>(), [FIRST]);
    assert!(report.tables.keys().all(|path| path.contains(SECOND)), "{:?}", report.tables);
    let page = text(&scene.target().join("README.md"));
    assert!(page.contains("## Generations that could not be exported"), "{page}");
    Ok(())
}

#[test]
fn small_files_are_copied_and_what_is_in_the_works_is_counted() -> Checked {
    let scene = Scene::new()?;
    scene.publish(FIRST, &["pc-1"])?;
    for (path, content) in [("quota.json", "{}"), ("ledger/note", "a"), ("odd/one", "b")] {
        let path = scene.store().join(path);
        fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        fs::write(path, content)?;
    }
    fs::create_dir_all(scene.store().join("staging/downloads"))?;
    fs::write(scene.store().join("staging/downloads/half"), "c")?;
    let report = scene.export(TableFormat::Csv)?;
    for (path, content) in
        [("state/quota.json", "{}"), ("ledger/note", "a"), ("other/odd/one", "b")]
    {
        assert_eq!(text(&scene.target().join(path)), content, "{path}");
    }
    assert!(report.left_out.contains(&"lock".to_owned()), "{:?}", report.left_out);
    assert!(report.left_out.contains(&"staging/downloads/half".to_owned()));
    assert!(!scene.target().join("staging").exists());
    Ok(())
}

#[test]
fn an_export_that_fails_says_so_in_its_folder() -> Checked {
    let scene = Scene::new()?;
    scene.publish(FIRST, &["pc-1"])?;
    fs::create_dir_all(scene.target())?;
    // A file stands where a folder is to be made.
    fs::write(scene.target().join("generations"), "")?;
    assert!(scene.export(TableFormat::Csv).is_err());
    assert!(scene.target().join("INCOMPLETE").exists());
    fs::remove_file(scene.target().join("generations"))?;
    let refused = check_folder(&scene.target());
    assert!(matches!(refused, Err(FolderError::Interrupted { .. })), "{refused:?}");
    Ok(())
}

#[test]
fn nothing_is_exported_into_the_folder_of_the_store() -> Checked {
    let folder = tempfile::tempdir()?;
    let (store, beside) = (folder.path().join("store"), folder.path().join("store-export"));
    fs::create_dir(&store)?;
    check_outside(&beside, &store)?;
    for inside in [store.clone(), store.join("out"), store.join("new/../new/out")] {
        let refused = check_outside(&inside, &store);
        assert!(matches!(refused, Err(FolderError::InStore { .. })), "{refused:?}");
    }
    std::os::unix::fs::symlink(&store, folder.path().join("link"))?;
    let refused = check_outside(&folder.path().join("link/out"), &store);
    assert!(matches!(refused, Err(FolderError::InStore { .. })), "{refused:?}");
    Ok(())
}

#[test]
fn only_an_absent_or_empty_folder_is_written_to() -> Checked {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("out");
    check_folder(&target)?;
    fs::create_dir(&target)?;
    check_folder(&target)?;
    fs::write(target.join("file"), "")?;
    let refused = check_folder(&target);
    assert!(matches!(refused, Err(FolderError::NotEmpty { .. })), "{refused:?}");
    let refused = check_folder(&target.join("file"));
    assert!(matches!(refused, Err(FolderError::Unusable { .. })), "{refused:?}");
    Ok(())
}
