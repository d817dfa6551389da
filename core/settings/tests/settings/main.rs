//! The tests of the settings.

mod declarations;
mod effective;
mod fleet;
mod schema;
mod template;
