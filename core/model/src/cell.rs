//! The grammar of cells that hold more than a plain text: lists, e-mail addresses, IP addresses,
//! serial numbers.
//!
//! The mapping, the privacy policy and the list of erased people all read cells, and they must
//! agree on their content: a person whom the graph knows by one item of a list must be erased by
//! that item. So each rule exists once, here, below all of them.
//!
//! An identity is never guessed. A cell is split only if its form proves that it is a list; an
//! unreadable item is reported and never repaired.

mod email;
mod ip;
mod list;
mod serial;

pub use self::email::{Emails, email_domain, emails, is_domain_label};
pub use self::ip::ip_addresses;
pub use self::list::{enclosed_list, list_items};
pub use self::serial::is_placeholder_serial;
