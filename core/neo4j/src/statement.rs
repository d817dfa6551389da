//! The statements of a delivery. Labels and types of relationships come from the declarations and are always quoted;
//! everything else is a parameter, the names of properties too.

use core_store::{Table, TableKind};

use crate::rows::Row;
use crate::value::{Value, map, texts};

/// The label of the one node that says whose graph this is and which generation it has.
pub(crate) const DELIVERY: &str = "NexthinkDelivery";
/// The label of the nodes that say what the graph has of each type.
pub(crate) const TYPE: &str = "NexthinkType";
/// The property with the key of a node or a relationship.
pub(crate) const KEY: &str = "_key";
/// The property with the hash of everything else.
pub(crate) const HASH: &str = "_contentHash";

/// The number of objects that one statement removes, where all of a type go.
pub(crate) const REMOVED_AT_ONCE: usize = 5_000;
/// The number of keys that one statement lists.
pub(crate) const KEYS_AT_ONCE: usize = 10_000;

/// Counts a statement that writes, and lets it write only if no other delivery has begun since. The node stays locked
/// until the transaction ends, so that two deliveries never write at once.
const FENCE: &str = "MATCH (d:NexthinkDelivery {id: 1}) SET d.statements = d.statements + 1 WITH d \
                     WHERE d.writer = $writer ";

/// A type, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The `_type`, which is the label of nodes and, in upper case, the type of relationships.
    pub(crate) name: String,
    /// The types of both ends of a relationship type; `None` for entities.
    pub(crate) ends: Option<(String, String)>,
    /// The `_class`: further labels of nodes.
    pub(crate) classes: Vec<String>,
}

/// The entry of a type in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeEntry {
    /// The type.
    pub(crate) shape: Shape,
    /// The mark of the rows that were delivered last.
    pub(crate) mark: String,
    /// True if it has exactly those rows.
    pub(crate) is_exact: bool,
    /// True if nothing of it was to be removed.
    pub(crate) is_partial: bool,
    /// The number of objects.
    pub(crate) rows: u64,
}

/// A statement. Those that write carry the number that the delivery got when it began.
#[derive(Debug)]
pub(crate) enum Statement<'a> {
    /// Reads format, tenant, generation, generation on its way, erasures, writer.
    ReadDelivery,
    /// Reads the entries of all types.
    ReadTypes,
    /// Counts the objects of a type.
    Count(&'a Shape),
    /// Makes the keys of the entries unique.
    PrepareState(&'static str),
    /// Makes look-ups of a type by key fast and, for nodes, keys unique.
    Prepare(&'a Shape),
    /// Notes that a delivery begins; answers its number.
    Begin { format: i64, tenant: &'a str, generation: &'a str, erasures: Vec<&'a str> },
    /// Finds the hashes of these keys.
    LookUp { shape: &'a Shape, keys: Vec<&'a str> },
    /// Creates or replaces objects, and takes labels from nodes; answers how many.
    Write { shape: &'a Shape, old_classes: &'a [String], rows: &'a [Row], writer: i64 },
    /// Lists keys in the order of the database, after this one.
    Keys { shape: &'a Shape, after: &'a str },
    /// Removes objects by their keys; answers how many.
    Remove { shape: &'a Shape, keys: &'a [String], writer: i64 },
    /// Removes some objects of a type; answers how many.
    RemoveSome { shape: &'a Shape, writer: i64 },
    /// Writes the entry of a type; answers its name.
    SetType { entry: &'a TypeEntry, writer: i64 },
    /// Removes the entry of a type; answers how many.
    ForgetType { shape: &'a Shape, writer: i64 },
    /// Notes that the delivery is complete; answers its number.
    End { generation: &'a str, created_at: &'a str, erasures: Vec<&'a str>, writer: i64 },
}

/// Quotes a name, whatever it holds.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Shape {
    /// The shape of a table of a generation.
    pub(crate) fn new(table: &Table) -> Self {
        Self {
            name: table.name.clone(),
            ends: table.from_type.clone().zip(table.to_type.clone()),
            classes: table.class.clone(),
        }
    }

    /// Entities or relationships.
    pub(crate) fn kind(&self) -> TableKind {
        if self.ends.is_some() { TableKind::Relationship } else { TableKind::Entity }
    }

    /// The label of the nodes or the type of the relationships.
    pub(crate) fn type_name(&self) -> String {
        match self.kind() {
            TableKind::Entity => self.name.clone(),
            TableKind::Relationship => self.name.to_uppercase(),
        }
    }

    fn label(&self) -> String {
        quote(&self.type_name())
    }

    /// A pattern that finds `o`, an object of the type; `properties` narrows it.
    fn pattern(&self, properties: &str) -> String {
        let label = self.label();
        match self.kind() {
            TableKind::Entity => format!("(o:{label}{properties})"),
            TableKind::Relationship => format!("()-[o:{label}{properties}]->()"),
        }
    }

    /// The word that removes `o`. A node goes with the relationships that others have drawn to it.
    fn removal(&self) -> &'static str {
        match self.kind() {
            TableKind::Entity => "DETACH DELETE o",
            TableKind::Relationship => "DELETE o",
        }
    }

    fn prepare(&self) -> String {
        let (label, name) = (self.label(), quote(&format!("nexthink_graph_{}", self.name)));
        match self.kind() {
            TableKind::Entity => format!(
                "CREATE CONSTRAINT {name} IF NOT EXISTS FOR (o:{label}) REQUIRE o.`{KEY}` IS UNIQUE"
            ),
            TableKind::Relationship => {
                format!("CREATE INDEX {name} IF NOT EXISTS FOR ()-[o:{label}]-() ON (o.`{KEY}`)")
            }
        }
    }

    fn write(&self, old_classes: &[String]) -> String {
        let label = self.label();
        if let Some((from, to)) = &self.ends {
            return format!(
                "{FENCE}UNWIND $rows AS row MATCH (a:{} {{`{KEY}`: row.from}}) MATCH (b:{} {{`{KEY}`: row.to}}) \
                 MERGE (a)-[o:{label}]->(b) SET o = row.properties RETURN count(DISTINCT row.key)",
                quote(from),
                quote(to)
            );
        }
        let labels = |before: &str, names: Vec<&String>| {
            let names: Vec<String> = names.into_iter().map(|name| quote(name)).collect();
            if names.is_empty() { String::new() } else { format!("{before}o:{}", names.join(":")) }
        };
        let added = labels(", ", self.classes.iter().collect());
        let gone = old_classes.iter().filter(|name| !self.classes.contains(name));
        let gone = labels(" REMOVE ", gone.collect());
        format!(
            "{FENCE}UNWIND $rows AS row MERGE (o:{label} {{`{KEY}`: row.key}}) SET o = row.properties{added}{gone} \
             RETURN count(DISTINCT row.key)"
        )
    }
}

impl Statement<'_> {
    /// The text of the statement.
    pub(crate) fn cypher(&self) -> String {
        match self {
            Self::ReadDelivery => format!(
                "MATCH (d:{DELIVERY} {{id: 1}}) RETURN d.format, d.tenant, d.generation, d.delivering, d.erasures, \
                 d.writer"
            ),
            Self::ReadTypes => format!(
                "MATCH (t:{TYPE}) RETURN t.type, t.class, t.fromType, t.toType, t.mark, t.isExact, t.isPartial, t.rows"
            ),
            Self::Count(shape) => format!("MATCH {} RETURN count(o)", shape.pattern("")),
            Self::PrepareState(label) => {
                let property = if *label == DELIVERY { "id" } else { "type" };
                format!(
                    "CREATE CONSTRAINT {} IF NOT EXISTS FOR (o:{label}) REQUIRE o.{property} IS UNIQUE",
                    quote(&format!("nexthink_graph_{label}"))
                )
            }
            Self::Prepare(shape) => shape.prepare(),
            Self::Begin { .. } => format!(
                "MERGE (d:{DELIVERY} {{id: 1}}) ON CREATE SET d.format = $format, d.tenant = $tenant, \
                 d.erasures = $erasures, d.writer = 0, d.statements = 0 SET d.writer = d.writer + 1, \
                 d.delivering = $generation, d.isWhole = false RETURN d.writer"
            ),
            Self::LookUp { shape, .. } => format!(
                "UNWIND $keys AS key MATCH {} RETURN key, o.`{HASH}`",
                shape.pattern(&format!(" {{`{KEY}`: key}}"))
            ),
            Self::Write { shape, old_classes, .. } => shape.write(old_classes),
            Self::Keys { shape, .. } => format!(
                "MATCH {} WHERE o.`{KEY}` > $after RETURN o.`{KEY}` ORDER BY o.`{KEY}` LIMIT {KEYS_AT_ONCE}",
                shape.pattern("")
            ),
            Self::Remove { shape, .. } => format!(
                "{FENCE}UNWIND $keys AS key MATCH {} {} RETURN count(*)",
                shape.pattern(&format!(" {{`{KEY}`: key}}")),
                shape.removal()
            ),
            Self::RemoveSome { shape, .. } => format!(
                "{FENCE}MATCH {} WITH o LIMIT {REMOVED_AT_ONCE} {} RETURN count(*)",
                shape.pattern(""),
                shape.removal()
            ),
            Self::SetType { .. } => {
                format!("{FENCE}MERGE (t:{TYPE} {{type: $type}}) SET t = $entry RETURN t.type")
            }
            Self::ForgetType { .. } => {
                format!("{FENCE}MATCH (t:{TYPE} {{type: $type}}) DELETE t RETURN count(*)")
            }
            Self::End { .. } => format!(
                "MATCH (d:{DELIVERY} {{id: 1}}) WHERE d.writer = $writer SET d.generation = $generation, \
                 d.generationAt = datetime($createdAt), d.deliveredAt = datetime(), d.erasures = $erasures, \
                 d.isWhole = true REMOVE d.delivering RETURN d.writer"
            ),
        }
    }

    /// The values of the statement, by the names that the text has for them.
    pub(crate) fn into_parameters(self) -> Value {
        match self {
            Self::ReadDelivery
            | Self::ReadTypes
            | Self::Count(_)
            | Self::PrepareState(_)
            | Self::Prepare(_) => map([]),
            Self::Begin { format, tenant, generation, erasures } => map([
                ("format", format.into()),
                ("tenant", tenant.into()),
                ("generation", generation.into()),
                ("erasures", texts(erasures)),
            ]),
            Self::LookUp { keys, .. } => map([("keys", texts(keys))]),
            Self::Write { rows, writer, .. } => {
                let rows = rows.iter().map(Row::to_value).collect();
                map([("rows", Value::List(rows)), ("writer", writer.into())])
            }
            Self::Keys { after, .. } => map([("after", after.into())]),
            Self::Remove { keys, writer, .. } => {
                map([("keys", texts(keys.iter().map(String::as_str))), ("writer", writer.into())])
            }
            Self::RemoveSome { writer, .. } => map([("writer", writer.into())]),
            Self::SetType { entry, writer } => map([
                ("type", entry.shape.name.as_str().into()),
                ("entry", entry.to_value()),
                ("writer", writer.into()),
            ]),
            Self::ForgetType { shape, writer } => {
                map([("type", shape.name.as_str().into()), ("writer", writer.into())])
            }
            Self::End { generation, created_at, erasures, writer } => map([
                ("generation", generation.into()),
                ("createdAt", created_at.into()),
                ("erasures", texts(erasures)),
                ("writer", writer.into()),
            ]),
        }
    }

    /// The purpose of the statement, for an error.
    pub(crate) fn action(&self) -> String {
        match self {
            Self::ReadDelivery | Self::ReadTypes => "reading the state of the graph".to_owned(),
            Self::Count(shape) => format!("counting {}", shape.name),
            Self::PrepareState(_) | Self::Begin { .. } => "beginning the delivery".to_owned(),
            Self::Prepare(shape) => format!("making the index of {}", shape.name),
            Self::LookUp { shape, .. } => format!("comparing {}", shape.name),
            Self::Write { shape, .. } => format!("writing {}", shape.name),
            Self::Keys { shape, .. } => format!("listing {}", shape.name),
            Self::Remove { shape, .. } | Self::RemoveSome { shape, .. } => {
                format!("removing from {}", shape.name)
            }
            Self::SetType { .. } | Self::ForgetType { .. } | Self::End { .. } => {
                "writing the state of the graph".to_owned()
            }
        }
    }
}

impl TypeEntry {
    fn to_value(&self) -> Value {
        let end = |of: fn(&(String, String)) -> &String| {
            Value::from(self.shape.ends.as_ref().map(|ends| of(ends).as_str()))
        };
        map([
            ("type", self.shape.name.as_str().into()),
            ("class", texts(self.shape.classes.iter().map(String::as_str))),
            ("fromType", end(|ends| &ends.0)),
            ("toType", end(|ends| &ends.1)),
            ("mark", self.mark.as_str().into()),
            ("isExact", self.is_exact.into()),
            ("isPartial", self.is_partial.into()),
            ("rows", i64::try_from(self.rows).unwrap_or(i64::MAX).into()),
        ])
    }

    /// Reads the entry from a row of [`Statement::ReadTypes`]; `None` if it is none.
    pub(crate) fn read(row: &[Value]) -> Option<Self> {
        let [name, classes, from, to, mark, is_exact, is_partial, rows] = row else { return None };
        let text = |value: &Value| value.as_text().map(ToOwned::to_owned);
        Some(Self {
            shape: Shape {
                name: text(name)?,
                ends: text(from).zip(text(to)),
                classes: classes.texts().map(ToOwned::to_owned).collect(),
            },
            mark: text(mark)?,
            is_exact: is_exact.is_true(),
            is_partial: is_partial.is_true(),
            rows: u64::try_from(rows.as_integer()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(name: &str, ends: Option<(&str, &str)>, classes: &[&str]) -> Shape {
        Shape {
            name: name.to_owned(),
            ends: ends.map(|(from, to)| (from.to_owned(), to.to_owned())),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        }
    }

    fn of_a_type<'a>(shape: &'a Shape, old_classes: &'a [String]) -> Vec<Statement<'a>> {
        vec![
            Statement::Count(shape),
            Statement::Prepare(shape),
            Statement::LookUp { shape, keys: Vec::new() },
            Statement::Write { shape, old_classes, rows: &[], writer: 1 },
            Statement::Keys { shape, after: "" },
            Statement::Remove { shape, keys: &[], writer: 1 },
            Statement::RemoveSome { shape, writer: 1 },
        ]
    }

    fn texts_of(statements: &[Statement<'_>]) -> String {
        statements.iter().map(Statement::cypher).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_statements_of_an_entity() {
        let shape = shape("nexthink_device", None, &["Device", "Host"]);
        let old = ["Host".to_owned(), "Machine".to_owned()];
        insta::assert_snapshot!(texts_of(&of_a_type(&shape, &old)));
    }

    #[test]
    fn the_statements_of_a_relationship() {
        let ends = ("nexthink_user", "nexthink_device");
        let shape = shape("nexthink_user_uses_device", Some(ends), &["USES"]);
        insta::assert_snapshot!(texts_of(&of_a_type(&shape, &[])));
    }

    #[test]
    fn the_statements_about_the_state() {
        let entry = TypeEntry {
            shape: shape("nexthink_device", None, &["Device"]),
            mark: "m".to_owned(),
            is_exact: true,
            is_partial: false,
            rows: 3,
        };
        let (generation, erasures) = ("01G", Vec::new());
        let statements = [
            Statement::ReadDelivery,
            Statement::ReadTypes,
            Statement::PrepareState(DELIVERY),
            Statement::PrepareState(TYPE),
            Statement::Begin { format: 1, tenant: "t", generation, erasures: erasures.clone() },
            Statement::SetType { entry: &entry, writer: 1 },
            Statement::ForgetType { shape: &entry.shape, writer: 1 },
            Statement::End { generation, created_at: "then", erasures, writer: 1 },
        ];
        insta::assert_snapshot!(texts_of(&statements));
    }

    #[test]
    fn a_quoted_name_stays_one_name() {
        assert_eq!(quote("a`b"), "`a``b`");
        let shape = shape("x`}) DETACH DELETE (o", None, &["C` SET o:D"]);
        let text =
            Statement::Write { shape: &shape, old_classes: &[], rows: &[], writer: 1 }.cypher();
        assert!(text.contains("(o:`x``}) DETACH DELETE (o` {`_key`: row.key})"), "{text}");
        assert!(text.contains(", o:`C`` SET o:D` RETURN"), "{text}");
    }

    #[test]
    fn every_statement_that_changes_the_graph_is_fenced() {
        let shape = shape("device", None, &[]);
        for statement in of_a_type(&shape, &[]) {
            let text = statement.cypher();
            let changes = ["DELETE", "SET ", "MERGE"].iter().any(|word| text.contains(word));
            assert_eq!(changes, text.starts_with(FENCE), "{text}");
            let parameters = statement.into_parameters();
            assert_eq!(changes, parameters.field("writer").is_some(), "{text}");
        }
    }

    #[test]
    fn every_parameter_of_a_text_has_a_value() {
        let ends = Some(("user", "device"));
        for shape in [shape("device", None, &["C"]), shape("uses", ends, &["USES"])] {
            for statement in of_a_type(&shape, &[]) {
                let text = statement.cypher();
                let parameters = statement.into_parameters();
                for name in text.split('$').skip(1) {
                    let end = name.find(|letter: char| !letter.is_alphanumeric());
                    let name = &name[..end.unwrap_or(name.len())];
                    assert!(parameters.field(name).is_some(), "{name} of {text}");
                }
            }
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for ends in [None, Some(("user", "device"))] {
            let entry = TypeEntry {
                shape: shape("uses", ends, &["USES", "Any"]),
                mark: "m1".to_owned(),
                is_exact: true,
                is_partial: true,
                rows: 7,
            };
            let value = entry.to_value();
            let names =
                ["type", "class", "fromType", "toType", "mark", "isExact", "isPartial", "rows"];
            let row = names.map(|name| value.field(name).cloned().expect("it has the field"));
            assert_eq!(TypeEntry::read(&row), Some(entry));
        }
        assert_eq!(TypeEntry::read(&[Value::Null]), None);
    }
}
