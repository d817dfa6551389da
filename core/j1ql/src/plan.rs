//! The checked tree: the possible types at each place of a path, the relationships between the
//! places, and the meaning of each name.

mod help;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{J1qlError, Span, Warning, most_similar};
use crate::graph::{EntityTable, Graph, Kind, RelationshipTable};
use crate::syntax::{Direction, Element, Entities, Head, Name, Query, Spanned, Step, Text, Verb};

/// A query whose types, relationships and names all exist.
pub(crate) struct Plan<'a> {
    /// The places for entities, in the order of the text.
    pub(crate) nodes: Vec<Node<'a>>,
    /// The steps, in the order of the text. Step `i` leads to node `i + 1`.
    pub(crate) links: Vec<Link<'a>>,
    /// The ways to take: one for each choice of optional parts.
    pub(crate) variants: Vec<Variant>,
    /// The optional parts with a name, by their number.
    groups: BTreeMap<usize, BTreeSet<usize>>,
    names: BTreeMap<String, Vec<Slot>>,
}

/// A place for entities.
pub(crate) struct Node<'a> {
    pub(crate) types: Vec<&'a EntityTable>,
    pub(crate) entities: &'a Entities,
    /// The text that one of its properties must contain.
    pub(crate) full_text: Option<&'a Text>,
}

/// A step.
pub(crate) struct Link<'a> {
    pub(crate) relations: Vec<Relation<'a>>,
    pub(crate) is_negated: bool,
}

/// A type of relationships and the way in which a step follows it.
#[derive(Clone, Copy)]
pub(crate) struct Relation<'a> {
    pub(crate) table: &'a RelationshipTable,
    /// True if the step goes the way that the relationship points.
    pub(crate) is_forward: bool,
}

/// One way through the query.
#[derive(Clone, Default)]
pub(crate) struct Variant {
    /// The steps that are taken, in order.
    pub(crate) hops: Vec<Hop>,
    /// The entity at which each optional part with a name ends.
    pub(crate) groups: BTreeMap<usize, usize>,
    /// The entity that the next step starts from.
    current: usize,
}

/// A step of a variant.
#[derive(Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) link: usize,
    /// The node that it starts from.
    pub(crate) left: usize,
}

/// The meaning of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Node(usize),
    Link(usize),
    Group(usize),
}

impl Hop {
    /// The node that it leads to.
    pub(crate) fn right(self) -> usize {
        self.link + 1
    }
}

impl<'a> Plan<'a> {
    /// Checks a query against a graph.
    pub(crate) fn new(
        query: &'a Query,
        graph: &'a Graph,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, J1qlError> {
        let mut plan = Self {
            nodes: Vec::new(),
            links: Vec::new(),
            variants: vec![Variant::default()],
            groups: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        plan.add_node(&query.start, graph, warnings)?;
        for (number, element) in query.elements.iter().enumerate() {
            match element {
                Element::Step(step) => plan.add_step(step, graph, warnings)?,
                Element::Optional { steps, alias, .. } => {
                    let without = plan.variants.clone();
                    for step in steps {
                        plan.add_step(step, graph, warnings)?;
                    }
                    plan.variants.extend(without);
                    if let Some(alias) = alias {
                        plan.name_group(number, alias)?;
                    }
                }
            }
        }
        Ok(plan)
    }

    fn add_node(
        &mut self,
        entities: &'a Entities,
        graph: &'a Graph,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), J1qlError> {
        let types = types_of(&entities.head, graph, warnings)?;
        let full_text = match &entities.head.value {
            Head::FullText(text) => Some(text),
            Head::Any | Head::Names(_) => None,
        };
        let slot = Slot::Node(self.nodes.len());
        match (&entities.alias, &entities.head.value) {
            (Some(alias), _) => self.name(alias, slot)?,
            (None, Head::Names(names)) => {
                if let [name] = names.as_slice() {
                    self.names.entry(name.value.clone()).or_default().push(slot);
                }
            }
            (None, Head::Any | Head::FullText(_)) => {}
        }
        self.nodes.push(Node { types, entities, full_text });
        Ok(())
    }

    /// Gives a name with `AS`, which must be the only one of its kind.
    fn name(&mut self, alias: &Name, slot: Slot) -> Result<(), J1qlError> {
        let slots = self.names.entry(alias.value.clone()).or_default();
        if !slots.is_empty() {
            let message = format!("the name {} is given twice", alias.value);
            let error = J1qlError::new(alias.span, message);
            return Err(error.with_help("give each entity and relationship a name of its own"));
        }
        slots.push(slot);
        Ok(())
    }

    fn name_group(&mut self, number: usize, alias: &Name) -> Result<(), J1qlError> {
        let mut ends = BTreeSet::new();
        for variant in &mut self.variants {
            variant.groups.insert(number, variant.current);
            ends.insert(variant.current);
        }
        self.groups.insert(number, ends);
        self.name(alias, Slot::Group(number))
    }

    fn add_step(
        &mut self,
        step: &'a Step,
        graph: &'a Graph,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), J1qlError> {
        let link = self.links.len();
        self.add_node(&step.entities, graph, warnings)?;
        if let Some(alias) = &step.alias {
            self.name(alias, Slot::Link(link))?;
        }
        let right = self.nodes.len() - 1;
        let mut relations: Vec<Relation<'a>> = Vec::new();
        let lefts: BTreeSet<usize> = self.variants.iter().map(|variant| variant.current).collect();
        let mut dead_ends = BTreeSet::new();
        for &left in &lefts {
            let found = self.relations(step, left, right, graph);
            if found.is_empty() {
                dead_ends.insert(left);
            }
            for relation in found {
                let is_same = |known: &Relation<'_>| {
                    known.table.name == relation.table.name
                        && known.is_forward == relation.is_forward
                };
                if !relations.iter().any(is_same) {
                    relations.push(relation);
                }
            }
        }
        if let Some(&left) = dead_ends.last().filter(|_| dead_ends == lefts) {
            let absent = self.absent(step, left, right, graph);
            let error = self.impossible(step, left, right, graph);
            // What was not read cannot be counted as what there is not.
            if !step.is_negated || absent.is_some() || !is_known(&step.verb.value, graph) {
                return Err(match absent {
                    Some(possible) => error.yet_to_be_made(possible),
                    None => error,
                });
            }
            let message = format!("{}, so nothing is left out", error.message);
            warnings.push(Warning::mistake(error.span, message));
        }
        if !step.is_negated {
            // Ways that end here are not taken further; the others are.
            self.variants.retain(|variant| !dead_ends.contains(&variant.current));
        }
        for variant in &mut self.variants {
            variant.hops.push(Hop { link, left: variant.current });
            // A negated step returns the entity on its left, so the next step starts there too.
            if !step.is_negated {
                variant.current = right;
            }
        }
        self.links.push(Link { relations, is_negated: step.is_negated });
        Ok(())
    }

    /// The types of relationships that a step can follow between two nodes, and which way.
    fn relations(
        &self,
        step: &Step,
        left: usize,
        right: usize,
        graph: &'a Graph,
    ) -> Vec<Relation<'a>> {
        let has =
            |node: usize, name: &str| self.nodes[node].types.iter().any(|known| known.name == name);
        let mut relations = Vec::new();
        for table in &graph.relationships {
            if !is_meant(&step.verb.value, &table.class) {
                continue;
            }
            let goes_out = has(left, &table.from) && has(right, &table.to);
            if goes_out && step.direction != Direction::In {
                relations.push(Relation { table, is_forward: true });
            }
            let comes_in = has(left, &table.to) && has(right, &table.from);
            if comes_in && step.direction != Direction::Out {
                relations.push(Relation { table, is_forward: false });
            }
        }
        relations
    }

    /// The types of relationships that a step follows on one way: only those between the types of the
    /// entities there, since the rows of these entities may not be read at all.
    pub(crate) fn relations_of(&self, hop: Hop) -> Vec<Relation<'a>> {
        let has =
            |node: usize, name: &str| self.nodes[node].types.iter().any(|known| known.name == name);
        let leads = |Relation { table, is_forward }: &Relation<'_>| {
            let (left, right) =
                if *is_forward { (&table.from, &table.to) } else { (&table.to, &table.from) };
            has(hop.left, left) && has(hop.right(), right)
        };
        self.links[hop.link].relations.iter().copied().filter(leads).collect()
    }

    /// The error for a step that no relationship of the graph makes.
    fn impossible(&self, step: &Step, left: usize, right: usize, graph: &Graph) -> J1qlError {
        let from = describe_head(&self.nodes[left].entities.head.value);
        let to = describe_head(&self.nodes[right].entities.head.value);
        let (from, to) = match step.direction {
            Direction::In => (&to, &from),
            Direction::Out | Direction::Both => (&from, &to),
        };
        let verb = match &step.verb.value {
            Verb::Any => String::new(),
            Verb::Names(names) => format!(" {}", joined(names).to_uppercase()),
        };
        let between = if step.direction == Direction::Both { "between" } else { "from" };
        let and = if step.direction == Direction::Both { "and" } else { "to" };
        let message = format!("there is no relationship{verb} {between} {from} {and} {to}");
        let error = J1qlError::new(step.verb.span, message);
        let any = Step { verb: any_verb(step), direction: Direction::Both, ..step.clone() };
        let others: BTreeSet<String> = self
            .relations(&any, left, right, graph)
            .into_iter()
            .map(|other| {
                let RelationshipTable { from, class, to, .. } = other.table;
                format!("{from} {class} >> {to}")
            })
            .collect();
        if others.is_empty() {
            let all: BTreeSet<String> = graph
                .relationships
                .iter()
                .map(|table| format!("{} {} >> {}", table.from, table.class, table.to))
                .collect();
            return error.with_help(format!("the relationships are {}", list(all)));
        }
        error.with_help(format!("there is {}", list(others)))
    }

    /// Returns the meaning of a name.
    pub(crate) fn slot(&self, name: &str, span: Span) -> Result<Slot, J1qlError> {
        match self.names.get(name).map(Vec::as_slice) {
            Some([slot]) => Ok(*slot),
            Some(_) => {
                let error = J1qlError::new(span, format!("{name} stands in the query twice"));
                Err(error.with_help(format!("name the one that is meant: {name} AS first")))
            }
            None => {
                let error = J1qlError::new(span, format!("nothing is named {name}"));
                let mut owners = self.names.iter().filter(|(_, slots)| {
                    slots.iter().any(|slot| !self.kinds(*slot, name).is_empty())
                });
                if let Some((owner, _)) = owners.next() {
                    return Err(error.with_help(format!("write {owner}.{name}")));
                }
                let known = self.names.keys().map(String::as_str);
                if let Some(similar) = most_similar(name, known) {
                    return Err(error.with_help(format!("did you mean {similar}?")));
                }
                let names = list(self.names.keys().cloned().collect());
                Err(error.with_help(format!("the names are {names}; others are given with AS")))
            }
        }
    }

    /// Returns the names of all tables that the query reads.
    pub(crate) fn tables(&self) -> BTreeSet<String> {
        let types = self.nodes.iter().flat_map(|node| &node.types).map(|table| &table.name);
        let relations = self.links.iter().flat_map(|link| &link.relations);
        types.chain(relations.map(|relation| &relation.table.name)).cloned().collect()
    }

    /// Returns whether anything has this name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Returns the kinds that a property has in the types of a slot, without those that lack it.
    pub(crate) fn kinds(&self, slot: Slot, property: &str) -> Vec<Kind> {
        match slot {
            Slot::Node(node) => {
                let types = self.nodes[node].types.iter();
                types.filter_map(|table| table.kind(property)).collect()
            }
            Slot::Link(link) => {
                let relations = self.links[link].relations.iter();
                relations.filter_map(|relation| relation.table.kind(property)).collect()
            }
            Slot::Group(group) => {
                let nodes = self.groups[&group].iter();
                nodes.flat_map(|node| self.kinds(Slot::Node(*node), property)).collect()
            }
        }
    }

    /// Returns the types of entities of a slot that lack a property.
    pub(crate) fn types_without(&self, slot: Slot, property: &str) -> Vec<String> {
        let nodes: Vec<usize> = match slot {
            Slot::Node(node) => vec![node],
            Slot::Link(_) => Vec::new(),
            Slot::Group(group) => self.groups[&group].iter().copied().collect(),
        };
        let types = nodes.iter().flat_map(|node| &self.nodes[*node].types);
        let lacking = types.filter(|table| table.kind(property).is_none());
        lacking.map(|table| table.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns the names of the properties of a slot, those of its first type first.
    pub(crate) fn properties(&self, slot: Slot) -> Vec<&'a str> {
        let mut names: Vec<&'a str> = Vec::new();
        let mut add = |properties: &'a [crate::graph::Property]| {
            for property in properties {
                if !names.contains(&property.name.as_str()) {
                    names.push(&property.name);
                }
            }
        };
        match slot {
            Slot::Node(node) => {
                self.nodes[node].types.iter().for_each(|table| add(&table.properties));
            }
            Slot::Link(link) => {
                let relations = self.links[link].relations.iter();
                relations.for_each(|relation| add(&relation.table.properties));
            }
            Slot::Group(group) => {
                for node in &self.groups[&group] {
                    self.nodes[*node].types.iter().for_each(|table| add(&table.properties));
                }
            }
        }
        names
    }
}

fn types_of<'a>(
    head: &Spanned<Head>,
    graph: &'a Graph,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<&'a EntityTable>, J1qlError> {
    let Head::Names(names) = &head.value else {
        return Ok(graph.entities.iter().collect());
    };
    let mut types: Vec<&EntityTable> = Vec::new();
    for name in names {
        let mut found = graph.types_named(&name.value);
        let smart = SMART_NAMES.iter().find(|(smart, _)| *smart == name.value);
        if let (true, Some((smart, class))) = (found.is_empty(), smart) {
            found = graph.types_named(class);
            if !found.is_empty() {
                warnings.push(Warning::new(name.span, format!("{smart} is read as {class}")));
            }
        }
        if found.is_empty() {
            return Err(unknown_head(name, graph));
        }
        for table in found {
            if !types.iter().any(|known| known.name == table.name) {
                types.push(table);
            }
        }
    }
    Ok(types)
}

/// Classes that queries for JupiterOne ask for, and the class that has these entities here.
const SMART_NAMES: [(&str, &str); 2] = [("Host", "Device"), ("Person", "User")];

/// Names that are no class, and the class that is meant.
const SYNONYMS: [(&str, &str); 6] = [
    ("Endpoint", "Device"),
    ("Workstation", "Device"),
    ("Employee", "User"),
    ("Software", "Application"),
    ("CodeModule", "Application"),
    ("Package", "Application"),
];

fn unknown_head(name: &Name, graph: &Graph) -> J1qlError {
    let is_class = name.value.starts_with(char::is_uppercase);
    let kind = if is_class { "class" } else { "type" };
    let same = SYNONYMS.iter().find(|(synonym, _)| *synonym == name.value).map(|(_, class)| *class);
    let classes: BTreeSet<&str> =
        graph.entities.iter().flat_map(|table| &table.classes).map(String::as_str).collect();
    let types: BTreeSet<&str> = graph.entities.iter().map(|table| table.name.as_str()).collect();
    let error = J1qlError::new(name.span, format!("there is no {kind} {}", name.value));
    let all = types.iter().chain(&classes).copied();
    if let Some(class) = same.filter(|class| classes.contains(class)) {
        return error
            .with_help(format!("write {class}, which is the class of these entities here"));
    }
    if let Some(absent) = graph.absent_entity(same.unwrap_or(&name.value)) {
        return error.yet_to_be_made(absent);
    }
    // Names differ in case: `device` and `find` are the usual slips.
    if let Some(similar) = most_similar(&name.value, all) {
        return error.with_help(format!("did you mean {similar}?"));
    }
    let known = if is_class { classes } else { types };
    let known = known.into_iter().map(str::to_owned).collect();
    let plural = if is_class { "classes" } else { "types" };
    error.with_help(format!("the {plural} are {}", list(known)))
}

fn is_meant(verb: &Verb, class: &str) -> bool {
    match verb {
        Verb::Any => true,
        Verb::Names(names) => names.iter().any(|name| name.value.eq_ignore_ascii_case(class)),
    }
}

/// Returns whether some relationship of the graph has a verb.
fn is_known(verb: &Verb, graph: &Graph) -> bool {
    graph.relationships.iter().any(|table| is_meant(verb, &table.class))
}

fn any_verb(step: &Step) -> Spanned<Verb> {
    Spanned { value: Verb::Any, span: step.verb.span }
}

fn describe_head(head: &Head) -> String {
    match head {
        Head::Any | Head::FullText(_) => "any entity".to_owned(),
        Head::Names(names) => joined(names),
    }
}

fn joined(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
    names.join(" or ")
}

fn list(names: BTreeSet<String>) -> String {
    let names: Vec<String> = names.into_iter().collect();
    names.join(", ")
}
