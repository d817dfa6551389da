//! Paths in a configuration: where relative ones start, and what `~` stands for.

use std::path::{Path, PathBuf};

use core_settings::Values;

use crate::environment::Environment;

/// The folders that paths in a configuration start from, and the environment that it is read in.
#[derive(Debug, Clone)]
pub struct Paths {
    environment: Environment,
    folder: PathBuf,
    /// The folder in which relative paths start that a fleet's file has for its tenants.
    defaults: Option<PathBuf>,
    home: Option<PathBuf>,
    /// The tenant of a fleet, after which files beside its own are named.
    tenant: Option<String>,
}

impl Paths {
    /// Paths that start at `folder`, or at the home folder of this user where they begin with `~/`.
    pub fn new(folder: &Path, environment: Environment) -> Self {
        let home = environment.first(["HOME", "USERPROFILE"]);
        let home = home.filter(|home| !home.is_empty()).map(PathBuf::from);
        let folder = folder.to_owned();
        Self { environment, folder, defaults: None, home, tenant: None }
    }

    /// Paths of a tenant whose file is in `folder`, and that takes over those of the fleet's file in `defaults`.
    pub(crate) fn of_tenant(
        folder: &Path,
        defaults: &Path,
        tenant: &str,
        environment: Environment,
    ) -> Self {
        let (defaults, tenant) = (Some(defaults.to_owned()), Some(tenant.to_owned()));
        Self { defaults, tenant, ..Self::new(folder, environment) }
    }

    /// The environment that the configuration is read in.
    pub(crate) fn environment(&self) -> Environment {
        self.environment
    }

    /// The name of the tenant in its fleet; None without a fleet.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The path of a file beside the configuration. In a fleet each tenant has its own, named after it.
    pub(crate) fn in_folder(&self, name: &str) -> PathBuf {
        let extension = Path::new(name).extension().unwrap_or_default();
        match &self.tenant {
            Some(tenant) => self.folder.join(tenant).with_extension(extension),
            None => self.folder.join(name),
        }
    }

    /// Reads a setting that holds a path; none and a problem if only a shell understands it.
    pub(crate) fn read(&self, values: &mut Values, setting: &str) -> Option<PathBuf> {
        let text = values.text(setting)?;
        self.resolve_setting(values, setting, &text)
    }

    /// The same for a text that was read already.
    pub(crate) fn resolve_setting(
        &self,
        values: &mut Values,
        setting: &str,
        text: &str,
    ) -> Option<PathBuf> {
        let folder = self.defaults.as_ref().filter(|_| values.is_from_defaults(setting));
        let resolved = self.resolve_from(folder.unwrap_or(&self.folder), text);
        values.checked(setting, resolved)
    }

    /// Reads a path. A shell would expand `~` and variables; a file has no shell, so that without this
    /// rule a folder that is named `~` or `$HOME` would appear beside the configuration.
    ///
    /// # Errors
    ///
    /// A message for a path that only a shell understands.
    pub fn resolve(&self, text: &str) -> Result<PathBuf, String> {
        self.resolve_from(&self.folder, text)
    }

    fn resolve_from(&self, folder: &Path, text: &str) -> Result<PathBuf, String> {
        if let Some(variable) = shell_variable(text) {
            return Err(format!(
                "{variable} is not expanded here: write the whole path, or begin it with ~/ for your home \
                 folder; `./` before it means a folder of that name"
            ));
        }
        let Some(rest) = text.strip_prefix('~') else { return Ok(folder.join(text)) };
        let below = rest.trim_start_matches(['/', std::path::MAIN_SEPARATOR]);
        if below.len() == rest.len() && !rest.is_empty() {
            return Err(
                "only ~/ is expanded, not the home folder of another user: write the whole \
                        path, or `./` before it for a folder of that name"
                    .to_owned(),
            );
        }
        match &self.home {
            Some(home) => Ok(home.join(below)),
            None => {
                Err("~ stands for a home folder, and HOME is not set: write the whole path".into())
            }
        }
    }
}

/// The variable that a path names as a shell of Unix or Windows would understand it. A path that begins
/// with `./` is taken literally.
fn shell_variable(text: &str) -> Option<&str> {
    if text.starts_with("./") {
        return None;
    }
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    for (start, _) in text.match_indices('$') {
        let after = &text[start + 1..];
        let braced = after.strip_prefix('{').and_then(|after| after.find('}'));
        let plain = after.find(|next: char| !next.is_ascii_alphanumeric() && next != '_');
        let length = braced.map_or_else(|| plain.unwrap_or(after.len()), |end| end + 2);
        if braced.is_some() || is_name(&after[..length]) {
            return Some(&text[start..=start + length]);
        }
    }
    let mut percents = text.match_indices('%').map(|(at, _)| at);
    let (first, second) = (percents.next()?, percents.next()?);
    is_name(&text[first + 1..second]).then(|| &text[first..=second])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::environment;

    #[test]
    fn p5_a_path_that_a_shell_would_expand_is_expanded_or_refused_and_never_taken_literally() {
        let paths = Paths::new(
            Path::new("folder"),
            environment(|name| (name == "HOME").then(|| "/base/me".into())),
        );
        let table = [
            ("store", Ok("folder/store")),
            ("/srv/store", Ok("/srv/store")),
            ("~/store", Ok("/base/me/store")),
            ("~//store", Ok("/base/me/store")),
            ("~", Ok("/base/me")),
            ("./~", Ok("folder/./~")),
            ("a~b", Ok("folder/a~b")),
            ("100%", Ok("folder/100%")),
            ("50% of 100%", Ok("folder/50% of 100%")),
            ("price-$", Ok("folder/price-$")),
            ("C$", Ok("folder/C$")),
            ("./$HOME", Ok("folder/./$HOME")),
            ("~other/store", Err("another user")),
            ("$HOME/store", Err("$HOME is not expanded")),
            ("/srv/${TENANT}/store", Err("${TENANT} is not expanded")),
            ("%USERPROFILE%\\store", Err("%USERPROFILE% is not expanded")),
            ("a/$X", Err("$X is not expanded")),
        ];
        for (text, expected) in table {
            match (paths.resolve(text), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, Path::new(expected), "{text}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let error = Paths::new(Path::new(""), environment(|_| None))
            .resolve("~/store")
            .expect_err("there is no home folder");
        assert!(error.contains("HOME is not set"), "{error}");
    }
}
