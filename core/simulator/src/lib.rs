#![doc = include_str!("../README.md")]

mod behaviour;
mod encode;
mod exports;
mod jupiterone;
mod row;
mod server;
mod tenant;

pub use behaviour::Behaviour;
pub use encode::{Compression, write_results};
pub use exports::{SavedQuery, Written, write_csv};
pub use jupiterone::{
    Fault, FaultKind, JobCall, JobRequest, JobView, JupiterOne, JupiterOneBehaviour,
    JupiterOneConfig, KeptGraph,
};
pub use row::Row;
pub use server::{Endpoints, RequestCounts, Simulator, SimulatorConfig};
pub use tenant::{Tenant, TenantCounts, TenantSpec};
