//! `ask`: the shipped questions on a simulated tenant, and those of the user.

use std::collections::BTreeMap;

use core_query::questions::{Language, Questions};
use core_query::{QuerySession, QuerySettings};
use core_simulator::TenantSpec;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::j1ql::questions as questions_for_jupiterone;
use crate::kit::Scene;

fn scene() -> Scene {
    let spec = TenantSpec {
        devices: 40,
        users: 30,
        packages_per_device: 5,
        alerts: 20,
        ..TenantSpec::default()
    };
    let scene = Scene::of(spec);
    scene.run_completely();
    scene
}

/// The questions for JupiterOne that are asked in SQL here: J1QL compares no texts in any case, and without a query for
/// the users of devices it would find that no device has one.
const IN_SQL: [&str; 7] = [
    "devices-of-entity",
    "devices-with-package",
    "devices-without-user",
    "remote-control-software",
    "software-versions",
    "unwanted-publisher",
    "vulnerable-version",
];

#[test]
fn every_shipped_question_has_an_answer_and_the_ones_for_jupiterone_are_among_them() {
    let questions = Questions::shipped().expect("they are valid");
    let joined = |query: &str| query.split_whitespace().collect::<Vec<_>>().join(" ");
    let shipped: Vec<String> = questions.list().map(|question| joined(&question.query)).collect();
    let for_jupiterone = questions_for_jupiterone();
    let others: Vec<_> =
        for_jupiterone.iter().filter(|query| !shipped.contains(&joined(query))).collect();
    assert_eq!(others.len(), IN_SQL.len(), "not shipped: {others:#?}");
    for id in IN_SQL {
        assert_eq!(questions.find(id).expect("it is shipped").language, Language::Sql, "{id}");
    }
    let scene = scene();
    let generation = scene.published();
    Runtime::new().expect("threads can be started").block_on(async {
        let mut session =
            QuerySession::open(&generation, QuerySettings::default()).await.expect("opened");
        session
            .add_history("nexthink_package", &[generation], false)
            .await
            .expect("it has packages");
        for question in questions.list() {
            // No query for the users of devices is configured.
            if question.language == Language::Sql
                && question.query.contains("nexthink_user_uses_device")
            {
                continue;
            }
            let needed = question.parameters.iter().filter(|parameter| parameter.default.is_none());
            let given: BTreeMap<String, String> =
                needed.map(|parameter| (parameter.name.clone(), "1.0".to_owned())).collect();
            let answer = session.ask(question, &given, 1_772_323_200_000);
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", question.id));
            answer.collect().await.unwrap_or_else(|error| panic!("{}: {error}", question.id));
        }
    });
}

#[test]
fn a_question_is_asked_by_its_name_and_mistakes_say_what_to_do() {
    let scene = scene();
    let ended = scene.program(&["ask", "open-critical-alerts", "--output", "json"]);
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""));
    let rows: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let count = "select count(*) n from nexthink_alert where open and severity = 'critical'";
    assert_eq!(rows[0]["alerts"], scene.query(count)[0]["n"]);

    let list = scene.program(&["ask", "--tag", "alert"]).stdout;
    assert!(list.contains("noisy-monitors") && list.contains("days=30"), "{list}");
    assert!(!list.contains("users-by-department"), "{list}");

    std::fs::create_dir(scene.path("questions")).expect("a folder can be made");
    let mine = "[[question]]\nid = \"mine\"\ntitle = \"How many?\"\nlanguage = \"sql\"\n\
         query = \"select count(*) n from nexthink_device where name like $like\"\n\
         [[question.parameters]]\nname = \"like\"\ntype = \"text\"\ndefault = \"%\"\n";
    scene.write("questions/mine.toml", mine);
    let ended = scene.program(&["ask", "mine", "--output", "csv"]);
    assert_eq!(
        (ended.exit, ended.stdout.lines().last()),
        (Some(0), Some("40")),
        "{}",
        ended.stderr
    );
    let ended = scene.program(&["ask", "mine", "--param", "like=nothing", "--output", "csv"]);
    assert_eq!((ended.exit, ended.stdout.lines().last()), (Some(0), Some("0")), "{}", ended.stderr);

    let list = scene.program(&["ask", "--output", "csv"]).stdout;
    assert!(list.contains("\r\n") && !list.contains("u000d"), "{list}");

    let misspelt = "[[question]]\nid = \"misspelt\"\ntitle = \"Which?\"\nlanguage = \"j1ql\"\n\
                    query = \"FIND Device WITH nam = 'x' AS d RETURN d.name\"\n";
    scene.write("questions/misspelt.toml", misspelt);
    let ended = scene.program(&["ask", "misspelt", "--output", "csv"]);
    assert!(ended.stderr.contains("nothing here has the property nam"), "{}", ended.stderr);

    let query = "FIND Device WITH name = '{{name}}'";
    let table: [(&[&str], &str); 7] = [
        (&["ask", "silent-device"], "did you mean silent-devices?"),
        (&["ask", "silent-devices", "--param", "days=soon"], "has to be a whole number"),
        (&["ask", "silent-devices", "--param", "days=1", "--param", "days=2"], "is given twice"),
        (&["ask", "--tag", "nothing"], "the tags are "),
        (&["ask", "users-with-several-devices"], "once `queries.device_users` names a query"),
        (
            &["query", query, "--param", "name=a", "--param", "x=b"],
            "the query has no parameter x; its parameters are name",
        ),
        (
            &["query", "select 1 where 1 = $n", "--param", "n=one"],
            "the parameter n has to be of the type integer",
        ),
    ];
    for (arguments, expected) in table {
        let ended = scene.program(arguments);
        assert_eq!(ended.exit, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}
