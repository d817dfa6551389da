//! The generated pages below `docs/`: three from the declarations of the steps, one from the names
//! of tests, and one from the messages in the sources. The table of steps in the README, between
//! two markers, and the table of the explorer's files are generated too.

mod assets;
mod faults;
mod messages;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use core_model::documentation;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;
use core_privacy::page;

use crate::workspace::{SourceFile, sources};

const README: &str = "README.md";
const START: &str = "<!-- steps:start -->";
const END: &str = "<!-- steps:end -->";

/// A generated file: its path from the root of the workspace, and its content.
struct Page {
    path: &'static str,
    text: String,
}

/// Writes the pages that are stale.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    for page in stale(root, pages(root, &plan_of(&Step::all())?, &sources(root)?)?) {
        let path = root.join(page.path);
        let folder = path.parent().context("a page is in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&path, page.text).with_context(|| format!("cannot write {}", page.path))?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

/// Fails if a page is stale, or if a fault has neither a test nor a reason.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let sources = sources(root)?;
    faults::check(&sources)?;
    let stale = stale(root, pages(root, &plan_of(&Step::all())?, &sources)?);
    if stale.is_empty() {
        return Ok(());
    }
    let paths: Vec<_> = stale.iter().map(|page| page.path).collect();
    bail!("stale: {}; run `cargo xtask docs`", paths.join(", "))
}

fn plan_of(steps: &[&'static Step]) -> anyhow::Result<Plan> {
    Plan::new(steps, |_| Decision::Run).context("the linked steps make no plan")
}

fn pages(root: &Path, plan: &Plan, sources: &[SourceFile]) -> anyhow::Result<Vec<Page>> {
    let readme = fs::read_to_string(root.join(README))
        .with_context(|| format!("cannot read {README}, which holds the table of steps"))?;
    Ok(vec![
        Page { path: "docs/data-model.md", text: documentation::data_model(plan) },
        Page { path: "docs/authorization.md", text: documentation::authorization(plan) },
        Page {
            path: "docs/personal-data.md",
            text: documentation::personal_data(plan) + &page::columns_and_rights(),
        },
        Page { path: "docs/faults.md", text: faults::page(sources) },
        Page { path: "docs/messages.md", text: messages::page(sources)? },
        Page { path: assets::PATH, text: assets::table(root)? },
        Page { path: README, text: with_table(&readme, &documentation::steps_table(plan))? },
    ])
}

/// Returns the pages whose file differs or is missing.
fn stale(root: &Path, mut pages: Vec<Page>) -> Vec<Page> {
    pages.retain(|page| fs::read_to_string(root.join(page.path)).ok().as_ref() != Some(&page.text));
    pages
}

/// Returns the README with the table between its markers.
fn with_table(readme: &str, table: &str) -> anyhow::Result<String> {
    let parts = readme
        .split_once(START)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let Some((before, after)) = parts else {
        bail!("{README} lacks the lines `{START}` and `{END}`: put them where the table belongs");
    };
    Ok(format!("{before}{START}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use core_model::step::Source;

    use super::*;

    static ALONE: Step = Step {
        id: "fetch-things",
        name: "Fetch Things",
        depends_on: &[&LOST],
        source: Source::Configuration,
        entities: &[],
        relationships: &[],
    };
    static LOST: Step = Step {
        id: "fetch-lost",
        name: "Fetch Lost",
        depends_on: &[],
        source: Source::Configuration,
        entities: &[],
        relationships: &[],
    };

    fn page(text: &str) -> Vec<Page> {
        vec![Page { path: "page.md", text: text.to_owned() }]
    }

    #[test]
    fn the_table_replaces_what_is_between_the_markers_and_nothing_else() {
        let readme = format!("# Title\n{START}\nold\n{END}\nend\n");
        let once = with_table(&readme, "| new |\n").expect("both markers are there");
        assert_eq!(once, format!("# Title\n{START}\n\n| new |\n\n{END}\nend\n"));
        assert_eq!(with_table(&once, "| new |\n").expect("still there"), once);
    }

    #[test]
    fn a_readme_without_both_markers_in_order_is_refused() {
        for readme in ["", START, END, &format!("{END}{START}")] {
            assert!(with_table(readme, "").is_err(), "{readme}");
        }
    }

    #[test]
    fn a_page_is_stale_when_it_is_missing_or_differs() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(stale(root.path(), page("text")).len(), 1);
        fs::write(root.path().join("page.md"), "text").expect("a file");
        assert_eq!(stale(root.path(), page("text")).len(), 0);
        assert_eq!(stale(root.path(), page("other")).len(), 1);
    }

    #[test]
    fn steps_that_make_no_plan_are_refused() {
        assert!(plan_of(&[&LOST, &ALONE]).is_ok());
        let error = plan_of(&[&ALONE]).expect_err("a step waits for one that is not linked");
        assert!(format!("{error:#}").contains("`fetch-lost`"), "{error:#}");
    }
}
