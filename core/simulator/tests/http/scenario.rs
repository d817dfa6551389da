//! Behaviour read from a scenario file.

use std::error::Error;
use std::time::Duration;

use core_simulator::{
    Answer, Behaviour, Download, Etag, Fault, FaultAction, FaultPoint, QueryBehaviour, SavedQuery,
    Scenario, ScenarioError,
};

/// The scenario of the crate's documentation.
fn documented() -> Behaviour {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("the README has a scenario");
    let (scenario, _) = rest.split_once("```").expect("the scenario has an end");
    Scenario::parse(scenario).expect("the documented scenario is one")
}

/// The fields of a struct as its pretty `Debug` shows them, without those of structs in it.
fn fields(debug: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in debug.lines().skip(1) {
        let is_field = line.starts_with("    ") && line[4..].starts_with(char::is_lowercase);
        if is_field {
            fields.push(line.to_owned());
        } else if let Some(field) = fields.last_mut() {
            field.push_str(line);
        }
    }
    fields
}

#[test]
fn the_documented_scenario_uses_every_switch() {
    let behaviour = documented();
    let query = &behaviour.queries["#j1_devices"];
    let partition = &behaviour.queries["#j1_packages_by_device"];
    let whole_query = QueryBehaviour {
        same_as: partition.same_as,
        parameter: partition.parameter.clone(),
        ignores_parameters: partition.ignores_parameters,
        ..query.clone()
    };
    for (used, healthy) in [
        (format!("{behaviour:#?}"), format!("{:#?}", Behaviour::default())),
        (format!("{:#?}", behaviour.tenant), format!("{:#?}", Behaviour::default().tenant)),
        (format!("{whole_query:#?}"), format!("{:#?}", QueryBehaviour::default())),
        (format!("{:#?}", query.download), format!("{:#?}", Download::default())),
    ] {
        let (used, healthy) = (fields(&used), fields(&healthy));
        assert_eq!(used.len(), healthy.len());
        assert!(healthy.len() >= 8);
        for (used, healthy) in used.iter().zip(&healthy) {
            assert_ne!(used, healthy);
        }
    }
}

#[test]
fn a_scenario_equals_the_struct() {
    let behaviour = documented();
    assert_eq!(behaviour.preparation, Duration::from_millis(500));
    assert_eq!(behaviour.preparations[&SavedQuery::Packages], Duration::from_secs(2));
    assert_eq!(behaviour.queries["#j1_devices"].download.etag, Etag::Changing);
    let answer = Answer::from_status(401).with_header("retry-after", "7").with_body("no");
    let mut first = Fault::new(FaultPoint::Status, FaultAction::Answer(answer));
    first.query = Some("#j1_packages".to_owned());
    (first.after, first.times, first.delay) = (2, Some(1), Duration::from_millis(100));
    assert_eq!(behaviour.faults[0], first);
    assert_eq!(behaviour.faults[1].action, FaultAction::Pass);
    assert_eq!(behaviour.faults[2].action, FaultAction::Hang);
    assert_eq!(Scenario::parse("").expect("an empty scenario is one"), Behaviour::default());
}

#[test]
fn every_form_of_a_switch_can_be_written() {
    for (key, value) in [
        ("retry_after_form", "'seconds' 'imf' 'rfc850' 'asctime' 'iso8601' 'none'"),
        ("retry_after_form", "{literal='soon'}"),
        ("queries.'#j1_users'.download.announced_length", "'right' 'chunked' 'none' {literal=9}"),
        ("queries.'#j1_users'.download.etag", "'strong' 'weak' 'changing' 'none'"),
        ("queries.'#j1_users'.download.range", "'honoured' 'ignored' 'wrong' 'unasked'"),
        ("queries.'#j1_users'.results.content", "{base64='H4sI'} {text='a'}"),
        ("faults", "[{at='token',does='close'}] [{at='file',does='reset'}]"),
        ("faults", "[{at='start',does='lose'}] [{at='execute',does='pass'}]"),
        ("faults", "[{at='status',does={raw_then_hang={base64='AAEC'}}}]"),
    ] {
        for value in value.split(' ') {
            let text = format!("{key} = {value}");
            assert!(Scenario::parse(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn an_error_names_the_line() {
    for (text, line, expected) in [
        ("\nrow_kap = 1", 2, "row_kap"),
        ("row_cap = 'many'", 1, "many"),
        ("[tenant]\ndevises = 1", 2, "devises"),
        ("\n\nforbidden = ['#j1_binaries']", 3, "#j1_binaries"),
        ("link_lifetime_seconds = -1", 1, "negative"),
        ("[[faults]]\nat = 'status'\ndoes.answer.status = 100", 3, "200 to 999"),
        ("[[faults]]\nat = 'moon'", 2, "moon"),
        ("[[faults]]\nat = 'token'\ntime = 1", 3, "time"),
        ("[queries.'#j1_users'.results]\ncontent.base64 = '***'", 2, "symbol"),
        ("[queries.'#j1_users'.download.headers]\n'a b' = 'x'", 1, "a b"),
    ] {
        let error = Scenario::parse(text).expect_err(text);
        let source = error.source().expect("TOML says what is wrong").to_string();
        assert!(source.contains(&format!("line {line},")), "{text:?}: {source}");
        assert!(source.to_lowercase().contains(expected), "{text:?}: {source}");
    }
}

#[test]
fn a_query_without_known_rows_is_refused() {
    let unknown = Scenario::parse("[queries.'#mine']");
    assert!(matches!(unknown, Err(ScenarioError::UnknownQuery(id)) if id == "#mine"));
    let text = "[queries.'#j1_users']\nparameter = { name = 'p', column = 'device.uid' }";
    let unknown = Scenario::parse(text);
    assert!(
        matches!(unknown, Err(ScenarioError::UnknownColumn { column, .. }) if column == "device.uid")
    );
}
