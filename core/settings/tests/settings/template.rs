//! The file that `init` writes.

use core_settings::{Answer, template};

#[test]
fn a_new_file_has_the_answers_with_their_meaning_and_shows_what_else_there_is() {
    let answer = |path: &str, value: &str, is_off: bool| Answer {
        path: path.to_owned(),
        value: value.to_owned(),
        is_off,
    };
    let file = template(&[
        answer("nexthink.tenant", "\"acme\"", false),
        answer("nexthink.client_secret", "{ env = \"SECRET\" }", false),
        answer("queries.devices", "\"#j1_devices\"", false),
        answer("queries.device_users", "\"#j1_device_users\"", true),
        answer("store.location", "\"kept\"", false),
    ]);
    insta::assert_snapshot!(file, @r##"
    # The configuration of Nexthink Graph. A variable of the environment overrides a setting:
    # NEXTHINK_GRAPH__QUERIES__DEVICES is queries.devices.

    # The tenant of Nexthink, its credential, and how its API is called
    [nexthink]
    # Tenant, or its address `https://acme.eu.nexthink.cloud`, which gives the region too
    tenant = "acme"
    # Secret of the API credential: a reference, never the secret itself (env, file, command)
    client_secret = { env = "SECRET" }

    # The IDs of the saved queries; `nexthink-graph nql` prints the text of each
    [queries]
    devices = "#j1_devices"
    # device_users = "#j1_device_users"

    # Where generations are kept
    [store]
    # Folder of the store, or its address in a bucket: `s3://BUCKET/FOLDER` or `az://CONTAINER/FOLDER`
    location = "kept"

    # When `nexthink-graph schedule` starts runs
    # [schedule]
    # interval = "6 hours"

    # How much is kept about people, and what the record of processing says
    # [privacy]
    # profile = "pseudonymous"

    # Read the audit trail with every run
    # [audit]
    # account = "audit-reader"
    # password = { env = "NEXTHINK_AUDIT_PASSWORD" }

    # Deliver every published generation to JupiterOne
    # [destinations.jupiterone]
    # account = "b0a1c2d3"
    # api_key = { env = "JUPITERONE_API_KEY" }
    # url = "https://api.eu.jupiterone.io"

    # Deliver every published generation to a schema of a Postgres database
    # [destinations.postgres]
    # host = "db.example.com"
    # database = "estate"
    # user = "nexthink_graph"
    # password = { env = "POSTGRES_PASSWORD" }

    # Deliver every published generation as Delta tables in a folder
    # [destinations.delta]
    # folder = "/srv/lake/nexthink"

    # Deliver every published generation to a Neo4j database
    # [destinations.neo4j]
    # host = "graph.example.com"
    # user = "nexthink_graph"
    # password = { env = "NEO4J_PASSWORD" }
    "##);
}
