//! The demo: with nothing configured, the program runs against a simulated tenant, into a store of its own.

use std::collections::BTreeMap;

use core_engine::Failure;
use core_store::Store;

use crate::simulated::SimulatedHosts;
use crate::{Config, Paths};

/// The folder of the demo's store, in the current folder.
pub const STORE: &str = "nexthink-graph-demo";

/// The text before the demo.
pub const INTRODUCTION: &str = "Nothing is configured, so this is a demo: it starts a simulated Nexthink tenant on this machine, fetches everything \
     from it over HTTP, and publishes a graph.\n";

/// Which devices have the most packages.
const QUESTION: &str = "select d.name, count(*) n from nexthink_device d join \
    nexthink_device_installed_package r on r._fromEntityKey = d._key group by 1 order by n desc \
    limit 5";

/// Returns the configuration of the demo with a tenant at these addresses.
///
/// # Errors
///
/// It is not valid, which is a defect.
pub fn configuration(hosts: SimulatedHosts<'_>, paths: &Paths) -> Result<Config, Failure> {
    let text = hosts.configuration(STORE, "{ env = \"UNUSED\" }");
    // The pause between two executed queries is no longer than this, and the simulated tenant needs none.
    let text = text + "\n[nexthink.retry]\nlongest_ms = 20\n";
    let config = Config::parse(&text, &BTreeMap::new(), paths);
    let wrong = |problems| anyhow::anyhow!("the demo's configuration is wrong: {problems:?}");
    config.map_err(|problems| wrong(problems).into())
}

/// Returns the configuration of the demo's store. The simulated tenant itself is gone.
///
/// # Errors
///
/// It is not valid, which is a defect.
pub fn stored(paths: &Paths) -> Result<Config, Failure> {
    const GONE: &str = "http://127.0.0.1:9";
    let hosts = SimulatedHosts { login: GONE, api: GONE, files: GONE, jupiterone: None };
    configuration(hosts, paths)
}

/// Returns the number of generations in the demo's store. The simulated tenant of the next run goes on from there.
///
/// # Errors
///
/// The store cannot be read.
pub fn generations(paths: &Paths) -> Result<u32, Failure> {
    let config = stored(paths)?;
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    Ok(u32::try_from(tenant.history()?.len()).unwrap_or(u32::MAX))
}

/// Returns commands to try next, the explorer first, and the way to a tenant of one's own.
pub fn next_steps(program: &str) -> String {
    format!(
        "
The graph is in the folder {STORE}. Open it in the browser:

  {program} serve --open

or ask it:

  {program} query \"{QUESTION}\"
  {program} plan

For your own tenant: `{program} init`."
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use core_store::Location;

    use super::*;
    use crate::testing::empty_environment;

    #[test]
    fn the_demo_is_a_store_of_its_own_with_and_without_its_tenant() {
        let paths = Paths::new(Path::new(""), empty_environment());
        let url = "http://127.0.0.1:8480";
        let hosts = SimulatedHosts { login: url, api: url, files: url, jupiterone: None };
        for config in [configuration(hosts, &paths), stored(&paths)] {
            let config = config.map_err(|failure| failure.error).expect("it is valid");
            assert_eq!(config.store, Location::Folder(STORE.into()));
            assert!(config.jupiterone.is_none() && config.audit.is_none());
        }
        let folder = tempfile::TempDir::new().expect("a folder can be made");
        let paths = Paths::new(folder.path(), empty_environment());
        let generations = generations(&paths).map_err(|failure| failure.error);
        assert_eq!(generations.expect("an empty store can be read"), 0);
    }

    #[test]
    fn the_next_steps_are_commands_and_the_explorer_is_the_first() {
        let text = next_steps("graph");
        let commands: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("  graph ")).collect();
        assert_eq!(commands.len(), 3, "{text}");
        assert_eq!(commands[0], "serve --open");
        assert!(text.ends_with("`graph init`."), "{text}");
    }
}
