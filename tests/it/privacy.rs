//! Personal data under control, from outside: erasure and retrieval, the
//! ledger of who did what, how long things are kept, the
//! record of processing.

mod canary;
mod contract_end;
pub(crate) mod erasure;
mod events;
mod facts;
mod ledger;
mod mentions;
mod record;
mod retention;
mod unfinished;
