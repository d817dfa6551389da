//! The findings of rules about a person: in an answer to a request for access, and in an erasure.

use core_engine::erasure::{self, Request};
use core_erasure::subject::{AllPseudonyms, SubjectKind, find};
use core_erasure::summary::certificate_text;
use core_rules::book::{Book, FILE, Outcome, When};
use core_rules::document::Document;
use core_rules::fingerprint::Fingerprints;
use core_rules::observation::observe;
use core_rules::outbox::Transition;
use core_rules::questions::NoQuestions;
use core_rules::rule_file;
use core_rules::silence::{Matcher, Silence};
use serde_json::{Value, json};

use super::erasures::{first_uid, keys, make_keys};
use super::estate::objects_in;
use super::support::{NOON, Tenant};

const USERS: &str = "nexthink_user";

/// A tenant with a finding about each user, which receivers believe to be open. Returns the number of them too.
async fn tenant() -> (Tenant, usize) {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let generation = tenant.published().expect("it is published");
    let text = "id = 'users'\ntitle = 'Users'\nseverity = 'low'\nquery = 'select 1'\n\
                identity = ['key']\nentity = 'key'\nfirst_run = 'all'\nmessage = 'a user'\n";
    let document = Document { file: "users.toml", text };
    let rule = rule_file::read(document, &NoQuestions).expect("it is valid");
    let fingerprints = Fingerprints::new("acme", None);
    let objects = objects_in(&generation);
    let rows: Vec<_> = objects[USERS]
        .iter()
        .flatten()
        .filter_map(|uid| json!({ "key": format!("{USERS}:{uid}") }).as_object().cloned())
        .collect();
    let observed = observe(&rule, &fingerprints, &rows).expect("rows have identities");
    let outcome = Outcome::Rows { observed, reads: vec![USERS.to_owned()], partial: Vec::new() };
    let store = tenant.engine().tenant().expect("the store is there");
    let lock = Book::lock(&store, "a test").await.expect("the lock is free");
    let mut book = Book::new("full", store.erasures().expect("they can be read"));
    let id = generation.id().to_string();
    let when = When { at: NOON.0, generation: Some(&id), run: "an evaluation" };
    book.key_ids([7; 32]);
    book.evaluate(&rule, outcome, &fingerprints, &when);
    book.tell(NOON.0, |_, _, _, _| Some(vec!["incidents".to_owned()]));
    book.write(&lock).expect("there is room");
    (tenant, rows.len())
}

/// The users with a finding.
fn found(tenant: &Tenant) -> Vec<String> {
    let store = tenant.engine().tenant().expect("the store is there");
    let book = Book::read(&store).expect("it is whole").expect("it is there");
    book.findings().values().filter_map(|finding| finding.entity.clone()).collect()
}

#[tokio::test]
async fn findings_about_an_erased_person_go_and_those_about_others_stay() {
    let (tenant, users) = tenant().await;
    assert_eq!(found(&tenant).len(), users);
    let uid = first_uid(&tenant.published().expect("it is published"));
    let (engine, typed) = (tenant.engine(), [uid.clone()]);
    let lock = engine.lock().expect("the lock is free");
    let (kind, reason) = (SubjectKind::User, "gdpr-request");
    let request = Request { kind, typed: &typed, reason, removes_damaged: false };
    let (subject, _) = erasure::subject(engine, &lock, &keys(), &request).expect("it is found");
    let erased = erasure::erase(engine, &lock, &keys(), &request, &subject);
    let certificate = erased.unwrap_or_else(|refused| panic!("{refused:?}")).certificate;
    assert_eq!(certificate.findings_removed, 1);
    let left = found(&tenant);
    assert_eq!(left.len(), users - 1);
    assert!(!left.contains(&format!("{USERS}:{uid}")));
    // Receivers are still to be told of its end, without what it was about.
    let store = engine.tenant().expect("the store is there");
    let bytes = store.state(FILE).expect("readable").expect("it is there");
    assert!(!String::from_utf8(bytes).expect("it is text").contains(&uid));
    let mut book = Book::read(&store).expect("it is whole").expect("it is there");
    let mut ended = 0;
    book.tell(NOON.0, |_, finding, _, transition| {
        assert_eq!((transition, finding.entity.as_deref()), (Transition::Closed, None));
        assert!(finding.texts().iter().all(|text| !text.contains(&uid)));
        ended += 1;
        Some(Vec::new())
    });
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn an_answer_to_a_request_for_access_has_the_findings_about_the_person_alone() {
    let (tenant, _) = tenant().await;
    let uid = first_uid(&tenant.published().expect("it is published"));
    let store = tenant.engine().tenant().expect("the store is there");
    let subject =
        find(&store, SubjectKind::User, std::slice::from_ref(&uid), &AllPseudonyms::none());
    let subject = subject.expect("it is found");
    let at = "2026-03-01T10:00:00Z".to_owned();
    let answer = erasure::retrieve(tenant.engine(), &store, SubjectKind::User, &subject, at);
    let answer = answer.expect("everything can be read");
    let [finding] = answer.findings.as_slice() else { panic!("{:?}", answer.findings) };
    assert_eq!(finding["entity"], format!("{USERS}:{uid}"));
    assert_eq!((&finding["rule"], &finding["text"]), (&json!("users"), &json!("a user")));
}

/// Adds findings that show names alone, and a silence with one of them. Returns the IDs of the findings, in this order.
async fn add_names(tenant: &Tenant, names: &[&str], in_silence: &str) -> Vec<String> {
    let text = "id = 'names'\ntitle = 'Names'\nseverity = 'low'\nquery = 'select 1'\n\
                identity = ['name']\nfirst_run = 'all'\nmessage = '{{ name }} has 3 alerts'\n";
    let document = Document { file: "names.toml", text };
    let rule = rule_file::read(document, &NoQuestions).expect("it is valid");
    let fingerprints = Fingerprints::new("acme", None);
    let rows = names.iter().filter_map(|name| json!({ "name": name }).as_object().cloned());
    let observed = observe(&rule, &fingerprints, &rows.collect::<Vec<_>>()).expect("identities");
    let outcome = Outcome::Rows { observed, reads: vec![USERS.to_owned()], partial: Vec::new() };
    let store = tenant.engine().tenant().expect("the store is there");
    let lock = Book::lock(&store, "a test").await.expect("the lock is free");
    let mut book = Book::read(&store).expect("it is whole").expect("it is there");
    let when = When { at: NOON.0, generation: Some("g"), run: "another evaluation" };
    book.evaluate(&rule, outcome, &fingerprints, &when);
    book.silence(Silence {
        id: "s-1".to_owned(),
        matcher: Matcher { rule: Some("*".to_owned()), ..Matcher::default() },
        until: NOON.0 + 1,
        at: NOON.0,
        by: "desk".to_owned(),
        why: format!("{in_silence} is on leave"),
    });
    book.write(&lock).expect("there is room");
    let id = |name: &&str| {
        let text = format!("{name} has 3 alerts");
        let mut found = book.findings().iter().filter(|(_, finding)| finding.text == text);
        found.next().expect("it was added").0.to_string()
    };
    names.iter().map(id).collect()
}

#[tokio::test]
async fn findings_that_show_a_full_name_alone_stay_and_are_possible_mentions() {
    let (tenant, users) = tenant().await;
    let engine = tenant.engine();
    let store = engine.tenant().expect("the store is there");
    // Some accounts have no full name.
    let with_name = found(&tenant).into_iter().find_map(|key| {
        let typed = [key.strip_prefix("nexthink_user:")?.to_owned()];
        let subject = find(&store, SubjectKind::User, &typed, &AllPseudonyms::none()).ok()?;
        let name = subject.names.iter().find(|name| name.contains(' ') && !name.contains('\\'));
        Some((name?.clone(), typed, subject))
    });
    let (name, typed, subject) = with_name.expect("one has a full name");
    let ids = add_names(&tenant, &[&name, "Someone Else"], &name).await;
    let expected = json!([
        { "place": "findings.json", "column": "findings", "rows": 1, "ids": [ids[0]] },
        { "place": "findings.json", "column": "silences", "rows": 1, "ids": ["s-1"] },
    ]);
    let of_findings = |places: Value| {
        let places = places.as_array().expect("a list").iter().cloned();
        places.filter(|place| place["place"] == "findings.json").collect::<Value>()
    };
    let at = "2026-03-01T10:00:00Z".to_owned();
    let answer = erasure::retrieve(engine, &store, SubjectKind::User, &subject, at);
    let answer = answer.expect("everything can be read");
    let possible: Vec<&str> = answer.possible_findings.iter().map(String::as_str).collect();
    assert!(possible.contains(&ids[0].as_str()) && possible.contains(&"s-1"), "{possible:?}");
    assert_eq!((possible.len(), answer.findings.len()), (2, 1));
    let lock = engine.lock().expect("the lock is free");
    let preview = erasure::preview(engine, &lock, &keys(), &subject).expect("it can be read");
    assert_eq!(of_findings(preview.possible.to_json()), expected);
    let (kind, reason) = (SubjectKind::User, "gdpr-request");
    let request = Request { kind, typed: &typed, reason, removes_damaged: false };
    let erased = erasure::erase(engine, &lock, &keys(), &request, &subject);
    let certificate = erased.unwrap_or_else(|refused| panic!("{refused:?}")).certificate;
    assert_eq!(certificate.findings_removed, 1);
    assert_eq!(of_findings(certificate.possible_mentions.clone()), expected);
    let text = certificate_text(&certificate);
    assert!(text.contains("found no certain remains"), "{text}");
    let left = Book::read(&store).expect("it is whole").expect("it is there");
    let open = left.findings().values().filter(|finding| finding.life.is_active());
    assert_eq!(open.count(), users - 1 + 2, "a name alone removes nothing");
}
