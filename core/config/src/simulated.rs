//! Configurations for a simulated tenant, and for a simulated JupiterOne beside it.

use std::path::{Path, PathBuf};

use core_engine::Failure;
use core_settings::toml_text;

use crate::new_file;

/// The name of the simulated tenant, and of the account of the simulated JupiterOne.
pub const TENANT: &str = "demo";
/// The client ID of the simulated tenant.
pub const CLIENT_ID: &str = "demo";
/// The secret of the simulated tenant and the API key of the simulated JupiterOne, which protects nothing.
pub const CLIENT_SECRET: &str = "demo-secret";

/// The addresses of simulated hosts.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedHosts<'a> {
    /// The token endpoint.
    pub login: &'a str,
    /// The API.
    pub api: &'a str,
    /// The host of results.
    pub files: &'a str,
    /// JupiterOne, if it is simulated, too.
    pub jupiterone: Option<&'a str>,
}

impl SimulatedHosts<'_> {
    /// Returns a configuration for runs alone. `store` is the folder of the store, `secret` the reference to the secret
    /// as TOML.
    pub fn configuration(&self, store: &str, secret: &str) -> String {
        let Self { login, api, files, .. } = self;
        let store = toml_text(store);
        format!(
            r##"# A simulated tenant on this machine.
[account]
name = "Simulated"

[nexthink]
tenant = "{TENANT}"
region = "eu"
client_id = "{CLIENT_ID}"
client_secret = {secret}
proxy = "none"
daily_exports = 10000
polling = {{ first_ms = 20, longest_ms = 500 }}

[nexthink.endpoints]
login = "{login}"
api = "{api}"
files = "{files}"

[queries]
devices = "#j1_devices"
users = "#j1_users"
packages = "#j1_packages"
alerts = "#j1_alerts"
# Beyond what JupiterOne's own integration reads: who uses which device.
# device_users = "#j1_device_users"

[store]
location = {store}
"##
        )
    }

    /// Returns a configuration for everything that is simulated, whose secret is in the file `secret_file` beside it.
    pub fn whole_configuration(&self, store: &str, secret_file: &str) -> String {
        let secret = format!("{{ file = {} }}", toml_text(secret_file));
        let audit = format!(
            "\n[audit]\nhost = \"{}\"\naccount = \"{CLIENT_ID}\"\npassword = {secret}\nengines = [\"*\"]\n\
             # Without this line the first run reads half a year, which takes a minute.\nsince_days = 7\n",
            self.api
        );
        let destination = self.jupiterone.map_or_else(String::new, |url| {
            format!(
                "\n[destinations.jupiterone]\naccount = \"{TENANT}\"\napi_key = {secret}\nurl = \"{url}\"\n\
                 # true: every run delivers.\nafter_run = false\n\
                 polling = {{ first_ms = 100, longest_ms = 1000 }}\n",
            )
        });
        self.configuration(store, &secret) + &audit + &destination
    }
}

/// The option that names the configuration to write.
const CONFIG_OUT: &str = "--config-out";

/// The files of a configuration for what is simulated: the configuration, and its secret beside it.
#[derive(Debug)]
pub struct ConfigurationFiles {
    configuration: PathBuf,
    secret: PathBuf,
}

impl ConfigurationFiles {
    /// The files of a configuration at this path.
    pub fn new(configuration: &Path) -> Self {
        let mut secret = configuration.as_os_str().to_owned();
        secret.push(".secret");
        Self { configuration: configuration.to_owned(), secret: secret.into() }
    }

    /// Refuses to replace a file.
    ///
    /// # Errors
    ///
    /// One of them is there, and `force` is false.
    pub fn check_free(&self, force: bool) -> Result<(), Failure> {
        [&self.configuration, &self.secret]
            .into_iter()
            .try_for_each(|path| new_file::check_free(path, force, CONFIG_OUT))
    }

    /// Writes both, the secret first, so that no configuration is there without it.
    ///
    /// # Errors
    ///
    /// One of them is there already, or cannot be written.
    pub fn write(&self, hosts: SimulatedHosts<'_>, force: bool) -> Result<(), Failure> {
        let secret_file = self.secret.file_name().unwrap_or_default().to_string_lossy();
        let text = hosts.whole_configuration("simulated-store", &secret_file);
        new_file::write(&self.secret, CLIENT_SECRET, force, CONFIG_OUT)?;
        new_file::write(&self.configuration, &text, force, CONFIG_OUT)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use core_store::Location;

    use super::*;
    use crate::testing::empty_environment;
    use crate::{Config, Paths};

    const HOSTS: SimulatedHosts<'_> = SimulatedHosts {
        login: "http://127.0.0.1:8480",
        api: "http://127.0.0.1:8481",
        files: "http://127.0.0.1:8482",
        jupiterone: None,
    };

    fn parsed(text: &str) -> Config {
        let paths = Paths::new(Path::new("here"), empty_environment());
        Config::parse(text, &BTreeMap::new(), &paths).expect("it is valid")
    }

    #[test]
    fn the_configuration_of_runs_is_valid_and_reads_the_simulated_tenant_only() {
        let config = parsed(&HOSTS.configuration("a \"store\"", "{ env = \"UNUSED\" }"));
        assert_eq!(config.tenant.as_str(), TENANT);
        assert_eq!(config.store, Location::Folder("here/a \"store\"".into()));
        assert!(config.audit.is_none() && config.jupiterone.is_none());
        assert_eq!(config.warnings.settings, [""; 0]);
        assert_eq!(config.queries.len(), 4);
    }

    #[test]
    fn the_whole_configuration_has_the_audit_trail_and_a_destination_if_one_is_simulated() {
        let alone = parsed(&HOSTS.whole_configuration("store", "demo.secret"));
        assert!(alone.audit.is_some() && alone.jupiterone.is_none());
        let hosts = SimulatedHosts { jupiterone: Some("http://127.0.0.1:8483"), ..HOSTS };
        let both = parsed(&hosts.whole_configuration("store", "demo.secret"));
        let jupiterone = both.jupiterone.as_ref().expect("it is simulated");
        assert!(!jupiterone.after_run, "a run delivers only if the user wants it");
    }

    #[test]
    fn the_files_are_valid_together_and_replace_nothing_unasked() {
        let folder = tempfile::TempDir::new().expect("a folder can be made");
        let path = folder.path().join("demo.toml");
        let files = ConfigurationFiles::new(&path);
        let write = |force| files.write(HOSTS, force).map_err(|failure| failure.error.to_string());
        files.check_free(false).map_err(|failure| failure.error).expect("both are free");
        write(false).expect("there is room");
        let text = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(parsed(&text).tenant.as_str(), TENANT);
        let secret = std::fs::read_to_string(folder.path().join("demo.toml.secret"));
        assert_eq!(secret.expect("it is there"), CLIENT_SECRET);
        core_files::remove_file_if_present(&path).expect("it is ours");
        let refused = files.check_free(false).expect_err("the secret is there").error.to_string();
        assert!(refused.contains("demo.toml.secret exists already"), "{refused}");
        assert!(write(false).is_err() && !path.exists(), "there is no configuration without it");
        write(true).expect("there is room");
    }
}
