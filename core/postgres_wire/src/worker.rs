//! The process that answers the queries of one session: reads requests from standard input and writes messages to
//! standard output. Its parent limits its time, and the system its memory.

mod copy;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use arrow_schema::{DataType, Schema};
use bytes::{BufMut as _, BytesMut};
use core_engine::ledger::Event;
use core_query::{ParameterValue, QueryResult, QuerySession, QuerySettings, planning};
use core_reading::Reader;
use core_reading::explorer_answer::open_session;
use core_store::Generation;

use crate::backend::{self, Column, Severity};
use crate::catalog::{self, Catalog, Facts};
use crate::decode;
use crate::encode::Rows;
use crate::error::{WireError, state};
use crate::kind::Kind;
use crate::request::{
    Action, CopyFormat, END, GENERATION, Hello, LAST, Output, Request, is_binary, read,
};
use crate::rewrite::{Names, Rewritten, rewrite, shown_name};

/// The advice to a viewer who asks for personal data.
const REMEDY: &str = "log in with a token of the role `analyst` to see it";

/// The size of the pieces in which an answer is written. Bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The longest row of an answer. The process that serves all sessions holds a few of them for each.
const MAX_ROW_BYTES: usize = 8 * 1024 * 1024;

/// The most parameters of a query.
const MAX_PARAMETERS: usize = 4_096;

/// A process that answers queries.
pub struct Worker<R> {
    input: R,
    hello: Hello,
}

impl<R: Read> Worker<R> {
    /// Reads whom it works for.
    ///
    /// # Errors
    ///
    /// There is nothing to read, or something else.
    pub fn new(mut input: R) -> io::Result<Self> {
        let hello = read(&mut input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Self { input, hello })
    }

    /// Returns the name of the tenant that it reads.
    pub fn tenant(&self) -> &str {
        &self.hello.tenant
    }

    /// Answers requests until there are no more, or there is no memory for another one.
    ///
    /// # Errors
    ///
    /// A request cannot be read or an answer cannot be written.
    pub async fn run(
        mut self,
        reader: &Reader<'_>,
        memory_limit_bytes: usize,
        out: &mut impl Write,
    ) -> io::Result<()> {
        while let Some(request) = read::<Request>(&mut self.input)? {
            let answering =
                Answering { hello: &self.hello, reader, memory_limit_bytes, request: &request };
            let mut end = BytesMut::new();
            if let Err(error) = answering.answer(out).await {
                let error = error.placed(&request.query, request.before);
                backend::error(&mut end, Severity::Error, &error);
            }
            let has_room = planning::has_room();
            backend::bare(&mut end, if has_room { END } else { LAST });
            out.write_all(&end)?;
            out.flush()?;
            if !has_room {
                break;
            }
        }
        Ok(())
    }
}

/// A request that is being answered.
struct Answering<'a> {
    hello: &'a Hello,
    reader: &'a Reader<'a>,
    memory_limit_bytes: usize,
    request: &'a Request,
}

/// A query in a session of the engine.
struct Prepared {
    session: QuerySession,
    generation: Option<Generation>,
    rewritten: Rewritten,
}

impl Answering<'_> {
    async fn answer(&self, out: &mut impl Write) -> Result<(), WireError> {
        let prepared = self.prepare().await?;
        if let Some(generation) = &prepared.generation {
            let mut message = BytesMut::new();
            backend::message(&mut message, GENERATION, |out| {
                out.put_slice(generation.id().as_str().as_bytes());
            });
            written(out.write_all(&message))?;
        }
        match &self.request.action {
            Action::Describe => self.describe(&prepared, out),
            Action::Execute { values, formats, result_formats, output } => {
                let values = self.values(&prepared, values, formats)?;
                let result = prepared.session.sql_with(&prepared.rewritten.sql, &values)?;
                self.record(&prepared, &result);
                let columns = columns(&result.schema(), result_formats);
                match output {
                    Output::Rows => rows(result, &columns, out).await,
                    Output::Copy(format) => copied(result, &columns, format, out).await,
                }
            }
        }
    }

    /// Opens the generation, and everything beside it that the query names.
    async fn prepare(&self) -> Result<Prepared, WireError> {
        let Self { hello, reader, request, .. } = self;
        // There may be events before the first generation.
        let generation = match request.generation.as_deref() {
            Some(id) => Some(reader.generation(Some(id))?),
            None => reader.tenant.current().map_err(core_query::QueryError::from)?,
        };
        let settings = QuerySettings { memory_limit_bytes: self.memory_limit_bytes };
        let opened = open_session(reader, generation.as_ref(), hello.role, REMEDY, settings);
        let mut session = opened.await?;
        let tables = session.tables();
        let columns = tables.iter().flat_map(|table| table.columns.iter());
        let names = tables.iter().map(|table| &*table.name);
        let names = Names::new(names.chain(columns.map(|column| &*column.name)));
        let rewritten = rewrite(&request.query, &names)?;
        if let Some(generation) = &generation {
            reader.add_named(&mut session, &rewritten.sql).await?;
            let types = session.types_with_history(&rewritten.sql).unwrap_or_default();
            reader.add_history(&mut session, Some(generation.id()), None, types).await?;
        }
        let catalog = Catalog::new(Facts {
            database: hello.tenant.clone(),
            databases: hello.databases.clone(),
            user: hello.user.clone(),
            tables: session.tables().to_vec(),
            settings: request.settings.clone(),
        });
        for function in catalog::functions(&catalog, env!("CARGO_PKG_VERSION")) {
            session.add_function(function);
        }
        for (schema, names) in &rewritten.catalog {
            session.add_schema(schema, catalog.tables(schema, names))?;
        }
        Ok(Prepared { session, generation, rewritten })
    }

    /// Tells the types of parameters and the columns.
    fn describe(&self, prepared: &Prepared, out: &mut impl Write) -> Result<(), WireError> {
        let (types, schema) = self.described(prepared)?;
        let mut message = BytesMut::new();
        backend::parameter_description(&mut message, &types);
        backend::row_description(&mut message, &columns(&schema, &[]));
        written(out.write_all(&message))
    }

    /// Returns the types of parameters and the columns.
    fn described(&self, prepared: &Prepared) -> Result<(Vec<u32>, Schema), WireError> {
        let mut types = self.types(prepared, 0)?;
        let declared = (1..).zip(&types).filter_map(|(number, oid): (usize, _)| {
            let name = number.to_string();
            let data_type =
                Kind::declared(*oid).filter(|_| prepared.rewritten.kept.contains(&name));
            Some((name, data_type?))
        });
        let declared: BTreeMap<String, DataType> = declared.collect();
        let described = prepared.session.describe(&prepared.rewritten.sql, &declared)?;
        for (name, data_type) in described.parameters {
            let place = number_of(&name)? - 1;
            if types.get(place) == Some(&0) {
                types[place] = data_type.as_ref().map_or(Kind::Text, Kind::of).oid();
            }
        }
        // A parameter that the query does not name may be anything.
        types.iter_mut().filter(|oid| **oid == 0).for_each(|oid| *oid = Kind::Text.oid());
        Ok((types, described.schema))
    }

    /// Returns the types of all parameters, by what the client and the form of the query tell; 0 for others.
    fn types(&self, prepared: &Prepared, at_least: usize) -> Result<Vec<u32>, WireError> {
        let mut types = self.request.types.clone();
        types.resize(types.len().max(at_least), 0);
        for name in &prepared.rewritten.parameters {
            let number = number_of(name)?;
            types.resize(types.len().max(number), 0);
            let Rewritten { lists, counts, zoned, .. } = &prepared.rewritten;
            let told = [(lists, Kind::Texts), (counts, Kind::Int8), (zoned, Kind::TimestampTz)];
            let kind = told.into_iter().find(|(names, _)| names.contains(name));
            if let Some((_, kind)) = kind.filter(|_| types[number - 1] == 0) {
                types[number - 1] = kind.oid();
            }
        }
        Ok(types)
    }

    /// Reads the values of parameters.
    fn values(
        &self,
        prepared: &Prepared,
        values: &[Option<Vec<u8>>],
        formats: &[i16],
    ) -> Result<BTreeMap<String, ParameterValue>, WireError> {
        let mut types = self.types(prepared, values.len())?;
        let is_unknown = |place: usize| is_binary(formats, place) && types[place] == 0;
        if (0..values.len()).any(is_unknown) {
            types = self.described(prepared)?.0;
            types.resize(types.len().max(values.len()), 0);
        }
        let Rewritten { parameters, kept, .. } = &prepared.rewritten;
        let mut read = BTreeMap::new();
        for (place, bytes) in values.iter().enumerate() {
            let number = place + 1;
            let name = number.to_string();
            let value =
                decode::value(number, types[place], is_binary(formats, place), bytes.as_deref())?;
            // One that was in a part without rows is not in the query any more.
            if kept.contains(&name) || !parameters.contains(&name) {
                read.insert(name, value);
            }
        }
        Ok(read)
    }

    /// Adds an entry to the ledger, unless only the catalog is read.
    fn record(&self, prepared: &Prepared, result: &QueryResult) {
        let is_catalog =
            |name: &String| prepared.rewritten.catalog.values().any(|names| names.contains(name));
        if result.tables().iter().all(is_catalog) {
            return;
        }
        let id = prepared.generation.as_ref().map(|generation| generation.id().as_str());
        self.reader.record(&Event::PostgresQuery {
            generation: id.unwrap_or("none"),
            query: self.reader.ledger_token(&self.request.query),
            user: &self.hello.user,
        });
    }
}

/// Returns the number of a parameter.
fn number_of(name: &str) -> Result<usize, WireError> {
    let number = name.parse().ok().filter(|number| (1..=MAX_PARAMETERS).contains(number));
    number.ok_or_else(|| {
        let message = format!("write a number for the parameter ${name}, such as $1");
        WireError::new(state::NO_PARAMETER, message)
    })
}

/// Returns the columns of an answer under their names.
fn columns(schema: &Schema, formats: &[i16]) -> Vec<Column> {
    let fields = schema.fields().iter().enumerate();
    let columns = fields.map(|(place, field)| Column {
        name: shown_name(field.name()).to_owned(),
        kind: Kind::of(field.data_type()),
        is_binary: is_binary(formats, place),
    });
    columns.collect()
}

async fn rows(
    mut result: QueryResult,
    columns: &[Column],
    out: &mut impl Write,
) -> Result<(), WireError> {
    let binary: Vec<bool> = columns.iter().map(|column| column.is_binary).collect();
    let mut piece = BytesMut::new();
    backend::row_description(&mut piece, columns);
    while let Some(batch) = result.next().await? {
        let rows = Rows::new(&batch)?;
        for row in 0..rows.len() {
            let before = piece.len();
            rows.write(row, &binary, &mut piece);
            check_length(piece.len() - before)?;
            hand_on(&mut piece, PIECE_BYTES, out)?;
        }
        // A reader may want the first rows of a query that goes on for long.
        hand_on(&mut piece, 0, out)?;
    }
    // The session counts the rows of each part of an answer that it hands on.
    backend::complete(&mut piece, "SELECT");
    hand_on(&mut piece, 0, out)
}

async fn copied(
    mut result: QueryResult,
    columns: &[Column],
    format: &CopyFormat,
    out: &mut impl Write,
) -> Result<(), WireError> {
    let mut piece = BytesMut::new();
    backend::message(&mut piece, b'H', |out| {
        out.put_u8(0);
        out.put_i16(i16::try_from(columns.len()).unwrap_or(i16::MAX));
        out.put_bytes(0, columns.len() * 2);
    });
    if format.has_header {
        let names = columns.iter().map(|column| Some(column.name.clone()));
        copy::line(&mut piece, format, names);
    }
    let mut count = 0_u64;
    while let Some(batch) = result.next().await? {
        let rows = Rows::new(&batch)?;
        count += rows.len() as u64;
        for row in 0..rows.len() {
            let before = piece.len();
            copy::line(&mut piece, format, (0..columns.len()).map(|column| rows.text(row, column)));
            check_length(piece.len() - before)?;
            hand_on(&mut piece, PIECE_BYTES, out)?;
        }
    }
    backend::bare(&mut piece, b'c');
    backend::complete(&mut piece, &format!("COPY {count}"));
    hand_on(&mut piece, 0, out)
}

/// Refuses a row that the session would have to hold as a whole.
fn check_length(bytes: usize) -> Result<(), WireError> {
    if bytes <= MAX_ROW_BYTES {
        return Ok(());
    }
    let most = MAX_ROW_BYTES / 1024 / 1024;
    let message =
        format!("a row of the answer is longer than {most} MiB: ask for fewer or shorter values");
    Err(WireError::new(state::TOO_LONG, message))
}

/// Writes what there is, if it is more than so many bytes.
fn hand_on(piece: &mut BytesMut, more_than: usize, out: &mut impl Write) -> Result<(), WireError> {
    if piece.len() > more_than {
        written(out.write_all(piece).and_then(|()| out.flush()))?;
        piece.clear();
    }
    Ok(())
}

fn written(result: io::Result<()>) -> Result<(), WireError> {
    result.map_err(|error| WireError::internal(&error.into()))
}
