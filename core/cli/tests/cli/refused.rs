//! Command lines that cannot be used: the refusal names the option and the cause.

use std::ffi::OsString;

use crate::commands::FOOTER;

fn refusal(words: &[&str]) -> String {
    let words = ["nexthink-graph"].iter().chain(words).map(OsString::from);
    match core_cli::parse(words, FOOTER) {
        Ok(cli) => panic!("it was read: {cli:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_value_that_is_refused_names_its_option_and_the_cause() {
    let table: [(&[&str], &str, &str); 19] = [
        (
            &["run", "--fail-on", "urgent"],
            "--fail-on",
            "informational, low, medium, high, critical",
        ),
        (&["run", "--all", "--shard", "4/3"], "--shard", "4/3"),
        (&["schedule", "--interval", "soon"], "--interval", "soon"),
        (&["schedule", "--listen", "9464"], "--listen", "9464"),
        (&["status", "--max-age", "26"], "--max-age", "write a time such as 90m, 12h or 7d"),
        (&["query", "--timeout", "soon", "select 1"], "--timeout", "90s or 10m, or 0 for no limit"),
        (&["query", "--timeout=-5s", "select 1"], "--timeout", "90s or 10m, or 0 for no limit"),
        (&["query", "--memory-limit", "63", "select 1"], "--memory-limit", "64..=1048576"),
        (&["query", "--param", "x", "select 1"], "--param", "write a name, =, and a value"),
        (&["query", "--language", "xml", "select 1"], "--language", "sql, j1ql"),
        (&["query", "-o", "xml", "select 1"], "--output", "table, json, ndjson, csv, parquet"),
        (&["neighbors", "a", "--depth", "11"], "--depth", "1..=10"),
        (&["path", "a", "b", "--max-length", "0"], "--max-length", "1..=20"),
        (&["search", "a", "--limit", "1001"], "--limit", "1..=1000"),
        (&["findings", "silence", "--rule", "a", "--for", "0d"], "--for", "90m, 12h or 7d"),
        (&["serve", "--proxy-address", "10.0.0.0/33"], "--proxy-address", "10.0.0.0/24"),
        (
            &["serve", "--allow-host", "a", "--user-header", "Cookie"],
            "--user-header",
            "X-Forwarded-User",
        ),
        (&["sync", "oracle"], "DESTINATION", "jupiterone, postgres, delta"),
        (
            &["store", "copy", "a", "b", "--deleted-objects-kept-days", "0"],
            "--deleted-objects",
            "0",
        ),
    ];
    for (words, option, cause) in table {
        let refusal = refusal(words);
        assert!(refusal.contains(option), "{words:?}: {refusal}");
        assert!(refusal.contains(cause), "{words:?}: {refusal}");
    }
}

#[test]
fn options_that_exclude_or_need_each_other_name_both() {
    let table: [(&[&str], &str, &str); 14] = [
        (&["run", "--all", "--tenant", "acme"], "--all", "--tenant"),
        (&["run", "--shard", "1/3"], "--all", "--shard"),
        (&["check", "--json", "-o", "json"], "--json", "--output"),
        (&["query", "--tables", "select 1"], "--tables", "QUERY"),
        (&["query", "--force", "select 1"], "--out", "FILE"),
        (&["ask", "--tag", "a", "question"], "--tag", "QUESTION"),
        (&["export", "html", "a", "--with-personal"], "--question", "--with-personal"),
        (&["diff", "--names", "--rows"], "--names", "--rows"),
        (&["docs"], "PAGE", "Usage"),
        (&["init", "--secret-env", "A", "--secret-file", "b"], "--secret-env", "--secret-file"),
        (&["serve", "--tls-cert", "a"], "--tls-key", "FILE"),
        (&["serve", "--user-header", "X-User"], "--allow-host", "HOST"),
        (&["privacy", "erase", "--user", "a", "--device", "b"], "--user", "--device"),
        (&["privacy", "erase", "--user", "a", "--review", "--yes"], "--review", "--yes"),
    ];
    for (words, one, other) in table {
        let refusal = refusal(words);
        assert!(refusal.contains(one) && refusal.contains(other), "{words:?}: {refusal}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let table: [(&[&str], &str); 9] = [
        (&["query"], "QUERY"),
        (&["purge", "jupiterone"], "--type"),
        (&["destroy"], "--tenant"),
        (&["privacy", "erase", "--reason", "a"], "--user"),
        (&["privacy", "erase", "--user", "a"], "--reason"),
        (&["privacy", "suppression", "lift", "a"], "--reason"),
        (&["serve", "token", "new", "--name", "a"], "--role"),
        (&["rules", "enable"], "IDS"),
        (&["software", "advisories"], "--file"),
    ];
    for (words, missing) in table {
        let refusal = refusal(words);
        assert!(refusal.contains(missing), "{words:?}: {refusal}");
    }
}

#[test]
fn a_misspelt_word_is_answered_with_the_one_that_was_meant() {
    for (words, meant) in [
        (&["qurey", "select 1"][..], "query"),
        (&["privacy", "ereas"], "erase"),
        (&["run", "--ouput", "json"], "--output"),
        (&["docs", "data-modle"], "data-model"),
    ] {
        let refusal = refusal(words);
        assert!(refusal.contains(&format!("'{meant}'")), "{words:?}: {refusal}");
    }
}

#[test]
fn a_request_for_help_or_the_version_is_no_error_of_use() {
    for (words, expected) in [
        (&["--help"][..], "Usage: nexthink-graph"),
        (&["--version"], "nexthink-graph "),
        (&["help", "run"], "Usage: nexthink-graph run"),
    ] {
        let all = ["nexthink-graph"].iter().chain(words).map(OsString::from);
        let error = core_cli::parse(all, FOOTER).expect_err("it asks for a text");
        assert!(!error.use_stderr(), "{words:?}");
        assert!(error.to_string().contains(expected), "{words:?}: {error}");
    }
}
