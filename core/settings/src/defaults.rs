//! The file of a fleet: its own settings, and the defaults of its tenants.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::declared::Declared;
use crate::flat::{Flat, Value};
use crate::problem::{Place, Problem};
use crate::setting::Kind;
use crate::table::FLEET;

/// The beginning of the paths of defaults.
const PREFIX: &str = "defaults.";

/// Settings of which a tenant's file that has one replaces all: each of them rules out another.
const ALTERNATIVES: [&str; 3] = ["schedule.interval", "schedule.cron", "schedule.time_zone"];

/// Defaults for the files of tenants: values by the paths that they have in a tenant's file.
#[derive(Debug, Clone, Default)]
pub struct Defaults(BTreeMap<String, (Value, Place)>);

/// Returns true if a file configures a fleet. One that is not TOML does not.
pub fn is_fleet(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|table| table.get_ref().contains_key(FLEET.path))
}

impl Defaults {
    /// Takes the defaults out of the file of a fleet, whose name messages about them show.
    pub(crate) fn take(flat: &mut Flat, file: &str, declared: &Declared) -> (Self, Vec<Problem>) {
        let (mut defaults, mut problems) = (Self::default(), Vec::new());
        for (path, (value, place)) in std::mem::take(&mut flat.entries) {
            let Some(name) = path.strip_prefix(PREFIX) else {
                match declared.get(&path) {
                    Some(_) => {
                        let setting = declared.declared_path(&path);
                        problems.push(Problem { place, message: misplaced(&path), setting });
                    }
                    None => drop(flat.entries.insert(path, (value, place))),
                }
                continue;
            };
            if declared.get(name).is_none() {
                let hint = declared.hint(name, PREFIX);
                let message = format!("`{path}` is not a setting{hint}");
                problems.push(Problem { place, message, setting: None });
                continue;
            }
            defaults.0.insert(name.to_owned(), (value, place.of_defaults(file)));
        }
        // An empty table of defaults sets nothing, as elsewhere.
        flat.empty_tables.retain(|path, _| {
            let name = path.strip_prefix(PREFIX);
            path != "defaults" && !name.is_some_and(|name| declared.is_table(name))
        });
        (defaults, problems)
    }

    /// Adds to a tenant's file what it leaves out.
    pub(crate) fn add_to(&self, flat: &mut Flat, declared: &Declared) {
        let is_set = |flat: &Flat, path: &str| {
            let below = format!("{path}.");
            flat.entries.keys().any(|key| key == path || key.starts_with(&below))
        };
        let own: Vec<&String> = self
            .0
            .keys()
            .filter(|path| {
                if ALTERNATIVES.contains(&path.as_str()) {
                    !ALTERNATIVES.iter().any(|other| is_set(flat, other))
                } else {
                    !is_set(flat, unit(path, declared))
                }
            })
            .collect();
        for path in own {
            flat.entries.insert(path.clone(), self.0[path].clone());
        }
    }
}

/// Returns the path of what a tenant's file replaces as a whole if it sets any of it: a reference to a secret has one
/// place only, and a query is a text or a table.
fn unit<'a>(path: &'a str, declared: &Declared) -> &'a str {
    if let Some(name) = path.strip_prefix("queries.") {
        let end = name.find('.').unwrap_or(name.len());
        return &path[..path.len() - name.len() + end];
    }
    let parent = path.rsplit_once('.').map(|(parent, _)| parent);
    let is_secret =
        |parent: &&str| declared.get(parent).is_some_and(|leaf| leaf.kind == Kind::Secret);
    parent.filter(is_secret).unwrap_or(path)
}

fn misplaced(path: &str) -> String {
    format!(
        "`{path}` is a setting of one tenant: call it `{PREFIX}{path}` for all, or move it into a file of \
         `fleet.tenants`"
    )
}
