//! Deliveries of a small invented estate: as a folder, and to a simulated JupiterOne over real HTTP.

mod contents;
mod deletion;
mod delivery;
mod destination;
mod documentation;
mod events;
mod extras;
mod failures;
mod folder;
mod plan;
mod schema;
mod schemas;
mod shapes;
mod support;
mod trust;
