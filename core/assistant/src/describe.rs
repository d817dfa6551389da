//! The tables and their columns, explained by the declarations of the steps.

use core_model::step::Step;
use serde_json::{Value, json};

/// Returns the list of tables, or the columns of one.
///
/// # Errors
///
/// There is no such table.
pub(crate) fn describe(tables: &Value, one: Option<&str>) -> Result<Value, String> {
    let tables = || tables.as_array().into_iter().flatten();
    let Some(name) = one else {
        let summary = |table: &Value| {
            let name = table["name"].as_str().unwrap_or_default();
            json!({
                "name": name,
                "rows": table["rows"],
                "partial": table["partial"],
                "is": meaning(name),
            })
        };
        return Ok(tables().map(summary).collect());
    };
    let table = tables().find(|table| table["name"] == name).ok_or_else(|| {
        let names: Vec<&str> = tables().filter_map(|table| table["name"].as_str()).collect();
        format!("there is no table {name}; the tables are {}", names.join(", "))
    })?;
    let column = |column: &Value| {
        let description = description(name, column["name"].as_str().unwrap_or_default());
        json!({ "name": column["name"], "type": column["type"], "is": description })
    };
    let columns = table["columns"].as_array().into_iter().flatten().map(column);
    Ok(json!({
        "name": name,
        "rows": table["rows"],
        "partial": table["partial"],
        "is": meaning(name),
        "columns": columns.collect::<Vec<_>>(),
    }))
}

/// Returns a description of a table's rows in the terms of a J1QL query.
fn meaning(name: &str) -> Option<String> {
    for step in Step::all() {
        if let Some(entity) = step.entities.iter().find(|entity| entity.type_name == name) {
            let classes: Vec<&str> = entity.class.iter().map(|class| class.name()).collect();
            return Some(format!("entities of class {}", classes.join(", ")));
        }
        let mut relationships = step.relationships.iter();
        if let Some(relationship) =
            relationships.find(|relationship| relationship.type_name == name)
        {
            return Some(format!(
                "relationships {} {} >> {}",
                relationship.from.entity.type_name,
                relationship.class.name(),
                relationship.to.entity.type_name
            ));
        }
    }
    match name {
        "entities" => Some("all entities".to_owned()),
        "relationships" => Some("all relationships".to_owned()),
        _ => None,
    }
}

fn description(type_name: &str, column: &str) -> Option<&'static str> {
    let mut entities = Step::all().into_iter().flat_map(|step| step.entities);
    let entity = entities.find(|entity| entity.type_name == type_name)?;
    entity.property(column).map(|property| property.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_explained_by_their_declarations() {
        let columns =
            json!([{ "name": "osName", "type": "text" }, { "name": "_key", "type": "text" }]);
        let tables = json!([
            { "name": "nexthink_device", "rows": 2, "partial": false, "columns": columns },
            { "name": "nexthink_device_installed_package", "rows": 9, "partial": true, "columns": [] },
        ]);
        let all = describe(&tables, None).expect("all can be told");
        assert_eq!(all[0]["is"], "entities of class Device");
        let edges = "relationships nexthink_device INSTALLED >> nexthink_package";
        assert_eq!((&all[1]["is"], &all[1]["partial"]), (&json!(edges), &json!(true)));
        let one = describe(&tables, Some("nexthink_device")).expect("it is there");
        assert!(one["columns"][0]["is"].is_string(), "{one}");
        let error = describe(&tables, Some("nexthink_x")).expect_err("it is not there");
        assert!(error.starts_with("there is no table nexthink_x; the tables are nexthink_device"));
    }
}
