//! The rules that JupiterOne users get are the rules of this program: one question, asked in two places.

use std::path::Path;

use core_rules::library::Library;
use core_rules::questions::NoQuestions;
use core_rules::rule::RuleQuery;
use serde_json::Value;

const RULES: [(&str, &str); 6] = [
    ("alert-open-for-7-days", include_str!("../../../jupiterone/rules/alert-open-for-7-days.json")),
    ("critical-alert-open", include_str!("../../../jupiterone/rules/critical-alert-open.json")),
    (
        "device-silent-for-14-days",
        include_str!("../../../jupiterone/rules/device-silent-for-14-days.json"),
    ),
    ("unsupported-os-build", include_str!("../../../jupiterone/rules/unsupported-os-build.json")),
    ("unwanted-publisher", include_str!("../../../jupiterone/rules/unwanted-publisher.json")),
    (
        "user-with-several-open-alerts",
        include_str!("../../../jupiterone/rules/user-with-several-open-alerts.json"),
    ),
];

#[test]
fn jupiterone_gets_the_same_questions() {
    let library = Library::load(Path::new("there is no such folder"), &NoQuestions);
    for (id, text) in RULES {
        let theirs: Value = serde_json::from_str(text).expect("JSON");
        let ours = &library.find(id).unwrap_or_else(|| panic!("there is no rule {id}")).rule;
        let RuleQuery::Text { text: query, .. } = &ours.query else { panic!("{id} has a query") };
        assert_eq!(theirs["question"]["queries"][0]["query"], query.as_str(), "{id}");
        assert_eq!(theirs["name"], format!("nexthink-{id}"));
        assert_eq!(theirs["description"], ours.description.as_str(), "{id}");
        let actions = &theirs["operations"][0]["actions"];
        assert_eq!(actions[0]["targetValue"], ours.severity.name().to_uppercase(), "{id}");
    }
}
