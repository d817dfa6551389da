//! A reader of one tenant, and the sessions that are opened for them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use core_engine::audit::LOG;
use core_engine::ledger::{self, Event};
use core_engine::settings::Settings;
use core_engine::{Engine, Failure, Host, privacy};
use core_query::questions::Questions;
use core_query::{
    Compiled, Environment, QueryError, QueryResult, QuerySession, QuerySettings, Withholding,
};
use core_rules::book::Book;
use core_store::{Generation, GenerationId, TenantStore};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::failure::{internal, of_question, possible_types};
use crate::past::Past;
use crate::time::parse_time;
use crate::{as_of, changes, events, findings_table, software_tables};

/// The folder of the user's own questions, beside the configuration.
const QUESTIONS: &str = "questions";

/// A reader of one tenant.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The tenant.
    pub tenant: &'a TenantStore,
    /// The settings; none where nothing is configured.
    pub settings: Option<&'a Settings>,
    /// The clock, randomness and process.
    pub host: &'a Host,
    /// The folder with the user's own questions and files; none where nothing is configured.
    pub folder: Option<&'a Path>,
    /// Tells the reader something that is no result.
    pub tell: fn(&str),
    /// True if the reader wants to be told of failures only.
    pub is_quiet: bool,
}

/// A generation to open.
#[derive(Debug, Default)]
pub struct Opening<'a> {
    /// The text that names the generation; none for the published one.
    pub as_of: Option<&'a str>,
    /// The columns that are not shown.
    pub withholding: Option<Withholding>,
    /// The limits of the session.
    pub settings: QuerySettings,
}

impl Reader<'_> {
    /// Tells a remark, unless the reader wants quiet.
    pub fn remark(&self, text: &str) {
        if !self.is_quiet {
            (self.tell)(text);
        }
    }

    /// Adds an entry about a read to the ledger. The read must not fail for it: a copy of a store may be read-only.
    pub fn record(&self, event: &Event<'_>) {
        if let Err(error) = ledger::record_read(self.host, self.tenant, event) {
            let error = anyhow::Error::new(error);
            (self.tell)(&format!("this read is not in the ledger: {error:#}"));
        }
    }

    /// Returns what stands for a text in the ledger; nothing where there are no keys.
    pub fn ledger_token(&self, text: &str) -> Option<String> {
        let engine = Engine { settings: self.settings?, host: self.host };
        privacy::ledger_token(engine, text).unwrap_or_else(|failure| {
            (self.tell)(&format!("the ledger cannot tell this query: {:#}", failure.error));
            None
        })
    }

    /// Opens the generation that a text names, else the published one.
    ///
    /// # Errors
    ///
    /// There is none yet, or none that the text names.
    pub fn generation(&self, as_of: Option<&str>) -> Result<Generation, Failure> {
        let Some(current) = self.tenant.current()? else {
            return Err(Failure::configuration(format!(
                "tenant {} has no generation yet: `{} run` publishes one",
                self.tenant.name(),
                self.host.program
            )));
        };
        match as_of {
            Some(as_of) => as_of::open(self.tenant, as_of),
            None => Ok(current),
        }
    }

    /// Opens the tables of a generation, and the events. There may be events before the first generation.
    ///
    /// # Errors
    ///
    /// There is neither, or a file cannot be read.
    pub async fn open(
        &self,
        opening: Opening<'_>,
    ) -> Result<(Option<Generation>, QuerySession), Failure> {
        let has_events_alone = opening.as_of.is_none()
            && self.tenant.current()?.is_none()
            && !self.tenant.events(LOG)?.files().is_empty();
        let generation =
            if has_events_alone { None } else { Some(self.generation(opening.as_of)?) };
        let session = QuerySession::empty(opening.settings).map_err(internal)?;
        let session = self.open_on(session, opening.withholding, generation.as_ref()).await?;
        Ok((generation, session))
    }

    /// Adds the tables of a generation and the events to a session that has none.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub async fn open_on(
        &self,
        session: QuerySession,
        withholding: Option<Withholding>,
        generation: Option<&Generation>,
    ) -> Result<QuerySession, Failure> {
        let mut session = session.with_possible(possible_types());
        if let Some(withholding) = withholding {
            session = session.withholding(withholding);
        }
        if let Some(generation) = generation {
            session.add_generation(generation).await.map_err(internal)?;
        }
        self.add_events(&mut session).await?;
        Ok(session)
    }

    /// Opens a session on the events alone, which need no generation.
    ///
    /// # Errors
    ///
    /// There are none, or a file cannot be read.
    pub async fn open_events(&self) -> Result<QuerySession, Failure> {
        if self.tenant.events(LOG)?.files().is_empty() {
            return Err(Failure::configuration(
                "there are no events of the audit trail yet: add `[audit]` to the configuration, and `run` \
                 reads them",
            ));
        }
        let session = QuerySession::empty(QuerySettings::default()).map_err(internal)?;
        self.open_on(session, None, None).await
    }

    /// Makes the events a table of a session, if there are any.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub async fn add_events(&self, session: &mut QuerySession) -> Result<(), Failure> {
        let log = self.tenant.events(LOG)?;
        if log.files().is_empty() {
            return Ok(());
        }
        let tables = events::tables(self, &log)?;
        session.add_events(&tables).await.map_err(internal)
    }

    /// Makes the findings a table of a session, if a rule was ever evaluated.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn add_findings(&self, session: &mut QuerySession) -> Result<(), Failure> {
        let Some(book) = Book::read(self.tenant)? else { return Ok(()) };
        session.add_table(findings_table::table(&book)?).map_err(internal)
    }

    /// Adds the tables of changes between two generations to a session, if two are named.
    ///
    /// # Errors
    ///
    /// One of them is not there, or they cannot be compared.
    pub fn add_changes(&self, session: &mut QuerySession, names: &[String]) -> Result<(), Failure> {
        let [before, after] = names else { return Ok(()) };
        let added = session.add_diff(&changes::request(self, before, after)?);
        added.map_err(|error| crate::of_query(error, core_engine::FailureKind::Configuration))
    }

    /// Adds the tables of history of some types: those of the generations up to `last`, made since a time if one is
    /// given. Returns true if there are any.
    ///
    /// # Errors
    ///
    /// No generation is that young, or one cannot be read.
    pub async fn add_history(
        &self,
        session: &mut QuerySession,
        last: Option<&GenerationId>,
        since: Option<&str>,
        types: Vec<String>,
    ) -> Result<bool, Failure> {
        let Some(last) = last else { return Ok(false) };
        if types.is_empty() {
            return Ok(false);
        }
        let past = Past::up_to(self.tenant, last, since.map(|text| self.since(text)).transpose()?)?;
        if let Some(remark) = past.remark() {
            self.remark(&remark);
        }
        let mut has_history = false;
        for type_name in types {
            let added =
                session.add_history(&type_name, &past.generations, past.unreadable > 0).await;
            has_history |= added.map_err(internal)?;
        }
        if !has_history && let Some(since) = since {
            return Err(Failure::configuration(format!(
                "there is no generation since {since}: `history` lists those that are kept"
            )));
        }
        Ok(has_history)
    }

    /// Reads the time since which a question is asked: a day such as 2026-03-01 (UTC), a time, or `7d`.
    fn since(&self, text: &str) -> Result<Timestamp, Failure> {
        let ms = parse_time(text, &TimeZone::UTC, self.host.now_ms())?;
        Timestamp::from_millisecond(ms).map_err(Failure::configuration)
    }

    /// Adds the tables that are made from the user's own files, if a query names them.
    ///
    /// # Errors
    ///
    /// The files of a table that is named are not there, or cannot be read.
    pub async fn add_named(&self, session: &mut QuerySession, text: &str) -> Result<(), Failure> {
        software_tables::add_named(self.folder, session, text, self.host.now()).await
    }

    /// Returns the questions of the user and the shipped ones.
    ///
    /// # Errors
    ///
    /// A file of the user's cannot be read.
    pub fn questions(&self) -> Result<Questions, Failure> {
        questions(self.folder)
    }

    /// Translates a J1QL query into SQL, and tells what in it may not be meant.
    ///
    /// # Errors
    ///
    /// The query is wrong, or it has no parameter of a name that a value is given for.
    pub fn translate(
        &self,
        session: &QuerySession,
        query: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Compiled, Failure> {
        let environment = Environment { now_ms: self.host.now_ms(), parameters };
        let compiled = session
            .compile_j1ql(query, environment)
            .map_err(|error| Failure::configuration(error.render(query)))?;
        if let Some(name) = parameters.keys().find(|name| !compiled.parameters.contains(*name)) {
            let known = compiled.parameters.iter().cloned().collect();
            let error = QueryError::UnknownParameter { name: name.clone(), known };
            return Err(Failure::configuration(error));
        }
        self.tell_warnings(&compiled, query);
        Ok(compiled)
    }

    /// Tells which columns of an answer are left out.
    pub fn tell_left_out(&self, result: &QueryResult) {
        if let Some(remark) = left_out(result) {
            self.remark(&remark);
        }
    }

    /// Tells what in a query may not be meant.
    pub fn tell_warnings(&self, compiled: &Compiled, query: &str) {
        for warning in &compiled.warnings {
            self.remark(&format!("note: {}", warning.render(query)));
        }
    }
}

/// Says which columns of the answer to a saved question are left out; none if all are there.
pub(crate) fn left_out(result: &QueryResult) -> Option<String> {
    let columns = result.left_out();
    (!columns.is_empty()).then(|| {
        format!(
            "left out, since they may show people: {}; the keys tell the rows apart",
            columns.join(", ")
        )
    })
}

/// Returns true if a saved question, of the shipped ones or in a folder beside the configuration, may read history.
pub fn asks_for_history(folder: &Path, question: &str) -> bool {
    let questions = questions(Some(folder)).ok();
    let found = questions.as_ref().and_then(|questions| questions.find(question).ok());
    found.is_some_and(|question| core_query::may_read_history(&question.query))
}

/// Returns the questions in a folder beside the configuration and the shipped ones.
///
/// # Errors
///
/// A file cannot be read.
pub fn questions(folder: Option<&Path>) -> Result<Questions, Failure> {
    match folder {
        Some(folder) => Questions::load(&folder.join(QUESTIONS)).map_err(of_question),
        None => Questions::shipped().map_err(of_question),
    }
}
