//! The commands and the queries of the page on Neo4j, as they are printed.

use std::process::Command;

use super::Delivery;

/// The blocks of the page in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../../docs/neo4j.md");
    let start = format!("```{language}\n");
    let blocks = page.split(start.as_str()).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect()
}

#[test]
fn every_command_and_every_query_of_the_page_runs_as_printed() {
    let delivery = Delivery::new();
    delivery.configure_with(|configuration| {
        configuration.text("queries.device_users", "#j1_device_users")
    });
    delivery.scene.run_completely();
    let program = env!("CARGO_BIN_EXE_program");
    let script = blocks("sh").join("\n").replace("nexthink-graph ", &format!("{program} "));
    assert!(script.contains("sync neo4j --full"), "{script}");
    let mut bash = Command::new("/bin/bash");
    bash.current_dir(delivery.scene.folder()).args(["-euo", "pipefail", "-c", &script]);
    let ended = bash.output().expect("there is a shell");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let queries = blocks("cypher");
    assert_eq!(queries.len(), 3);
    for query in queries {
        assert!(!delivery.rows(query).is_empty(), "{query}");
    }
}
