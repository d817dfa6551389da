//! Personal data under control, from outside: the ledger of who did what, how long things are kept, the
//! record of processing.

mod ledger;
mod record;
mod retention;
