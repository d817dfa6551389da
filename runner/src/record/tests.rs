//! What the record says for a configuration.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::config::Paths;

fn config(url: &str, more: &str) -> Config {
    let text = format!(
        r##"
[nexthink]
tenant = "acme"
region = "eu"
client_id = "id"
client_secret = {{ env = "SECRET" }}
[queries]
devices = "#j1_devices"
[destinations.jupiterone]
url = "{url}"
account = "account-1"
api_key = {{ env = "KEY" }}
{more}"##
    );
    Config::parse(&text, &BTreeMap::new(), &Paths::new(Path::new("")))
        .expect("the configuration is valid")
}

#[test]
fn data_that_leaves_its_region_is_warned_of() {
    let table = [
        ("https://api.us.jupiterone.io", true),
        ("https://api.eu.jupiterone.io", false),
        ("http://127.0.0.1:1", false),
    ];
    for (url, is_warned_of) in table {
        assert_eq!(transfer_warning(&config(url, "")).is_some(), is_warned_of, "{url}");
    }
}

#[test]
fn the_record_has_what_was_configured_and_names_what_is_missing() {
    let more = "[privacy.record]\ncontroller = \"ACME, privacy@acme.example\"\n\
                purposes = [\"inventory\", \"security\"]\n[retention]\nledger_days = 401";
    let record = Record::new(&config("https://api.us.jupiterone.io", more), None);
    let page = record.to_markdown();
    let expected = [
        "ACME, privacy@acme.example",
        "- inventory\n- security",
        "missing: set `privacy.record.legal_basis`",
        "| `nexthink_user` |",
        "JupiterOne, account account-1, at api.us.jupiterone.io, region us",
        "the ledger: 401 days",
        "personal data leaves its region",
    ];
    for text in expected {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    let user = record.categories.iter().find(|category| category.type_name == "nexthink_user");
    assert!(user.is_some_and(|user| user.direct.contains(&"username") || !user.direct.is_empty()));
}
