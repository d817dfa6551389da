//! The store's behaviour through its public interface, on temporary folders and invented data.

mod clock_jumps;
mod crashes;
mod damage;
mod disk;
mod downloads;
mod erase;
mod events;
mod guards;
mod ledger;
mod leftovers;
mod publishing;
mod retention;
mod stopping;
mod support;
