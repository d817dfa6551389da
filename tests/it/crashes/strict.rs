//! A run that exports in parts, reads the audit trail from its table and drops what tells of people: killed and
//! refused at its file operations like the plain one.

use core_simulator::{Parameter, QueryBehaviour, SavedQuery};

use super::Torture;
use super::operations::{fail_at_operations, kill_at_operations};

/// The number of operations that the gate tries with each fault: such a run starts some twenty exports.
const SAMPLES: usize = 3;

fn torture() -> Torture {
    Torture::with("minimal", SAMPLES, |scene, mut configuration| {
        let rows = scene.counts().rows[&SavedQuery::Packages];
        let parameter = Parameter { name: "p".to_owned(), column: "device.uid".to_owned() };
        scene.update(|behaviour| {
            behaviour.row_caps.insert(SavedQuery::Packages, rows / 2);
            let twin = QueryBehaviour {
                same_as: Some(SavedQuery::Packages),
                parameter: Some(parameter),
                ..QueryBehaviour::default()
            };
            behaviour.queries.insert("#j1_packages_part".to_owned(), twin);
            behaviour.audit.table_hours = 48;
        });
        for column in ["time", "account", "code", "message"] {
            configuration = configuration.text(&format!("audit.columns.{column}"), column);
        }
        let parts = "{ id = \"#j1_packages\", partition = { query = \"#j1_packages_part\" } }";
        configuration
            .set("nexthink.daily_exports", "10000")
            .set("queries.packages", parts)
            .text("audit.source", "nql")
            .text("audit.query", "#j1_audit")
            .set("audit.hours", "48")
    })
}

#[test]
fn n8_n13_a_run_in_parts_with_the_audit_table_under_the_minimal_profile_is_repaired_by_the_next() {
    let torture = torture();
    let before = torture.scene().requests().export_starts;
    assert!(before.get("#j1_packages_part").is_some_and(|parts| parts.len() == 16), "{before:?}");
    assert!(before.contains_key("#j1_audit"), "{before:?}");
    kill_at_operations(&torture, &["run"]);
    fail_at_operations(&torture, &["run"]);
}
