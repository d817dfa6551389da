//! The grammar of cells that hold more than a plain text: lists, e-mail addresses, IP addresses, serial
//! numbers.
//!
//! The mapping, the privacy policy and the list of erased people all read cells, and they must agree on
//! what a cell says: a person whom the graph knows by one item of a list is erased by that item. So each
//! rule stands here once, below all of them.
//!
//! An identity is never guessed. A cell is several items only where its form proves it; what cannot be read
//! is reported as such and never repaired.

mod email;
mod ip;
mod list;
mod serial;

pub use self::email::{Emails, email_domain, emails, is_domain_label};
pub use self::ip::ip_addresses;
pub use self::list::{enclosed_list, list_items};
pub use self::serial::is_placeholder_serial;
