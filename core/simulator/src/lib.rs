#![doc = include_str!("../README.md")]

mod audit;
mod behaviour;
mod bucket;
mod encode;
mod exports;
mod jupiterone;
mod mail_receiver;
mod proxy;
mod receiver;
mod row;
mod selection;
mod server;
mod showcase;
mod tenant;

pub use audit::{AuditSpec, LineTime, SimulatedTrail};
pub use behaviour::{
    AnnouncedLength, Answer, Behaviour, Content, Cut, Download, Etag, FailingExports, Fault,
    FaultAction, FaultPoint, Pace, Parameter, QueryBehaviour, RangeAnswer, Results,
    ResultsCompression, RetryAfterForm, Scenario, ScenarioError,
};
pub use bucket::{
    BucketBehaviour, BucketCall, BucketFault, BucketRefusal, BucketServer, BucketTraffic, ListPage,
    PutCondition, SimulatedBucket, StoredObject,
};
pub use encode::{Compression, write_results};
pub use exports::{SavedQuery, Written, push_csv_line, write_csv};
pub use jupiterone::{
    JobCall, JobFault, JobFaultKind, JobRequest, JobView, JupiterOne, JupiterOneBehaviour,
    JupiterOneConfig, KeptGraph, Silence,
};
pub use mail_receiver::{MailReceiver, MailTls, ReceivedMail};
pub use proxy::{FaultProxy, Slices, Toxics};
pub use receiver::{ReceivedRequest, Receiver};
pub use row::Row;
pub use server::{Endpoints, RecordedRequest, RequestCounts, Simulator, SimulatorConfig};
pub use showcase::TenantChoices;
pub use tenant::{Tenant, TenantCounts, TenantSpec};
