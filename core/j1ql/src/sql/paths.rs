//! The table of paths: a row for each way through the graph, a column for each property asked for.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::condition::{self, Reference};
use super::{Context, common_kind, identifier, literal, warn_unknown};
use crate::diagnostic::{J1qlError, Span};
use crate::graph::{CREATED_ON, EntityTable, Kind};
use crate::plan::{Hop, Plan, Relation, Slot, Variant};
use crate::syntax::Path;

/// The columns that the rest of the query asks of the paths.
#[derive(Default)]
pub(crate) struct Columns {
    wanted: BTreeSet<(Slot, String)>,
}

impl Columns {
    /// Asks for a property and returns its column's name in quotes.
    pub(crate) fn add(&mut self, slot: Slot, property: &str) -> String {
        self.wanted.insert((slot, property.to_owned()));
        column(slot, property)
    }

    /// The properties wanted of a node, itself or as the end of an optional part.
    fn of_node(&self, node: usize, variants: &[Variant]) -> BTreeSet<String> {
        let is_end =
            |group: &usize| variants.iter().any(|variant| variant.groups.get(group) == Some(&node));
        let wanted = self.wanted.iter().filter(|(slot, _)| match slot {
            Slot::Node(known) => *known == node,
            Slot::Group(group) => is_end(group),
            Slot::Link(_) => false,
        });
        wanted.map(|(_, property)| property.clone()).collect()
    }

    fn of_link(&self, link: usize) -> BTreeSet<String> {
        let wanted = self.wanted.iter().filter(|(slot, _)| *slot == Slot::Link(link));
        wanted.map(|(_, property)| property.clone()).collect()
    }
}

/// The name of a column of `paths`, in quotes.
fn column(slot: Slot, property: &str) -> String {
    let prefix = match slot {
        Slot::Node(node) => format!("n{node}"),
        Slot::Link(link) => format!("r{link}"),
        Slot::Group(group) => format!("g{group}"),
    };
    identifier(&format!("{prefix}.{property}"))
}

/// Writes the table: a union of one part for each choice of optional parts.
pub(crate) fn sql(
    plan: &Plan<'_>,
    columns: &Columns,
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    let mut parts = Vec::new();
    for variant in &plan.variants {
        parts.push(Way::new(plan, variant, columns, context)?.sql());
    }
    Ok(parts.join("\nUNION ALL\n"))
}

/// One way through the query, as a SELECT.
struct Way<'a> {
    plan: &'a Plan<'a>,
    variant: &'a Variant,
    columns: &'a Columns,
    /// The tables and how they are joined.
    from: String,
    /// The column with the key of each node that the way has reached.
    keys: Vec<Option<String>>,
    conditions: Vec<String>,
}

impl<'a> Way<'a> {
    fn new(
        plan: &'a Plan<'a>,
        variant: &'a Variant,
        columns: &'a Columns,
        context: &mut Context<'_>,
    ) -> Result<Self, J1qlError> {
        let keys = vec![None; plan.nodes.len()];
        let mut way =
            Self { plan, variant, columns, from: String::new(), keys, conditions: Vec::new() };
        let starts_at_relationship =
            variant.hops.iter().any(|hop| hop.left == 0 && !plan.links[hop.link].is_negated);
        if !starts_at_relationship || way.needs_table(0) {
            way.join_node(0, context)?;
        }
        let (negated, taken): (Vec<Hop>, Vec<Hop>) =
            variant.hops.iter().partition(|hop| plan.links[hop.link].is_negated);
        for hop in taken {
            way.join_step(hop, context)?;
        }
        for hop in negated {
            way.exclude_step(hop, context)?;
        }
        Ok(way)
    }

    fn sql(self) -> String {
        let mut columns: Vec<String> = self
            .columns
            .wanted
            .iter()
            .map(|(slot, property)| {
                format!("{} AS {}", self.value(*slot, property), column(*slot, property))
            })
            .collect();
        if columns.is_empty() {
            columns.push("1 AS \"any\"".to_owned());
        }
        let mut sql = format!("SELECT {}\nFROM {}", columns.join(", "), self.from);
        if !self.conditions.is_empty() {
            let _ = write!(sql, "\nWHERE {}", self.conditions.join(" AND "));
        }
        sql
    }

    /// The value of a column on this way; nothing where the way leaves the slot out.
    fn value(&self, slot: Slot, property: &str) -> String {
        let node = match slot {
            Slot::Node(node) => Some(node),
            Slot::Group(group) => self.variant.groups.get(&group).copied(),
            Slot::Link(link) if self.variant.hops.iter().any(|hop| hop.link == link) => {
                return format!("r{link}.{}", identifier(property));
            }
            Slot::Link(_) => None,
        };
        let Some(node) = node else { return self.nothing(slot, property) };
        match &self.keys[node] {
            None => self.nothing(slot, property),
            Some(key) if property == "_key" => key.clone(),
            // The group that this node ends may have properties that the node's types lack.
            Some(_) if self.plan.kinds(Slot::Node(node), property).is_empty() => {
                self.nothing(slot, property)
            }
            Some(_) => format!("n{node}.{}", identifier(property)),
        }
    }

    fn nothing(&self, slot: Slot, property: &str) -> String {
        nothing(common_kind(&self.plan.kinds(slot, property)))
    }

    /// Returns whether the rows of a node have to be read: else its keys in the relationship are enough, since
    /// every relationship of a generation has both its ends.
    fn needs_table(&self, node: usize) -> bool {
        let entities = &self.plan.nodes[node];
        let wanted = self.columns.of_node(node, &self.plan.variants);
        entities.entities.filter.is_some()
            || entities.full_text.is_some()
            || wanted.iter().any(|property| property != "_key")
    }

    fn join_node(&mut self, node: usize, context: &mut Context<'_>) -> Result<(), J1qlError> {
        let wanted: Vec<String> =
            self.columns.of_node(node, &self.plan.variants).into_iter().collect();
        let rows = entity_rows(self.plan, node, &wanted, context)?;
        let key = format!("n{node}.\"_key\"");
        match self.keys[node].replace(key.clone()) {
            None => {
                let _ = write!(self.from, "({rows}) AS n{node}");
            }
            Some(end) => {
                let _ = write!(self.from, "\nJOIN ({rows}) AS n{node} ON {key} = {end}");
            }
        }
        Ok(())
    }

    fn join_step(&mut self, hop: Hop, context: &mut Context<'_>) -> Result<(), J1qlError> {
        let link = hop.link;
        let wanted = self.columns.of_link(link);
        let rows = relationship_rows(self.plan, hop, &wanted, context);
        let left = format!("r{link}.\"left\"");
        if let Some(key) = &self.keys[hop.left] {
            let _ = write!(self.from, "\nJOIN ({rows}) AS r{link} ON {left} = {key}");
        } else {
            let _ = write!(self.from, "({rows}) AS r{link}");
            self.keys[hop.left] = Some(left);
        }
        self.keys[hop.right()] = Some(format!("r{link}.\"right\""));
        if self.needs_table(hop.right()) {
            self.join_node(hop.right(), context)?;
        }
        Ok(())
    }

    /// Leaves out paths whose entity has such a relationship.
    fn exclude_step(&mut self, hop: Hop, context: &mut Context<'_>) -> Result<(), J1qlError> {
        let link = hop.link;
        // Nothing relates the types, so that nothing is left out.
        if self.plan.relations_of(hop).is_empty() {
            return Ok(());
        }
        let rows = relationship_rows(self.plan, hop, &BTreeSet::new(), context);
        let mut inner = format!("({rows}) AS r{link}");
        if self.needs_table(hop.right()) {
            let node = hop.right();
            let entities = entity_rows(self.plan, node, &[], context)?;
            let _ = write!(
                inner,
                " JOIN ({entities}) AS n{node} ON n{node}.\"_key\" = r{link}.\"right\""
            );
        }
        let left = self.keys[hop.left].as_deref().unwrap_or("NULL");
        self.conditions
            .push(format!("NOT EXISTS (SELECT 1 FROM {inner} WHERE r{link}.\"left\" = {left})"));
        Ok(())
    }
}

/// The rows of a node: of each of its types those that meet its condition, with the columns wanted.
pub(crate) fn entity_rows(
    plan: &Plan<'_>,
    node: usize,
    wanted: &[String],
    context: &mut Context<'_>,
) -> Result<String, J1qlError> {
    let place = &plan.nodes[node];
    let mut parts = Vec::new();
    for table in &place.types {
        let mut columns = vec!["\"_key\"".to_owned()];
        let others = wanted.iter().filter(|property| *property != "_key");
        columns.extend(others.map(|property| {
            stored(property, table.kind(property), &plan.kinds(Slot::Node(node), property))
        }));
        let is_created_wanted = wanted.iter().any(|property| property == CREATED_ON);
        let needs_created = Cell::new(is_created_wanted);
        let mut conditions = Vec::new();
        if let Some(filter) = &place.entities.filter {
            let mut resolve = |path: &Path, span: Span, context: &mut Context<'_>| {
                needs_created.set(needs_created.get() || path.joined() == CREATED_ON);
                Ok(own_property(plan, node, table, path, span, context))
            };
            conditions.push(condition::sql(filter, &mut resolve, context)?);
        }
        if let Some(text) = place.full_text {
            let text = condition::filled(text, place.entities.head.span, context)?;
            conditions.push(full_text(table, &text));
        }
        let from = if needs_created.get() && table.has_history {
            dated(&table.name, context)
        } else {
            identifier(&table.name)
        };
        let mut sql = format!("SELECT {} FROM {from}", columns.join(", "));
        if !conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
        }
        parts.push(sql);
    }
    Ok(parts.join("\nUNION ALL "))
}

/// A table with the time of the first kept generation that has each object.
fn dated(table: &str, context: &mut Context<'_>) -> String {
    context.history.insert(table.to_owned());
    let history = identifier(&format!("{table}_history"));
    let created = identifier(CREATED_ON);
    format!(
        "(SELECT * FROM {} LEFT JOIN (SELECT \"_key\" AS \"createdKey\", min(\"_createdAt\") AS \
         {created} FROM {history} GROUP BY \"_key\") AS created ON \"createdKey\" = \"_key\") AS dated",
        identifier(table)
    )
}

/// The property of an entity itself, as `WITH` names it.
fn own_property(
    plan: &Plan<'_>,
    node: usize,
    table: &EntityTable,
    path: &Path,
    span: Span,
    context: &mut Context<'_>,
) -> Reference {
    let property = path.joined();
    let slot = Slot::Node(node);
    if plan.kinds(slot, &property).is_empty() {
        warn_unknown(&property, plan.properties(slot), span, context);
    } else {
        context.note_lacking(&property, plan.types_without(slot, &property), span);
    }
    Reference { sql: identifier(&property), kind: table.kind(&property) }
}

/// No value of a kind. One without a type would leave the union of several types without one.
fn nothing(kind: Option<Kind>) -> String {
    match kind {
        Some(Kind::Number) => "CAST(NULL AS BIGINT)".to_owned(),
        Some(Kind::Boolean) => "CAST(NULL AS BOOLEAN)".to_owned(),
        Some(Kind::Time) => condition::no_time(),
        Some(Kind::TextList) => "CASE WHEN FALSE THEN make_array('') END".to_owned(),
        Some(Kind::Text) | None => "CAST(NULL AS VARCHAR)".to_owned(),
    }
}

/// A column of a type, or nothing in its place, in the kind that all types share.
fn stored(property: &str, kind: Option<Kind>, kinds: &[Kind]) -> String {
    let name = identifier(property);
    match kind {
        None => format!("{} AS {name}", nothing(common_kind(kinds))),
        Some(kind) if common_kind(kinds) == Some(kind) => name,
        Some(Kind::TextList) => {
            format!("array_to_string({name}, {}) AS {name}", literal(", "))
        }
        Some(_) => format!("CAST({name} AS VARCHAR) AS {name}"),
    }
}

/// Returns whether any text of an entity contains a text, in any case.
fn full_text(table: &EntityTable, text: &str) -> String {
    let text = literal(&text.to_lowercase());
    let tests: Vec<String> = table
        .properties
        .iter()
        .filter(|property| !property.name.starts_with('_'))
        .filter_map(|property| {
            let name = identifier(&property.name);
            match property.kind {
                Kind::Text => Some(format!("contains(lower({name}), {text})")),
                Kind::TextList => {
                    let items = format!("array_to_string({name}, {})", literal("\u{1f}"));
                    Some(format!("contains(lower({items}), {text})"))
                }
                Kind::Number | Kind::Boolean | Kind::Time => None,
            }
        })
        .collect();
    if tests.is_empty() { "FALSE".to_owned() } else { format!("({})", tests.join(" OR ")) }
}

/// The relationships of a step, each with the key on the step's left and the one on its right.
fn relationship_rows(
    plan: &Plan<'_>,
    hop: Hop,
    wanted: &BTreeSet<String>,
    context: &mut Context<'_>,
) -> String {
    let relations = plan.relations_of(hop);
    let mut part = |Relation { table, is_forward }: &Relation<'_>| {
        let (left, right) = if *is_forward {
            ("_fromEntityKey", "_toEntityKey")
        } else {
            ("_toEntityKey", "_fromEntityKey")
        };
        let mut columns =
            vec![format!("\"{left}\" AS \"left\""), format!("\"{right}\" AS \"right\"")];
        columns.extend(wanted.iter().map(|property| {
            stored(property, table.kind(property), &plan.kinds(Slot::Link(hop.link), property))
        }));
        let from = if wanted.contains(CREATED_ON) && table.has_history {
            dated(&table.name, context)
        } else {
            identifier(&table.name)
        };
        let rows = format!("SELECT {} FROM {from}", columns.join(", "));
        // A relationship from an entity to itself is one way, and not one there and one back.
        if !is_forward
            && relations.iter().any(|other| other.is_forward && other.table.name == table.name)
        {
            return format!("{rows} WHERE \"_fromEntityKey\" <> \"_toEntityKey\"");
        }
        rows
    };
    let parts: Vec<String> = relations.iter().map(&mut part).collect();
    parts.join("\nUNION ALL ")
}
