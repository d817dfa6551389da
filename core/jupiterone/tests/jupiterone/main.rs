//! Deliveries of a small invented estate: as a folder, and to a simulated JupiterOne over real HTTP.

mod deletion;
mod delivery;
mod documentation;
mod extras;
mod failures;
mod folder;
mod plan;
mod schema;
mod schemas;
mod shapes;
mod support;
mod trust;
