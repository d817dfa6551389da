//! Databases as destinations.

use super::*;

fn with(name: &str, settings: &str) -> Result<Config, Vec<String>> {
    parse(&format!("{WHOLE}\n[destinations.{name}]\n{settings}\n"), &[])
}

#[test]
fn a_database_beyond_this_machine_is_reached_with_encryption_only() {
    for (name, more) in [("postgres", "database = \"d\""), ("neo4j", "")] {
        for (host, may_be_plain) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
            ("graph.example.com", false),
        ] {
            let settings = format!("host = \"{host}\"\nuser = \"u\"\n{more}\n");
            assert!(with(name, &settings).is_ok(), "{name} {host}");
            let problems = with(name, &format!("{settings}tls = \"off\"")).map(drop);
            let problems = problems.err().unwrap_or_default().join("\n");
            assert_eq!(problems.is_empty(), may_be_plain, "{name} {host}: {problems}");
            assert!(may_be_plain || problems.contains("in the clear"), "{problems}");
        }
    }
}

#[test]
fn a_password_in_the_file_or_a_variable_is_refused_as_any_other_secret_is() {
    for (name, more) in [("postgres", "database = \"d\""), ("neo4j", "")] {
        let settings = format!("host = \"localhost\"\nuser = \"u\"\n{more}\n");
        let path = format!("destinations.{name}.password");
        let variable = format!("NEXTHINK_GRAPH__DESTINATIONS__{}__PASSWORD", name.to_uppercase());
        let table = format!("{WHOLE}\n[destinations.{name}]\n{settings}");
        for problems in [
            parse(&format!("{table}password = \"canary\"\n"), &[]).map(drop),
            parse(&table, &[(&variable, "canary")]).map(drop),
        ] {
            let problems = problems.expect_err("it is the password itself");
            let [problem] = problems.as_slice() else { panic!("{problems:?}") };
            let refusal = format!("`{path}` must not hold the secret itself; give a reference");
            assert!(problem.contains(&refusal) && !problem.contains("canary"), "{problem}");
        }
    }
}

#[test]
fn neo4j_needs_a_host_and_a_user_and_has_defaults_for_the_rest() {
    let config = with("neo4j", "host = \"graph.example.com\"\nuser = \"u\"").expect("valid");
    let neo4j = config.neo4j.as_ref().expect("it is configured");
    assert_eq!(neo4j.settings.place(), "database neo4j at graph.example.com:7687");
    assert_eq!(neo4j.settings.tls, core_neo4j::Tls::Required);
    assert!(neo4j.after_run && neo4j.password.is_none());
    let problems = with("neo4j", "after_run = false").map(drop).expect_err("it lacks both");
    for name in ["host", "user"] {
        let path = format!("destinations.neo4j.{name}");
        assert!(problems.iter().any(|problem| problem.contains(&path)), "{problems:?}");
    }
}
