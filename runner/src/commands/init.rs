//! `init`: writes a configuration file, from flags or from questions on a terminal, prints the queries
//! to save, and checks what can be checked already.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use core_engine::{saved_queries, suggestion};
use core_model::step::{Query, Step};
use core_nexthink::{QueryId, Region, TenantAddress, TenantId};
use core_settings::{Answer, DEFAULT_FILE};

use super::check;
use super::simulate::{exists_already, toml_text, write_new_file};
use crate::cli::{Global, InitArguments};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// The variable that is suggested for the secret.
const SECRET_VARIABLE: &str = "NEXTHINK_CLIENT_SECRET";

/// The setting that says where the store is.
const STORE: &str = "store.location";

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
    let secret = secret(arguments.secret_env, arguments.secret_file, folder)?;
    let answer = |path: &str, value: String| Answer { path: path.to_owned(), value, is_off: false };
    let mut answers = vec![
        answer("nexthink.tenant", toml_text(tenant.as_str())),
        answer("nexthink.region", toml_text(region.as_str())),
        answer("nexthink.client_id", toml_text(&client_id)),
        answer("nexthink.client_secret", secret),
        answer(STORE, toml_text(&core_settings::default_text(STORE))),
    ];
    for (query, id) in query_ids(&arguments.queries)? {
        let is_off = query.is_extra && id.is_empty();
        let id = if is_off { query.suggested_id } else { &*id };
        let path = format!("queries.{}", query.config_field);
        answers.push(Answer { path, value: toml_text(id), is_off });
    }
    Ok(core_settings::template(&answers))
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

/// The reference to the secret, which is never asked for itself. A path in the file starts at the
/// file's folder, one that is typed starts here.
fn secret(
    variable: Option<String>,
    file: Option<PathBuf>,
    folder: &Path,
) -> Result<String, Failure> {
    let as_file = |path: &Path| {
        // Below the home folder is the same place from everywhere.
        let is_same = folder.as_os_str().is_empty() || path.is_absolute() || path.starts_with("~");
        let path = if is_same { Ok(path.to_owned()) } else { std::path::absolute(path) };
        let path = path.map_err(|error| Failure::usage(format!("--secret-file: {error}")))?;
        Ok(format!("{{ file = {} }}", toml_text(&path.to_string_lossy())))
    };
    if let Some(file) = file {
        return as_file(&file);
    }
    if variable.is_some() || !can_ask() {
        let variable = variable.unwrap_or_else(|| SECRET_VARIABLE.to_owned());
        return Ok(format!("{{ env = {} }}", toml_text(&variable)));
    }
    let question = "Where the client secret will be: a variable of the environment, or the path of \
                    a file with a / in it";
    let place: String = answer("secret-env", question, None, Some(SECRET_VARIABLE))?;
    if place.contains(['/', '\\']) {
        return as_file(Path::new(&place));
    }
    Ok(format!("{{ env = {} }}", toml_text(&place)))
}

/// The query IDs, by field: what flags say, then what is answered, then the suggested ones.
fn query_ids(flags: &[String]) -> Result<Vec<(&'static Query, String)>, Failure> {
    let queries = || Step::all().into_iter().filter_map(Step::query);
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for flag in flags {
        let (field, id) = flag.split_once('=').unwrap_or((flag, ""));
        if !queries().any(|query| query.config_field == field) {
            let fields: Vec<_> = queries().map(|query| query.config_field).collect();
            return Err(Failure::usage(suggestion::unknown("query", field, &fields)));
        }
        if !id.is_empty() {
            id.parse::<QueryId>()?;
        }
        given.insert(field, id);
    }
    let id_of = |query: &Query| match given.get(query.config_field) {
        Some(id) => Ok((*id).to_owned()),
        None if query.is_extra => Ok(String::new()),
        None if flags.is_empty() && can_ask() => ask_for_query(query),
        None => Ok(query.suggested_id.to_owned()),
    };
    let mut ids: Vec<_> =
        queries().map(|query| Ok((query, id_of(query)?))).collect::<Result<_, Failure>>()?;
    ids.sort_unstable_by_key(|(query, _)| query.config_field);
    Ok(ids)
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
