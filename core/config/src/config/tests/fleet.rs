//! A fleet's file over its tenants' files.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::fleet::Fleet;
use crate::source::{ChosenTenant, Source};

const TENANT: &str = "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"i\"\n\
                      client_secret = { file = \"s\" }\n";

/// A folder with a fleet's file and the files of tenants.
fn folder(fleet: &str, tenants: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder can be made");
    let below = folder.path().join("tenants.d");
    core_files::create_folder(&below).expect("it is ours");
    let write = |path: &Path, text: &str| {
        core_files::replace_file(path, text.as_bytes()).expect("it is ours");
    };
    for (name, text) in tenants {
        write(&below.join(name), text);
    }
    let file = folder.path().join("fleet.toml");
    write(&file, fleet);
    (folder, file)
}

fn load(file: &Path) -> Fleet {
    Fleet::load(file, empty_environment())
        .map_err(|failure| failure.error)
        .expect("it is valid")
        .expect("it is a fleet")
}

#[test]
fn a_relative_path_starts_at_the_file_that_has_it_and_each_tenant_has_its_own_keys() {
    let text = "[fleet]\ntenants = \"tenants.d\"\n[defaults.store]\nlocation = \"kept\"\n";
    let own = format!("{TENANT}[store]\nlocation = \"mine\"\n");
    let (folder, file) = folder(text, &[("acme.toml", TENANT), ("b.toml", &own)]);
    let fleet = load(&file);
    let acme = fleet.load_tenant("acme").map_err(|failure| failure.error).expect("it is valid");
    let tenants = folder.path().join("tenants.d");
    assert_eq!(acme.store, Location::Folder(folder.path().join("kept")));
    assert_eq!(acme.privacy.key_file, tenants.join("acme.key"));
    let secret = format!("{:?}", acme.credential.as_ref().expect("it is there").client_secret);
    assert_eq!(secret, format!("File({:?})", tenants.join("s")));
    let other = fleet.load_tenant("b").map_err(|failure| failure.error).expect("it is valid");
    assert_eq!(other.store, Location::Folder(tenants.join("mine")));
    assert_eq!(other.privacy.key_file, tenants.join("b.key"));
}

#[test]
fn only_files_of_tenants_are_tenants() {
    let text = "[fleet]\ntenants = \"tenants.d\"\n";
    let files = ["acme.toml", ".acme.toml.swp", ".hidden.toml", "acme.key", "b.toml.bak", "c.toml"];
    let (_folder, file) = folder(text, &files.map(|name| (name, TENANT)));
    let names = load(&file).names().map_err(|failure| failure.error);
    assert_eq!(names.expect("it can be read"), ["acme", "c"]);
}

#[test]
fn the_fleet_on_its_page_is_valid() {
    let page = include_str!("../../../../../docs/operations.md");
    let blocks = page.split("```toml\n").skip(1).filter_map(|block| block.split("```").next());
    let fleets: Vec<&str> = blocks.filter(|block| core_settings::is_fleet(block)).collect();
    assert!(!fleets.is_empty());
    for text in fleets {
        let (_folder, file) = folder(text, &[("acme.toml", TENANT)]);
        let config = load(&file).load_tenant("acme").map_err(|failure| failure.error);
        let config = config.unwrap_or_else(|error| panic!("{text}: {error:#}"));
        assert_ne!(config.schedule.timetable, core_fleet::Timetable::Disabled);
        assert_eq!(config.queries.len(), 2);
    }
}

#[cfg(unix)]
#[test]
fn the_file_of_the_fleet_is_warned_of_and_that_of_a_tenant_refused_if_others_can_write_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, file) = folder("[fleet]\ntenants = \"tenants.d\"\n", &[("acme.toml", TENANT)]);
    let open = |path: &Path| {
        let mode = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(path, mode).expect("it is ours");
    };
    let chosen = ChosenTenant { name: "acme".to_owned(), may_differ: false };
    let source = Source::Tenant(file.clone(), chosen);
    let loaded = || Config::load(&source, empty_environment());
    let exposures =
        || loaded().map_err(|failure| failure.error).expect("it is valid").warnings.exposures;
    assert_eq!(exposures(), [""; 0]);
    open(&file);
    let [warning] = exposures().try_into().expect("one warning");
    assert!(warning.starts_with(&file.display().to_string()), "{warning}");
    let own = folder.path().join("tenants.d/acme.toml");
    open(&own);
    let refused = loaded().expect_err("others can write it").error.to_string();
    assert!(refused.contains("can be written to by others"), "{refused}");
    // The file of a single tenant is used, with a warning.
    let alone = Config::load(&Source::File(own), empty_environment());
    assert_eq!(alone.expect("it is valid").warnings.exposures, [refused]);
}

#[test]
fn the_settings_of_a_chosen_tenant_are_in_its_own_file_and_the_example_of_a_name_is_allowed() {
    let text = "[fleet]\ntenants = \"tenants.d\"\n";
    let (folder, file) = folder(text, &[("A b.toml", TENANT), ("acme.toml", TENANT)]);
    let chosen = ChosenTenant { name: "acme".to_owned(), may_differ: false };
    let source = Source::Tenant(file.clone(), chosen);
    let own = folder.path().join("tenants.d/acme.toml").display().to_string();
    assert_eq!(source.settings_name(empty_environment()), own);
    let all = Source::File(file.clone());
    assert_eq!(all.settings_name(empty_environment()), file.display().to_string());
    let failure = Config::load(&all, empty_environment()).expect_err("no tenant is chosen");
    assert!(failure.error.to_string().ends_with("(such as `--tenant acme`)"), "{}", failure.error);
}
