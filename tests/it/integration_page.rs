//! The page that the declarations print, against JupiterOne's own integration page for Nexthink.
//!
//! `integration_page.tsv` holds the lists and tables of theirs, one row a line: the heading, then
//! the cells without empty ones at the end.

use core_model::documentation::integration_page;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;

const THEIRS: &str = include_str!("integration_page.tsv");

/// The columns that their tables do not have. Of the documentation links their page shows only that there are
/// three.
const ONLY_OURS: [&str; 10] = [
    "Documentation Links\t[Getting an authentication token]\
     (https://docs.nexthink.com/api/getting-authentication-token)",
    "Documentation Links\t[NQL API: credentials, permissions, and queries]\
     (https://docs.nexthink.com/api/nql)",
    "Documentation Links\t[NQL API: export](https://docs.nexthink.com/api/nql/export-an-nql)",
    "Nexthink Alert\tdeviceUid\tstring | null\tThe device that the alert concerns.",
    "Nexthink Alert\trecoveredOn\tnumber | null\tWhen the condition ended.\tFormat: date-time",
    "Nexthink Alert\tuserUid\tstring | null\tThe user that the alert concerns.",
    "Nexthink Device\tchassisSerialNumber\tstring | null\tSerial number of the chassis.",
    "Nexthink Device\thardwareType\tstring | null\tKind of hardware as Nexthink names it.",
    "Nexthink Device\tmachineSerialNumber\tstring | null\tSerial number of the machine.",
    "Nexthink User\tlastSeenOn\tnumber | null\tWhen the user was last active.\tFormat: date-time",
];

fn page() -> String {
    let plan =
        Plan::new(&Step::integration_steps(), |_| Decision::Run).expect("the steps make a plan");
    integration_page(&plan, include_str!("../../CHANGELOG.md"))
}

/// The lists and tables of a page, in the form of `integration_page.tsv`.
fn rows_of(page: &str) -> Vec<String> {
    let mut heading = "";
    let mut rows = Vec::new();
    let mut is_code = false;
    let tables = page.split("\n## Release Notes\n").next().unwrap_or(page);
    for line in tables.lines() {
        is_code ^= line.starts_with("```");
        if is_code {
            continue;
        }
        if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_start_matches('#').trim();
        } else if let Some(item) = line.strip_prefix("- ") {
            rows.push(format!("{heading}\t{}", item.replace('`', "")));
        } else if line.contains(" inherits from ") {
            rows.push(format!("{heading}\t{}", line.replace('`', "")));
        } else if line.starts_with("| ") && !line.starts_with("| --- ") {
            let line = line.replace('`', "").replace("\\|", "\0");
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let cells = cells.join("\t").replace('\0', "|");
            rows.push(format!("{heading}\t{}", cells.trim_end()));
        }
    }
    rows
}

#[test]
fn every_row_of_jupiterones_page_is_printed_in_its_order_and_the_rest_is_known() {
    let theirs: Vec<&str> = THEIRS.lines().collect();
    let rows = rows_of(&page());
    let (shared, ours): (Vec<&str>, Vec<&str>) =
        rows.iter().map(String::as_str).partition(|row| theirs.contains(row));
    assert_eq!(shared, theirs);
    assert_eq!(ours, ONLY_OURS);
}

#[test]
fn the_tables_stand_under_the_headings_of_jupiterones_page() {
    let page = page();
    let headings = page.lines().take_while(|line| *line != "## Release Notes");
    let headings: Vec<&str> = headings.filter(|line| line.starts_with('#')).collect();
    assert!(page.contains("\n## Release Notes\n\n### Unreleased\n"), "{page}");
    let expected = [
        "# Nexthink",
        "## Installation",
        "### NQL query setup",
        "## Authorization",
        "### OAuth Scopes",
        "### Endpoints",
        "### Documentation Links",
        "### Per-Step Breakdown",
        "## Data Model",
        "### Entities",
        "### Relationships",
        "## Types",
        "### Nexthink Account",
        "### Nexthink Alert",
        "### Nexthink Device",
        "### Nexthink Package",
        "### Nexthink User",
    ];
    assert_eq!(headings, expected);
}
