//! The error type of this crate. DataFusion's errors while planning contain only tables, columns and the query's own
//! text, and are passed on; its errors while running may show a cell, and are replaced.

use std::io;

use core_store::StoreError;
use datafusion::arrow::error::ArrowError;
use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use crate::complexity::{MAX_BYTES, MAX_TERMS};
use crate::wording::{in_plain_words, mistyped_call, unknown_function};

/// The least similarity of two names, from 0 to 1, for one to be offered in place of the other.
const SIMILAR: f64 = 0.6;

/// The failures between a question and its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The stored files are damaged or cannot be read.
    #[error("cannot read the stored tables")]
    Store(#[from] StoreError),
    /// A table's files cannot be opened.
    #[error("cannot open table {name}")]
    Open {
        /// The table.
        name: String,
        /// The engine's error; it has read no row yet.
        source: Box<DataFusionError>,
    },
    /// Two tables of the generation would have one name.
    #[error("the generation has two tables named {name}")]
    DuplicateTable {
        /// The name.
        name: String,
    },
    /// The statement would change something.
    #[error(
        "{statement} is refused, a generation is read-only: use SELECT, EXPLAIN, DESCRIBE or SHOW TABLES"
    )]
    ReadOnly {
        /// The statement's first word, or "a query that writes".
        statement: String,
    },
    /// The query names a table that the generation does not have.
    #[error(
        "there is no table {name}{}",
        match (condition, suggestion) {
            (Some(condition), _) => format!(" yet: it is made once {condition} and a run has read it"),
            (None, Some(other)) => format!(", did you mean {other}?"),
            (None, None) => format!("; the tables are {}", tables.join(", ")),
        }
    )]
    UnknownTable {
        /// The table as the query names it.
        name: String,
        /// The most similar name there is, if one is similar.
        suggestion: Option<String>,
        /// All names there are.
        tables: Vec<String>,
        /// The condition under which the generation gets the table, if it can.
        condition: Option<String>,
    },
    /// No entity of the generation has the key.
    #[error("there is no entity with this key")]
    UnknownEntity,
    /// The query names a column that its tables do not have.
    #[error(
        "there is no column {name}{}",
        match suggestion {
            Some(other) => format!(", did you mean {other}?"),
            None if columns.is_empty() => ": the query reads no table, add FROM".to_owned(),
            None => format!("; the columns are {}", columns.join(", ")),
        }
    )]
    UnknownColumn {
        /// The column as the query names it.
        name: String,
        /// The most similar name there is, if one is similar.
        suggestion: Option<String>,
        /// All names there are, as a query has to write them.
        columns: Vec<String>,
    },
    /// The query names a column that several of its tables have.
    #[error(
        "several tables have a column {name}: write the table or its alias before it, as in alias.{name}"
    )]
    AmbiguousColumn {
        /// The column as the query names it.
        name: String,
    },
    /// The query names a column that the session withholds.
    #[error("column {name} is withheld here: {remedy}")]
    Withheld {
        /// The column as the query names it.
        name: String,
        /// The way to see it.
        remedy: String,
    },
    /// Two generations cannot be compared, since they show people in two ways.
    #[error(
        "the generations show people in two ways, so that everyone would look changed: {difference}; \
         choose two that `[privacy]` was the same for"
    )]
    IncomparablePrivacy {
        /// Their difference.
        difference: String,
    },
    /// The query is longer than any that a person or a program has reason to write.
    #[error(
        "the query has {bytes} bytes, more than {MAX_BYTES}: ask in parts, or join a list of values \
         that you have elsewhere outside of this program"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The query has so many words and operators that it may be too deep to plan.
    #[error(
        "the query has {terms} words and operators, more than {MAX_TERMS}: ask in parts, or write a \
         list, `name in (…)`, for many alternatives"
    )]
    TooComplex {
        /// The number that it has, without values and punctuation.
        terms: usize,
    },
    /// The query is not valid for these tables.
    #[error("the query is not valid: {}", in_plain_words(message))]
    Invalid {
        /// The engine's message, with the place.
        message: String,
    },
    /// A parameter of the query has no value.
    #[error("the parameter {name} has no value: --param \"{name}=VALUE\" gives it one")]
    MissingParameter {
        /// The parameter.
        name: String,
    },
    /// A value was given for a parameter that the query does not have.
    #[error(
        "the query has no parameter {name}{}",
        if known.is_empty() { format!(": write ${name} in SQL, or '{{{{{name}}}}}' in J1QL") }
        else { format!("; its parameters are {}", known.join(", ")) }
    )]
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Those that the query has.
        known: Vec<String>,
    },
    /// The value of a parameter is not of the type that the query needs.
    #[error("the parameter {name} has to be of the type {expected}")]
    InvalidParameter {
        /// The parameter.
        name: String,
        /// The type, in plain words.
        expected: String,
    },
    /// A function cannot read a text of the query, such as a network.
    #[error("`{text}` is no {expected}")]
    UnreadableText {
        /// The text.
        text: String,
        /// The form that it has to have, with an example.
        expected: &'static str,
    },
    /// The query needs more memory than it may use.
    #[error(
        "the query needs more than its memory limit of {} MiB: ask for fewer rows or columns, or raise \
         --memory-limit",
        limit_bytes.div_ceil(1024 * 1024)
    )]
    MemoryLimit {
        /// The limit.
        limit_bytes: usize,
    },
    /// The query failed while it ran.
    #[error("the query failed: {reason}")]
    Execution {
        /// The reason, without the values it stumbled over.
        reason: &'static str,
    },
    /// The answer cannot be written.
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
}

impl QueryError {
    /// A table was not written by this program.
    pub(crate) const NOT_SORTED: Self =
        Self::Execution { reason: "a stored table is not in the order of its keys" };
    /// A sum of whole numbers has no 64 bits.
    pub(crate) const SUM_TOO_LARGE: Self = Self::Execution {
        reason: "a sum of whole numbers exceeds 64 bits; sum(cast(x as double)) gives a rounded one, try_sum(x) gives \
                 null",
    };
    /// The engine has panicked; the message of the panic may show a cell.
    pub(crate) const PANICKED: Self =
        Self::Execution { reason: "the engine gave up on it; write it in another way" };

    /// Translates an error of DataFusion.
    pub(crate) fn from_engine(error: &DataFusionError, limit_bytes: usize) -> Self {
        let root = match error {
            DataFusionError::Collection(errors) => errors.first().unwrap_or(error).find_root(),
            other => other.find_root(),
        };
        match root {
            DataFusionError::SQL(parser, _) => Self::invalid(&parser.to_string()),
            DataFusionError::Plan(message) | DataFusionError::NotImplemented(message) => {
                Self::invalid(message)
            }
            DataFusionError::SchemaError(schema, _) => match &**schema {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    Self::unknown_column(field, valid_fields)
                }
                SchemaError::AmbiguousReference { field } => {
                    Self::AmbiguousColumn { name: as_written(field) }
                }
                other => Self::invalid(&other.to_string()),
            },
            DataFusionError::Execution(message) if message.contains("more than one row") => {
                Self::Execution {
                    reason: "a query in place of a value has several rows; limit 1 or a function such as max makes it one",
                }
            }
            DataFusionError::ResourcesExhausted(_) => Self::MemoryLimit { limit_bytes },
            // A comparison of generations runs below the engine.
            DataFusionError::External(inner) => Self::from_outside(&**inner),
            DataFusionError::ArrowError(arrow, _) => Self::from_arrow(arrow),
            DataFusionError::ParquetError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_) => {
                Self::Execution { reason: "a file of the generation cannot be read, verify it" }
            }
            other => Self::unnamed(other),
        }
    }

    /// The error for one that comes from below the engine, or from a library that it uses.
    fn from_outside(error: &(dyn std::error::Error + 'static)) -> Self {
        let reason = match error.downcast_ref::<Self>() {
            Some(Self::Execution { reason }) => reason,
            Some(_) => "a generation cannot be read, `store verify` says why",
            None if error.is::<StoreError>() || error.is::<io::Error>() => {
                "a generation cannot be read, `store verify` says why"
            }
            None => return Self::unnamed(error),
        };
        Self::Execution { reason }
    }

    /// The error for one that has no kind of its own. Its text may have a cell, and is only looked at.
    fn unnamed(error: &dyn std::error::Error) -> Self {
        let text = error.to_string().to_lowercase();
        let is_pattern = text.contains("regex") || text.contains("regular expression");
        Self::Execution {
            reason: if is_pattern {
                "a regular expression in it cannot be read"
            } else {
                "the engine cannot answer it"
            },
        }
    }

    /// Returns the name of the function that the query calls and that does not exist, or not for such values.
    pub fn unknown_function(&self) -> Option<&str> {
        let Self::Invalid { message } = self else { return None };
        let call = unknown_function(message).or_else(|| mistyped_call(message))?;
        call.split('(').next()
    }

    /// The engine's own text would advise to change a setting and quote names that need no quotes.
    fn unknown_column(field: &Column, valid_fields: &[Column]) -> Self {
        let name = field.flat_name();
        // Without a table before it, a name is like another whatever table that one is in.
        let comparable = |valid: &Column| match field.relation {
            Some(_) => valid.flat_name(),
            None => valid.name.clone(),
        };
        let comparables: Vec<_> = valid_fields.iter().map(comparable).collect();
        // A table with an alias is named by its alias alone.
        let renamed = valid_fields.iter().position(|valid| valid.name == field.name);
        let best = renamed.or_else(|| most_similar(&name, &comparables));
        // The columns of one table need no table before them, unless the query has one there.
        let first = valid_fields.first().and_then(|valid| valid.relation.as_ref());
        let is_alone = valid_fields.iter().all(|valid| valid.relation.as_ref() == first);
        let is_short = is_alone && field.relation.is_none();
        let columns = valid_fields.iter().map(|valid| {
            let bare = Column::new_unqualified(&valid.name);
            as_written(if is_short { &bare } else { valid })
        });
        let columns: Vec<_> = columns.collect();
        let suggestion = best.map(|best| columns[best].clone());
        Self::UnknownColumn { name, suggestion, columns }
    }

    fn invalid(message: &str) -> Self {
        // An error is one line.
        Self::Invalid { message: message.replace('\n', " ") }
    }

    /// Translates an error of Arrow, whose text may show a value.
    pub(crate) fn from_arrow(error: &ArrowError) -> Self {
        let reason = match error {
            ArrowError::CastError(_) | ArrowError::ParseError(_) => {
                "a value cannot be converted as the query asks; try_cast gives null instead"
            }
            ArrowError::DivideByZero => "it divides by zero; nullif(divisor, 0) gives null instead",
            ArrowError::ArithmeticOverflow(_) => {
                "a whole number in it exceeds its type; cast(x as double) before it is added, subtracted or \
                 multiplied gives a rounded result"
            }
            other => return Self::unnamed(other),
        };
        Self::Execution { reason }
    }
}

/// A column as a query has to write it: quotes around a name that is more than one word.
fn as_written(column: &Column) -> String {
    let is_word = column.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = if is_word { column.name.clone() } else { format!("\"{}\"", column.name) };
    match &column.relation {
        Some(relation) => format!("{relation}.{name}"),
        None => name,
    }
}

/// The place of the name that is most like this one, if it is at all.
pub(crate) fn most_similar(name: &str, others: &[String]) -> Option<usize> {
    let likenesses = others.iter().map(|other| likeness(name, other)).enumerate();
    let (best, likeness) = likenesses.max_by(|one, two| one.1.total_cmp(&two.1))?;
    (likeness >= SIMILAR).then_some(best)
}

/// Returns whether a name is enough like another to be offered in its place.
pub(crate) fn is_similar(name: &str, other: &str) -> bool {
    likeness(name, other) >= SIMILAR
}

/// The similarity of two names in any case, from 0 to 1.
fn likeness(name: &str, other: &str) -> f64 {
    normalized_levenshtein(&name.to_lowercase(), &other.to_lowercase())
}
