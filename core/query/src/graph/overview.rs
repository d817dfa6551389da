//! One entity with all that is known of it at a glance.

use std::cmp::Reverse;

use core_store::Generation;
use serde::Serialize;
use serde_json::Value;

use super::GraphReader;
use super::answers::{Entity, Neighbor, NeighborGroup};
use super::changes::EntityHistory;
use crate::error::QueryError;

/// The class of the neighbors that are listed with their properties.
const ALERT_CLASS: &str = "Alert";
/// The alerts that are listed.
const SHOWN_ALERTS: usize = 10;
/// The alerts that are read to find the open ones among them.
const READ_ALERTS: usize = 1_000;

/// An entity, its neighbors by type, its alerts and its history.
#[derive(Debug, Serialize)]
pub struct EntityOverview {
    /// The entity.
    pub entity: Entity,
    /// The number of neighbors of each kind.
    pub neighbors: Vec<NeighborGroup>,
    /// The alerts.
    pub alerts: Alerts,
    /// The history in the kept generations.
    pub history: EntityHistory,
}

/// The alerts of an entity, the open and newest first.
#[derive(Debug, Default, Serialize)]
pub struct Alerts {
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub shown: Vec<Entity>,
}

impl GraphReader<'_> {
    /// Looks at an entity from all sides. `kept` are the generations of its history, the oldest first.
    ///
    /// # Errors
    ///
    /// The tables cannot be read.
    pub async fn overview(
        self,
        entity: Entity,
        kept: &[Generation],
    ) -> Result<EntityOverview, QueryError> {
        let (key, type_name) = (&entity.reference.key, &entity.reference.type_name);
        let neighbors = self.neighbor_groups(key).await?;
        let alerts = self.alerts(key, &neighbors).await?;
        let history = self.history(type_name, key, kept).await?;
        Ok(EntityOverview { entity, neighbors, alerts, history })
    }

    /// The alerts that an entity is related to.
    async fn alerts(self, key: &str, groups: &[NeighborGroup]) -> Result<Alerts, QueryError> {
        let mut alerts = Alerts::default();
        let tables = &self.session.graph().entities;
        for group in groups {
            let is_alert = tables.iter().any(|table| {
                table.name == group.other_type
                    && table.classes.iter().any(|class| class == ALERT_CLASS)
            });
            if !is_alert {
                continue;
            }
            let page =
                self.neighbors(key, &group.relationship, group.direction, 0, READ_ALERTS).await?;
            alerts.count += page.count;
            let keys: Vec<String> =
                page.neighbors.into_iter().map(|Neighbor { entity, .. }| entity.key).collect();
            alerts.shown.extend(self.entities(&group.other_type, &keys).await?);
        }
        let order = |alert: &Entity| {
            let is_open = alert.properties.get("open").and_then(Value::as_bool);
            let created = alert.properties.get("createdOn").map(ToString::to_string);
            (is_open, created)
        };
        alerts.shown.sort_by_cached_key(|alert| Reverse(order(alert)));
        alerts.shown.truncate(SHOWN_ALERTS);
        Ok(alerts)
    }
}
