//! The generated pages of documentation, and whether a file is one.

use core_jupiterone::Extras;
use core_model::documentation;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;

use crate::failure::{Failure, FailureKind};

/// A generated page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page<'a> {
    /// Entities, relationships, queries, properties.
    DataModel,
    /// Scopes and endpoints by step.
    Authorization,
    /// Properties with personal data, columns, and rights.
    PersonalData,
    /// The section that JupiterOne's tool writes into a page.
    SdkSection,
    /// The page of an integration in JupiterOne's documentation.
    Integration {
        /// The release notes at its end.
        release_notes: &'a str,
    },
}

impl Page<'_> {
    /// Returns its text.
    ///
    /// # Errors
    ///
    /// The steps make no plan, which is a defect.
    pub fn text(self) -> Result<String, Failure> {
        let whole = || plan_of(&Step::all());
        Ok(match self {
            Self::DataModel => documentation::data_model(&whole()?),
            Self::Authorization => documentation::authorization(&whole()?),
            Self::PersonalData => {
                documentation::personal_data(&whole()?) + &core_privacy::page::columns_and_rights()
            }
            Self::SdkSection => {
                let section =
                    core_jupiterone::sdk_section(&Step::integration_steps(), Extras::default());
                section.unwrap_or_default()
            }
            // What JupiterOne's own page has.
            Self::Integration { release_notes } => {
                let plan = plan_of(&Step::integration_steps())?;
                documentation::integration_page(&plan, release_notes)
            }
        })
    }

    /// Returns true if a file has the text of the page. JupiterOne's tool replaces a section of a page and leaves the rest
    /// alone.
    ///
    /// # Errors
    ///
    /// The steps make no plan, which is a defect.
    pub fn is_in(self, file: &str) -> Result<bool, Failure> {
        let expected = match self {
            Self::SdkSection => {
                core_jupiterone::document(file, &Step::integration_steps(), Extras::default()).ok()
            }
            _ => Some(self.text()?),
        };
        Ok(expected.is_some_and(|page| page.trim_end() == file.trim_end()))
    }
}

/// Returns the plan of steps that all run.
///
/// # Errors
///
/// The steps make no plan, which is a defect.
pub fn plan_of(steps: &[&'static Step]) -> Result<Plan, Failure> {
    Plan::new(steps, |_| Decision::Run).map_err(|error| Failure::new(FailureKind::Internal, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [Page<'static>; 4] = [
        Page::DataModel,
        Page::Authorization,
        Page::PersonalData,
        Page::Integration { release_notes: "# Changelog\n\n## Unreleased\n" },
    ];

    fn text(page: Page<'_>) -> String {
        page.text().map_err(|failure| failure.error).expect("the steps make a plan")
    }

    fn is_in(page: Page<'_>, file: &str) -> bool {
        page.is_in(file).map_err(|failure| failure.error).expect("the steps make a plan")
    }

    #[test]
    fn a_file_is_a_page_as_a_whole_whatever_its_end() {
        for page in PAGES {
            let text = text(page);
            assert!(text.len() > 100, "{page:?}: {text}");
            assert!(is_in(page, &text) && is_in(page, &format!("{text}\n\n")), "{page:?}");
            assert!(!is_in(page, &format!("# Before\n{text}")), "{page:?}");
            assert!(!is_in(page, ""), "{page:?}");
        }
    }

    #[test]
    fn a_section_is_a_part_of_a_page() {
        let section = text(Page::SdkSection);
        let page = format!("# Ours\n\n{section}\n");
        assert!(is_in(Page::SdkSection, &page), "{page}");
        assert!(!is_in(Page::SdkSection, &page.replacen("nexthink_device", "nexthink_devise", 1)));
    }

    #[test]
    fn no_two_pages_are_the_same() {
        let texts: std::collections::BTreeSet<String> = PAGES.into_iter().map(text).collect();
        assert_eq!(texts.len(), PAGES.len());
    }
}
