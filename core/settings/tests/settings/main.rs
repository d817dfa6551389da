//! The tests of the settings.

mod declarations;
mod effective;
mod schema;
mod template;
