//! The objects that a destination must have after runs of every kind: each step times each way in which it can end,
//! against a model that knows the rows of the tenant and nothing of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use core_simulator::{Answer, Fault, FaultAction, FaultPoint, Row, SavedQuery, Tenant, TenantSpec};

use super::Delivery;
use crate::kit::{Run, TENANT};

/// An entity by its Nexthink identifier, a relationship by those of both its ends.
type Object = Vec<String>;

type Objects = BTreeMap<&'static str, BTreeSet<Object>>;

const ACCOUNT: &str = "nexthink_account";

/// The types that each export makes, in the order of the steps, and the ends of relationships.
const TYPES: [(SavedQuery, &str, &[&str]); 10] = [
    (SavedQuery::Devices, "nexthink_device", &[]),
    (SavedQuery::Devices, "nexthink_account_has_device", &[ACCOUNT, "nexthink_device"]),
    (SavedQuery::Users, "nexthink_user", &[]),
    (SavedQuery::Users, "nexthink_account_has_user", &[ACCOUNT, "nexthink_user"]),
    (SavedQuery::Packages, "nexthink_package", &[]),
    (
        SavedQuery::Packages,
        "nexthink_device_installed_package",
        &["nexthink_device", "nexthink_package"],
    ),
    (SavedQuery::Alerts, "nexthink_alert", &[]),
    (SavedQuery::Alerts, "nexthink_device_has_alert", &["nexthink_device", "nexthink_alert"]),
    (SavedQuery::Alerts, "nexthink_user_has_alert", &["nexthink_user", "nexthink_alert"]),
    (SavedQuery::DeviceUsers, "nexthink_user_uses_device", &["nexthink_user", "nexthink_device"]),
];

/// The way in which a step is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Complete,
    /// Cut off in the middle.
    Truncated,
    Failed,
    /// Without a query ID.
    Skipped,
    /// Another step was asked for.
    NotSelected,
    Deferred,
    /// Complete, with so much gone that a person has to accept it.
    Shrunk,
}

/// The objects that the destination must have.
struct Model {
    held: Objects,
}

impl Model {
    fn new() -> Model {
        let account = BTreeSet::from([vec![ACCOUNT.to_owned()]]);
        Model { held: BTreeMap::from([(ACCOUNT, account)]) }
    }

    /// A run over an estate; answers the types of which nothing may be deleted. A step whose ending is
    /// neither complete nor truncated has seen nothing.
    fn run(
        &mut self,
        estate: &TenantSpec,
        ending: impl Fn(SavedQuery) -> Ending,
        is_shrinking_accepted: bool,
    ) -> BTreeSet<&'static str> {
        let mut partial = BTreeSet::new();
        for query in SavedQuery::ALL {
            let rows = match ending(query) {
                Ending::Complete | Ending::Shrunk => rows(estate, query, usize::MAX),
                Ending::Truncated => rows(estate, query, n_rows(estate, query) / 2),
                _ => Vec::new(),
            };
            let types = || TYPES.iter().filter(|(of, ..)| *of == query);
            let mut is_complete = matches!(ending(query), Ending::Complete | Ending::Shrunk);
            if is_complete && !is_shrinking_accepted {
                let seen = objects(query, &rows);
                is_complete =
                    !types().any(|(_, name, ends)| self.shrinks(query, name, ends, &seen));
            }
            let seen = objects(query, &rows);
            for (_, name, ends) in types() {
                let may_lose = is_complete && ends.iter().all(|end| !partial.contains(end));
                let mut now = seen.get(name).cloned().unwrap_or_default();
                if !may_lose {
                    partial.insert(*name);
                    now.extend(self.held.get(name).cloned().unwrap_or_default());
                }
                self.held.insert(name, now);
                self.drop_loose_ends();
            }
        }
        partial
    }

    /// Returns whether more would go than may go without being told: 20 objects and 15 %. An edge that goes
    /// with an end of another step is that step's affair.
    fn shrinks(&self, query: SavedQuery, name: &str, ends: &[&str], seen: &Objects) -> bool {
        let none = BTreeSet::new();
        let before = self.held.get(name).unwrap_or(&none);
        let seen = seen.get(name).unwrap_or(&none);
        let is_own = |end: &str| TYPES.iter().any(|(of, name, _)| *of == query && *name == end);
        let is_ours = |object: &&Object| {
            let mut ends = ends.iter().zip(object.iter());
            ends.all(|(end, id)| is_own(end) || self.has(end, id))
        };
        let gone = before.difference(seen).filter(is_ours).count();
        gone > 20 && gone * 100 > before.len() * 15
    }

    fn has(&self, name: &str, id: &str) -> bool {
        self.held.get(name).is_some_and(|held| held.contains(&vec![id.to_owned()]))
    }

    /// Edges need both ends.
    fn drop_loose_ends(&mut self) {
        for (_, name, ends) in TYPES.iter().filter(|(.., ends)| !ends.is_empty()) {
            let Some(mut edges) = self.held.remove(name) else { continue };
            edges.retain(|edge| ends.iter().zip(edge).all(|(end, id)| self.has(end, id)));
            self.held.insert(name, edges);
        }
    }
}

fn n_rows(estate: &TenantSpec, query: SavedQuery) -> usize {
    rows(estate, query, usize::MAX).len()
}

/// The first rows of an export.
fn rows(estate: &TenantSpec, query: SavedQuery, limit: usize) -> Vec<Row> {
    let tenant = Tenant::new(estate.clone());
    let row_at = |slot| {
        let mut row = Row::new();
        let is_there = tenant.row(query, slot, &mut row);
        is_there.then_some(row)
    };
    (0..tenant.slots(query)).filter_map(row_at).take(limit).collect()
}

/// The objects that the rows of an export are about.
fn objects(query: SavedQuery, rows: &[Row]) -> Objects {
    let mut objects = Objects::new();
    let mut add = |name, ids: &[&str]| {
        if ids.iter().all(|id| !id.is_empty()) {
            let object = ids.iter().map(|id| (*id).to_owned()).collect();
            objects.entry(name).or_default().insert(object);
        }
    };
    for row in rows {
        let cell = |column: &str| {
            let place = query.columns().iter().position(|name| *name == column);
            place.and_then(|place| row.cells().nth(place)).unwrap_or("")
        };
        match query {
            SavedQuery::Devices => {
                add("nexthink_device", &[cell("device.uid")]);
                add("nexthink_account_has_device", &[ACCOUNT, cell("device.uid")]);
            }
            SavedQuery::Users => {
                add("nexthink_user", &[cell("user.uid")]);
                add("nexthink_account_has_user", &[ACCOUNT, cell("user.uid")]);
            }
            SavedQuery::Packages => {
                let edge = [cell("device.uid"), cell("package.uid")];
                add("nexthink_package", &edge[1..]);
                add("nexthink_device_installed_package", &edge);
            }
            // Its events are no part of a generation.
            SavedQuery::AuditLogs => {}
            SavedQuery::Alerts => {
                let alert = cell("alert.uid");
                add("nexthink_alert", &[alert]);
                add("nexthink_device_has_alert", &[cell("device.uid"), alert]);
                add("nexthink_user_has_alert", &[cell("user.uid"), alert]);
            }
            SavedQuery::DeviceUsers => {
                add("nexthink_user_uses_device", &[cell("user.uid"), cell("device.uid")]);
            }
        }
    }
    objects
}

/// Returns the objects of the destination, by the identifiers of Nexthink.
fn held(delivery: &Delivery) -> Objects {
    let graph = delivery.held();
    let id = |key: &str| {
        let (type_name, id) = &graph.entities[key];
        if type_name == ACCOUNT { ACCOUNT.to_owned() } else { id.clone() }
    };
    let known = |name: &str| {
        let all = TYPES.iter().map(|(_, name, _)| *name).chain([ACCOUNT]);
        all.into_iter().find(|known| *known == name)
    };
    let mut objects = Objects::new();
    for (key, (type_name, _)) in &graph.entities {
        if let Some(name) = known(type_name) {
            assert!(objects.entry(name).or_default().insert(vec![id(key)]), "{key} is there twice");
        }
    }
    for (type_name, ends) in &graph.relationships {
        if let Some(name) = known(type_name) {
            let edge = ends.each_ref().map(|end| id(end)).to_vec();
            assert!(objects.entry(name).or_default().insert(edge), "{ends:?} is there twice");
        }
    }
    objects
}

fn assert_held(delivery: &Delivery, model: &Model, when: &str) {
    let held = held(delivery);
    let names: BTreeSet<_> = held.keys().chain(model.held.keys()).collect();
    let none = BTreeSet::new();
    for name in names {
        let [has, must] = [&held, &model.held].map(|held| held.get(*name).unwrap_or(&none));
        let lost: Vec<_> = must.difference(has).collect();
        let left: Vec<_> = has.difference(must).collect();
        assert!(lost.is_empty() && left.is_empty(), "{when}: {name} lost {lost:?}, left {left:?}");
    }
}

/// The estate before: of everything a little goes later on, so little that no guard asks.
fn before() -> TenantSpec {
    TenantSpec {
        devices: 32,
        users: 32,
        packages_per_device: 10,
        alerts: 32,
        ..TenantSpec::default()
    }
}

/// The estate afterwards. A few rows are about unknown devices, so there is something new too.
fn after(shrinks: Option<SavedQuery>) -> TenantSpec {
    let mut estate = TenantSpec {
        devices: 30,
        users: 29,
        alerts: 28,
        retired_packages: 1,
        idle_devices: 2,
        dangling_rows: 2,
        ..before()
    };
    match shrinks {
        Some(SavedQuery::Devices) => estate.devices = 8,
        Some(SavedQuery::Users) => estate.users = 4,
        Some(SavedQuery::Packages) => estate.retired_packages = 12,
        Some(SavedQuery::Alerts) => estate.alerts = 4,
        Some(SavedQuery::DeviceUsers) => estate.idle_devices = 26,
        Some(SavedQuery::AuditLogs) | None => {}
    }
    estate
}

fn step_of(query: SavedQuery) -> &'static str {
    match query {
        SavedQuery::Devices => "fetch-devices",
        SavedQuery::Users => "fetch-users",
        SavedQuery::Packages => "fetch-packages",
        SavedQuery::Alerts => "fetch-alerts",
        SavedQuery::DeviceUsers => "fetch-device-users",
        SavedQuery::AuditLogs => "fetch-audit",
    }
}

/// Configures every query, extras too, but for one that is skipped.
fn configure(delivery: &Delivery, skipped: Option<SavedQuery>) {
    delivery.configure_with(|configuration| {
        SavedQuery::ALL.into_iter().fold(configuration, |configuration, query| {
            let field = query.id().trim_start_matches("#j1_");
            let id = if Some(query) == skipped { "" } else { query.id() };
            configuration.text(&format!("queries.{field}"), id)
        })
    });
}

/// Makes one step end like this in the next run, and runs.
fn run_with(delivery: &Delivery, query: SavedQuery, ending: Ending) -> Run {
    let estate = after((ending == Ending::Shrunk).then_some(query));
    let cap = n_rows(&estate, query) / 2;
    delivery.scene.update(|behaviour| {
        behaviour.tenant = estate;
        match ending {
            Ending::Truncated => _ = behaviour.row_caps.insert(query, cap as u64),
            Ending::Failed => _ = behaviour.failing.insert(query, "out of memory".to_owned()),
            Ending::Deferred => {
                let mut answer = Answer::from_status(429);
                answer.headers.insert("retry-after".to_owned(), "3600".to_owned());
                let fault = Fault::new(FaultPoint::Start, FaultAction::Answer(answer));
                // The others have started by then.
                let delay = Duration::from_secs(1);
                behaviour.faults =
                    vec![Fault { query: Some(query.id().to_owned()), delay, ..fault }];
            }
            _ => {}
        }
    });
    configure(delivery, (ending == Ending::Skipped).then_some(query));
    if ending != Ending::NotSelected {
        return delivery.scene.run(&[]);
    }
    let others = SavedQuery::ALL.into_iter().filter(|other| *other != query);
    let selected: Vec<&str> = others.flat_map(|other| ["--step", step_of(other)]).collect();
    delivery.scene.run(&selected)
}

/// Runs once in full, once with one step ending like this, and once in full again.
fn assert_truth(query: SavedQuery, ending: Ending) {
    let case = format!("{query:?} {ending:?}");
    let delivery = Delivery::of(before());
    configure(&delivery, None);
    let mut model = Model::new();
    delivery.scene.run_completely();
    model.run(&before(), |_| Ending::Complete, false);
    assert_held(&delivery, &model, &format!("{case}, first"));

    let run = run_with(&delivery, query, ending);
    let is_whole = matches!(ending, Ending::Complete | Ending::Skipped | Ending::NotSelected);
    assert_eq!(run.ended.exit, Some(if is_whole { 0 } else { 7 }), "{case}: {}", run.ended.stderr);
    let outcome = match ending {
        Ending::Complete => "complete",
        Ending::Truncated | Ending::Shrunk => "partial",
        Ending::Failed => "failed",
        Ending::Skipped | Ending::NotSelected => "skipped",
        Ending::Deferred => "deferred",
    };
    assert_eq!(run.step(step_of(query))["outcome"], outcome, "{case}");
    let endings = |other: SavedQuery| {
        // When Nexthink throttles one export, others may have to wait too.
        let is_deferred = run.step(step_of(other))["outcome"] == "deferred";
        if other == query || is_deferred { ending } else { Ending::Complete }
    };
    let estate = after((ending == Ending::Shrunk).then_some(query));
    let partial = model.run(&estate, endings, false);
    assert_held(&delivery, &model, &case);
    let declared = delivery.partial_types();
    let declared: BTreeSet<_> = declared.iter().map(String::as_str).collect();
    assert_eq!(declared, partial, "{case}");

    let kept = model.held.clone();
    configure(&delivery, None);
    delivery.scene.update(|behaviour| {
        behaviour.row_caps.clear();
        behaviour.failing.clear();
        behaviour.faults.clear();
    });
    if ending == Ending::Deferred {
        let note = delivery.scene.path("store").join(TENANT).join("quota.json");
        std::fs::remove_file(note).expect("the wait is kept there");
    }
    let names = TYPES.iter().flat_map(|(_, name, _)| ["--accept-shrink", name]);
    let mended = delivery.scene.run(&names.collect::<Vec<_>>());
    assert_eq!(mended.ended.exit, Some(0), "{case}: {}", mended.ended.stderr);
    model.run(&estate, |_| Ending::Complete, true);
    assert_held(&delivery, &model, &format!("{case}, mended"));
    for (_, name, _) in TYPES.iter().filter(|(of, name, _)| *of == query && partial.contains(name))
    {
        let gone = kept[name].difference(&model.held[name]).count();
        assert!(gone > 0, "{case}: nothing of {name} could have been lost");
    }
}

fn assert_truth_of_every_step(ending: Ending) {
    for query in SavedQuery::ALL {
        assert_truth(query, ending);
    }
}

#[test]
fn complete_steps_delete_what_is_gone() {
    assert_truth(SavedQuery::Devices, Ending::Complete);
}

#[test]
fn a_step_that_was_cut_off_deletes_nothing() {
    assert_truth_of_every_step(Ending::Truncated);
}

#[test]
fn a_step_that_failed_deletes_nothing() {
    assert_truth_of_every_step(Ending::Failed);
}

#[test]
fn a_step_without_a_query_deletes_nothing() {
    assert_truth_of_every_step(Ending::Skipped);
}

#[test]
fn a_step_that_was_not_asked_for_deletes_nothing() {
    assert_truth_of_every_step(Ending::NotSelected);
}

#[test]
fn a_step_that_was_deferred_deletes_nothing() {
    assert_truth_of_every_step(Ending::Deferred);
}

#[test]
fn a_step_that_shrank_deletes_nothing_until_that_is_accepted() {
    assert_truth_of_every_step(Ending::Shrunk);
}
