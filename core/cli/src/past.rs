//! The part of a command line that decides which generations a command reads.

use crate::{Cli, Command, ExportCommand, FolderArguments, HtmlArguments};

/// The generations that the arguments of a command ask for, besides those that it reads in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The texts that name generations: IDs, days, `previous`.
    pub generations: Vec<&'a str>,
    /// The query, which may read the history of a type.
    pub query: Option<AskedQuery<'a>>,
}

/// A query on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedQuery<'a> {
    /// A text in SQL or J1QL.
    Text(&'a str),
    /// The name of a saved question.
    Question(&'a str),
}

impl Cli {
    /// Returns the generations that the arguments ask for.
    pub fn asked(&self) -> Asked<'_> {
        match &self.command {
            Some(Command::Query(query)) => Asked {
                generations: query.as_of.iter().chain(&query.diff).map(String::as_str).collect(),
                query: query.query.as_deref().map(AskedQuery::Text),
            },
            Some(Command::Ask(ask)) => Asked {
                generations: ask.as_of.as_deref().into_iter().collect(),
                query: ask.question.as_deref().map(AskedQuery::Question),
            },
            Some(Command::Diff(diff)) => {
                Asked { generations: vec![&diff.before, &diff.after], query: None }
            }
            Some(Command::Neighbors(neighbors)) => Asked::of(neighbors.read.as_of.as_deref()),
            Some(Command::Path(path)) => Asked::of(path.read.as_of.as_deref()),
            Some(Command::Search(search)) => Asked::of(search.read.as_of.as_deref()),
            Some(Command::Export(ExportCommand::JupiterOne(FolderArguments {
                generation,
                ..
            }))) => Asked::of(generation.as_deref()),
            Some(Command::Export(ExportCommand::Html(HtmlArguments { question, .. }))) => {
                let query = question.as_deref().map(AskedQuery::Question);
                Asked { generations: Vec::new(), query }
            }
            _ => Asked::default(),
        }
    }
}

impl<'a> Asked<'a> {
    fn of(generation: Option<&'a str>) -> Self {
        Self { generations: generation.into_iter().collect(), query: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn a_generation_is_asked_for_by_an_option_or_by_what_is_asked() {
        let query = "select 1 from nexthink_device_history";
        let (text, question) = (AskedQuery::Text, AskedQuery::Question("old-devices"));
        let table: [(&[&str], &[&str], Option<AskedQuery<'_>>); 9] = [
            (&["query", query], &[], Some(text(query))),
            (&["query", "--tables"], &[], None),
            (&["query", "--as-of", "previous", query], &["previous"], Some(text(query))),
            (&["query", "--diff", "a", "b", "select 1"], &["a", "b"], Some(text("select 1"))),
            (&["ask", "old-devices", "--as-of", "2026-03-01"], &["2026-03-01"], Some(question)),
            (&["diff"], &["previous", "current"], None),
            (&["search", "ann", "--as-of", "previous"], &["previous"], None),
            (&["export", "html", "--question", "old-devices", "page.html"], &[], Some(question)),
            (&["status"], &[], None),
        ];
        for (words, generations, query) in table {
            let line = ["nexthink-graph"].iter().chain(words).map(Into::into);
            let cli = parse(line.collect::<Vec<_>>(), "");
            let cli = cli.unwrap_or_else(|error| panic!("{words:?}: {error}"));
            let expected = Asked { generations: generations.to_vec(), query };
            assert_eq!(cli.asked(), expected, "{words:?}");
        }
    }
}
