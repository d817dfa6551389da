//! The page that JupiterOne's `j1-integration document` writes.

use core_jupiterone::{Extras, document, sdk_section};

use crate::support::{Checked, STEPS, USER_STEP};

/// Written by `j1-integration document` (8.41.0) for the steps of `support`.
const BY_THE_COMMAND: &str = include_str!("../data/document.md");

/// Written by it for a step of users that are mapped to Persons.
const WITH_PERSONS: &str = include_str!("../data/document-persons.md");

const USUAL: Extras = Extras { persons: false, raw_data: false };

#[test]
fn the_section_is_byte_for_byte_that_of_the_command() -> Checked {
    assert_eq!(document("", &STEPS, USUAL)?, BY_THE_COMMAND);
    let persons = Extras { persons: true, ..USUAL };
    assert_eq!(document("", &[&USER_STEP], persons)?, WITH_PERSONS);
    assert_eq!(document("", &STEPS, persons)?, BY_THE_COMMAND);
    Ok(())
}

#[test]
fn the_section_takes_its_place_and_nothing_else() -> Checked {
    let section = sdk_section(&STEPS, USUAL).ok_or("there are types")?;
    let once = document("# Nexthink\n", &STEPS, USUAL)?;
    assert_eq!(once, format!("# Nexthink\n\n\n{section}"));
    let page = format!("# Nexthink\n{}\nend\n", section.replace("Device", "Thing"));
    assert_eq!(document(&page, &STEPS, USUAL)?, format!("# Nexthink\n{section}\nend\n"));
    assert_eq!(document("# Nexthink\n", &[], USUAL)?, "# Nexthink\n");
    assert!(document("<!-- {J1_DOCUMENTATION_MARKER_START} -->", &STEPS, USUAL).is_err());
    Ok(())
}
