//! The tools: what each is called with, and the command that it runs.

use serde_json::{Value, json};

use crate::protocol::ProtocolError;

/// A command of this program that answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCommand {
    /// The words of the command line. `--` goes before what a client may have written.
    pub(crate) words: Vec<String>,
    /// The form of its answer.
    pub(crate) answer: AnswerForm,
    /// The command is the process that answers, as that of a query is.
    pub(crate) is_worker: bool,
    /// The table that is to be described.
    pub(crate) table: Option<String>,
}

/// The form in which a command prints its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerForm {
    /// One JSON value.
    Whole,
    /// An object a line, of which the first are enough.
    Rows,
    /// The list of tables, of which one may be meant.
    Tables,
}

/// The tools, as `tools/list` has them.
pub(crate) fn list() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let texts = |description: &str| json!({ "type": "array", "items": { "type": "string" }, "description": description });
    let number = |description: &str, maximum: u32| json!({ "type": "integer", "minimum": 1, "maximum": maximum, "description": description });
    let as_of = || text("An older generation: an ID, a day such as 2026-03-01, or previous");
    let entity = || text("A _key, or a name that one entity has");
    json!([
        tool(
            "describe",
            "List the tables with their rows, or the columns of one type. Call this first.",
            &json!({ "type": text("A table such as nexthink_device") }),
            &[]
        ),
        tool(
            "search",
            "Find entities by a part of a name, an identifier or a key.",
            &json!({ "text": text("What to find, in any case"), "types": texts("Only these types"),
                "limit": number("Entities, 20 unless given", 200) }),
            &["text"]
        ),
        tool(
            "show",
            "Show one entity: its properties, neighbors by type, alerts and history.",
            &json!({ "entity": entity(), "as_of": as_of() }),
            &["entity"]
        ),
        tool(
            "neighbors",
            "List the entities around one.",
            &json!({ "entity": entity(), "depth": number("Relationships to follow, 1 unless given", 3),
                "limit": number("Neighbors of each entity and type, 10 unless given", 100),
                "as_of": as_of() }),
            &["entity"]
        ),
        tool(
            "query",
            "Answer a query in J1QL (begins with FIND) or read-only SQL (begins with SELECT or \
            WITH). At most 200 rows come back: count and group in the query. Entity tables are named by _type \
            (nexthink_device); relationship tables have _fromEntityKey and _toEntityKey. In SQL, names keep \
            their case. The resource nexthink-graph://j1ql is a card of J1QL.",
            &json!({ "query": text("The query"), "as_of": as_of(),
                "parameters": { "type": "object", "additionalProperties": { "type": "string" },
                    "description": "Values of a J1QL query's {{parameters}}" } }),
            &["query"]
        ),
        tool(
            "ask",
            "Answer a saved question, or list the questions with their parameters.",
            &json!({ "question": text("The question; without it they are listed"),
                "tag": text("List only questions with this tag"), "as_of": as_of(),
                "parameters": { "type": "object", "additionalProperties": { "type": "string" } } }),
            &[],
        ),
        tool(
            "diff",
            "What changed between two generations: counts, or the objects or values that differ. \
            What is unknown is not proven to be gone.",
            &json!({ "before": text("The older one, previous unless given"),
                "after": text("The newer one, current unless given"),
                "detail": { "type": "string", "enum": ["summary", "names", "rows"] },
                "types": texts("Only these types"), "properties": texts("Only these properties") }),
            &[]
        ),
    ])
}

fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

/// Returns the command for a call.
///
/// # Errors
///
/// There is no such tool, or it is called with something else than it takes.
pub(crate) fn command(name: &str, arguments: &Value) -> Result<ToolCommand, ProtocolError> {
    let arguments = Arguments::check(name, arguments)?;
    let mut words: Vec<String> = Vec::new();
    let mut tail: Vec<String> = Vec::new();
    let (mut answer, mut is_worker) = (AnswerForm::Whole, false);
    match name {
        "describe" => {
            answer = AnswerForm::Tables;
            is_worker = true;
            words.extend(["query", "--tables", "--output", "json"].map(str::to_owned));
        }
        "search" => {
            words.extend(["search", "--output", "json"].map(str::to_owned));
            words.push(format!("--limit={}", arguments.number("limit", 20, 200)?));
            words.extend(arguments.texts("types")?.iter().map(|name| format!("--type={name}")));
            tail.push(arguments.required("text")?);
        }
        "show" => {
            words.extend(["show", "--output", "json"].map(str::to_owned));
            tail.push(arguments.required("entity")?);
        }
        "neighbors" => {
            words.extend(["neighbors", "--output", "json"].map(str::to_owned));
            words.push(format!("--depth={}", arguments.number("depth", 1, 3)?));
            words.push(format!("--limit={}", arguments.number("limit", 10, 100)?));
            tail.push(arguments.required("entity")?);
        }
        "query" => {
            answer = AnswerForm::Rows;
            is_worker = true;
            words.extend(["query", "--output", "ndjson", "--memory-limit=512"].map(str::to_owned));
            words.extend(arguments.parameters()?);
            tail.push(arguments.required("query")?);
        }
        "ask" => {
            answer = AnswerForm::Rows;
            words.extend(["ask", "--output", "ndjson"].map(str::to_owned));
            words.extend(arguments.text("tag")?.map(|tag| format!("--tag={tag}")));
            words.extend(arguments.parameters()?);
            let question = arguments.text("question")?;
            is_worker = question.is_some();
            tail.extend(question);
        }
        _ => {
            words.extend(["diff", "--output"].map(str::to_owned));
            match arguments.text("detail")?.as_deref() {
                None | Some("summary") => words.push("json".to_owned()),
                Some(detail @ ("names" | "rows")) => {
                    answer = AnswerForm::Rows;
                    words.extend(["ndjson".to_owned(), format!("--{detail}")]);
                }
                Some(_) => return Err(ProtocolError::invalid("detail is summary, names or rows")),
            }
            words.extend(arguments.texts("types")?.iter().map(|name| format!("--type={name}")));
            let properties = arguments.texts("properties")?;
            words.extend(properties.iter().map(|name| format!("--property={name}")));
            tail.push(arguments.text("before")?.unwrap_or_else(|| "previous".to_owned()));
            tail.push(arguments.text("after")?.unwrap_or_else(|| "current".to_owned()));
        }
    }
    if let Some(as_of) = arguments.text("as_of")? {
        words.push(format!("--as-of={as_of}"));
    }
    if !tail.is_empty() {
        words.push("--".to_owned());
        words.extend(tail);
    }
    let table = arguments.text("type")?;
    Ok(ToolCommand { words, answer, is_worker, table })
}

/// The arguments of a call.
struct Arguments<'a> {
    tool: &'a str,
    values: &'a Value,
}

impl<'a> Arguments<'a> {
    /// Refuses tools that do not exist, and arguments that a tool does not have.
    fn check(name: &'a str, values: &'a Value) -> Result<Self, ProtocolError> {
        let tools = list();
        let tool = tools.as_array().into_iter().flatten().find(|tool| tool["name"] == name);
        let tool =
            tool.ok_or_else(|| ProtocolError::invalid(format!("there is no tool {name}")))?;
        let properties = &tool["inputSchema"]["properties"];
        match values {
            Value::Null => {}
            Value::Object(values) => {
                for argument in values.keys() {
                    if properties.get(argument).is_none() {
                        let message = format!("{name} has no argument {argument}");
                        return Err(ProtocolError::invalid(message));
                    }
                }
            }
            _ => return Err(ProtocolError::invalid("the arguments are an object")),
        }
        Ok(Self { tool: name, values })
    }

    fn wrong(&self, argument: &str, expected: &str) -> ProtocolError {
        ProtocolError::invalid(format!("{argument} of {} is {expected}", self.tool))
    }

    fn text(&self, argument: &str) -> Result<Option<String>, ProtocolError> {
        match self.values.get(argument) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(argument, "a text")),
        }
    }

    fn required(&self, argument: &str) -> Result<String, ProtocolError> {
        let text = self.text(argument)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| self.wrong(argument, "a text that must be given"))
    }

    fn texts(&self, argument: &str) -> Result<Vec<String>, ProtocolError> {
        let wrong = || self.wrong(argument, "a list of texts");
        match self.values.get(argument) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        }
    }

    fn number(&self, argument: &str, default: u64, maximum: u64) -> Result<u64, ProtocolError> {
        match self.values.get(argument) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let number = value.as_u64().filter(|number| (1..=maximum).contains(number));
                number.ok_or_else(|| self.wrong(argument, &format!("a number from 1 to {maximum}")))
            }
        }
    }

    fn parameters(&self) -> Result<Vec<String>, ProtocolError> {
        let wrong = || self.wrong("parameters", "an object of texts");
        match self.values.get("parameters") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(values)) => values
                .iter()
                .map(|(name, value)| Some(format!("--param={name}={}", value.as_str()?)))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(wrong),
            Some(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_writes_never_becomes_an_option() {
        let table = [
            ("query", json!({ "query": "--tables" }), "-- --tables"),
            ("show", json!({ "entity": "--output=table" }), "-- --output=table"),
            ("search", json!({ "text": "-x", "types": ["--a"] }), "--type=--a -- -x"),
            ("diff", json!({ "before": "--html" }), "-- --html current"),
            ("query", json!({ "query": "q", "as_of": "--x" }), "--as-of=--x -- q"),
            ("query", json!({ "query": "q", "parameters": { "a": "--x" } }), "--param=a=--x -- q"),
        ];
        for (tool, arguments, end) in table {
            let words = command(tool, &arguments).map(|command| command.words.join(" "));
            assert!(words.as_ref().is_ok_and(|words| words.ends_with(end)), "{words:?}");
        }
    }

    #[test]
    fn wrong_calls_are_refused_with_what_is_right() {
        let table = [
            ("drop", json!({}), "there is no tool drop"),
            ("show", json!({}), "entity of show is a text that must be given"),
            ("show", json!({ "entity": 7 }), "entity of show is a text"),
            ("show", json!({ "entity": "a", "path": "/etc" }), "show has no argument path"),
            (
                "neighbors",
                json!({ "entity": "a", "depth": 9 }),
                "depth of neighbors is a number from 1 to 3",
            ),
            ("diff", json!({ "detail": "all" }), "detail is summary, names or rows"),
            ("query", json!(["q"]), "the arguments are an object"),
        ];
        for (tool, arguments, message) in table {
            assert_eq!(command(tool, &arguments), Err(ProtocolError::invalid(message)), "{tool}");
        }
    }

    #[test]
    fn the_list_of_tools_is_short() {
        assert!(list().to_string().len() < 8 * 1024);
    }
}
