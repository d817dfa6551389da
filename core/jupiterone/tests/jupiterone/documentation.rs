//! The page that JupiterOne's `j1-integration document` writes.

use core_jupiterone::{document, sdk_section};

use crate::support::{Checked, STEPS};

/// Written by `j1-integration document` (8.41.0) for the steps of `support`.
const BY_THE_COMMAND: &str = include_str!("../data/document.md");

#[test]
fn the_section_is_byte_for_byte_that_of_the_command() -> Checked {
    assert_eq!(document("", &STEPS)?, BY_THE_COMMAND);
    Ok(())
}

#[test]
fn the_section_takes_its_place_and_nothing_else() -> Checked {
    let section = sdk_section(&STEPS).ok_or("there are types")?;
    let once = document("# Nexthink\n", &STEPS)?;
    assert_eq!(once, format!("# Nexthink\n\n\n{section}"));
    let page = format!("# Nexthink\n{}\nend\n", section.replace("Device", "Thing"));
    assert_eq!(document(&page, &STEPS)?, format!("# Nexthink\n{section}\nend\n"));
    assert_eq!(document("# Nexthink\n", &[])?, "# Nexthink\n");
    assert!(document("<!-- {J1_DOCUMENTATION_MARKER_START} -->", &STEPS).is_err());
    Ok(())
}
