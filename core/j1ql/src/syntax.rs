//! The tree of a query as it is written, with the place of each part.

use crate::diagnostic::Span;

/// A part of a query and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The part.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// A name and its place.
pub type Name = Spanned<String>;

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// True if equal rows of the answer are one.
    pub is_unique: bool,
    /// The entities that the paths start from.
    pub start: Entities,
    /// The steps that are walked from there, in order.
    pub elements: Vec<Element>,
    /// The condition on whole paths.
    pub condition: Option<Filter>,
    /// The result; the starting entities if nothing is said.
    pub returns: Option<Returns>,
    /// The order of the answer, the most important first.
    pub order: Vec<Order>,
    /// Rows left out at the beginning.
    pub skip: Option<u64>,
    /// The most rows there are.
    pub limit: Option<u64>,
}

/// One place of a path: which entities may stand there.
#[derive(Debug, Clone, PartialEq)]
pub struct Entities {
    /// Which types.
    pub head: Spanned<Head>,
    /// The condition on the entity itself.
    pub filter: Option<Filter>,
    /// The name given with `AS`.
    pub alias: Option<Name>,
}

/// Which types of entities are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// `*`: any.
    Any,
    /// Classes in `TitleCase` and types in `snake_case`; an entity of any of them.
    Names(Vec<Name>),
    /// Any entity with this text in a property.
    FullText(Text),
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// `THAT HAS Device`.
    Step(Box<Step>),
    /// `(THAT HAS Device)?`: paths with these steps and paths without them.
    Optional {
        /// The steps within the parentheses; at least one.
        steps: Vec<Step>,
        /// The name of the entity at which a path continues: the last of the steps, or the one before.
        alias: Option<Name>,
        /// The whole part.
        span: Span,
    },
}

/// A step over a relationship to another entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// True if there must be no such relationship.
    pub is_negated: bool,
    /// Which classes of relationships.
    pub verb: Spanned<Verb>,
    /// Which way the relationship points.
    pub direction: Direction,
    /// The name of the relationship, given with `AS`.
    pub alias: Option<Name>,
    /// The entity at the other end.
    pub entities: Entities,
}

/// Which classes of relationships a step takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// `RELATES TO`: any.
    Any,
    /// One of these classes, in any case.
    Names(Vec<Name>),
}

/// Which way a relationship points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Either way.
    Both,
    /// `>>`: from the entity on the left to the one on the right.
    Out,
    /// `<<`: from the entity on the right to the one on the left.
    In,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Filter>),
    /// At least one of them holds.
    Or(Vec<Filter>),
    /// A comparison.
    Comparison(Comparison),
}

/// Two operands that are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The operand to the left of the operator.
    pub left: Spanned<Operand>,
    /// The operator.
    pub operator: Operator,
    /// The operand to the right of the operator.
    pub right: Spanned<Operand>,
}

/// The comparison of two operands. A negated operator holds exactly where its positive twin does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// True if it is `!=`, `!~=`, `!^=` or `!$=`.
    pub is_negated: bool,
    /// The positive relation.
    pub relation: Relation,
}

/// A relation between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `~=`
    Contains,
    /// `^=`
    StartsWith,
    /// `$=`
    EndsWith,
}

impl Relation {
    /// Returns the relation that holds when the operands change places, if there is one.
    pub fn flipped(self) -> Option<Self> {
        match self {
            Self::Equal => Some(Self::Equal),
            Self::Less => Some(Self::Greater),
            Self::LessOrEqual => Some(Self::GreaterOrEqual),
            Self::Greater => Some(Self::Less),
            Self::GreaterOrEqual => Some(Self::LessOrEqual),
            Self::Contains | Self::StartsWith | Self::EndsWith => None,
        }
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A property: of the entity itself after `WITH`, of a named one after `WHERE`.
    Property(Path),
    /// A single value.
    Value(Value),
    /// `('a' OR 'b')` or `('a' AND 'b')`.
    Values {
        /// The values; at least two.
        values: Vec<Spanned<Value>>,
        /// True if the comparison must hold for all of them, and not for any.
        is_all: bool,
    },
}

/// A property's name, or a name and its property: the parts between dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The parts; at least one. A text in brackets is one part.
    pub parts: Vec<String>,
}

impl Path {
    /// The parts joined by dots, which is how a property such as `tag.Owner` is stored.
    pub fn joined(&self) -> String {
        self.parts.join(".")
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, perhaps with parameters in it.
    Text(Text),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// `undefined`: no value.
    Undefined,
    /// `/pattern/flags`.
    Regex {
        /// The pattern.
        pattern: String,
        /// The flags: `i` for any case.
        flags: String,
    },
    /// A moment.
    Date(Date),
    /// The whole value of a parameter, outside quotes.
    Parameter(String),
}

/// A text with parameters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters as they stand.
    Literal(String),
    /// The value of a parameter.
    Parameter(String),
}

/// A moment, perhaps relative to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Date {
    /// Its start.
    pub base: DateBase,
    /// The spans that are added and taken away, in order.
    pub offsets: Vec<Offset>,
}

/// The start of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateBase {
    /// `date.now`.
    Now,
    /// `date(…)`, in milliseconds since 1970-01-01 UTC.
    At(i64),
}

/// A span of time with its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// The number of units; negative if they are taken away.
    pub amount: i64,
    /// The unit.
    pub unit: Unit,
}

/// A unit of time. Months and years are those of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 3,600 seconds.
    Hour,
    /// 24 hours.
    Day,
    /// A month of the calendar.
    Month,
    /// A year of the calendar.
    Year,
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Returns {
    /// `TREE`: the entities and relationships of all paths, each once.
    Tree,
    /// The columns of the answer; at least one.
    Items(Vec<Item>),
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its value.
    pub expression: Spanned<Expression>,
    /// Its name, given with `AS`.
    pub alias: Option<String>,
    /// The expression as it is written, which names the column otherwise.
    pub text: String,
}

/// The key by which the answer is ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// A column of the answer or an expression.
    pub expression: Spanned<Expression>,
    /// True if the largest comes first.
    pub is_descending: bool,
}

/// A calculation.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A named entity or relationship, or one of its properties.
    Selector(Path),
    /// `name.*`: all its properties.
    All(Name),
    /// A value.
    Value(Value),
    /// Two operands.
    Binary {
        /// The left operand.
        left: Box<Spanned<Expression>>,
        /// The operator.
        operator: Arithmetic,
        /// The right operand.
        right: Box<Spanned<Expression>>,
    },
    /// A function.
    Call {
        /// Which one.
        function: Function,
        /// Its arguments.
        arguments: Vec<Spanned<Expression>>,
    },
}

/// An operator of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; nothing where it divides by zero.
    Divide,
    /// `^`
    Power,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Counts distinct entities or relationships, or those of them that have the property.
    Count,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The mean, one value for each entity.
    Average,
    /// The sum, one value for each entity.
    Sum,
    /// Joins texts; `undefined` counts as an empty one.
    Concat,
    /// The distinct defined values, as a list.
    Merge,
    /// The first defined value.
    Coalesce,
    /// The absolute value.
    Abs,
    /// The square root.
    Sqrt,
    /// The next greater whole number.
    Ceil,
    /// The next smaller whole number.
    Floor,
    /// The nearest whole number.
    Round,
}

impl Function {
    const ALL: [(&'static str, Self); 13] = [
        ("count", Self::Count),
        ("min", Self::Min),
        ("max", Self::Max),
        ("avg", Self::Average),
        ("sum", Self::Sum),
        ("concat", Self::Concat),
        ("merge", Self::Merge),
        ("coalesce", Self::Coalesce),
        ("abs", Self::Abs),
        ("sqrt", Self::Sqrt),
        ("ceil", Self::Ceil),
        ("floor", Self::Floor),
        ("round", Self::Round),
    ];

    /// Returns the function of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, function)| *function)
    }

    /// Returns the names of all functions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, function)| *function == self);
        found.map_or("", |(name, _)| name)
    }

    /// Returns whether it makes one value of many rows.
    pub fn is_aggregate(self) -> bool {
        matches!(self, Self::Count | Self::Min | Self::Max | Self::Average | Self::Sum)
    }
}
