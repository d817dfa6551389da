//! The inventory: every declared column, the action of a profile on it, and the properties that are
//! read from it.

use core_model::column::Column;
use core_model::step::Step;
use core_privacy::profile::{Action, Policy};
use serde_json::{Value, json};

/// A column of the inventory.
#[derive(Debug)]
pub struct InventoryColumn {
    /// The column with its class.
    pub column: &'static Column,
    /// The action on its values.
    pub action: Action,
    /// The properties that are read from it, as `type.property`.
    pub properties: Vec<String>,
}

impl InventoryColumn {
    /// The header of a table of columns.
    pub const HEADER: [&str; 4] = ["column", "class", "action", "goes to"];

    /// The column for people.
    pub fn cells(&self) -> [String; 4] {
        let is_dropped = self.action == Action::Drop;
        let goes_to = if is_dropped { String::new() } else { self.properties.join("\n") };
        let column = self.column;
        [
            column.name.to_owned(),
            column.class.name().to_owned(),
            self.action.name().to_owned(),
            goes_to,
        ]
    }

    /// The column for programs, under a policy.
    pub fn to_json(&self, policy: &Policy) -> Value {
        json!({
            "column": self.column.name,
            "class": self.column.class.name(),
            "action": self.action.name(),
            "profile": policy.profile().name(),
            "properties": self.properties,
        })
    }
}

/// Returns every column of the linked steps under a policy.
pub fn columns(policy: &Policy) -> Vec<InventoryColumn> {
    let steps = Step::all();
    let columns = policy.columns().map(|(column, action)| {
        let mut properties = Vec::new();
        for entity in steps.iter().flat_map(|step| step.entities) {
            let read =
                entity.properties.iter().filter(|property| property.columns.contains(&column.name));
            properties
                .extend(read.map(|property| format!("{}.{}", entity.type_name, property.name)));
            if entity.key_column == column.name
                || entity.fallback_key_columns().any(|part| part == column.name)
            {
                properties.push(format!("{}._key", entity.type_name));
            }
        }
        InventoryColumn { column, action, properties }
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use core_privacy::profile::Profile;

    use super::*;
    use crate::privacy;

    #[test]
    fn every_property_and_key_of_an_export_is_in_the_inventory() {
        let policy = privacy::policy(Profile::Full, &[]).expect("nothing is overridden");
        let columns = columns(&policy);
        let listed = |name: &str| {
            columns.iter().any(|column| column.properties.iter().any(|known| known == name))
        };
        for entity in Step::all().into_iter().flat_map(|step| step.entities) {
            for property in entity.properties.iter().filter(|property| !property.columns.is_empty())
            {
                let name = format!("{}.{}", entity.type_name, property.name);
                assert!(listed(&name), "{name}");
            }
        }
        assert!(listed("nexthink_device._key") && !listed("nexthink_device.no_such"));
        assert!(
            columns.iter().all(|column| column.action == Action::Keep),
            "the profile keeps all"
        );
    }

    #[test]
    fn a_dropped_column_goes_nowhere_for_people_and_programs_see_what_it_would_be() {
        let policy = privacy::policy(Profile::Full, &[]).expect("nothing is overridden");
        let mut columns = columns(&policy);
        let column = columns.iter_mut().find(|column| !column.properties.is_empty());
        let column = column.expect("some columns are read");
        column.action = Action::Keep;
        let [name, _, action, goes_to] = column.cells();
        assert_eq!((&*name, &*action), (column.column.name, Action::Keep.name()));
        assert_eq!(goes_to.lines().count(), column.properties.len());
        column.action = Action::Drop;
        assert_eq!(column.cells()[3], "");
        let object = column.to_json(&policy);
        assert_eq!(object["properties"].as_array().map(Vec::len), Some(column.properties.len()));
        assert_eq!((&object["column"], &object["profile"]), (&name.into(), &"full".into()));
    }
}
