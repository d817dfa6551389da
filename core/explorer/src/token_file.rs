//! The file with the hashes of the tokens that were given out.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use core_files::{FileLock, ensure_private};
use serde::{Deserialize, Serialize};

use crate::access::{AccessToken, Role};
use crate::tokens::Tokens;

/// The largest file: thousands of tokens. Bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The name of the file beside the configuration.
const NAME: &str = "nexthink-graph-tokens.json";

/// The time between two looks of a server at the file.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

/// The longest name of a token.
const MAX_NAME: usize = 60;

/// A file of tokens.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

/// A reason why a file has no new token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The name is invalid.
    #[error("the name of a token has 1 to {MAX_NAME} letters, digits, and the characters - _ . @")]
    Name,
    /// Another token has the name.
    #[error(
        "there is a token {name} in {} already: `serve token remove {name}` withdraws it, or choose another name",
        path.display()
    )]
    Taken {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// No token has the name.
    #[error("there is no token {name} in {}: {}", path.display(), known_names(known))]
    Unknown {
        /// The name.
        name: String,
        /// The names of the tokens that there are.
        known: Vec<String>,
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] anyhow::Error),
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    tokens: Vec<AccessToken>,
}

impl TokenFile {
    /// The file at a path. It need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file beside the configuration, which is in a folder.
    pub fn beside(folder: &Path) -> Self {
        Self::new(folder.join(NAME))
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the tokens; none if there is no file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no file of tokens, or others than its owner can read it.
    pub fn read(&self) -> anyhow::Result<Vec<AccessToken>> {
        let shown = self.path.display();
        let file = match std::fs::File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.with_context(|| format!("cannot read {shown}"))?,
        };
        ensure_private(&file, &self.path, "the file of tokens")?;
        let mut text = String::new();
        file.take(MAX_BYTES)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {shown}"))?;
        let content: Content = serde_json::from_str(&text).with_context(|| {
            format!("{shown} is not a file of tokens: restore it, or remove it and make new tokens")
        })?;
        Ok(content.tokens)
    }

    /// Adds a new token. Returns its text, which is kept nowhere.
    ///
    /// # Errors
    ///
    /// [`TokenFileError`].
    pub fn add(
        &self,
        name: &str,
        role: Role,
        fill_random: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> Result<String, TokenFileError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
            return Err(TokenFileError::Name);
        }
        let _lock = self.lock()?;
        let mut tokens = self.read()?;
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenFileError::Taken { name: name.to_owned(), path: self.path.clone() });
        }
        let (text, token) =
            AccessToken::new(name, role, fill_random).map_err(anyhow::Error::new)?;
        tokens.push(token);
        self.write(tokens)?;
        Ok(text)
    }

    /// Removes the token of a name.
    ///
    /// # Errors
    ///
    /// [`TokenFileError`].
    pub fn remove(&self, name: &str) -> Result<(), TokenFileError> {
        let _lock = self.lock()?;
        let mut tokens = self.read()?;
        let Some(place) = tokens.iter().position(|token| token.name == name) else {
            let known = tokens.into_iter().map(|token| token.name).collect();
            let (name, path) = (name.to_owned(), self.path.clone());
            return Err(TokenFileError::Unknown { name, known, path });
        };
        tokens.remove(place);
        Ok(self.write(tokens)?)
    }

    /// Keeps tokens equal to those of the file, until it is dropped. If the file cannot be read, the tokens stay as they
    /// were and `tell` gets the reason once.
    pub async fn follow(&self, tokens: &Tokens, tell: impl Fn(&str)) -> Infallible {
        let mut told = None;
        loop {
            tokio::time::sleep(FOLLOW_INTERVAL).await;
            match self.read() {
                Ok(found) => {
                    tokens.replace(found);
                    told = None;
                }
                Err(error) => {
                    let problem = format!("{error:#}; until then, the tokens stay as they were");
                    if told.as_ref() != Some(&problem) {
                        tell(&problem);
                    }
                    told = Some(problem);
                }
            }
        }
    }

    fn lock(&self) -> anyhow::Result<FileLock> {
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        FileLock::acquire(Path::new(&lock))
            .with_context(|| format!("cannot change {}", self.path.display()))
    }

    fn write(&self, tokens: Vec<AccessToken>) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(&Content { tokens })?;
        core_files::replace_file(&self.path, &bytes)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, TokenFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.json");
        (folder, TokenFile::new(path))
    }

    const RANDOM: fn(&mut [u8]) -> io::Result<()> = |buffer| {
        buffer.fill(7);
        Ok(())
    };

    #[test]
    fn a_file_has_hashes_and_never_a_token() {
        let (_folder, file) = file();
        assert_eq!(file.read().expect("there is no file yet"), []);
        let token = file.add("helpdesk", Role::Viewer, RANDOM).expect("the name is free");
        file.add("desk@acme.example", Role::Analyst, RANDOM).expect("the name is free");
        let kept = std::fs::read_to_string(file.path()).expect("it was written");
        assert!(!kept.contains(&token), "{kept}");
        let tokens = file.read().expect("it was written");
        let roles: Vec<_> = tokens.iter().map(|token| (&*token.name, token.role)).collect();
        assert_eq!(roles, [("helpdesk", Role::Viewer), ("desk@acme.example", Role::Analyst)]);
    }

    #[test]
    fn a_name_is_plain_and_belongs_to_one_token() {
        let (_folder, file) = file();
        file.add("helpdesk", Role::Viewer, RANDOM).expect("the name is free");
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", "two words", "a\u{1b}b", "naïve", "a/b", &long] {
            let refused = file.add(name, Role::Viewer, RANDOM);
            assert!(matches!(refused, Err(TokenFileError::Name)), "{name:?}");
        }
        let taken = file.add("helpdesk", Role::Analyst, RANDOM).expect_err("the name is taken");
        assert!(taken.to_string().starts_with("there is a token helpdesk in "), "{taken}");
        assert_eq!(file.read().expect("it was written").len(), 1);
        file.add(&"a".repeat(MAX_NAME), Role::Viewer, RANDOM).expect("it is not too long");
    }

    #[test]
    fn a_token_that_is_removed_leaves_the_others() {
        let (_folder, file) = file();
        for name in ["a", "b", "c"] {
            file.add(name, Role::Viewer, RANDOM).expect("the name is free");
        }
        file.remove("b").expect("it is there");
        let names: Vec<_> =
            file.read().expect("it was written").into_iter().map(|token| token.name).collect();
        assert_eq!(names, ["a", "c"]);
        let unknown = file.remove("b").expect_err("it is gone").to_string();
        assert!(
            unknown.starts_with("there is no token b in ") && unknown.ends_with(": it has a, c")
        );
        file.add("b", Role::Analyst, RANDOM).expect("the name is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_follows_the_file_and_keeps_its_tokens_while_it_cannot_be_read() {
        let (_folder, file) = file();
        let first = file.add("a", Role::Viewer, RANDOM).expect("the name is free");
        let tokens = Tokens::new(file.read().expect("it was written"));
        let told = std::sync::Mutex::new(Vec::new());
        let follow = async || {
            let tell = |text: &str| told.lock().expect("one thread").push(text.to_owned());
            let _ = tokio::time::timeout(FOLLOW_INTERVAL * 3, file.follow(&tokens, tell)).await;
        };
        core_files::replace_file(file.path(), b"{").expect("it is ours");
        follow().await;
        assert!(tokens.find(&first).is_some(), "it stays");
        let texts = std::mem::take(&mut *told.lock().expect("one thread"));
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].ends_with("; until then, the tokens stay as they were"), "{texts:?}");
        core_files::replace_file(file.path(), b"{\"tokens\":[]}").expect("it is ours");
        follow().await;
        assert!(tokens.find(&first).is_none() && tokens.is_empty());
        assert!(told.lock().expect("one thread").is_empty());
    }

    #[test]
    fn a_system_without_random_numbers_makes_no_token() {
        let (_folder, file) = file();
        let failed = file.add("a", Role::Viewer, |_| Err(ErrorKind::Unsupported.into()));
        assert!(matches!(failed, Err(TokenFileError::File(_))));
        assert!(!file.path().exists());
    }

    #[test]
    fn a_file_that_is_none_of_tokens_or_that_others_can_read_is_refused() {
        let (_folder, file) = file();
        for text in ["", "{}", "{\"tokens\":[],\"more\":1}", "not JSON"] {
            core_files::replace_file(file.path(), text.as_bytes()).expect("it is ours");
            let refused = file.read().expect_err(text).to_string();
            assert!(refused.contains("is not a file of tokens: restore it"), "{refused}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            core_files::replace_file(file.path(), b"{\"tokens\":[]}").expect("it is ours");
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(file.path(), open).expect("it is ours");
            let refused = file.read().expect_err("others can read it").to_string();
            assert!(refused.contains("can be read by others"), "{refused}");
        }
    }
}
