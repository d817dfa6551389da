//! The folder for JupiterOne's own command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use core_jupiterone::{
    Contents, FolderReport, JupiterOneError, SchemaViolations, StepResult, StepStatus,
    export_folder,
};
use core_store::{Table, TableKind};
use serde_json::Value;

use crate::support::{Checked, Estate, FIRST, Place, SECOND, STEPS};

fn results() -> Vec<StepResult> {
    STEPS.iter().map(|step| StepResult { step, status: StepStatus::Success }).collect()
}

fn json(path: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// All files below a folder.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

type Types = (Vec<String>, BTreeMap<String, usize>);

/// The `_type` of the objects of every file, by file, and how many there are of each.
fn types_of(folder: &Path) -> Result<Types, Box<dyn std::error::Error>> {
    let (mut in_order, mut counts) = (Vec::new(), BTreeMap::new());
    for path in files(&folder.join(".j1-integration/graph"))? {
        let content = json(&path)?;
        let lists = content.as_object().ok_or("an object")?;
        assert_eq!(lists.len(), 1, "{}", path.display());
        let mut types = Vec::new();
        for object in lists.values().flat_map(|list| list.as_array().into_iter().flatten()) {
            let name = object["_type"].as_str().ok_or("a type")?.to_owned();
            *counts.entry(name.clone()).or_default() += 1;
            types.push(name);
        }
        types.dedup();
        assert_eq!(types.len(), 1, "{}", path.display());
        in_order.extend(types);
    }
    Ok((in_order, counts))
}

#[test]
fn every_object_is_in_a_file_of_its_type_entities_first() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    let report = export_folder(&place.contents(FIRST, &Estate::of(10))?, &results(), &folder)?;
    let (order, counts) = types_of(&folder)?;
    let expected = [
        ("nexthink_account", 1),
        ("nexthink_account_has_device", 10),
        ("nexthink_alert", 5),
        ("nexthink_device", 10),
        ("nexthink_device_has_alert", 5),
    ];
    assert_eq!(counts.iter().map(|(name, n)| (name.as_str(), *n)).collect::<Vec<_>>(), expected);
    let last_entities = order.iter().rposition(|name| !name.contains("_has_"));
    let first_relationships = order.iter().position(|name| name.contains("_has_"));
    assert!(last_entities < first_relationships, "{order:?}");
    assert_eq!(report.files, 5);
    assert_eq!(report.objects["nexthink_device"], 10);
    Ok(())
}

#[test]
fn files_are_few_and_below_five_megabytes() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    let report: FolderReport =
        export_folder(&place.contents(FIRST, &Estate::of(12_000))?, &results(), &folder)?;
    let files = files(&folder.join(".j1-integration/graph"))?;
    let mut sizes = Vec::new();
    for path in &files {
        sizes.push(fs::metadata(path)?.len());
    }
    assert!(sizes.iter().all(|size| *size <= 5_000_000), "{sizes:?}");
    assert_eq!(report.bytes, sizes.iter().sum::<u64>());
    // Each of the five types ends with one file that need not be full.
    let expected = report.bytes / 4_900_000 + 5;
    assert!(files.len() as u64 <= expected, "{} files, {} bytes", files.len(), report.bytes);
    let (_, counts) = types_of(&folder)?;
    assert_eq!(counts["nexthink_device"], 12_000);
    Ok(())
}

/// The content of the files of a table, made object by object.
fn plain_files(contents: &Contents, table: &Table) -> Result<Vec<String>, JupiterOneError> {
    let list = match table.kind {
        TableKind::Entity => "{\"entities\":[",
        TableKind::Relationship => "{\"relationships\":[",
    };
    let mut files: Vec<String> = Vec::new();
    contents.for_each_object(table, &mut SchemaViolations::default(), |object| {
        let json = String::from_utf8_lossy(object.json);
        match files.last_mut() {
            Some(file) if file.len() + ",".len() + json.len() + "]}".len() <= 5_000_000 => {
                file.push(',');
                file.push_str(&json);
            }
            _ => files.push(format!("{list}{json}")),
        }
        Ok::<(), JupiterOneError>(())
    })?;
    Ok(files.into_iter().map(|file| file + "]}").collect())
}

#[test]
fn the_files_hold_the_objects_one_after_the_other() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    let contents = place.contents(FIRST, &Estate::of(12_000))?;
    export_folder(&contents, &results(), &folder)?;
    let mut expected = Vec::new();
    for kind in [TableKind::Entity, TableKind::Relationship] {
        for table in contents.tables(kind) {
            expected.extend(plain_files(&contents, table)?);
        }
    }
    let written = files(&folder.join(".j1-integration/graph"))?;
    assert_eq!(written.len(), expected.len());
    for (number, (path, expected)) in written.iter().zip(&expected).enumerate() {
        assert_eq!(path.file_stem(), Some(format!("{number:06}").as_ref()));
        assert!(fs::read(path)? == expected.as_bytes(), "{}", path.display());
    }
    Ok(())
}

#[test]
fn the_summary_tells_steps_counts_and_partial_datasets() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    let mut estate = Estate::of(4);
    estate.partial = vec!["nexthink_alert"];
    let mut steps = results();
    steps[2].status = StepStatus::Failure;
    export_folder(&place.contents(FIRST, &estate)?, &steps, &folder)?;
    let summary = json(&folder.join(".j1-integration/summary.json"))?;
    assert_eq!(
        summary["metadata"]["partialDatasets"]["types"],
        serde_json::json!(["nexthink_alert", "nexthink_device_has_alert"])
    );
    let step = &summary["integrationStepResults"][2];
    assert_eq!(step["id"], "fetch-alerts");
    assert_eq!(step["dependsOn"], serde_json::json!(["fetch-devices"]));
    assert_eq!(step["status"], "failure");
    assert_eq!(step["encounteredTypeCounts"]["nexthink_alert"], 2);
    assert_eq!(step["partialTypes"], step["declaredTypes"]);
    assert_eq!(summary["integrationStepResults"][1]["partialTypes"], serde_json::json!([]));
    Ok(())
}

/// The steps in the script of a folder.
pub(crate) fn declared_steps(folder: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    let script = fs::read_to_string(folder.join("src/index.js"))?;
    let (_, config) = script.split_once("exports.invocationConfig = ").ok_or("an export")?;
    let mut config: Value = serde_json::from_str(config.trim_end().trim_end_matches(';'))?;
    Ok(config["integrationSteps"].take())
}

#[test]
fn the_steps_are_a_script_without_anything_to_execute() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    export_folder(&place.contents(FIRST, &Estate::of(1))?, &results(), &folder)?;
    let devices = &declared_steps(&folder)?[1];
    assert_eq!(devices["entities"][0]["resourceName"], "Device");
    assert_eq!(devices["relationships"][0]["sourceType"], "nexthink_account");
    assert!(devices.get("mappedRelationships").is_none());
    assert!(fs::read_to_string(folder.join("docs/jupiterone.md"))?.contains("## Data Model"));
    Ok(())
}

#[test]
fn a_folder_of_ours_is_replaced_as_a_whole() -> Checked {
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    export_folder(&place.contents(FIRST, &Estate::of(9))?, &results(), &folder)?;
    fs::write(folder.join(".j1-integration/index.html"), "made by visualize")?;
    let killed = place.folder.path().join(".out.unfinished");
    fs::create_dir(&killed)?;
    fs::write(killed.join("half"), "left by an export that was killed")?;
    export_folder(&place.contents(SECOND, &Estate::of(2))?, &results(), &folder)?;
    let (_, counts) = types_of(&folder)?;
    assert_eq!(counts["nexthink_device"], 2);
    assert!(!folder.join(".j1-integration/index.html").exists());
    let mut left: Vec<_> = fs::read_dir(place.folder.path())?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    left.sort();
    assert_eq!(left, ["out", "store"]);
    Ok(())
}

#[test]
fn a_foreign_folder_is_refused_and_stays() -> Checked {
    let place = Place::new()?;
    let contents = place.contents(FIRST, &Estate::of(1))?;
    let folder = place.folder.path().join("out");
    fs::create_dir(&folder)?;
    // An empty one is fine.
    export_folder(&contents, &results(), &folder)?;
    for marker in [None, Some("{}"), Some(r#"{"written_by":"somebody","generation":""}"#)] {
        fs::remove_dir_all(&folder)?;
        fs::create_dir(&folder)?;
        fs::write(folder.join("thesis.txt"), "years of work")?;
        if let Some(marker) = marker {
            fs::write(folder.join(".nexthink-graph.json"), marker)?;
        }
        let answer = export_folder(&contents, &results(), &folder);
        assert!(matches!(answer, Err(JupiterOneError::ForeignFolder { .. })), "{marker:?}");
        assert_eq!(fs::read_to_string(folder.join("thesis.txt"))?, "years of work");
    }
    let file = place.folder.path().join("file");
    fs::write(&file, "years of work")?;
    let answer = export_folder(&contents, &results(), &file);
    assert!(matches!(answer, Err(JupiterOneError::ForeignFolder { .. })));
    Ok(())
}

#[cfg(unix)]
#[test]
fn what_is_written_is_for_the_owner_only() -> Checked {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new()?;
    let folder = place.folder.path().join("out");
    export_folder(&place.contents(FIRST, &Estate::of(1))?, &results(), &folder)?;
    for path in files(&folder)? {
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o077, 0, "{}", path.display());
    }
    assert_eq!(fs::metadata(&folder)?.permissions().mode() & 0o077, 0);
    Ok(())
}
