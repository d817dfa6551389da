//! JupiterOne as a destination: when there is a job, what is remembered of it, and how it is given up.

use std::collections::BTreeSet;
use std::fs;

use core_destination::{
    DeliveryError, DeliveryRequest, DeliveryResult, Destination as _, ERASED_NOT_COUNTED, StepEnd,
    StepEnding,
};
use core_files::SimulatedDisk;
use core_jupiterone::{
    BaseUrl, DeliveryReport, DeliveryRules, Destination, Extras, JupiterOne, NAME, Source,
    compared_with, messages,
};
use core_simulator::{JobCall, JupiterOneBehaviour};
use core_store::{Cleansing, Generation, TenantStore};
use tokio::sync::Notify;

use crate::support::{
    Checked, Estate, FIRST, Place, SCOPE, SECOND, THIRD, client_for, deliver, jupiterone, kept,
    quick_settings,
};

type Server = core_simulator::JupiterOne;
type Delivered = Result<DeliveryResult<DeliveryReport>, DeliveryError>;

/// The ends of the steps: one of each kind.
fn step_ends(_: &Generation) -> Vec<StepEnd> {
    let end =
        |id: &str, ending, word: &str| StepEnd { id: id.to_owned(), ending, word: word.to_owned() };
    vec![
        end("fetch-devices", StepEnding::Complete, "complete"),
        end("fetch-users", StepEnding::Skipped, "skipped"),
        end("fetch-errors", StepEnding::Incomplete, "failed"),
    ]
}

/// JupiterOne behind a simulated server, as the destination of a scope or an instance.
fn destination(server: &Server, source: Source) -> Result<JupiterOne, Box<dyn std::error::Error>> {
    let rules = DeliveryRules {
        destination: Destination::new(BaseUrl::parse(server.url())?, "demo", source.clone())?,
        extras: Extras::default(),
        events: None,
        step_ends,
        may_be_erased: |name| name == "nexthink_device",
        program: "nexthink-graph".to_owned(),
    };
    Ok(JupiterOne::new(rules, client_for(server, source, quick_settings())?))
}

fn scope(name: &str) -> Source {
    Source::Api { scope: name.to_owned() }
}

/// Delivers what is published, as a caller that is never stopped.
async fn send(to: &JupiterOne, place: &Place, request: &DeliveryRequest) -> Delivered {
    send_until(to, place, request, &|_| (), std::future::pending()).await
}

async fn send_until(
    to: &JupiterOne,
    place: &Place,
    request: &DeliveryRequest,
    tell: &dyn Fn(&str),
    stop: impl Future<Output = ()>,
) -> Delivered {
    let lock = place.tenant().lock_delivery(NAME, "a test").expect("the lock is free");
    let generation = place.tenant().current()?.expect("it is published");
    to.deliver(&lock, generation, request, tell, stop).await
}

/// The reason for the job; none if there was none.
fn reason(delivered: &DeliveryResult<DeliveryReport>) -> Option<&'static str> {
    match delivered {
        DeliveryResult::Delivered { reason, .. } => Some(reason),
        DeliveryResult::NothingChanged { .. } => None,
    }
}

fn creations(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.call == JobCall::Create).count()
}

fn remembered(tenant: &TenantStore) -> Vec<String> {
    compared_with(tenant).iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn an_unchanged_generation_needs_no_job_and_lets_the_older_one_go() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let to = destination(&server, scope(SCOPE))?;
    let request = DeliveryRequest::default();
    place.publish(FIRST, &Estate::of(4))?;
    let first = send(&to, &place, &request).await?;
    assert!(reason(&first).is_some_and(|reason| reason.starts_with("it is the first delivery")));
    assert_eq!((creations(&server), remembered(place.tenant())), (1, vec![FIRST.to_owned()]));

    place.publish(SECOND, &Estate::of(4))?;
    let second = send(&to, &place, &request).await?;
    assert!(
        matches!(second, DeliveryResult::NothingChanged { generation } if generation == SECOND)
    );
    assert_eq!((creations(&server), remembered(place.tenant())), (1, vec![SECOND.to_owned()]));

    place.publish(THIRD, &Estate::of(3))?;
    let third = send(&to, &place, &request).await?;
    assert_eq!(reason(&third), Some("the graph has changed"));
    assert_eq!(kept(&server, "nexthink_device").len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_job_is_asked_for_with_full_and_needed_where_the_last_generation_is_gone() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let to = destination(&server, scope(SCOPE))?;
    let first = place.publish(FIRST, &Estate::of(4))?;
    send(&to, &place, &DeliveryRequest::default()).await?;
    let full = DeliveryRequest { full: true, ..DeliveryRequest::default() };
    let again = send(&to, &place, &full).await?;
    assert_eq!(reason(&again), Some("it was asked for with --full"));

    place.publish(SECOND, &Estate::of(2))?;
    fs::remove_dir_all(first.folder())?;
    let delivered = send(&to, &place, &DeliveryRequest::default()).await?;
    let expected = "the generation of the last delivery is no longer stored";
    assert_eq!(reason(&delivered), Some(expected));
    let DeliveryResult::Delivered { unexpected_deletes, .. } = delivered else { panic!("a job") };
    assert_eq!(unexpected_deletes, 0, "without the last generation no number is expected");
    assert_eq!(kept(&server, "nexthink_device").len(), 2);
    Ok(())
}

#[tokio::test]
async fn another_scope_than_before_is_refused_until_it_is_accepted_and_is_a_first_one_then()
-> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    place.publish(FIRST, &Estate::of(4))?;
    let request = DeliveryRequest::default();
    send(&destination(&server, scope(SCOPE))?, &place, &request).await?;

    let other = destination(&server, scope("another"))?;
    let Err(DeliveryError::Configuration(refused)) = other.check(place.tenant(), &request) else {
        panic!("it is another scope")
    };
    let words = refused.to_string();
    assert!(words.ends_with("`nexthink-graph sync jupiterone --accept-destination`"), "{words}");
    let delivered = send(&other, &place, &request).await;
    assert!(matches!(delivered, Err(DeliveryError::Configuration(_))), "{delivered:?}");
    assert_eq!(creations(&server), 1, "nothing was asked of the other one");

    let accepted = DeliveryRequest { accept_destination: true, ..request };
    other.check(place.tenant(), &accepted)?;
    let delivered = send(&other, &place, &accepted).await?;
    assert!(reason(&delivered).is_some_and(|reason| reason.contains("first delivery")));
    assert_eq!(server.graph("api", "another").entities.len(), 7);
    other.check(place.tenant(), &DeliveryRequest::default())?;
    Ok(())
}

#[tokio::test]
async fn more_deletions_than_expected_are_told_and_make_the_next_delivery_a_whole_one() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    place.publish(FIRST, &Estate::of(4))?;
    send(&to, &place, &request).await?;
    // Another program writes to the same scope.
    let stranger = Place::new()?;
    let generation = stranger.publish(FIRST, &Estate::of(7))?;
    let steps = &crate::support::STEPS;
    deliver(&server, core_jupiterone::Contents::new(generation, steps, None, Extras::default()))
        .await?;
    assert_eq!(kept(&server, "nexthink_device").len(), 7);

    place.publish(SECOND, &Estate::of(3))?;
    let delivered = send(&to, &place, &request).await?;
    let DeliveryResult::Delivered { unexpected_deletes, .. } = &delivered else { panic!("a job") };
    // Three devices and an alert of the other program, with an edge each.
    assert!(*unexpected_deletes > 0, "{delivered:?}");
    assert!(!delivered.is_whole());
    let again = send(&to, &place, &request).await?;
    assert_eq!(reason(&again), Some("the last delivery is not known to be complete"));
    assert!(again.is_whole(), "{again:?}");
    assert_eq!(reason(&send(&to, &place, &request).await?), None);
    Ok(())
}

/// Fails at each operation of the disk once: a delivery that cannot be written down changes nothing, and one whose end
/// cannot be is asked for by the next.
#[tokio::test]
async fn whatever_cannot_be_written_down_the_next_delivery_is_a_whole_one() -> Checked {
    let request = DeliveryRequest::default();
    let mut told = BTreeSet::new();
    for operation in 1.. {
        let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
        let to = destination(&server, scope(SCOPE))?;
        place.publish(FIRST, &Estate::of(2))?;
        let disk = SimulatedDisk::new(place.folder.path());
        let lock = place.tenant().lock_delivery(NAME, "a test")?;
        let generation = place.tenant().current()?.expect("it is published");
        disk.start_with_fault(&format!("eio@{operation}"));
        let stop = std::future::pending();
        let delivered = to.deliver(&lock, generation, &request, &|_| (), stop).await;
        drop(lock);
        let was_met = disk.operations() >= operation;
        disk.start();
        if let Err(failed) = delivered {
            let words = format!("{:#}", anyhow::Error::new(failed));
            let is_there = words.contains("JupiterOne took the delivery over");
            let devices = if is_there { 2 } else { 0 };
            assert_eq!(kept(&server, "nexthink_device").len(), devices, "{operation}: {words}");
            let is_given_up = words.contains("its job was given up and nothing was changed");
            told.extend(is_there.then_some("the end").or(is_given_up.then_some("the beginning")));
        }
        send(&to, &place, &request).await?;
        assert_eq!(kept(&server, "nexthink_device").len(), 2, "{operation}");
        assert_eq!(reason(&send(&to, &place, &request).await?), None, "{operation}");
        if !was_met {
            break;
        }
    }
    assert_eq!(Vec::from_iter(told), ["the beginning", "the end"]);
    Ok(())
}

#[tokio::test]
async fn a_stop_gives_a_job_up_before_it_is_finalized_and_waits_for_its_end_afterwards() -> Checked
{
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    place.publish(FIRST, &Estate::of(4))?;
    for (at, is_delivered) in [("objects uploaded", false), ("finalized, waiting", true)] {
        let stop = Notify::new();
        let tell = |text: &str| {
            if text.contains(at) {
                stop.notify_one();
            }
        };
        let delivered = send_until(&to, &place, &request, &tell, stop.notified()).await;
        assert_eq!(delivered.is_ok(), is_delivered, "{at}: {delivered:?}");
        let devices = if is_delivered { 4 } else { 0 };
        assert_eq!(kept(&server, "nexthink_device").len(), devices, "{at}");
        if let Err(stopped) = delivered {
            assert_eq!(stopped.to_string(), "the delivery was stopped");
            assert_eq!(server.jobs()[0].status, "ABORTED");
        }
    }
    Ok(())
}

#[tokio::test]
async fn only_an_instance_has_a_log_and_it_says_how_each_step_ended() -> Checked {
    for (source, expected) in [
        (scope(SCOPE), Vec::new()),
        (
            Source::IntegrationExternal { integration_instance_id: "i-1".to_owned() },
            vec!["step_end", "warn_incomplete_data", "warn_incomplete_data"],
        ),
    ] {
        let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
        let to = destination(&server, source)?;
        place.publish(FIRST, &Estate::of(2))?;
        send(&to, &place, &DeliveryRequest::default()).await?;
        let job = server.jobs().remove(0);
        assert_eq!(job.events, expected);
        assert!(job.events.iter().all(|name| !name.contains("error")), "{:?}", job.events);
    }
    Ok(())
}

#[tokio::test]
async fn a_purged_type_goes_is_withheld_while_no_step_sees_it_and_a_slip_is_refused() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    place.publish(FIRST, &Estate::of(4))?;
    send(&to, &place, &request).await?;
    let purge = |name: &str| DeliveryRequest { purge: vec![name.to_owned()], ..request.clone() };
    let refused = send(&to, &place, &purge("nexthink_alerts")).await;
    let words = refused.err().map(|error| format!("{:#}", anyhow::Error::new(error)));
    assert!(words.is_some_and(|words| words.contains("nexthink_alerts")));
    send(&to, &place, &purge("nexthink_alert")).await?;
    for (name, expected) in
        [("nexthink_alert", 0), ("nexthink_device_has_alert", 0), ("nexthink_device", 4)]
    {
        assert_eq!(kept(&server, name).len(), expected, "{name}");
    }
    // No step of this program makes it, so that nothing brings it back.
    place.publish(SECOND, &Estate::of(5))?;
    send(&to, &place, &request).await?;
    assert_eq!(kept(&server, "nexthink_alert").len(), 0);
    assert_eq!(kept(&server, "nexthink_device").len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_preview_asks_no_one_and_says_what_a_job_would_change_and_why() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    let preview = |generation: Generation| to.plan(place.tenant(), generation, &request);
    let first = preview(place.publish(FIRST, &Estate::of(4))?)?;
    assert_eq!(messages::decision_json(&first)["job"], true);
    let remarks = messages::decision_remarks(&first).join("\n");
    assert!(remarks.starts_with("there would be a job: it is the first delivery"), "{remarks}");
    assert!(remarks.contains("JupiterOne would delete nothing of these partial datasets"));
    assert!(server.requests().is_empty());

    send(&to, &place, &request).await?;
    let requests = server.requests().len();
    // What was partial with the first delivery may have more at JupiterOne than is known.
    let second = preview(place.publish(SECOND, &Estate::of(3))?)?;
    let table = messages::decision_table(&second, None);
    let devices = table.lines().find(|line| line.contains("nexthink_device "));
    let counts = devices.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    assert_eq!(counts, Some(vec!["0", "0", "1", "0", "3"]), "{table}");
    let remarks = messages::decision_remarks(&second).join("\n");
    assert!(remarks.starts_with("there would be a job: the graph has changed"), "{remarks}");
    assert_eq!(server.requests().len(), requests);

    send(&to, &place, &request).await?;
    let third = preview(place.publish(THIRD, &Estate::of(3))?)?;
    assert_eq!(messages::decision_json(&third)["job"], false);
    let expected = ["nothing would change, so there would be no job".to_owned()];
    assert_eq!(messages::decision_remarks(&third), expected);
    Ok(())
}

#[tokio::test]
async fn a_first_delivery_carries_out_no_erasure_so_the_next_one_does() -> Checked {
    let behaviour = JupiterOneBehaviour {
        ends_as: "ERROR_BAD_DATA",
        applies_failed_jobs: true,
        ..JupiterOneBehaviour::default()
    };
    let (server, place) = (jupiterone(behaviour).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    place.publish(FIRST, &Estate::of(4))?;
    assert!(send(&to, &place, &request).await.is_err(), "the job has failed");
    assert_eq!(kept(&server, "nexthink_device").len(), 4, "it was applied");
    let lock = place.tenant().lock("a test")?;
    lock.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    lock.cleanse(&Cleansing { personal_columns: &|_| Vec::new(), keep: &|_, _| None })?;
    drop(lock);
    place.publish(SECOND, &Estate::of(3))?;
    server.update(|behaviour| behaviour.ends_as = "FINISHED");

    let preview =
        to.plan(place.tenant(), place.tenant().current()?.expect("published"), &request)?;
    assert_eq!(messages::decision_json(&preview)["deletesErased"], false);
    let first = send(&to, &place, &request).await?;
    assert!(reason(&first).is_some_and(|reason| reason.starts_with("it is the first delivery")));
    let told = messages::delivery(&first, true);
    assert!(told.len() == 1 && told[0].contains("may still be at JupiterOne"), "{told:?}");
    assert_eq!(kept(&server, "nexthink_device").len(), 4, "it deletes nothing");

    let second = send(&to, &place, &request).await?;
    assert_eq!(reason(&second), Some("people or devices were erased since the last delivery"));
    assert!(messages::delivery(&second, true).is_empty());
    assert_eq!(kept(&server, "nexthink_device").len(), 3);
    assert_eq!(reason(&send(&to, &place, &request).await?), None);
    Ok(())
}

#[tokio::test]
async fn a_preview_after_an_erasure_says_that_it_does_not_count_what_was_erased() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let (to, request) = (destination(&server, scope(SCOPE))?, DeliveryRequest::default());
    place.publish(FIRST, &Estate::of(4))?;
    send(&to, &place, &request).await?;
    // An erasure cleanses the generation that was delivered, too, so that both are equal.
    let lock = place.tenant().lock("a test")?;
    lock.set_erasures(&BTreeSet::from(["e-1".to_owned()]))?;
    lock.cleanse(&Cleansing { personal_columns: &|_| Vec::new(), keep: &|_, _| None })?;
    drop(lock);
    let erased = to.plan(place.tenant(), place.publish(SECOND, &Estate::of(4))?, &request)?;
    assert_eq!(erased.plan.deletes(), 0);
    assert_eq!(messages::decision_json(&erased)["deletesErased"], true);
    let remarks = messages::decision_remarks(&erased);
    assert!(
        remarks[0].ends_with("people or devices were erased since the last delivery"),
        "{remarks:?}"
    );
    assert!(remarks.iter().any(|remark| remark == ERASED_NOT_COUNTED), "{remarks:?}");
    Ok(())
}
