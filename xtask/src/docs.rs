//! The generated pages below `docs/`: three from the declarations of the steps, one from the names
//! of tests, one from the messages in the sources, and the schema of the configuration. The table of
//! steps in the README and the reference of settings, each between two markers, and the table of the
//! explorer's files are generated too.

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
const CONFIGURATION: &str = "docs/configuration.md";
const SCHEMA: &str = "docs/nexthink-graph.schema.json";

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

/// Fails if a page is stale, if a message names a page that does not exist, or if a fault has neither a test nor a
/// reason.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let sources = sources(root)?;
    faults::check(&sources)?;
    let pages = pages(root, &plan_of(&Step::all())?, &sources)?;
    for page in pages.iter().flat_map(|page| messages::named_pages(&page.text)) {
        if !root.join(page).is_file() {
            bail!("a message or page names {page}, which does not exist");
        }
    }
    let stale = stale(root, pages);
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
    let with_part = |path: &str, name: &str, part: &str| {
        let page = fs::read_to_string(root.join(path))
            .with_context(|| format!("cannot read {path}, a part of which is generated"))?;
        with_part(path, &page, name, part)
    };
    let queries: Vec<&str> =
        Step::all().into_iter().filter_map(Step::query).map(|query| query.config_field).collect();
    let schema = serde_json::to_string_pretty(&core_settings::schema(&queries))?;
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
        Page { path: README, text: with_part(README, "steps", &documentation::steps_table(plan))? },
        Page {
            path: CONFIGURATION,
            text: with_part(CONFIGURATION, "settings", &core_settings::page())?,
        },
        Page { path: SCHEMA, text: schema + "\n" },
    ])
}

/// Returns the pages whose file differs or is missing.
fn stale(root: &Path, mut pages: Vec<Page>) -> Vec<Page> {
    pages.retain(|page| fs::read_to_string(root.join(page.path)).ok().as_ref() != Some(&page.text));
    pages
}

/// Returns a page with a generated part between the markers of this name.
fn with_part(path: &str, page: &str, name: &str, part: &str) -> anyhow::Result<String> {
    let (start, end) = (format!("<!-- {name}:start -->"), format!("<!-- {name}:end -->"));
    let parts = page
        .split_once(&start)
        .and_then(|(before, rest)| rest.split_once(&end).map(|(_, after)| (before, after)));
    let Some((before, after)) = parts else {
        bail!("{path} lacks the lines `{start}` and `{end}`: put them where the part belongs");
    };
    Ok(format!("{before}{start}\n\n{}\n\n{end}{after}", part.trim_end()))
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

    const START: &str = "<!-- part:start -->";
    const END: &str = "<!-- part:end -->";

    #[test]
    fn the_part_replaces_what_is_between_its_markers_and_nothing_else() {
        let page = format!("# Title\n{START}\nold\n{END}\nend\n");
        let with = |page: &str| with_part("page.md", page, "part", "| new |\n");
        let once = with(&page).expect("both markers are there");
        assert_eq!(once, format!("# Title\n{START}\n\n| new |\n\n{END}\nend\n"));
        assert_eq!(with(&once).expect("still there"), once);
    }

    #[test]
    fn a_page_without_both_markers_in_order_is_refused() {
        for page in ["", START, END, &format!("{END}{START}")] {
            assert!(with_part("page.md", page, "part", "").is_err(), "{page}");
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
