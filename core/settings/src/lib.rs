#![doc = include_str!("../README.md")]

mod declared;
mod defaults;
mod effective;
mod flat;
mod page;
mod problem;
mod schema;
mod setting;
mod table;
mod template;
mod values;

pub use self::defaults::{Defaults, is_fleet};
pub use self::effective::Effective;
pub use self::page::page;
pub use self::problem::{Place, Problem};
pub use self::schema::schema;
pub use self::setting::{Absent, Kind, Setting, Table};
pub use self::table::{DEFAULT_FILE, FLEET, TABLES, VARIABLE_PREFIX, default_text, settings};
pub use self::template::{Answer, template, toml_text};
pub use self::values::{Checked, Values};
