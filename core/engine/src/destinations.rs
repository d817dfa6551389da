//! The destinations that a tenant can have, by name: previews of deliveries, and deliveries. Everything about one
//! destination is behind [`Destination`] and its messages.

use core_destination::{DeliveryReport, DeliveryRequest, DeliveryResult, Destination, mirror};
use core_store::{Generation, TenantStore};
use serde_json::{Value, json};

use crate::cancellation::Cancellation;
use crate::deliver::{deliver_published, ending};
use crate::engine::Engine;
use crate::failure::{Ending, Failure};
use crate::progress::Progress;
use crate::settings::{Delta, JupiterOne, Neo4j, Postgres, Settings};
use crate::{jupiterone, mirrors};

/// A kind of destination. A tenant has at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationKind {
    /// JupiterOne.
    JupiterOne,
    /// A Postgres database.
    Postgres,
    /// A folder of Delta tables.
    Delta,
    /// A Neo4j database.
    Neo4j,
}

/// A decision about a delivery, for people and for programs.
#[derive(Debug)]
pub struct Preview {
    /// The decision as an object.
    pub object: Value,
    /// A table of the changes, for a terminal of the requested width.
    pub table: String,
    /// Further remarks, a line each.
    pub remarks: Vec<String>,
}

/// A delivery that has ended, for people and for programs.
#[derive(Debug)]
pub struct Delivered {
    /// The ending.
    pub ending: Ending,
    /// The result as an object.
    pub object: Value,
    /// Sentences about it, a line each.
    pub remarks: Vec<String>,
}

impl DestinationKind {
    /// The mirrors, in the order in which a run delivers to them.
    pub const MIRRORS: [Self; 3] = [Self::Postgres, Self::Delta, Self::Neo4j];

    /// Returns the name in settings and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::JupiterOne => mirrors::JUPITERONE,
            Self::Postgres => mirrors::POSTGRES,
            Self::Delta => mirrors::DELTA,
            Self::Neo4j => mirrors::NEO4J,
        }
    }

    /// Returns true if every run delivers to the destination.
    pub fn is_after_run(self, settings: &Settings) -> bool {
        match self {
            Self::JupiterOne => settings.jupiterone.as_ref().is_some_and(|to| to.after_run),
            Self::Postgres => settings.postgres.as_ref().is_some_and(|to| to.after_run),
            Self::Delta => settings.delta.as_ref().is_some_and(|to| to.after_run),
            Self::Neo4j => settings.neo4j.as_ref().is_some_and(|to| to.after_run),
        }
    }

    /// Checks that a destination is configured, and that it is that of the last delivery, unless the request accepts
    /// another one.
    ///
    /// # Errors
    ///
    /// One of these is not so, or the state of the last delivery cannot be read.
    pub fn check(
        self,
        engine: Engine<'_>,
        tenant: &TenantStore,
        request: &DeliveryRequest,
    ) -> Result<(), Failure> {
        match self {
            Self::JupiterOne => {
                let rules = jupiterone::rules(engine, jupiterone(engine.settings)?);
                rules.check(tenant, request)?;
            }
            Self::Postgres | Self::Delta | Self::Neo4j => {
                self.mirror_rules(engine)?.check(tenant, request)?;
            }
        }
        Ok(())
    }

    /// Returns the changes that the delivery of a generation would make now, without a request to the destination.
    /// `columns` is the width of the terminal.
    ///
    /// # Errors
    ///
    /// The destination is not configured, a generation or the state of the last delivery cannot be read, or a type to
    /// purge does not exist.
    pub fn preview(
        self,
        engine: Engine<'_>,
        tenant: &TenantStore,
        generation: Generation,
        request: &DeliveryRequest,
        columns: Option<usize>,
    ) -> Result<Preview, Failure> {
        Ok(match self {
            Self::JupiterOne => {
                use core_jupiterone::messages;
                let rules = jupiterone::rules(engine, jupiterone(engine.settings)?);
                let decision = rules.plan(tenant, generation, request)?;
                Preview {
                    object: messages::decision_json(&decision),
                    table: messages::decision_table(&decision, columns),
                    remarks: messages::decision_remarks(&decision),
                }
            }
            Self::Postgres | Self::Delta | Self::Neo4j => {
                use mirror::messages;
                let decision = self.mirror_rules(engine)?.plan(tenant, generation, request)?;
                Preview {
                    object: messages::decision_json(&decision),
                    table: messages::decision_table(&decision, columns),
                    remarks: messages::decision_remarks(&decision),
                }
            }
        })
    }

    /// Delivers the published generation. With `is_quiet`, only problems are reported.
    ///
    /// # Errors
    ///
    /// The destination is not configured, nothing is published, another delivery is running, or the destination
    /// failed.
    pub async fn deliver(
        self,
        engine: Engine<'_>,
        request: &DeliveryRequest,
        is_quiet: bool,
        progress: &Progress,
        cancellation: &Cancellation,
    ) -> Result<Delivered, Failure> {
        let delivery = Delivery { engine, request, progress, cancellation };
        match self {
            Self::JupiterOne => {
                let to = jupiterone::destination(engine, jupiterone(engine.settings)?)?;
                delivery.to(&to, |ended| core_jupiterone::messages::delivery(ended, is_quiet)).await
            }
            Self::Postgres => {
                let to = mirrors::postgres(engine, postgres(engine.settings)?)?;
                let tell = |ended: &_| mirror::messages::delivery(self.name(), ended, is_quiet);
                delivery.to(&to, tell).await
            }
            Self::Delta => {
                let to = mirrors::delta(engine, delta(engine.settings)?);
                let tell = |ended: &_| mirror::messages::delivery(self.name(), ended, is_quiet);
                delivery.to(&to, tell).await
            }
            Self::Neo4j => {
                let to = mirrors::neo4j(engine, neo4j(engine.settings)?)?;
                let tell = |ended: &_| mirror::messages::delivery(self.name(), ended, is_quiet);
                delivery.to(&to, tell).await
            }
        }
    }

    /// The rules of deliveries to a mirror.
    fn mirror_rules(self, engine: Engine<'_>) -> Result<mirror::MirrorRules, Failure> {
        let place = match self {
            Self::Delta => delta(engine.settings)?.settings.place(),
            Self::Neo4j => neo4j(engine.settings)?.settings.place(),
            _ => postgres(engine.settings)?.settings.place(),
        };
        Ok(mirrors::rules(engine, self.name(), place))
    }
}

/// The common parts of a delivery to any destination.
#[derive(Clone, Copy)]
struct Delivery<'a> {
    engine: Engine<'a>,
    request: &'a DeliveryRequest,
    progress: &'a Progress,
    cancellation: &'a Cancellation,
}

impl Delivery<'_> {
    async fn to<D: Destination>(
        self,
        destination: &D,
        tell: impl FnOnce(&DeliveryResult<D::Report>) -> Vec<String>,
    ) -> Result<Delivered, Failure>
    where
        D::Report: DeliveryReport,
    {
        let Self { engine, request, progress, cancellation } = self;
        let ended = deliver_published(engine, destination, request, progress, cancellation).await?;
        Ok(Delivered { ending: ending(&ended), object: json!(ended), remarks: tell(&ended) })
    }
}

fn jupiterone(settings: &Settings) -> Result<&JupiterOne, Failure> {
    settings.jupiterone.as_ref().ok_or_else(|| {
        Failure::configuration(
            "there is no destination: add `[destinations.jupiterone]` with `account` and `api_key` to \
             the configuration",
        )
    })
}

fn postgres(settings: &Settings) -> Result<&Postgres, Failure> {
    settings.postgres.as_ref().ok_or_else(|| {
        Failure::configuration(
            "there is no such destination: add `[destinations.postgres]` with `host`, `database` and `user` to the \
             configuration",
        )
    })
}

fn delta(settings: &Settings) -> Result<&Delta, Failure> {
    settings.delta.as_ref().ok_or_else(|| {
        Failure::configuration(
            "there is no such destination: add `[destinations.delta]` with `folder` to the configuration",
        )
    })
}

fn neo4j(settings: &Settings) -> Result<&Neo4j, Failure> {
    settings.neo4j.as_ref().ok_or_else(|| {
        Failure::configuration(
            "there is no such destination: add `[destinations.neo4j]` with `host`, `user` and `password` to the \
             configuration",
        )
    })
}
