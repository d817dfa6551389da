//! References to secrets. A secret itself is never in the configuration, on the command line, or in
//! anything that is printed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use core_engine::settings::SecretSource;
use core_files::ensure_private;
use core_http::Secret;
use core_settings::Values;
use zeroize::Zeroizing;

use crate::environment::Variable;
use crate::paths::Paths;
use crate::{secret_command, secret_text};

/// The largest secret, in bytes.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

/// Room for it, one byte more so that a larger one is noticed, and for the last read of nothing.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024 + 64;

/// The place of a secret.
#[derive(Debug, Clone)]
pub enum SecretReference {
    /// In a variable of the environment.
    Variable(Variable),
    /// In a file that only its owner can read.
    File(PathBuf),
    /// In what a command prints.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// The longest time that it may take.
        timeout: Duration,
    },
}

/// Reads the reference to a secret.
pub(crate) fn read(values: &mut Values, paths: &Paths, path: &str) -> Option<SecretReference> {
    values.let_variables_replace(path);
    values.take_empty_table(path);
    let how = "give a reference: { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"…\"] }";
    if values.text(path).is_some() {
        values.problem(path, &format!("must not hold the secret itself; {how}"));
        values.ignore_below(path);
        return None;
    }
    let variable = values.text(&format!("{path}.env"));
    let variable = variable.map(|name| Variable::new(name, paths.environment()));
    let variable = variable.map(SecretReference::Variable);
    let file = paths.read(values, &format!("{path}.file")).map(SecretReference::File);
    let command = values.texts(&format!("{path}.command"));
    let command = command.filter(|words| !words.is_empty()).map(|words| {
        let seconds = values.integer_or_default(&format!("{path}.timeout_s"));
        SecretReference::Command { words, timeout: Duration::from_secs(seconds) }
    });
    let mut given: Vec<SecretReference> = [variable, file, command].into_iter().flatten().collect();
    if given.len() != 1 {
        let found = if given.is_empty() { "is missing" } else { "is given more than once" };
        values.problem(path, &format!("{found}; {how}"));
        return None;
    }
    given.pop()
}

/// Reads the reference to a secret that need not be set. The outer `None` says that the setting is wrong, the inner one
/// that it is not set.
#[allow(clippy::option_option, reason = "the caller gives up on the outer one with `?`")]
pub(crate) fn read_optional(
    values: &mut Values,
    paths: &Paths,
    path: &str,
) -> Option<Option<SecretReference>> {
    // A text is set too: it is the secret itself, which must be refused as such.
    let is_set = values.has(path) || values.has_table(path);
    if is_set { read(values, paths, path).map(Some) } else { Some(None) }
}

impl SecretReference {
    /// The place of the secret, for messages.
    fn place(&self) -> String {
        match self {
            Self::Variable(variable) => {
                format!("the environment variable {}", variable.name())
            }
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command { words, .. } => {
                format!("the output of {}", words.first().map_or("", String::as_str))
            }
        }
    }
}

impl SecretSource for SecretReference {
    /// Surrounding line ends and spaces do not belong to the secret.
    fn read(&self, what: &str) -> anyhow::Result<Secret> {
        let secret = match self {
            Self::Variable(variable) => {
                let missing = || {
                    let name = variable.name();
                    format!("{what} is not there: set the environment variable {name}")
                };
                Zeroizing::new(variable.value().with_context(missing)?)
            }
            Self::File(path) => read_file(path)?,
            Self::Command { words, timeout } => secret_command::read_output(words, *timeout)?,
        };
        let trimmed = secret.trim();
        let place = self.place();
        ensure!(!trimmed.is_empty(), "{what} is empty: see {place}");
        if let Some(flaw) = secret_text::flaw(trimmed) {
            bail!(
                "{what} in {place} {flaw}; write it again, as plain text without anything around it"
            );
        }
        Ok(Secret::new(trimmed.to_owned()))
    }
}

fn read_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display();
    let unreadable = || format!("cannot read the secret file {shown}");
    let file = File::open(path).with_context(unreadable)?;
    ensure_private(&file, path, "the secret file")?;
    // Large enough at once: a buffer that grows leaves copies of what was in it.
    let mut secret = Zeroizing::new(Vec::with_capacity(BUFFER_BYTES));
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut secret).with_context(unreadable)?;
    ensure!(read as u64 <= MAX_BYTES, "the secret file {shown} is too large for a secret");
    secret_text::decode(&secret).with_context(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::empty_environment;

    #[test]
    fn a_command_gives_the_secret_without_its_line_end() {
        let words = ["cargo", "--version"].map(str::to_owned).to_vec();
        let reference = SecretReference::Command { words, timeout: Duration::from_mins(1) };
        let secret = reference.read("the client secret").expect("cargo runs these tests");
        assert!(secret.expose().starts_with("cargo ") && !secret.expose().ends_with('\n'));
    }

    #[test]
    fn what_cannot_be_fetched_is_said_without_any_secret() {
        let missing = Variable::new("NEXTHINK_GRAPH_TEST_UNSET".to_owned(), empty_environment());
        let missing = SecretReference::Variable(missing);
        let command = |words: &[&str]| {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            SecretReference::Command { words, timeout: Duration::from_mins(1) }
        };
        let table = [
            (
                missing,
                "the client secret is not there: set the environment variable \
                       NEXTHINK_GRAPH_TEST_UNSET",
            ),
            (
                command(&["no-such-program-here"]),
                "cannot run the secret command no-such-program-here",
            ),
            (
                SecretReference::File("no/such/file".into()),
                "cannot read the secret file no/such/file",
            ),
        ];
        for (reference, expected) in table {
            let error = reference.read("the client secret").map(drop).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        core_files::replace_file(&path, b" s3cret\n").expect("written");
        let reference = SecretReference::File(path.clone());
        assert_eq!(reference.read("the client secret").expect("private").expose(), "s3cret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changed");
        let error = reference.read("the client secret").map(drop).expect_err("others can read it");
        assert!(error.to_string().contains("can be read by others: run `chmod 600"), "{error}");
    }
}
