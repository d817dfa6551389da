#![doc = include_str!("../README.md")]

pub mod authorization;
pub mod cell;
pub mod class;
pub mod column;
pub mod declared;
pub mod documentation;
pub mod drawing;
pub mod entity;
pub mod plan;
pub mod property;
pub mod relationship;
pub mod step;
mod text;

/// The imports of a step's crate.
pub mod prelude {
    pub use crate::class::{Class, RelationshipClass};
    pub use crate::column::{
        Column, ColumnForm, Columns, IdentifierKind, behaviour, direct, free_text, persistent,
        quasi, technical,
    };
    pub use crate::entity::EntityType;
    pub use crate::property::{
        Constant, Conversion, Otherwise, PersonalData, Property, ValueType, constant, convert,
        integer, lookup, not_collected, text, timestamp,
    };
    pub use crate::relationship::{EdgeProperty, End, RelationshipType, by_column, singleton};
    pub use crate::step::{Expiry, Query, Source, Step};
    pub use inventory;
}
