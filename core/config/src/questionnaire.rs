//! The answers for a first configuration: a command line gives some, and a person is asked for the others.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use core_engine::Failure;
use core_model::step::Query;
use core_nexthink::{NexthinkError, QueryId, Region, TenantAddress, TenantId};

use crate::first_file::{FirstAnswers, SecretAnswer, given_query_ids, queries};

/// The variable that is suggested for the secret.
const SECRET_VARIABLE: &str = "NEXTHINK_CLIENT_SECRET";

/// The answer that skips a query.
const SKIP: &str = "-";

/// The answers that a command line gives.
#[derive(Debug, Clone, Default)]
pub struct GivenAnswers {
    /// The tenant, or its address.
    pub tenant: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The client ID of the API credential.
    pub client_id: Option<String>,
    /// The variable with its secret.
    pub secret_variable: Option<String>,
    /// The file with its secret.
    pub secret_file: Option<PathBuf>,
    /// The IDs of queries: `devices=ID`, or `devices` to skip its step.
    pub queries: Vec<String>,
}

/// A person who can be asked.
pub trait Person {
    /// Shows a line.
    fn tell(&mut self, text: &str);

    /// Reads the next line; none if there is none any more.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn answer(&mut self) -> io::Result<Option<String>>;
}

/// Returns the answers for a configuration in a folder. Without a terminal, the secret and the queries are as
/// suggested. The secret itself is never asked for.
///
/// # Errors
///
/// An answer is missing or wrong. A person is asked again until the answer has the right form.
pub fn complete(
    given: GivenAnswers,
    person: Option<&mut dyn Person>,
    folder: &Path,
) -> Result<FirstAnswers, Failure> {
    let mut asking = Asking { person };
    let (tenant, region) = asking.instance(given.tenant, given.region)?;
    let question = "Client ID of the API credential";
    let client_id: String = asking.answer("client-id", question, given.client_id, None)?;
    let secret = asking.secret(given.secret_variable.as_deref(), given.secret_file, folder)?;
    let mut query_ids = given_query_ids(&given.queries)?;
    for query in queries() {
        if !query_ids.contains_key(query.config_field) {
            let id = match query.suggested_id {
                _ if query.is_extra => String::new(),
                _ if given.queries.is_empty() && asking.can_ask() => asking.query(query)?,
                suggested => suggested.to_owned(),
            };
            query_ids.insert(query.config_field, id);
        }
    }
    Ok(FirstAnswers { tenant, region, client_id, secret, query_ids })
}

/// Asks, if there is a terminal.
struct Asking<'a> {
    person: Option<&'a mut dyn Person>,
}

impl Asking<'_> {
    fn can_ask(&self) -> bool {
        self.person.is_some()
    }

    /// The tenant and its region. An address answers both.
    fn instance(
        &mut self,
        tenant: Option<String>,
        region: Option<String>,
    ) -> Result<(TenantId, Region), Failure> {
        let question = "Tenant, or its address such as https://acme.eu.nexthink.cloud";
        let Instance(tenant, of_address) = self.answer("tenant", question, tenant, None)?;
        let region = match (region, of_address) {
            (None, Some(region)) => region,
            (region, None) => self.answer("region", "Region (us, eu, pac, meta)", region, None)?,
            (Some(region), Some(of_address)) => {
                let region: Region = self.answer("region", "", Some(region), None)?;
                if region != of_address {
                    return Err(Failure::configuration(format!(
                        "--region is {region}, and the address in --tenant is in {of_address}"
                    )));
                }
                region
            }
        };
        Ok((tenant, region))
    }

    /// The reference to the secret.
    fn secret(
        &mut self,
        variable: Option<&str>,
        file: Option<PathBuf>,
        folder: &Path,
    ) -> Result<SecretAnswer, Failure> {
        let as_file = |path: &Path| {
            let secret = SecretAnswer::file(path, folder);
            secret.map_err(|error| Failure::configuration(format!("--secret-file: {error}")))
        };
        if let Some(file) = file {
            return as_file(&file);
        }
        if variable.is_some() || !self.can_ask() {
            return Ok(SecretAnswer::variable(variable.unwrap_or(SECRET_VARIABLE)));
        }
        let question = "Where the client secret will be: a variable of the environment, or the path of a file with a / \
                        in it";
        let place: String = self.answer("secret-env", question, None, Some(SECRET_VARIABLE))?;
        if place.contains(['/', '\\']) {
            return as_file(Path::new(&place));
        }
        Ok(SecretAnswer::variable(&place))
    }

    /// A query ID, or nothing to skip its step.
    fn query(&mut self, query: &Query) -> Result<String, Failure> {
        let question = format!("Query ID for {}, {SKIP} to skip it", query.config_field);
        let SavedQuery(id) = self.answer("query", &question, None, Some(query.suggested_id))?;
        Ok(id)
    }

    /// The value of an option, or the answer of the person, who is asked until the answer has the right form.
    fn answer<T: FromStr<Err: fmt::Display>>(
        &mut self,
        option: &str,
        question: &str,
        given: Option<String>,
        suggested: Option<&str>,
    ) -> Result<T, Failure> {
        if let Some(given) = given {
            let wrong = |error| Failure::configuration(format!("--{option}: {error}"));
            return given.parse().map_err(wrong);
        }
        let Some(person) = &mut self.person else {
            return Err(Failure::configuration(format!(
                "--{option} is missing, and standard input is no terminal to ask on"
            )));
        };
        let hint = suggested.map_or_else(String::new, |suggested| format!(" [{suggested}]"));
        loop {
            person.tell(&format!("{question}{hint}:"));
            let Some(line) = person.answer().map_err(anyhow::Error::new)? else {
                return Err(Failure::configuration(format!(
                    "--{option} is missing, and there was no answer"
                )));
            };
            let line = Some(line.trim()).filter(|line| !line.is_empty()).or(suggested);
            let line = line.unwrap_or_default();
            match line.parse() {
                Ok(_) if line.is_empty() => {}
                Ok(answer) => return Ok(answer),
                Err(error) => person.tell(&format!("  {error}")),
            }
        }
    }
}

/// A tenant, and its region if an address was given.
struct Instance(TenantId, Option<Region>);

impl FromStr for Instance {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match TenantAddress::parse(text) {
            Some(address) => Ok(Self(address.tenant, Some(address.region))),
            None => text.parse().map(|tenant| Self(tenant, None)),
        }
    }
}

/// The ID of a saved query; empty to skip its step.
struct SavedQuery(String);

impl FromStr for SavedQuery {
    type Err = NexthinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == SKIP {
            return Ok(Self(String::new()));
        }
        text.parse().map(|id: QueryId| Self(id.as_str().to_owned()))
    }
}
