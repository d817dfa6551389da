//! The texts of the queries that an administrator saves in Nexthink.

use std::fmt::Write as _;

use core_model::plan::{Decision, Plan};
use core_model::step::Step;

use crate::failure::Failure;
use crate::settings::{AuditTable, Settings};
use crate::suggestion;

/// The field name of the audit trail's table.
const AUDIT: &str = "audit";

/// The remark in place of texts if there are none.
pub const NOTHING: &str = "there is nothing to save: each query reads files or is off; name a query, such as `nql devices`";

/// Returns the texts to save, for the named fields or for all. With settings, it leaves out skipped queries and uses
/// the configured IDs. With `of_parts`, it returns the queries of parts, whose parameter has this name if the
/// settings name none.
///
/// # Errors
///
/// There is no query for a field.
pub fn texts(
    settings: Option<&Settings>,
    fields: &[String],
    of_parts: Option<&str>,
) -> Result<String, Failure> {
    let plan = Plan::new(&Step::all(), |_| Decision::Run).map_err(anyhow::Error::new)?;
    let queries =
        || plan.steps().iter().filter_map(|planned| Some((planned.step.query()?, planned.step)));
    for field in fields {
        if field != AUDIT && !queries().any(|(query, _)| query.config_field == field) {
            let known = queries().map(|(query, _)| query.config_field);
            let known: Vec<_> = known.chain([AUDIT]).collect();
            return Err(Failure::configuration(suggestion::unknown("query", field, &known)));
        }
    }
    let mut text = String::new();
    for (query, step) in queries() {
        let (field, name) = (query.config_field, step.name);
        let saved = settings.and_then(|settings| settings.queries.get(field));
        let is_wanted = if fields.is_empty() {
            saved.is_some() || (settings.is_none() && !query.is_extra)
        } else {
            fields.iter().any(|known| known == field)
        };
        if !is_wanted {
            continue;
        }
        let id = saved.map_or(query.suggested_id, |saved| saved.id.as_str());
        let partition = saved.and_then(|saved| saved.partition.as_ref());
        if let Some(default_parameter) = of_parts {
            let parameter = partition.map_or(default_parameter, |parts| &parts.parameter);
            let part =
                partition.map_or_else(|| format!("{id}_part"), |parts| parts.query.to_string());
            let nql = step.partitioned_nql(parameter).unwrap_or_default();
            let _ = writeln!(
                text,
                "# {name} in parts: save as {part}, set\n# queries.{field} = {{ id = \"{id}\", \
                 partition = {{ query = \"{part}\" }} }}\n{nql}\n"
            );
        } else {
            let nql = step.nql().unwrap_or_default();
            let _ = writeln!(text, "# {name}: save as {id}, set queries.{field}\n{nql}\n");
        }
    }
    let table = settings.and_then(|settings| settings.audit.as_ref()?.table());
    let is_wanted = fields.iter().any(|name| name == AUDIT) || fields.is_empty() && table.is_some();
    if is_wanted && of_parts.is_none() {
        let _ = writeln!(text, "{}", audit_nql(table));
    }
    Ok(text.trim_end().to_owned())
}

/// Returns the text to save for the table of the audit trail, whose columns Nexthink does not document.
fn audit_nql(table: Option<&AuditTable>) -> String {
    match table {
        Some(table) => {
            let (query, nql) = (&table.query, table.nql());
            format!("# Audit Trail: save as {query}, set audit.query\n{nql}")
        }
        None => "# Audit Trail: save as #j1_audit, with the names of the columns as Nexthink's editor shows\n\
             # them; set audit.source = \"nql\", audit.query and audit.columns.{time,account,code,message}\n\
             platform.audit_logs during past 168h\n| list TIME, ACCOUNT, CODE, MESSAGE\n| sort TIME asc"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(fields: &[&str], of_parts: Option<&str>) -> Result<String, Failure> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        texts(None, &fields, of_parts)
    }

    #[test]
    fn without_settings_each_query_is_there_that_is_no_extra() {
        let all = texts_of(&[], None).expect("the steps make a plan");
        for field in ["devices", "users", "packages", "alerts"] {
            assert!(all.contains(&format!("set queries.{field}\n")), "{field} is not in\n{all}");
        }
        assert!(all.contains("save as #j1_devices"), "{all}");
        assert!(!all.contains("platform.audit_logs"), "the table is not configured");
    }

    #[test]
    fn a_named_query_is_there_alone_and_an_unknown_one_is_refused() {
        let users = texts_of(&["users"], None).expect("there is such a query");
        assert!(users.contains("queries.users") && !users.contains("queries.devices"), "{users}");
        let audit = texts_of(&["audit"], None).expect("the table can be named");
        assert!(audit.contains("platform.audit_logs") && !audit.contains("queries."), "{audit}");
        let refused = texts_of(&["user"], None).expect_err("there is none");
        assert!(refused.error.to_string().contains("users"), "{}", refused.error);
    }

    #[test]
    fn a_query_of_parts_has_its_parameter() {
        let parts = texts_of(&["devices"], Some("prefix")).expect("there is such a query");
        assert!(parts.contains("partition = { query = \"#j1_devices_part\" }"), "{parts}");
        assert!(parts.contains("$prefix"), "{parts}");
        let none = texts_of(&["audit"], Some("prefix")).expect("the table can be named");
        assert_eq!(none, "", "the table is not exported in parts");
    }
}
