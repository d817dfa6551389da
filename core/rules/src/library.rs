//! The library of rules: the shipped ones, those in a folder beside the configuration, and which of them are enabled.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::document::{Document, Problem, most_similar};
use crate::questions::SavedQuestions;
use crate::rule::Rule;
use crate::rule_file;

/// The file in the folder that says which rules are on; `rules enable` writes it.
pub const SWITCHES: &str = "switches.toml";
/// The largest rule file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// The rules that come with the program: a file name and its text.
        const SHIPPED: &[(&str, &str)] =
            &[$((concat!($name, ".toml"), include_str!(concat!("../rules/", $name, ".toml")))),+];
    };
}

shipped!(
    "alert-on-many-devices",
    "alert-open-for-7-days",
    "critical-alert-open",
    "device-name-doubled",
    "device-shared-by-many",
    "device-silent-for-14-days",
    "device-with-several-open-alerts",
    "device-without-user",
    "local-account-in-use",
    "serial-number-doubled",
    "software-in-many-versions",
    "unsupported-os-build",
    "unwanted-publisher",
    "user-silent-for-90-days",
    "user-with-several-open-alerts",
    "audit-failed-logins",
    "audit-new-administrator",
    "audit-new-credential",
    "audit-outside-hours",
    "audit-support-access",
    "program-audit-gap",
    "program-key-overdue",
    "program-no-complete-run",
    "program-not-delivered",
    "program-notice-given-up",
    "program-quota-nearly-spent",
    "program-retention-overdue",
    "program-run-failed",
    "program-step-not-complete",
);

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It comes with the program.
    Shipped,
    /// It is a file of the folder.
    File(PathBuf),
}

/// A rule in the library.
#[derive(Debug, Clone)]
pub struct KnownRule {
    /// The rule.
    pub rule: Rule,
    /// Where it comes from.
    pub origin: Origin,
    /// True if runs evaluate it.
    pub is_on: bool,
    /// The text of its file.
    pub text: String,
}

impl KnownRule {
    /// Returns the state in words.
    pub fn state(&self) -> &'static str {
        if self.is_on { "enabled" } else { "disabled" }
    }
}

/// All valid rules, and the mistakes in the files of others.
#[derive(Debug, Default)]
pub struct Library {
    /// The rules, by id.
    pub rules: Vec<KnownRule>,
    /// Mistakes in files. While there are any, no rule counts as removed.
    pub problems: Vec<Problem>,
    /// The mistake in the file of switches, if there is one; `problems` has it too. It is not known then which rules are
    /// enabled, and none counts as enabled.
    pub broken_switches: Option<Problem>,
}

/// The file of switches.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switches {
    /// Rules of the program that are on.
    #[serde(default)]
    on: BTreeSet<String>,
    /// Rules of the folder that are off.
    #[serde(default)]
    off: BTreeSet<String>,
}

/// A reason why a rule cannot be switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// There is no such rule.
    #[error("there is no rule `{id}`{}; `rules list` shows all", near.as_ref().map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The id.
        id: String,
        /// The most similar one.
        near: Option<String>,
    },
    /// The file of switches has a mistake.
    #[error("{0}")]
    Broken(Problem),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] core_files::FileError),
}

impl Library {
    /// Reads the folder, if there is one. A file of it stands for the program's rule of the same id. Rules may ask
    /// `questions`.
    pub fn load(folder: &Path, questions: &dyn SavedQuestions) -> Self {
        let mut library = Self::default();
        let switches = match read_switches(folder) {
            Ok(switches) => Some(switches),
            Err(problem) => {
                library.problems.push(problem.clone());
                library.broken_switches = Some(problem);
                None
            }
        };
        library.add_files(folder, switches.as_ref(), questions);
        for (name, text) in SHIPPED {
            let document = Document { file: name, text };
            match rule_file::read(document, questions) {
                Ok(rule) if library.find(&rule.id).is_none() => {
                    let is_on =
                        switches.as_ref().is_some_and(|switches| switches.on.contains(&rule.id));
                    let text = (*text).to_owned();
                    library.rules.push(KnownRule { rule, origin: Origin::Shipped, is_on, text });
                }
                Ok(_) => {}
                Err(problems) => library.problems.extend(problems),
            }
        }
        library.rules.sort_by(|one, other| one.rule.id.cmp(&other.rule.id));
        library
    }

    /// The rule of an id.
    pub fn find(&self, id: &str) -> Option<&KnownRule> {
        self.rules.iter().find(|known| known.rule.id == id)
    }

    /// The rule of an id, which must be there.
    ///
    /// # Errors
    /// [`SwitchError::Unknown`] with the most similar id.
    pub fn named(&self, id: &str) -> Result<&KnownRule, SwitchError> {
        self.find(id).ok_or_else(|| {
            let ids = self.rules.iter().map(|known| known.rule.id.as_str());
            SwitchError::Unknown {
                id: id.to_owned(),
                near: most_similar(id, ids).map(str::to_owned),
            }
        })
    }

    fn add_files(
        &mut self,
        folder: &Path,
        switches: Option<&Switches>,
        questions: &dyn SavedQuestions,
    ) {
        let paths = match rule_files(folder) {
            Ok(paths) => paths,
            Err(message) => {
                let file = folder.display().to_string();
                self.problems.push(Problem { file, line: 0, column: 0, message });
                return;
            }
        };
        for path in paths {
            let file = path.display().to_string();
            let text = match read_text(&path) {
                Ok(text) => text,
                Err(message) => {
                    self.problems.push(Problem { file, line: 0, column: 0, message });
                    continue;
                }
            };
            let document = Document { file: &file, text: &text };
            match rule_file::read(document, questions) {
                Ok(rule) => {
                    if let Some(other) = self.find(&rule.id) {
                        let message =
                            format!("the id `{}` is that of {} too", rule.id, other.origin.name());
                        self.problems.push(document.problem_of_file(&message));
                        continue;
                    }
                    let is_on = switches.is_some_and(|switches| !switches.off.contains(&rule.id));
                    self.rules.push(KnownRule { rule, origin: Origin::File(path), is_on, text });
                }
                Err(problems) => self.problems.extend(problems),
            }
        }
    }

    /// Switches rules on or off, for the next evaluation. Returns the ids that were not so before. `*` in
    /// a name stands for any text.
    ///
    /// # Errors
    /// [`SwitchError`]; then nothing is switched.
    pub fn switch(
        &self,
        folder: &Path,
        names: &[String],
        on: bool,
    ) -> Result<Vec<String>, SwitchError> {
        let mut switches = read_switches(folder).map_err(SwitchError::Broken)?;
        let mut changed = Vec::new();
        for name in names {
            let matching: Vec<&KnownRule> = if name.contains('*') {
                let matches =
                    |known: &&KnownRule| crate::silence::matches_pattern(name, &known.rule.id);
                self.rules.iter().filter(matches).collect()
            } else {
                vec![self.named(name)?]
            };
            if matching.is_empty() {
                return Err(SwitchError::Unknown { id: name.clone(), near: None });
            }
            for known in matching.into_iter().filter(|known| known.is_on != on) {
                let id = known.rule.id.clone();
                match (&known.origin, on) {
                    (Origin::Shipped, true) => switches.on.insert(id.clone()),
                    (Origin::Shipped, false) => switches.on.remove(&id),
                    (Origin::File(_), true) => switches.off.remove(&id),
                    (Origin::File(_), false) => switches.off.insert(id.clone()),
                };
                changed.push(id);
            }
        }
        if !changed.is_empty() {
            let text = toml::to_string(&switches).expect("lists of names are TOML");
            let text = format!("# Written by `rules enable` and `rules disable`.\n{text}");
            core_files::create_folder(folder)?;
            core_files::replace_file(&folder.join(SWITCHES), text.as_bytes())?;
        }
        Ok(changed)
    }
}

impl Origin {
    /// The name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Shipped => "shipped".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

fn read_switches(folder: &Path) -> Result<Switches, Problem> {
    let path = folder.join(SWITCHES);
    let file = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => Document { file: &file, text: &text }.read(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Switches::default()),
        Err(error) => {
            Err(Document { file: &file, text: "" }
                .problem_of_file(&format!("cannot read: {error}")))
        }
    }
}

/// The rule files of a folder, by name.
fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot list: {error}")),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot list: {error}"))?.path();
        let is_rule = path.extension().is_some_and(|extension| extension == "toml");
        if is_rule && path.file_name().is_some_and(|name| name != SWITCHES) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot read: {error}"))?;
    if metadata.len() > MAX_BYTES {
        return Err("it is larger than 1 MiB, which no rule is".to_owned());
    }
    fs::read_to_string(path).map_err(|error| format!("cannot read: {error}"))
}
