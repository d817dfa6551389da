//! The view of readers who must not see personal data: of each property, the part that the profile `minimal` would
//! have kept, whatever the store has.
//!
//! Keys stay, although `minimal` would have replaced them by pseudonyms: Nexthink made them, they say nothing about a
//! person without the names, and without them no table could be joined with another.

use std::collections::BTreeMap;

use core_model::property::Property;
use core_model::step::Step;
use core_privacy::profile::{Action, Policy, Profile};

use crate::privacy;

/// The part of a property that such a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderView {
    /// The value as it is stored.
    Stored,
    /// The day of a time.
    Day,
    /// Nothing.
    Withheld,
}

/// The view of each declared property, by type and name.
#[derive(Debug, Clone)]
pub struct ReaderViews(BTreeMap<(&'static str, &'static str), ReaderView>);

impl ReaderViews {
    /// Derives the views from the declarations of the linked steps.
    pub fn from_declarations() -> Self {
        let mut views = BTreeMap::new();
        let policy = privacy::policy(Profile::Minimal, &[]).expect("nothing is overridden");
        for step in Step::all() {
            for entity in step.entities {
                for property in entity.properties {
                    views.insert((entity.type_name, property.name), view(property, &policy));
                }
            }
            for relationship in step.relationships {
                for property in relationship.properties {
                    let target = relationship.target_property(property);
                    views.insert((relationship.type_name, property.name), view(target, &policy));
                }
            }
        }
        Self(views)
    }

    /// Returns the view of a property; nothing if no step declares it.
    pub fn get(&self, type_name: &str, property: &str) -> Option<ReaderView> {
        self.0.get(&(type_name, property)).copied()
    }
}

fn view(property: &Property, policy: &Policy) -> ReaderView {
    let actions = || property.columns.iter().map(|column| policy.action(column));
    if actions().any(|action| matches!(action, Action::Drop | Action::Network)) {
        ReaderView::Withheld
    } else if actions().any(|action| action == Action::Day) {
        ReaderView::Day
    } else {
        ReaderView::Stored
    }
}

#[cfg(test)]
mod tests {
    use core_model::documentation;
    use core_model::plan::{Decision, Plan};
    use core_model::property::PersonalData;

    use super::*;
    use crate::{processing, run};

    #[test]
    fn what_names_a_person_is_withheld_and_what_is_technical_is_not() {
        let views = ReaderViews::from_declarations();
        let mut shown = Vec::new();
        for entity in Step::all().into_iter().flat_map(|step| step.entities) {
            for property in entity.properties {
                let place = (entity.type_name, property.name);
                let view = views.get(place.0, place.1).expect("it is declared");
                match property.personal_data() {
                    PersonalData::Direct => assert_eq!(view, ReaderView::Withheld, "{place:?}"),
                    PersonalData::Indirect if view == ReaderView::Stored => shown.push(place),
                    PersonalData::Indirect => {}
                    PersonalData::None => assert_ne!(view, ReaderView::Withheld, "{place:?}"),
                }
            }
        }
        // Keys stay.
        let expected =
            [("nexthink_alert", "userUid"), ("nexthink_user", "id"), ("nexthink_user", "userIds")];
        shown.sort_unstable();
        assert_eq!(shown, expected);
        let table = [
            ("nexthink_user", "lastSeenOn", Some(ReaderView::Day)),
            ("nexthink_device_installed_package", "version", Some(ReaderView::Stored)),
            ("nexthink_user", "tag.AccountName", None),
        ];
        for (type_name, property, expected) in table {
            assert_eq!(views.get(type_name, property), expected, "{type_name}.{property}");
        }
    }

    /// Statistics of tables, the record, the generated page and the redaction of columns must agree on which
    /// properties are personal.
    #[test]
    fn all_that_tell_what_is_personal_agree() {
        let minimal = privacy::policy(Profile::Minimal, &[]).expect("nothing is overridden");
        let plan = Plan::new(&Step::all(), |_| Decision::Run).expect("the steps make a plan");
        let page = documentation::personal_data(&plan);
        let mut personal = 0;
        for entity in Step::all().into_iter().flat_map(|step| step.entities) {
            let without_statistics = run::personal_columns(entity);
            let category = processing::category(entity, None);
            for property in entity.properties {
                let place = format!("{}.{}", entity.type_name, property.name);
                let is_personal = property.personal_data() != PersonalData::None;
                let lacks_statistics = without_statistics.iter().any(|name| name == property.name);
                assert_eq!(lacks_statistics, is_personal, "{place}");
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
