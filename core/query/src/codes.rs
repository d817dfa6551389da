//! Work on the codes of dictionary-coded columns instead of on their texts.
//!
//! The keys of relationships are stored as codes of a dictionary, one for each row group of up to a million rows. The
//! engine turns each row's code into its text before it groups or joins, which is most of the time of a query over
//! millions of relationships. The plans of this module look up each text once for each dictionary that it is in, and
//! then work on numbers.
//!
//! A rule of the optimizer puts them in the place of the engine's own plans where these do the same. Everything else
//! stays as it is.

mod aggregate;
mod before_join;
mod cache;
mod distinct;
mod groups;
mod semi_join;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::HashJoinExec;

use self::aggregate::CodeAggregateExec;

/// Adds the rule after those that distribute work over partitions, and before those that merge two plans into one.
pub(crate) fn add_rule(rules: &mut Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) {
    let place = rules.iter().position(|rule| rule.name() == "CombinePartialFinalAggregate");
    rules.insert(place.unwrap_or(rules.len()), Arc::new(WorkOnCodes));
}

/// The optimizer's rule.
#[derive(Debug)]
struct WorkOnCodes;

impl PhysicalOptimizerRule for WorkOnCodes {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let transformed = plan.transform_up(|plan| {
            let ours = if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
                match CodeAggregateExec::in_place_of(aggregate) {
                    Some(ours) => Some(Arc::new(ours) as Arc<dyn ExecutionPlan>),
                    None => before_join::in_place_of(aggregate)?,
                }
            } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
                match semi_join::in_place_of(join)? {
                    Some(ours) => Some(ours),
                    None => distinct::in_place_of(join)?,
                }
            } else {
                None
            };
            Ok(ours.map_or_else(|| Transformed::no(plan), Transformed::yes))
        });
        Ok(transformed?.data)
    }

    fn name(&self) -> &'static str {
        "work_on_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
