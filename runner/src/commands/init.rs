//! `init`: writes a configuration file, from flags or from questions on a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use core_model::step::Step;
use core_nexthink::{QueryId, Region, TenantId};

use super::simulate::toml_text;
use crate::cli::{Global, InitArguments};
use crate::config::{Config, DEFAULT_FILE};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The variable that is suggested for the secret.
const SECRET_VARIABLE: &str = "NEXTHINK_CLIENT_SECRET";

/// Writes the file and says what to do next.
pub(super) fn init(global: &Global, arguments: InitArguments) -> Result<Exit, Failure> {
    let path = global.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    if path.exists() && !arguments.force {
        return Err(Failure::usage(format!(
            "{} exists already: --force replaces it, --config names another file",
            path.display()
        )));
    }
    let text = file_text(arguments)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Config::parse(&text, &BTreeMap::new(), folder).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|it| it.in_file(&path.display().to_string())).collect();
        Failure::usage(format!("this would be no valid configuration:\n{}", lines.join("\n")))
    })?;
    system::write_private_file(&path, &text)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    if !global.quiet {
        let program = system::own_command();
        output::note(&format!(
            "wrote {}\nNext:\n  1. save the queries that `{program} nql` prints, under \
             Administration > NQL API queries\n  2. put the client secret where the file says\n  3. \
             {program} run",
            path.display()
        ));
    }
    Ok(Exit::Complete)
}

fn file_text(arguments: InitArguments) -> Result<String, Failure> {
    let tenant = answer("tenant", "Tenant (acme of acme.eu.nexthink.cloud)", arguments.tenant)?;
    let tenant: TenantId = tenant.parse()?;
    let region = answer("region", "Region (us, eu, pac, meta)", arguments.region)?;
    let region: Region = region.parse()?;
    let client_id = answer("client-id", "Client ID", arguments.client_id)?;
    let secret = match (arguments.secret_env, arguments.secret_file) {
        (_, Some(file)) => format!("{{ file = {} }}", toml_text(&file.to_string_lossy())),
        (variable, None) => {
            let variable = variable.unwrap_or_else(|| SECRET_VARIABLE.to_owned());
            format!("{{ env = {} }}", toml_text(&variable))
        }
    };
    let mut text = format!(
        "# Nexthink Graph. A setting can be overridden by a variable of the environment:\n\
         # NEXTHINK_GRAPH__QUERIES__DEVICES is queries.devices.\n\n\
         [nexthink]\n\
         tenant = {}\n\
         region = {}\n\
         client_id = {}\n\
         # A reference, never the secret itself: env, file or command.\n\
         client_secret = {secret}\n\n\
         # The IDs of the saved queries; blank skips the step.\n\
         [queries]\n",
        toml_text(tenant.as_str()),
        toml_text(region.as_str()),
        toml_text(&client_id),
    );
    for (field, id) in query_ids(&arguments.queries)? {
        let _ = writeln!(text, "{field} = {}", toml_text(&id));
    }
    text.push_str("\n[store]\nlocation = \"nexthink-graph-store\"\n");
    Ok(text)
}

/// The query IDs by field: the suggested ones, except where a flag says otherwise.
fn query_ids(flags: &[String]) -> Result<BTreeMap<&'static str, String>, Failure> {
    let queries = || Step::all().into_iter().filter_map(Step::query);
    let mut ids: BTreeMap<&'static str, String> =
        queries().map(|it| (it.config_field, it.suggested_id.to_owned())).collect();
    for flag in flags {
        let (field, id) = flag.split_once('=').unwrap_or((flag, ""));
        let Some(known) = ids.get_mut(field) else {
            let fields: Vec<_> = queries().map(|it| it.config_field).collect();
            let fields = fields.join(", ");
            return Err(Failure::usage(format!("there is no query `{field}`, only {fields}")));
        };
        if !id.is_empty() {
            id.parse::<QueryId>()?;
        }
        id.clone_into(known);
    }
    Ok(ids)
}

/// The value of a flag, or the answer to a question on a terminal.
fn answer(flag: &str, question: &str, given: Option<String>) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("--{flag} is missing, and there is nobody to ask")));
    }
    output::note(&format!("{question}:"));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(anyhow::Error::new)?;
    Ok(line.trim().to_owned())
}
