//! What readers that are not to know people are shown of a table: what the profile `minimal` would have
//! kept of it, whatever the store holds.
//!
//! Keys stay, although `minimal` would have made pseudonyms of them: they are identifiers that Nexthink
//! made, they say nothing about a person to whoever does not have the names, and without them no table
//! could be joined with another.

use std::collections::BTreeMap;

use core_model::property::Property;
use core_model::step::Step;
use core_privacy::profile::{Action, Profile};
use core_query::{ColumnView, Withholding};

use crate::commands::findings_table::{PLAIN_COLUMNS, TYPE as FINDING};
use crate::commands::software_tables::{ADVISORIES, EOL};

/// The properties that a run gives to every entity begin with this.
const TAG: &str = "tag.";

/// What a user of the command line has to do to see withheld columns.
pub(crate) const REMEDY: &str = "leave out --without-personal";

/// Withholds personal columns. `remedy` says what the user has to do to see them.
pub(crate) fn personal_columns(remedy: &str) -> Withholding {
    let views = views();
    // What no step declares may be anything.
    let rule = move |type_name: &str, column: &str| match views.get(&(type_name, column)) {
        Some(view) => *view,
        None if column.starts_with(TAG) => ColumnView::Stored,
        // The texts of findings show rows.
        // Packages and systems, and what the user's files say about them.
        None if [EOL, ADVISORIES].contains(&type_name) => ColumnView::Stored,
        None if type_name == FINDING && PLAIN_COLUMNS.contains(&column) => ColumnView::Stored,
        None => ColumnView::Withheld,
    };
    Withholding::new(rule, remedy)
}

/// The view of each declared property, by type and name.
fn views() -> BTreeMap<(&'static str, &'static str), ColumnView> {
    let mut views = BTreeMap::new();
    let policy =
        core_engine::privacy::policy(Profile::Minimal, &[]).expect("nothing is overridden");
    let view = |property: &Property| {
        let actions = || property.columns.iter().map(|column| policy.action(column));
        if actions().any(|action| matches!(action, Action::Drop | Action::Network)) {
            ColumnView::Withheld
        } else if actions().any(|action| action == Action::Day) {
            ColumnView::Day
        } else {
            ColumnView::Stored
        }
    };
    for step in Step::all() {
        for entity in step.entities {
            for property in entity.properties {
                views.insert((entity.type_name, property.name), view(property));
            }
        }
        for relationship in step.relationships {
            for property in relationship.properties {
                let target = relationship.target_property(property);
                views.insert((relationship.type_name, property.name), view(target));
            }
        }
    }
    views
}

#[cfg(test)]
mod tests {
    use core_model::documentation;
    use core_model::plan::{Decision, Plan};
    use core_model::property::PersonalData;

    use super::*;

    #[test]
    fn what_names_a_person_is_withheld_and_what_is_technical_is_not() {
        let views = views();
        let mut shown = Vec::new();
        for step in Step::all() {
            for entity in step.entities {
                for property in entity.properties {
                    let place = (entity.type_name, property.name);
                    let view = views[&place];
                    match property.personal_data() {
                        PersonalData::Direct => assert_eq!(view, ColumnView::Withheld, "{place:?}"),
                        PersonalData::Indirect if view == ColumnView::Stored => shown.push(place),
                        PersonalData::Indirect => {}
                        PersonalData::None => {
                            assert_ne!(view, ColumnView::Withheld, "{place:?}");
                        }
                    }
                }
            }
        }
        // Keys, which stay.
        let expected =
            [("nexthink_alert", "userUid"), ("nexthink_user", "id"), ("nexthink_user", "userIds")];
        shown.sort_unstable();
        assert_eq!(shown, expected);
        assert_eq!(views[&("nexthink_user", "lastSeenOn")], ColumnView::Day);
        assert_eq!(views[&("nexthink_device_installed_package", "version")], ColumnView::Stored);
    }

    /// Statistics of tables, the record, the generated page and the redaction of columns, which all say
    /// which properties are personal.
    #[test]
    fn all_that_tell_what_is_personal_agree() {
        let minimal = core_engine::privacy::policy(Profile::Minimal, &[]);
        let minimal = minimal.expect("nothing is overridden");
        let plan = Plan::new(&Step::all(), |_| Decision::Run).expect("the steps make a plan");
        let page = documentation::personal_data(&plan);
        let mut personal = 0;
        for entity in Step::all().into_iter().flat_map(|step| step.entities) {
            let without_statistics = core_engine::run::personal_columns(entity);
            let category = crate::record::category(entity, None);
            for property in entity.properties {
                let place = format!("{}.{}", entity.type_name, property.name);
                let is_personal = property.personal_data() != PersonalData::None;
                assert_eq!(
                    without_statistics.iter().any(|name| name == property.name),
                    is_personal
                );
                let recorded = category
                    .iter()
                    .flat_map(|category| category.direct.iter().chain(&category.indirect));
                let mut recorded = recorded.copied();
                assert_eq!(recorded.any(|name| name == property.name), is_personal, "{place}");
                let row = format!("| `{}` | `{}` |", entity.type_name, property.name);
                assert_eq!(page.contains(&row), is_personal, "{place}");
                let mut actions = property.columns.iter().map(|name| minimal.action(name));
                if is_personal {
                    assert!(actions.any(|action| action != Action::Keep), "{place}");
                    personal += 1;
                }
            }
        }
        assert!(personal > 30, "{personal}");
    }
}
