//! The commands of the page on Postgres, as they are printed.

use std::process::Command;

use super::{Delivery, PASSWORD, USER, port};

#[test]
fn every_example_of_the_page_runs_as_printed() {
    let delivery = Delivery::new();
    // The schema that the page names.
    delivery.database.run("DROP SCHEMA IF EXISTS nexthink_acme_eu CASCADE");
    delivery.configure_with(|configuration| configuration.without("destinations.postgres.schema"));
    delivery.scene.run_completely();
    let program = env!("CARGO_BIN_EXE_program");
    let page = include_str!("../../../docs/postgres.md");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let script =
        blocks.collect::<Vec<_>>().join("\n").replace("nexthink-graph ", &format!("{program} "));
    assert!(script.contains("psql"), "{script}");
    let mut bash = Command::new("/bin/bash");
    bash.current_dir(delivery.scene.folder()).args(["-euo", "pipefail", "-c", &script]);
    bash.envs([("PGHOST", "127.0.0.1"), ("PGUSER", USER), ("PGPASSWORD", PASSWORD)]);
    bash.envs([("PGDATABASE", "postgres"), ("PGPORT", &port()), ("PAGER", "cat")]);
    let ended = bash.output().expect("there is a shell");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert!(
        printed.contains("nexthink_device_installed_package") && printed.contains("is_partial"),
        "{printed}"
    );
}
