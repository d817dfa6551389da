//! The output of JupiterOne's `j1-integration document` command for our types, byte for byte.
//!
//! Source: integration SDK 17.4, `commands/document.ts` and `utils/getSortedJupiterOneTypes.ts`.

use core_model::entity::EntityType;
use core_model::relationship::RelationshipType;
use core_model::step::Step;

use crate::error::JupiterOneError;
use crate::extras::Extras;
use crate::persons::{self, PERSON, USER};

const START: &str = "<!-- {J1_DOCUMENTATION_MARKER_START} -->";
const END: &str = "<!-- {J1_DOCUMENTATION_MARKER_END} -->";

const BANNER: &str = "<!--
********************************************************************************
NOTE: ALL OF THE FOLLOWING DOCUMENTATION IS GENERATED USING THE
\"j1-integration document\" COMMAND. DO NOT EDIT BY HAND! PLEASE SEE THE DEVELOPER
DOCUMENTATION FOR USAGE INFORMATION:

https://github.com/JupiterOne/sdk/blob/main/docs/integrations/development.md
********************************************************************************
-->";

const CLOSING_BANNER: &str = "<!--
********************************************************************************
END OF GENERATED DOCUMENTATION AFTER BELOW MARKER
********************************************************************************
-->";

/// The section for these steps, given in run order, both its markers included, without a line break at its
/// end. None for steps without any type, for which the command writes nothing.
pub fn sdk_section(steps: &[&Step], extras: Extras) -> Option<String> {
    let entities = entity_rows(steps);
    let relationships = relationship_rows(steps);
    if entities.is_empty() && relationships.is_empty() {
        return None;
    }
    let mut section = format!("{START}\n{BANNER}\n\n## Data Model");
    if !entities.is_empty() {
        section.push_str("\n\n### Entities\n\nThe following entities are created:\n\n");
        section.push_str(&table(["Resources", "Entity `_type`", "Entity `_class`"], &entities));
    }
    if !relationships.is_empty() {
        section.push_str("\n\n### Relationships\n\nThe following relationships are created:\n\n");
        let head = ["Source Entity `_type`", "Relationship `_class`", "Target Entity `_type`"];
        section.push_str(&table(head, &relationships));
    }
    if extras.persons && steps.iter().any(|step| persons::start_in(step)) {
        section.push_str(
            "\n\n### Mapped Relationships\n\nThe following mapped relationships are created:\n\n",
        );
        let head = [
            "Source Entity `_type`",
            "Relationship `_class`",
            "Target Entity `_type`",
            "Direction",
        ];
        let (class, direction) = (persons::CLASS, persons::DIRECTION.to_owned());
        let row = [format!("`{USER}`"), format!("**{class}**"), format!("`*{PERSON}*`"), direction];
        section.push_str(&table(head, &[row]));
    }
    Some(format!("{section}\n\n{CLOSING_BANNER}\n{END}"))
}

/// The page with the section in its place: between the markers, else at the end.
///
/// # Errors
/// [`JupiterOneError::InvalidSetting`] for a page with a first marker and no last one.
pub fn document(page: &str, steps: &[&Step], extras: Extras) -> Result<String, JupiterOneError> {
    let Some(section) = sdk_section(steps, extras) else { return Ok(page.to_owned()) };
    let Some(start) = page.find(START) else { return Ok(format!("{page}\n\n{section}")) };
    let Some(end) = page.find(END) else {
        return Err(JupiterOneError::InvalidSetting {
            name: "page to document in",
            reason: "it has the marker that starts the generated part and not the one that ends it",
        });
    };
    Ok(format!("{}{section}{}", &page[..start], &page[end + END.len()..]))
}

/// One row for each `_type`, by resource.
fn entity_rows(steps: &[&Step]) -> Vec<[String; 3]> {
    let mut types: Vec<&str> = Vec::new();
    let mut entities = Vec::new();
    for entity in steps.iter().flat_map(|step| step.entities) {
        if !types.contains(&entity.type_name) {
            types.push(entity.type_name);
            entities.push(*entity);
        }
    }
    entities.sort_by_key(|entity| entity.resource);
    let row = |entity: &&EntityType| {
        let classes: Vec<_> =
            entity.class.iter().map(|class| format!("`{}`", class.name())).collect();
        [entity.resource.to_owned(), format!("`{}`", entity.type_name), classes.join(", ")]
    };
    entities.iter().map(row).collect()
}

/// One row for each relationship, by source, target and class.
fn relationship_rows(steps: &[&Step]) -> Vec<[String; 3]> {
    let parts = |relationship: &RelationshipType| {
        (
            relationship.from.entity.type_name,
            relationship.to.entity.type_name,
            relationship.class.name(),
        )
    };
    let relationships = steps.iter().flat_map(|step| step.relationships);
    let mut rows: Vec<_> = relationships.map(|relationship| parts(relationship)).collect();
    rows.sort_unstable();
    rows.dedup();
    let row = |(from, to, class)| [format!("`{from}`"), format!("**{class}**"), format!("`{to}`")];
    rows.into_iter().map(row).collect()
}

/// A Markdown table whose columns are as wide as their widest cell.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].as_str());
        cells.chain([head[column]]).map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}", cells.collect::<String>())
    };
    let mut lines =
        vec![line(&head.map(ToOwned::to_owned)), line(&widths.map(|width| "-".repeat(width)))];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_table_are_as_wide_as_their_widest_cell_in_characters() {
        let rows = [["Zürich".to_owned(), "a".to_owned()], ["b".to_owned(), "Address".to_owned()]];
        let expected = "\
| City   | Kind    |
| ------ | ------- |
| Zürich | a       |
| b      | Address |";
        assert_eq!(table(["City", "Kind"], &rows), expected);
    }

    #[test]
    fn without_steps_there_is_no_section_and_a_page_stays_as_it_is() {
        assert_eq!(sdk_section(&[], Extras { persons: true, raw_data: true }), None);
        let page = format!("before {START} between");
        let documented = document(&page, &[], Extras::default()).expect("nothing is put into it");
        assert_eq!(documented, page);
    }
}
