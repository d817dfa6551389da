//! Deliveries to a mirror: when there is one, which rows it removes, and what is remembered of it.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use core_destination::mirror::messages::{decision_json, decision_remarks, decision_table};
use core_destination::mirror::{
    Mirror, MirrorDecision, MirrorRecord, MirrorReport, MirrorRules, MirrorScope, MirroredType,
    compared_with, last_place,
};
use core_destination::{
    DeliveryError, DeliveryRequest, DeliveryResult, Destination as _, ERASED_NOT_COUNTED,
    TypeChanges,
};
use core_store::{
    DeliveryLock, Draft, Generation, Location, Outcome, Staging, Store, StoreError, Table,
    TableDeclaration, TableKind, TenantStore,
};
use serde_json::{Value, json};
use tempfile::TempDir;

type Checked = Result<(), Box<dyn Error>>;

const FIRST: &str = "01JN7Z1M80000000000000000A";
const SECOND: &str = "01JN9Y1M80000000000000000B";
const NAME: &str = "mirror";
const DEVICE: &str = "device";
const USER: &str = "user";
const OWNS: &str = "user_owns_device";

/// The devices and users of a generation, its edges, and its partial types.
#[derive(Clone, Default)]
struct Estate {
    devices: Vec<&'static str>,
    users: Vec<&'static str>,
    owns: Vec<(&'static str, &'static str)>,
    partial: Vec<&'static str>,
    has_no_edges: bool,
}

fn estate() -> Estate {
    Estate {
        devices: vec!["a", "b"],
        users: vec!["u", "v"],
        owns: vec![("u", "a"), ("v", "b")],
        ..Estate::default()
    }
}

struct Place {
    tenant: TenantStore,
    _folder: TempDir,
}

impl Place {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = TempDir::new()?;
        let store = Store::open(Location::Folder(folder.path().join("store")))?;
        Ok(Self { tenant: store.tenant("acme")?, _folder: folder })
    }

    fn publish(&self, id: &str, estate: &Estate) -> Result<Generation, Box<dyn Error>> {
        let staging = self.tenant.lock("a test")?.stage(id.parse()?)?;
        let [from, to] =
            [0, 1].map(|end| estate.owns.iter().map(move |edge| [edge.0, edge.1][end]));
        let edges = [("_fromEntityKey", from.collect()), ("_toEntityKey", to.collect())];
        let ends = Some((USER.to_owned(), DEVICE.to_owned()));
        let mut tables = vec![
            write(&staging, DEVICE, None, &[("_key", estate.devices.clone())])?,
            write(&staging, USER, None, &[("_key", estate.users.clone())])?,
        ];
        if !estate.has_no_edges {
            tables.push(write(&staging, OWNS, ends, &edges)?);
        }
        for table in &mut tables {
            table.partial = estate.partial.contains(&table.name.as_str());
        }
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables,
        };
        Ok(staging.publish(draft, &[])?)
    }

    /// Decides about the delivery of what is published.
    fn plan(&self, request: &DeliveryRequest) -> Result<MirrorDecision, DeliveryError> {
        let generation = self.tenant.current()?.expect("it is published");
        rules("here").plan(&self.tenant, generation, request)
    }

    /// Delivers what is published, as a mirror that does all that was decided.
    fn deliver(&self, request: &DeliveryRequest) -> Result<MirrorDecision, DeliveryError> {
        let decision = self.plan(request)?;
        let types = decision.scope.types();
        self.remember(&MirrorRecord::end("here", &decision.scope, types))?;
        Ok(decision)
    }

    fn remember(&self, record: &MirrorRecord) -> Result<(), DeliveryError> {
        record.write(&self.tenant.lock_delivery(NAME, "a test")?, NAME)
    }
}

fn write(
    staging: &Staging,
    name: &str,
    ends: Option<(String, String)>,
    columns: &[(&'static str, Vec<&'static str>)],
) -> Result<Table, StoreError> {
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|(_, cells)| Arc::new(StringArray::from(cells.clone())) as ArrayRef)
        .collect();
    let fields = columns.iter().zip(&arrays);
    let fields =
        fields.map(|((name, _), array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = staging.table(TableDeclaration {
        kind: if ends.is_some() { TableKind::Relationship } else { TableKind::Entity },
        name: name.to_owned(),
        class: vec!["Record".to_owned()],
        ends,
        schema: Arc::clone(&schema),
        personal_columns: Vec::new(),
    })?;
    writer.write(&RecordBatch::try_new(schema, arrays).expect("the columns are as long"))?;
    writer.finish()
}

fn rules(place: &str) -> MirrorRules {
    MirrorRules {
        name: NAME,
        place: place.to_owned(),
        // The step of devices was not to run.
        skipped_types: |_| BTreeSet::from([DEVICE.to_owned()]),
        may_be_erased: |name| name == USER,
        personal_columns: |_| Vec::new(),
        program: "nexthink-graph".to_owned(),
    }
}

fn purge(name: &str) -> DeliveryRequest {
    DeliveryRequest { purge: vec![name.to_owned()], ..DeliveryRequest::default() }
}

fn of<'a>(decision: &'a MirrorDecision, name: &str) -> &'a TypeChanges {
    let mut types = decision.plan.types.iter();
    types.find(|changes| changes.type_name == name).expect("a known type")
}

/// Creates, deletes, kept and unchanged of a type.
fn counts(decision: &MirrorDecision, name: &str) -> [u64; 4] {
    let TypeChanges { creates, deletes, kept, unchanged, .. } = of(decision, name);
    [*creates, *deletes, *kept, *unchanged]
}

#[test]
fn there_is_a_delivery_for_the_first_reason_that_applies_and_none_without_any() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    let reason =
        |request: &DeliveryRequest| Ok::<_, DeliveryError>(place.plan(request)?.scope.reason);
    assert_eq!(reason(&request)?, Some("it is the first delivery to this destination"));
    place.deliver(&request)?;
    assert_eq!(reason(&request)?, None);
    let full = DeliveryRequest { full: true, ..request.clone() };
    assert_eq!(reason(&full)?, Some("it was asked for with --full"));
    assert_eq!(reason(&purge(USER))?, Some("the graph has changed"));

    let fewer = Estate { users: vec!["u"], owns: vec![("u", "a")], ..estate() };
    place.publish(SECOND, &fewer)?;
    assert_eq!(reason(&full)?, Some("the graph has changed"));
    let record = MirrorRecord::read(&place.tenant, NAME)?.ok_or("it was delivered")?;
    place.remember(&MirrorRecord { whole: false, ..record.clone() })?;
    assert_eq!(reason(&request)?, Some("the last delivery is not known to be complete"));
    // Of another place nothing is known.
    place.remember(&MirrorRecord { place: "there".to_owned(), ..record })?;
    assert_eq!(reason(&request)?, Some("it is the first delivery to this destination"));
    Ok(())
}

#[test]
fn a_complete_type_loses_rows_and_a_partial_one_keeps_them() -> Checked {
    let fewer = Estate { users: vec!["u"], owns: vec![("u", "a")], ..estate() };
    for (partial, users, owns) in [
        (vec![], [0, 1, 0, 1], [0, 1, 0, 1]),
        // What a relationship type has lost, has lost an end.
        (vec![USER], [0, 0, 1, 1], [0, 1, 0, 1]),
    ] {
        let (place, request) = (Place::new()?, DeliveryRequest::default());
        place.publish(FIRST, &estate())?;
        let first = place.deliver(&request)?;
        assert_eq!(counts(&first, USER), [2, 0, 0, 0]);
        place.publish(SECOND, &Estate { partial: partial.clone(), ..fewer.clone() })?;
        let second = place.plan(&request)?;
        assert_eq!(counts(&second, USER), users, "{partial:?}");
        assert_eq!(counts(&second, OWNS), owns, "{partial:?}");
        assert_eq!(counts(&second, DEVICE), [0, 0, 0, 2], "{partial:?}");
        assert_eq!(second.scope.is_partial(OWNS), !partial.is_empty());
    }
    Ok(())
}

#[test]
fn a_type_that_was_partial_and_is_complete_now_is_told() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &Estate { partial: vec![USER], ..estate() })?;
    let first = place.deliver(&request)?;
    assert_eq!(first.scope.partial_datasets(), [USER, OWNS]);
    assert!(first.plan.completed.is_empty());
    place.publish("01JN8Y1M80000000000000000B", &Estate { partial: vec![USER], ..estate() })?;
    assert!(place.plan(&request)?.plan.completed.is_empty(), "it is partial still");
    place.publish(SECOND, &estate())?;
    let second = place.deliver(&request)?;
    assert_eq!(second.plan.completed, [USER, OWNS]);
    assert_eq!(second.scope.reason, Some("the graph has changed"));
    assert!(place.plan(&request)?.plan.is_empty());
    Ok(())
}

#[test]
fn a_type_that_a_generation_does_not_have_keeps_its_rows() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    place.deliver(&request)?;
    place.publish(SECOND, &Estate { has_no_edges: true, ..estate() })?;
    assert_eq!(counts(&place.plan(&request)?, OWNS), [0, 0, 2, 0]);
    Ok(())
}

#[test]
fn a_purged_type_goes_with_what_touches_it_and_stays_away_while_its_step_is_skipped() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    place.deliver(&request)?;
    let purged = place.deliver(&purge(DEVICE))?;
    let withheld: Vec<_> = purged.scope.withheld().iter().map(String::as_str).collect();
    assert_eq!(withheld, [DEVICE, OWNS]);
    assert_eq!(counts(&purged, DEVICE), [0, 2, 0, 0]);
    assert_eq!(counts(&purged, OWNS), [0, 2, 0, 0]);
    assert!(purged.scope.tables().all(|table| table.name == USER));
    let next = place.deliver(&request)?;
    assert!(next.scope.is_withheld(DEVICE) && next.scope.reason.is_none());

    // Users come back with the next delivery, since their step has seen them.
    place.deliver(&purge(USER))?;
    let next = place.plan(&request)?;
    assert!(!next.scope.is_withheld(USER) && next.scope.is_withheld(DEVICE));
    assert_eq!(counts(&next, USER), [2, 0, 0, 0]);
    Ok(())
}

#[test]
fn a_type_to_purge_must_be_known_here_or_there() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, &estate())?;
    let Err(DeliveryError::Configuration(refused)) = place.plan(&purge("devices")) else {
        panic!("there is no such type")
    };
    let expected = "there is no type `devices`; the types are device, user, user_owns_device";
    assert_eq!(refused.to_string(), expected);
    // One that only the mirror has, from before.
    let decision = place.deliver(&DeliveryRequest::default())?;
    let mut types = decision.scope.types();
    types.insert("room".to_owned(), types[DEVICE].clone());
    place.remember(&MirrorRecord::end("here", &decision.scope, types))?;
    assert!(place.plan(&purge("room"))?.scope.is_withheld("room"));
    assert!(!place.plan(&DeliveryRequest::default())?.scope.is_withheld("room"), "it stays");
    Ok(())
}

#[test]
fn an_erasure_is_a_reason_until_a_delivery_has_brought_it() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &Estate { partial: vec![USER], ..estate() })?;
    place.deliver(&request)?;
    place.tenant.lock("a test")?.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    let fewer = Estate { users: vec!["u"], owns: vec![("u", "a")], ..estate() };
    place.publish(SECOND, &Estate { partial: vec![USER], ..fewer })?;
    let id = SECOND.parse()?;
    let generation = place.tenant.generation(&id)?;
    let erased = rules("here").scope(&place.tenant, generation, &request)?;
    assert!(erased.after_erasure);
    let expected = "people or devices were erased since the last delivery";
    assert_eq!(erased.reason, Some(expected));
    place.remember(&MirrorRecord::end("here", &erased, erased.types()))?;
    assert!(!place.plan(&request)?.scope.after_erasure, "it was delivered");
    Ok(())
}

#[test]
fn an_erased_person_leaves_a_type_that_is_partial_too() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    let partial = Estate { partial: vec![USER], ..estate() };
    place.tenant.lock("a test")?.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    place.publish(FIRST, &partial)?;
    place.deliver(&request)?;
    let record = MirrorRecord::read(&place.tenant, NAME)?.ok_or("it was delivered")?;
    place.remember(&MirrorRecord { erasures: BTreeSet::new(), ..record })?;
    place.publish(SECOND, &Estate { users: vec!["u"], owns: vec![("u", "a")], ..partial })?;
    let erased = place.plan(&request)?;
    assert_eq!(counts(&erased, USER), [0, 1, 0, 1]);
    assert_eq!(erased.plan.deletes(), 2, "the person and the relationship");
    assert_eq!(decision_json(&erased)["deletesErased"], true);
    let is_told = decision_remarks(&erased).iter().any(|remark| remark == ERASED_NOT_COUNTED);
    assert!(is_told, "a generation that has been through the erasure does not have the person");
    Ok(())
}

#[test]
fn a_decision_is_told_with_its_reason_and_what_stays() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    let first = place.deliver(&request)?;
    let reason = "there would be a delivery: it is the first delivery to this destination";
    assert_eq!(decision_remarks(&first), [reason]);
    assert_eq!(
        decision_remarks(&place.plan(&request)?),
        ["nothing would change, so nothing would be sent"]
    );
    let same = decision_json(&place.plan(&request)?);
    assert_eq!((&same["delivers"], &same["reason"]), (&json!(false), &Value::Null));

    let fewer = Estate { users: vec!["u"], owns: vec![("u", "a")], ..estate() };
    let second = place.publish(SECOND, &Estate { partial: vec![USER], ..fewer })?;
    let before = MirrorRecord::read(&place.tenant, NAME)?;
    place.remember(&MirrorRecord::begin(before.as_ref(), "here", second.id()))?;
    let plan = place.plan(&purge(DEVICE))?;
    let remarks = decision_remarks(&plan);
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(remarks[0].ends_with("the last delivery is not known to be complete"), "{remarks:?}");
    assert!(remarks[1].starts_with("the end of the last delivery is unknown"), "{remarks:?}");
    assert_eq!(remarks[2], "nothing would be removed from these partial types: user");
    let json = decision_json(&plan);
    assert_eq!((&json["dryRun"], &json["delivers"]), (&json!(true), &json!(true)));
    assert_eq!(json["reason"], "the last delivery is not known to be complete");
    assert_eq!(json["isInterrupted"], true);
    assert_eq!(json["removedTypes"], json!([DEVICE, OWNS]));
    assert_eq!(json["partialDatasets"], json!([USER]));
    let table = decision_table(&plan, None);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec![USER, "0", "0", "0", "1", "1"]), "{table}");
    assert!(rows.contains(&vec![DEVICE, "0", "0", "2", "0", "0"]), "{table}");
    Ok(())
}

#[test]
fn a_delivery_that_a_mirror_was_found_to_need_has_a_reason_too() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    let first = place.deliver(&request)?.scope;
    let again = place.plan(&request)?.scope;
    let erased = "people or devices were erased since the last delivery";
    assert_eq!(first.reason_to_deliver(false), "it is the first delivery to this destination");
    assert_eq!(
        again.reason_to_deliver(false),
        "the destination did not have what was delivered last"
    );
    assert_eq!([first, again].map(|scope| scope.reason_to_deliver(true)), [erased; 2]);
    Ok(())
}

/// A mirror that takes everything and has it.
struct Taking(MirrorRules);

impl Mirror for Taking {
    fn rules(&self) -> &MirrorRules {
        &self.0
    }

    async fn deliver_scope(
        &self,
        lock: &DeliveryLock,
        scope: MirrorScope,
        _: &DeliveryRequest,
        _: &dyn Fn(&str),
        _: impl Future<Output = ()>,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        self.0.record_begin(lock, &scope)?;
        let before = MirrorRecord::read(lock.tenant(), NAME)?.expect("it was written");
        assert!(!before.whole && before.unfinished.as_ref() == Some(scope.generation.id()));
        let room = ("room".to_owned(), MirroredType::default());
        self.0.record_end(lock, &scope, [room])?;
        let generation = scope.generation.id().to_string();
        let report = MirrorReport { generation, ..MirrorReport::default() };
        Ok(report.delivered(scope.reason_to_deliver(false)))
    }
}

#[test]
fn a_mirror_is_a_destination_that_refuses_another_place_before_anything_is_sent() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    let generation = place.publish(FIRST, &estate())?;
    let deliver = |there: &str| {
        let mirror = Taking(rules(there));
        assert_eq!((mirror.name(), mirror.account()), (NAME, there));
        let lock = place.tenant.lock_delivery(NAME, "a test")?;
        // It waits for nothing.
        let delivered =
            mirror.deliver(&lock, generation.clone(), &request, &|_| (), std::future::pending());
        let mut delivered = std::pin::pin!(delivered);
        match delivered.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(delivered) => delivered,
            Poll::Pending => panic!("it waits"),
        }
    };
    let delivered = deliver("here")?;
    assert!(delivered.is_whole());
    assert_eq!(delivered.job().as_deref(), Some(FIRST));
    let record = MirrorRecord::read(&place.tenant, NAME)?.ok_or("it was delivered")?;
    assert!(record.whole && record.unfinished.is_none());
    let types: Vec<&str> = record.types.keys().map(String::as_str).collect();
    assert_eq!(types, [DEVICE, "room", USER, OWNS], "what it still has is remembered");
    assert!(matches!(deliver("there"), Err(DeliveryError::Configuration(_))));
    let elsewhere = Taking(rules("there")).check(&place.tenant, &request);
    assert!(matches!(elsewhere, Err(DeliveryError::Configuration(_))));
    Ok(())
}

#[test]
fn without_the_last_generation_everything_counts_as_new() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    let first = place.publish(FIRST, &estate())?;
    place.deliver(&request)?;
    place.publish(SECOND, &estate())?;
    std::fs::remove_dir_all(first.folder())?;
    let decision = place.plan(&request)?;
    assert_eq!(counts(&decision, DEVICE), [2, 0, 0, 0]);
    assert_eq!(decision.scope.reason, None, "the mirror has the same rows all the same");
    Ok(())
}

#[test]
fn another_place_is_refused_until_it_is_accepted() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    place.publish(FIRST, &estate())?;
    rules("here").check(&place.tenant, &request)?;
    place.deliver(&request)?;
    assert_eq!(last_place(&place.tenant, NAME).as_deref(), Some("here"));
    rules("here").check(&place.tenant, &request)?;
    let Err(DeliveryError::Configuration(refused)) = rules("there").check(&place.tenant, &request)
    else {
        panic!("it is another place")
    };
    let words = refused.to_string();
    assert!(words.starts_with("the last delivery went to here, and the configuration names there"));
    assert!(words.ends_with("`nexthink-graph sync mirror --accept-destination`"), "{words}");
    let accepted = DeliveryRequest { accept_destination: true, ..request };
    rules("there").check(&place.tenant, &accepted)?;
    Ok(())
}

#[test]
fn a_delivery_whose_end_is_unknown_keeps_both_generations_and_what_was_there() -> Checked {
    let (place, request) = (Place::new()?, DeliveryRequest::default());
    let first = place.publish(FIRST, &estate())?;
    let begun = MirrorRecord::begin(None, "here", first.id());
    assert_eq!((begun.generation.as_str(), begun.whole), (FIRST, false));
    place.deliver(&request)?;
    let before = MirrorRecord::read(&place.tenant, NAME)?.ok_or("it was delivered")?;
    let second = place.publish(SECOND, &estate())?;
    let begun = MirrorRecord::begin(Some(&before), "here", second.id());
    assert_eq!((begun.generation.as_str(), &begun.types), (FIRST, &before.types));
    place.remember(&begun)?;
    let kept = compared_with(&place.tenant, NAME);
    assert_eq!(kept, [second.id().clone(), first.id().clone()]);
    assert!(place.plan(&request)?.is_interrupted);
    // At another place there is nothing of it.
    let elsewhere = MirrorRecord::begin(Some(&before), "there", second.id());
    assert!(elsewhere.types.is_empty() && elsewhere.generation == *second.id());
    Ok(())
}

#[test]
fn a_damaged_record_says_what_to_do_and_keeps_nothing_else_from_working() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, &estate())?;
    place.tenant.lock_delivery(NAME, "a test")?.set_state("delivered-mirror", b"{")?;
    let refused = place.plan(&DeliveryRequest::default()).err().ok_or("it is damaged")?;
    let words = format!("{:#}", anyhow::Error::new(refused));
    assert!(
        words.contains("delivered-mirror.json of tenant acme is damaged; remove it"),
        "{words}"
    );
    assert!(compared_with(&place.tenant, NAME).is_empty());
    assert_eq!(last_place(&place.tenant, NAME), None);
    Ok(())
}
