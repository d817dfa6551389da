//! J1QL: the questions and rules that are written for JupiterOne, asked of a published generation here.

use std::collections::BTreeMap;

use core_query::{Environment, QuerySession, QuerySettings};
use core_simulator::TenantSpec;
use tokio::runtime::Runtime;

use crate::kit::Scene;

const QUESTIONS: &str = include_str!("../../core/jupiterone/questions/questions.yaml");
const RULES: [&str; 5] = [
    include_str!("../../core/jupiterone/rules/alert-open-for-7-days.json"),
    include_str!("../../core/jupiterone/rules/critical-alert-open.json"),
    include_str!("../../core/jupiterone/rules/device-silent-for-14-days.json"),
    include_str!("../../core/jupiterone/rules/unsupported-os-build.json"),
    include_str!("../../core/jupiterone/rules/unwanted-publisher.json"),
];

/// The queries of the questions, whose lines are indented below `query: |-`.
pub(crate) fn questions() -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    let mut indent = None;
    for line in QUESTIONS.lines() {
        let depth = line.len() - line.trim_start().len();
        if line.trim() == "query: |-" {
            queries.push(String::new());
            indent = Some(depth);
        } else if indent.is_some_and(|indent| depth > indent) {
            let query = queries.last_mut().expect("a query has begun");
            query.push_str(line.trim());
            query.push('\n');
        } else {
            indent = None;
        }
    }
    queries
}

fn rules() -> Vec<String> {
    let query = |rule: &str| {
        let rule: serde_json::Value = serde_json::from_str(rule).expect("a rule is JSON");
        let queries = rule["question"]["queries"].as_array().cloned().unwrap_or_default();
        queries
            .iter()
            .map(|query| query["query"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    RULES.into_iter().flat_map(query).collect()
}

fn scene() -> Scene {
    let scene = Scene::of(TenantSpec {
        devices: 40,
        users: 30,
        packages_per_device: 5,
        alerts: 20,
        ..TenantSpec::default()
    });
    scene.run_completely();
    scene
}

#[test]
fn every_question_and_rule_for_jupiterone_has_an_answer_here() {
    let scene = scene();
    let generation = scene.published();
    let runtime = Runtime::new().expect("a runtime starts");
    let queries = [questions(), rules()].concat();
    assert!(queries.len() >= 27, "{} queries", queries.len());
    let parameters: BTreeMap<String, String> =
        ["entity", "software name", "package name", "publisher", "version begins with"]
            .map(|name| (name.to_owned(), "a".to_owned()))
            .into();
    let environment = Environment { now_ms: 1_772_323_200_000, parameters: &parameters };
    runtime.block_on(async {
        let session = QuerySession::open(&generation, QuerySettings::default()).await;
        let session = session.expect("the generation opens");
        for query in queries {
            let compiled = session.compile_j1ql(&query, environment);
            let compiled = compiled.unwrap_or_else(|error| panic!("{}", error.render(&query)));
            let answer = session.j1ql(&compiled).expect(&compiled.sql).collect().await;
            answer.unwrap_or_else(|error| panic!("{query}\n{}\n{error}", compiled.sql));
        }
    });
}

#[test]
fn j1ql_and_sql_count_the_same() {
    let scene = scene();
    let pairs = [
        (
            "FIND nexthink_device AS d THAT !HAS nexthink_alert RETURN count(d) AS n",
            "select count(*) n from nexthink_device where _key not in \
             (select _fromEntityKey from nexthink_device_has_alert)",
        ),
        (
            "FIND Device AS d THAT INSTALLED Application WITH name ~= 'e' RETURN count(d) AS n",
            "select count(distinct r._fromEntityKey) n from nexthink_device_installed_package r join \
             nexthink_package p on p._key = r._toEntityKey where p.name like '%e%'",
        ),
        (
            "FIND Alert WITH open = true AND severity = ('critical' OR 'high') AS a RETURN count(a) AS n",
            "select count(*) n from nexthink_alert where open and severity in ('critical', 'high')",
        ),
    ];
    for (j1ql, sql) in pairs {
        let answers = [scene.query(j1ql), scene.query(sql)];
        assert_eq!(answers[0], answers[1], "{j1ql}");
        assert_ne!(answers[0][0]["n"], 0, "{j1ql}");
    }
}

#[test]
fn a_query_that_is_no_j1ql_is_explained_at_its_place() {
    let scene = scene();
    let ended = scene.program(&["query", "FIND Devise THAT HAS Alert"]);
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    for part in ["there is no class Devise", "line 1, column 6", "^^^^^^", "did you mean Device?"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    let query = "FIND Device WITH osNam = '{{os}}' AS d RETURN count(d) AS n";
    let ended = scene.program(&["query", query, "--param", "os=x", "--output", "csv"]);
    assert_eq!((ended.exit, ended.stdout.as_str()), (Some(0), "n\r\n0\r\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean osName?"), "{}", ended.stderr);
}

#[test]
fn explain_prints_sql_that_gives_the_same_answer() {
    let scene = scene();
    let query = "FIND User AS u THAT HAS Alert AS a RETURN u.displayName AS name, count(a) AS n ORDER BY n DESC, name";
    let explained = scene.program(&["query", "--explain", query]);
    assert_eq!(explained.exit, Some(0), "{}", explained.stderr);
    assert_eq!(scene.query(&explained.stdout), scene.query(query));
}
