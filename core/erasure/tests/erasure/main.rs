//! Erasures and retrievals on small stores, by the rules that operators rely on.

mod certificates;
mod cleansing;
mod kit;
mod lists;
mod retrieval;
mod search;
mod subject;
