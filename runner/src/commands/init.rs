//! `init`: writes a configuration file, from flags or from questions on a terminal, prints the queries
//! to save, and checks what can be checked already.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use core_config::first_file::{FirstAnswers, SecretAnswer, first_file, given_query_ids, queries};
use core_engine::saved_queries;
use core_model::step::Query;
use core_nexthink::{QueryId, Region, TenantAddress, TenantId};
use core_settings::DEFAULT_FILE;

use super::check;
use super::simulate::{exists_already, write_new_file};
use crate::cli::{Global, InitArguments};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The variable that is suggested for the secret.
const SECRET_VARIABLE: &str = "NEXTHINK_CLIENT_SECRET";

/// The answer that skips a query.
const SKIP: &str = "-";

/// Writes the file, prints the queries to save, and checks what there is.
pub(super) async fn init(global: &Global, arguments: InitArguments) -> Result<Exit, Failure> {
    let path = global.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let (no_check, force) = (arguments.no_check, arguments.force);
    // A link that leads nowhere is there too.
    if path.symlink_metadata().is_ok() && !force {
        return Err(exists_already(&path));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let text = file_text(arguments, folder)?;
    let paths = config::paths(folder);
    let config = Config::parse(&text, &BTreeMap::new(), &paths).map_err(|problems| {
        let file = path.display().to_string();
        config::invalid("the answers make no valid configuration", &problems, &file)
    })?;
    write_new_file(&path, &text, force)?;
    if !global.quiet {
        output::note(&format!(
            "wrote {}\n\nSave these queries in Nexthink, under Administration > NQL API queries:\n",
            path.display()
        ));
    }
    output::result(&saved_queries::texts(Some(&config), &[], None)?);
    if no_check {
        return Ok(Exit::Complete);
    }
    if !global.quiet {
        output::note("\nWhat is ready, and what is left to do:\n");
    }
    // The file is written, so that is no failure: what fails now is what comes next.
    output::note(&check::all(&config).await.lines());
    if !global.quiet {
        let program = system::own_command();
        output::note(&format!(
            "\nThen: `{program} check` until all is well, and `{program} run`. More than a million \
             rows? `{program} nql --partitioned --help`"
        ));
    }
    Ok(Exit::Complete)
}

fn file_text(arguments: InitArguments, folder: &Path) -> Result<String, Failure> {
    let (tenant, region) = instance(arguments.tenant, arguments.region)?;
    let client_id: String =
        answer("client-id", "Client ID of the API credential", arguments.client_id, None)?;
    let secret = secret(arguments.secret_env.as_deref(), arguments.secret_file, folder)?;
    let mut query_ids = given_query_ids(&arguments.queries)?;
    for query in queries() {
        if !query_ids.contains_key(query.config_field) {
            let id = match query.suggested_id {
                _ if query.is_extra => String::new(),
                _ if arguments.queries.is_empty() && can_ask() => ask_for_query(query)?,
                suggested => suggested.to_owned(),
            };
            query_ids.insert(query.config_field, id);
        }
    }
    Ok(first_file(&FirstAnswers { tenant, region, client_id, secret, query_ids }))
}

/// The tenant and its region. An address answers both.
fn instance(tenant: Option<String>, region: Option<String>) -> Result<(TenantId, Region), Failure> {
    struct Given(TenantId, Option<Region>);
    impl FromStr for Given {
        type Err = core_nexthink::NexthinkError;
        fn from_str(text: &str) -> Result<Given, Self::Err> {
            match TenantAddress::parse(text) {
                Some(address) => Ok(Given(address.tenant, Some(address.region))),
                None => text.parse().map(|tenant| Given(tenant, None)),
            }
        }
    }
    let question = "Tenant, or its address such as https://acme.eu.nexthink.cloud";
    let Given(tenant, of_address) = answer("tenant", question, tenant, None)?;
    let region = match (region, of_address) {
        (None, Some(region)) => region,
        (region, None) => answer("region", "Region (us, eu, pac, meta)", region, None)?,
        (Some(region), Some(of_address)) => {
            let region: Region = answer("region", "", Some(region), None)?;
            if region != of_address {
                return Err(Failure::usage(format!(
                    "--region is {region}, and the address in --tenant is in {of_address}"
                )));
            }
            region
        }
    };
    Ok((tenant, region))
}

/// The reference to the secret, which is never asked for itself.
fn secret(
    variable: Option<&str>,
    file: Option<PathBuf>,
    folder: &Path,
) -> Result<SecretAnswer, Failure> {
    let as_file = |path: &Path| {
        let secret = SecretAnswer::file(path, folder);
        secret.map_err(|error| Failure::usage(format!("--secret-file: {error}")))
    };
    if let Some(file) = file {
        return as_file(&file);
    }
    if variable.is_some() || !can_ask() {
        return Ok(SecretAnswer::variable(variable.unwrap_or(SECRET_VARIABLE)));
    }
    let question = "Where the client secret will be: a variable of the environment, or the path of \
                    a file with a / in it";
    let place: String = answer("secret-env", question, None, Some(SECRET_VARIABLE))?;
    if place.contains(['/', '\\']) {
        return as_file(Path::new(&place));
    }
    Ok(SecretAnswer::variable(&place))
}

/// A query ID, or nothing to skip its step.
fn ask_for_query(query: &Query) -> Result<String, Failure> {
    struct Given(String);
    impl FromStr for Given {
        type Err = core_nexthink::NexthinkError;
        fn from_str(text: &str) -> Result<Given, Self::Err> {
            if text == SKIP {
                return Ok(Given(String::new()));
            }
            text.parse().map(|id: QueryId| Given(id.as_str().to_owned()))
        }
    }
    let question = format!("Query ID for {}, {SKIP} to skip it", query.config_field);
    let given: Given = answer("query", &question, None, Some(query.suggested_id))?;
    Ok(given.0)
}

/// The value of a flag, or the answer to a question on a terminal, which is asked until the answer has
/// the right form.
fn answer<T: FromStr<Err: fmt::Display>>(
    flag: &str,
    question: &str,
    given: Option<String>,
    suggested: Option<&str>,
) -> Result<T, Failure> {
    if let Some(given) = given {
        return given.parse().map_err(|error| Failure::usage(format!("--{flag}: {error}")));
    }
    if !can_ask() {
        return Err(Failure::usage(format!(
            "--{flag} is missing, and standard input is no terminal to ask on"
        )));
    }
    let hint = suggested.map_or_else(String::new, |suggested| format!(" [{suggested}]"));
    loop {
        output::note(&format!("{question}{hint}:"));
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).map_err(anyhow::Error::new)?;
        if read == 0 {
            return Err(Failure::usage(format!("--{flag} is missing, and there was no answer")));
        }
        let line = Some(line.trim()).filter(|line| !line.is_empty()).or(suggested).unwrap_or("");
        match line.parse() {
            Ok(_) if line.is_empty() => {}
            Ok(answer) => return Ok(answer),
            Err(error) => output::note(&format!("  {error}")),
        }
    }
}

fn can_ask() -> bool {
    io::stdin().is_terminal()
}
