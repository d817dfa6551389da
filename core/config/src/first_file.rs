//! The text of the first configuration file, from the few answers that it needs.

use std::collections::BTreeMap;
use std::path::Path;

use core_engine::{Failure, suggestion};
use core_model::step::{Query, Step};
use core_nexthink::{QueryId, Region, TenantId};
use core_settings::{Answer, toml_text};

/// The setting that says where the store is.
const STORE: &str = "store.location";

/// The answers that a first configuration file needs.
#[derive(Debug, Clone)]
pub struct FirstAnswers {
    /// The tenant.
    pub tenant: TenantId,
    /// Its region.
    pub region: Region,
    /// The client ID of the API credential.
    pub client_id: String,
    /// The reference to its secret.
    pub secret: SecretAnswer,
    /// The IDs of the saved queries, by the name of their setting; an empty one skips its step.
    pub query_ids: BTreeMap<&'static str, String>,
}

/// The reference to a secret, as TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretAnswer(String);

impl SecretAnswer {
    /// A variable of the environment.
    pub fn variable(name: &str) -> Self {
        Self(format!("{{ env = {} }}", toml_text(name)))
    }

    /// A file, for a configuration in `folder`. A path in the configuration starts at its folder, one that is typed starts
    /// where the process works.
    ///
    /// # Errors
    ///
    /// The folder in which the process works is not known.
    pub fn file(path: &Path, folder: &Path) -> std::io::Result<Self> {
        // Below the home folder is the same place from everywhere.
        let is_same = folder.as_os_str().is_empty() || path.is_absolute() || path.starts_with("~");
        let path = if is_same { path.to_owned() } else { std::path::absolute(path)? };
        Ok(Self(format!("{{ file = {} }}", toml_text(&path.to_string_lossy()))))
    }
}

/// The queries that a configuration can name.
pub fn queries() -> impl Iterator<Item = &'static Query> {
    Step::all().into_iter().filter_map(Step::query)
}

/// Reads the IDs of queries as a command line gives them: `devices=ID`, or `devices` to skip its step.
///
/// # Errors
///
/// There is no such query, or its ID is none.
pub fn given_query_ids(words: &[String]) -> Result<BTreeMap<&'static str, String>, Failure> {
    let mut given = BTreeMap::new();
    for word in words {
        let (field, id) = word.split_once('=').unwrap_or((word, ""));
        let Some(query) = queries().find(|query| query.config_field == field) else {
            let fields: Vec<_> = queries().map(|query| query.config_field).collect();
            return Err(Failure::configuration(suggestion::unknown("query", field, &fields)));
        };
        if !id.is_empty() {
            id.parse::<QueryId>()?;
        }
        given.insert(query.config_field, id.to_owned());
    }
    Ok(given)
}

/// Returns the text of the file.
pub fn first_file(answers: &FirstAnswers) -> String {
    let answer = |path: &str, value: String| Answer { path: path.to_owned(), value, is_off: false };
    let mut lines = vec![
        answer("nexthink.tenant", toml_text(answers.tenant.as_str())),
        answer("nexthink.region", toml_text(answers.region.as_str())),
        answer("nexthink.client_id", toml_text(&answers.client_id)),
        answer("nexthink.client_secret", answers.secret.0.clone()),
        // As a comment, so that the file can be that of a tenant of a fleet, whose defaults name the store.
        Answer {
            path: STORE.to_owned(),
            value: toml_text(&core_settings::default_text(STORE)),
            is_off: true,
        },
    ];
    let mut queries: Vec<_> = queries().collect();
    queries.sort_unstable_by_key(|query| query.config_field);
    for query in queries {
        let id = answers.query_ids.get(query.config_field).map_or("", String::as_str);
        let is_off = query.is_extra && id.is_empty();
        let id = if is_off { query.suggested_id } else { id };
        let path = format!("queries.{}", query.config_field);
        lines.push(Answer { path, value: toml_text(id), is_off });
    }
    core_settings::template(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::empty_environment;
    use crate::{Config, Paths};

    fn answers(words: &[&str]) -> FirstAnswers {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        FirstAnswers {
            tenant: "acme".parse().expect("it is a name"),
            region: "eu".parse().expect("it is a region"),
            client_id: "a \"quoted\" id".to_owned(),
            secret: SecretAnswer::variable("SECRET"),
            query_ids: given_query_ids(&words).map_err(|failure| failure.error).expect("valid"),
        }
    }

    fn parsed(answers: &FirstAnswers) -> Config {
        let paths = Paths::new(Path::new(""), empty_environment());
        Config::parse(&first_file(answers), &BTreeMap::new(), &paths).expect("it is valid")
    }

    #[test]
    fn the_file_says_what_was_answered() {
        let config = parsed(&answers(&["devices=#dd", "users=#uu", "packages=#pp", "alerts"]));
        assert_eq!((config.tenant.as_str(), config.region.as_str()), ("acme", "eu"));
        let credential = config.credential.as_ref().expect("it was answered");
        assert_eq!(credential.client_id, "a \"quoted\" id");
        assert_eq!(config.queries["devices"].id.as_str(), "#dd");
        assert!(!config.queries.contains_key("alerts"), "it is skipped");
    }

    #[test]
    fn a_query_that_was_not_answered_is_blank() {
        let text = first_file(&answers(&["devices=#dd"]));
        assert!(text.lines().any(|line| line == "users = \"\""), "{text}");
        assert!(text.lines().any(|line| line == "devices = \"#dd\""), "{text}");
    }

    #[test]
    fn the_place_of_the_store_is_shown_and_left_to_the_defaults_of_a_fleet() {
        let text = first_file(&answers(&[]));
        let place = core_settings::default_text(STORE);
        let line = format!("# location = {}", toml_text(&place));
        assert!(text.lines().any(|found| found == line), "{text}");
        let config = parsed(&answers(&[]));
        assert_eq!(config.store.folder(), Path::new(&place), "without a fleet, it is the default");
    }

    #[test]
    fn a_query_that_is_not_known_names_those_that_are() {
        let failure = |word: &str| {
            let failed = given_query_ids(&[word.to_owned()]).expect_err("it is wrong");
            failed.error.to_string()
        };
        let text = failure("device=#dd");
        assert!(text.contains("device") && text.contains("devices"), "{text}");
        assert!(!failure("devices=no id!").is_empty());
    }

    #[test]
    fn a_secret_file_is_found_from_the_folder_of_the_configuration() {
        let file = |path: &str, folder: &str| {
            SecretAnswer::file(Path::new(path), Path::new(folder)).expect("it works somewhere").0
        };
        let here = std::env::current_dir().expect("it works somewhere").join("secret");
        for (path, folder, expected) in [
            ("secret", "", "secret"),
            ("secret", "etc", &*here.to_string_lossy()),
            ("~/secret", "etc", "~/secret"),
            ("/run/secret", "etc", "/run/secret"),
        ] {
            assert_eq!(file(path, folder), format!("{{ file = {} }}", toml_text(expected)));
        }
    }
}
