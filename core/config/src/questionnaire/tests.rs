//! A person who answers from a list, and command lines without one.

use std::collections::VecDeque;

use super::*;

/// Answers in this order, and keeps what was shown.
#[derive(Default)]
struct Scripted {
    answers: VecDeque<&'static str>,
    told: Vec<String>,
}

impl Scripted {
    fn with(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().copied().collect(), told: Vec::new() }
    }
}

impl Person for Scripted {
    fn tell(&mut self, text: &str) {
        self.told.push(text.to_owned());
    }

    fn answer(&mut self) -> io::Result<Option<String>> {
        Ok(self.answers.pop_front().map(|line| format!("{line}\n")))
    }
}

fn given(tenant: &str) -> GivenAnswers {
    GivenAnswers {
        tenant: Some(tenant.to_owned()),
        client_id: Some("0a1b".to_owned()),
        ..GivenAnswers::default()
    }
}

fn asked(given: GivenAnswers, person: &mut Scripted) -> Result<FirstAnswers, String> {
    let answers = complete(given, Some(person), Path::new(""));
    answers.map_err(|failure| failure.error.to_string())
}

fn alone(given: GivenAnswers) -> Result<FirstAnswers, String> {
    complete(given, None, Path::new("")).map_err(|failure| failure.error.to_string())
}

#[test]
fn what_the_options_say_is_not_asked() {
    let mut person = Scripted::with(&["SECRET", "", "", "", ""]);
    let given = given("https://acme.eu.nexthink.cloud");
    let answers = asked(given, &mut person).expect("all is answered");
    assert_eq!((answers.tenant.as_str(), answers.region.as_str()), ("acme", "eu"));
    assert_eq!(answers.client_id, "0a1b");
    assert_eq!(answers.secret, SecretAnswer::variable("SECRET"));
    assert!(person.told[0].starts_with("Where the client secret will be"), "{:?}", person.told);
    assert!(person.told[1].starts_with("Query ID for "), "{:?}", person.told);
    assert!(person.told.iter().all(|line| !line.contains("Tenant") && !line.contains("Region")));
}

#[test]
fn an_answer_is_asked_for_until_it_has_the_right_form() {
    let mut person = Scripted::with(&["not a tenant!", "", "acme", "mars", "eu", "0a1b", "./key"]);
    let given = GivenAnswers { queries: vec!["devices".to_owned()], ..GivenAnswers::default() };
    let answers = asked(given, &mut person).expect("all is answered");
    assert_eq!((answers.tenant.as_str(), answers.region.as_str()), ("acme", "eu"));
    let questions = person.told.iter().filter(|line| line.starts_with("Tenant")).count();
    let complaints = person.told.iter().filter(|line| line.starts_with("  ")).count();
    assert!(questions == 3 && complaints >= 2, "{:?}", person.told);
    assert_eq!(
        answers.secret,
        SecretAnswer::file(Path::new("./key"), Path::new("")).expect("here")
    );
    assert_eq!(answers.query_ids["devices"], "", "it is skipped");
    assert_ne!(answers.query_ids["users"], "", "it is as suggested");
}

#[test]
fn an_empty_answer_takes_what_is_suggested_and_a_dash_skips_a_query() {
    let mut person = Scripted::with(&["", "-", "#mine", "", "", "", ""]);
    let answers = asked(given("https://acme.eu.nexthink.cloud"), &mut person).expect("answered");
    assert_eq!(answers.secret, SecretAnswer::variable(SECRET_VARIABLE));
    let wanted: Vec<&Query> = queries().filter(|query| !query.is_extra).collect();
    let ids: Vec<&str> =
        wanted.iter().map(|query| answers.query_ids[query.config_field].as_str()).collect();
    assert_eq!(ids[..3], ["", "#mine", wanted[2].suggested_id]);
    for extra in queries().filter(|query| query.is_extra) {
        assert_eq!(answers.query_ids[extra.config_field], "", "an extra is off until it is named");
    }
}

#[test]
fn without_a_terminal_the_secret_and_the_queries_are_as_suggested() {
    let answers = alone(given("https://acme.eu.nexthink.cloud")).expect("nothing is missing");
    assert_eq!(answers.secret, SecretAnswer::variable(SECRET_VARIABLE));
    for query in queries().filter(|query| !query.is_extra) {
        assert_eq!(answers.query_ids[query.config_field], query.suggested_id);
    }
}

#[test]
fn what_is_missing_or_wrong_names_its_option() {
    let no_id = GivenAnswers { client_id: None, ..given("https://acme.eu.nexthink.cloud") };
    let no_region = given("acme");
    let other_region =
        GivenAnswers { region: Some("us".to_owned()), ..given("https://acme.eu.nexthink.cloud") };
    let wrong_region = GivenAnswers { region: Some("mars".to_owned()), ..given("acme") };
    for (given, expected) in [
        (GivenAnswers::default(), "--tenant is missing, and standard input is no terminal"),
        (no_region, "--region is missing"),
        (no_id, "--client-id is missing"),
        (other_region, "--region is us, and the address in --tenant is in eu"),
        (wrong_region, "--region: "),
    ] {
        let refused = alone(given.clone()).expect_err("it cannot be completed");
        assert!(refused.starts_with(expected), "{given:?}: {refused}");
    }
    let mut gone = Scripted::default();
    let refused = asked(GivenAnswers::default(), &mut gone).expect_err("the input has ended");
    assert_eq!(refused, "--tenant is missing, and there was no answer");
}
