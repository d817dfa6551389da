//! The order in which steps run, and the reasons to skip some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graphmap::DiGraphMap;

use crate::step::Step;

/// The steps of a run in an order that respects their dependencies.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<PlannedStep>,
    graph: DiGraphMap<&'static str, ()>,
}

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// The step.
    pub step: &'static Step,
    /// The length of the longest chain of steps that must be applied before this one. Steps of one
    /// wave do not wait for each other.
    pub wave: usize,
    /// The decision to run or skip the step.
    pub decision: Decision,
}

/// The decision to run or skip a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Run. A step runs even if one of its dependencies is skipped: it then draws its edges to the
    /// entities of earlier generations.
    Run,
    /// Skip.
    Skip(SkipReason),
}

/// The reason why a step does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// The configuration names no query for it.
    NoQueryId {
        /// The field that would hold the query ID.
        config_field: &'static str,
    },
    /// It is an extra, and the configuration names no query for it.
    Off {
        /// The field that would hold the query ID.
        config_field: &'static str,
    },
    /// The configuration has no table of this name.
    NoTable {
        /// The table.
        table: &'static str,
    },
    /// The command named other steps.
    NotSelected,
    /// No step of the run fetches data that belongs to it.
    NothingFetched,
}

/// The reason why the linked steps do not form a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Two steps have the same ID.
    DuplicateStep {
        /// The ID.
        id: &'static str,
    },
    /// A step depends on one that is not linked into the program.
    MissingStep {
        /// The step that waits.
        id: &'static str,
        /// The step that it waits for.
        dependency: &'static str,
    },
    /// Two steps make one type, so that neither alone can prove that an object is gone.
    TypeMadeTwice {
        /// The type.
        type_name: &'static str,
    },
    /// A step depends on itself through others.
    Cycle {
        /// A step of the cycle.
        id: &'static str,
    },
}

impl Plan {
    /// Orders the steps and decides on each.
    ///
    /// # Errors
    ///
    /// The steps do not form an acyclic graph of distinct, linked steps: a defect of the program,
    /// not of its configuration.
    pub fn new(
        steps: &[&'static Step],
        mut decide: impl FnMut(&'static Step) -> Decision,
    ) -> Result<Self, PlanError> {
        let graph = dependency_graph(steps)?;
        let order =
            toposort(&graph, None).map_err(|cycle| PlanError::Cycle { id: cycle.node_id() })?;
        let mut waves: BTreeMap<&str, usize> = BTreeMap::new();
        for id in order {
            let before = graph.neighbors_directed(id, Direction::Incoming);
            let wave = before.map(|dependency| waves[dependency] + 1).max().unwrap_or(0);
            waves.insert(id, wave);
        }
        let mut planned: Vec<PlannedStep> = steps
            .iter()
            .map(|step| PlannedStep { step, wave: waves[step.id], decision: decide(step) })
            .collect();
        // A topological order, since a step is always in a later wave than its dependencies.
        planned
            .sort_by_key(|planned| (planned.wave, planned.step.depends_on.len(), planned.step.id));
        Ok(Self { steps: planned, graph })
    }

    /// The steps in run order: by wave, then by number of dependencies, then by ID.
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// The dependency graph: an edge from each step to the steps that wait for it.
    pub fn graph(&self) -> &DiGraphMap<&'static str, ()> {
        &self.graph
    }
}

impl PlannedStep {
    /// Returns true if the step runs.
    pub fn runs(&self) -> bool {
        self.decision == Decision::Run
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueryId { config_field } => {
                write!(formatter, "no query ID in `queries.{config_field}`")
            }
            Self::Off { config_field } => {
                write!(formatter, "off, until `queries.{config_field}` has a query ID")
            }
            Self::NoTable { table } => write!(formatter, "off, until `[{table}]` is configured"),
            Self::NotSelected => formatter.write_str("not among the steps asked for"),
            Self::NothingFetched => formatter.write_str("no step fetches a part of a generation"),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateStep { id } => write!(formatter, "two steps are called `{id}`"),
            Self::MissingStep { id, dependency } => {
                write!(formatter, "step `{id}` waits for `{dependency}`, which is not linked in")
            }
            Self::TypeMadeTwice { type_name } => write!(formatter, "two steps make `{type_name}`"),
            Self::Cycle { id } => write!(formatter, "step `{id}` waits for itself through others"),
        }
    }
}

impl std::error::Error for PlanError {}

fn dependency_graph(steps: &[&'static Step]) -> Result<DiGraphMap<&'static str, ()>, PlanError> {
    let mut ids = BTreeSet::new();
    let mut types = BTreeSet::new();
    for step in steps {
        if !ids.insert(step.id) {
            return Err(PlanError::DuplicateStep { id: step.id });
        }
        for type_name in step.type_names() {
            if !types.insert(type_name) {
                return Err(PlanError::TypeMadeTwice { type_name });
            }
        }
    }
    let mut graph = DiGraphMap::new();
    for step in steps {
        graph.add_node(step.id);
        for dependency in step.depends_on {
            if !ids.contains(dependency.id) {
                return Err(PlanError::MissingStep { id: step.id, dependency: dependency.id });
            }
            graph.add_edge(dependency.id, step.id, ());
        }
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Source;

    const fn step(id: &'static str, depends_on: &'static [&'static Step]) -> Step {
        Step {
            id,
            name: id,
            depends_on,
            source: Source::Configuration,
            entities: &[],
            relationships: &[],
        }
    }

    static ACCOUNT: Step = step("account", &[]);
    static ZEBRAS: Step = step("zebras", &[&ACCOUNT]);
    static ANTS: Step = step("ants", &[&ZEBRAS]);
    static THIS: Step = step("this", &[&THAT]);
    static THAT: Step = step("that", &[&THIS]);

    fn ids(plan: &Plan) -> Vec<(&'static str, usize)> {
        plan.steps().iter().map(|planned| (planned.step.id, planned.wave)).collect()
    }

    #[test]
    fn a_step_comes_after_its_dependencies_whatever_its_name() {
        let plan = Plan::new(&[&ANTS, &ZEBRAS, &ACCOUNT], |_| Decision::Run).expect("acyclic");
        assert_eq!(ids(&plan), [("account", 0), ("zebras", 1), ("ants", 2)]);
    }

    #[test]
    fn a_skipped_step_does_not_skip_those_that_wait_for_it() {
        let skip = Decision::Skip(SkipReason::NotSelected);
        let decide = |step: &Step| if step.id == "zebras" { skip.clone() } else { Decision::Run };
        let plan = Plan::new(&[&ANTS, &ZEBRAS, &ACCOUNT], decide).expect("acyclic");
        let run: Vec<_> = plan
            .steps()
            .iter()
            .filter(|planned| planned.runs())
            .map(|planned| planned.step.id)
            .collect();
        assert_eq!(run, ["account", "ants"]);
    }

    #[test]
    fn steps_that_form_no_plan_are_rejected_by_name() {
        let rejected = |steps: &[&'static Step]| {
            Plan::new(steps, |_| Decision::Run).map(|plan| ids(&plan)).expect_err("no plan")
        };
        assert_eq!(
            rejected(&[&ZEBRAS]),
            PlanError::MissingStep { id: "zebras", dependency: "account" }
        );
        assert_eq!(rejected(&[&ACCOUNT, &ACCOUNT]), PlanError::DuplicateStep { id: "account" });
        assert!(matches!(rejected(&[&THIS, &THAT]), PlanError::Cycle { .. }));
    }
}
