//! The facts that JupiterOne's answers prove: that an upload is stored, and what became of a job.

use std::time::Duration;

use core_jupiterone::{ErrorKind, JobId, JupiterOneError, Settled};
use core_simulator::{JobCall, JobFault, JobFaultKind, JupiterOne, JupiterOneBehaviour};

use crate::support::{
    Checked, Estate, FIRST, Place, SCOPE, SECOND, client, deliver, deliver_with, jupiterone,
    quick_settings,
};

/// From now on every such call goes wrong, after some that do not.
fn break_down(server: &JupiterOne, call: JobCall, after: u32, kind: JobFaultKind) {
    server
        .update(|behaviour| behaviour.faults.push(JobFault { call, after, times: u32::MAX, kind }));
}

fn count(server: &JupiterOne, call: JobCall) -> usize {
    server.requests().iter().filter(|request| request.call == call).count()
}

fn last_state(server: &JupiterOne) -> Option<String> {
    server.jobs().pop().map(|job| job.status)
}

#[tokio::test]
async fn uploads_that_only_a_stranger_confirms_delete_nothing_and_fail() -> Checked {
    for call in [JobCall::Entities, JobCall::Relationships] {
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        deliver(&server, place.contents(FIRST, &Estate::of(60))?).await?;
        let before = server.graph("api", SCOPE);
        break_down(&server, call, 0, JobFaultKind::AnswersOk);
        let mut settings = quick_settings();
        settings.batch_bytes = 2_000;
        let contents = place.contents(SECOND, &Estate::of(30))?;
        let delivery = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await;
        let error = delivery.expect_err("nothing is stored");
        assert!(matches!(error, JupiterOneError::UnexpectedAnswer { .. }), "{call:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(server.graph("api", SCOPE), before, "{call:?}");
        assert_eq!(last_state(&server).as_deref(), Some("ABORTED"), "{call:?}");
    }
    Ok(())
}

#[tokio::test]
async fn one_upload_that_only_a_stranger_confirms_makes_its_types_partial() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    deliver(&server, place.contents(FIRST, &Estate::of(10))?).await?;
    break_down(&server, JobCall::Entities, 0, JobFaultKind::AnswersOk);
    let report = deliver(&server, place.contents(SECOND, &Estate::of(5))?).await?;
    assert_eq!(report.uploads.lost_uploads, 1);
    assert!(report.partial_datasets.contains(&"nexthink_device".to_owned()));
    assert_eq!(report.counters.num_entities_deleted, 0);
    Ok(())
}

#[tokio::test]
async fn a_job_that_counts_less_than_it_took_is_given_up() -> Checked {
    for (call, expected) in
        [(JobCall::Entities, "entities"), (JobCall::Relationships, "relationships")]
    {
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        deliver(&server, place.contents(FIRST, &Estate::of(6))?).await?;
        let before = server.graph("api", SCOPE);
        break_down(&server, call, 0, JobFaultKind::StoresNothing);
        let contents = place.contents(SECOND, &Estate::of(4))?;
        let error = deliver(&server, contents).await.expect_err("nothing is stored");
        let JupiterOneError::NotStored { kind, sent, found, .. } = &error else {
            return Err(error.into());
        };
        assert_eq!((*kind, *found), (expected, 0));
        assert!(*sent > 0);
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(server.graph("api", SCOPE), before, "{call:?}");
        assert_eq!(last_state(&server).as_deref(), Some("ABORTED"), "{call:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_that_may_have_been_finalized_is_never_said_to_be_given_up() -> Checked {
    for (finalize, get, state, is_known) in [
        // Refused for good, and it awaits uploads still: that alone is given up.
        (JobFaultKind::Status(403), None, "ABORTED", true),
        (JobFaultKind::AnswersOk, None, "ABORTED", true),
        // Nothing can be asked after that.
        (JobFaultKind::Status(403), Some(JobFaultKind::Status(403)), "AWAITING_UPLOADS", false),
        (JobFaultKind::LostAnswer, Some(JobFaultKind::AnswersOk), "FINALIZE_PENDING", false),
    ] {
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        break_down(&server, JobCall::Finalize, 0, finalize);
        if let Some(kind) = get {
            // The first question is whether everything was stored.
            break_down(&server, JobCall::Get, 1, kind);
        }
        let mut settings = quick_settings();
        settings.timeouts.answer = Duration::from_millis(500);
        let contents = place.contents(FIRST, &Estate::of(2))?;
        let delivery = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await;
        let error = delivery.expect_err("it was not finalized, or that is unknown");
        let goes_on = matches!(error, JupiterOneError::JobGoesOn { .. });
        assert_eq!(goes_on, !is_known, "{finalize:?} {get:?}: {error}");
        assert_eq!(error.kind() == ErrorKind::Unreachable, goes_on, "{finalize:?} {get:?}");
        assert_eq!(last_state(&server).as_deref(), Some(state), "{finalize:?} {get:?}");
        assert_eq!(count(&server, JobCall::Abort), usize::from(is_known), "{finalize:?} {get:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_finalized_job_that_can_be_asked_no_more_goes_on() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    break_down(&server, JobCall::Get, 2, JobFaultKind::Status(500));
    let delivery = deliver(&server, place.contents(FIRST, &Estate::of(2))?).await;
    let error = delivery.expect_err("its end is not seen");
    assert!(matches!(error, JupiterOneError::JobGoesOn { .. }), "{error}");
    assert_eq!(count(&server, JobCall::Abort), 0);
    Ok(())
}

#[tokio::test]
async fn k18_a_web_page_in_place_of_any_answer_deletes_nothing_and_loses_no_job() -> Checked {
    for (call, status) in [
        (JobCall::Create, 200),
        (JobCall::Create, 409),
        (JobCall::Entities, 200),
        (JobCall::Entities, 400),
        (JobCall::Relationships, 403),
        (JobCall::Finalize, 200),
        (JobCall::Finalize, 404),
        (JobCall::Get, 200),
        (JobCall::Get, 404),
    ] {
        let case = format!("{call:?} {status}");
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        deliver(&server, place.contents(FIRST, &Estate::of(6))?).await?;
        let before = server.graph("api", SCOPE);
        break_down(&server, call, 0, JobFaultKind::WebPage(status));
        let mut settings = quick_settings();
        settings.batch_bytes = 400;
        let client = client(&server, settings)?;
        let contents = place.contents(SECOND, &Estate::of(3))?;
        let error = deliver_with(&client, contents, &[], |_| ()).await.expect_err(&case);
        assert!(error.to_string().contains("a web page"), "{case}: {error}");
        assert_eq!(server.graph("api", SCOPE), before, "{case}");
        assert_eq!(client.probe().await.is_err(), call == JobCall::Get, "{case}");
        if call == JobCall::Get {
            let settled = client.settle(&JobId::parse("no-such-job")?).await;
            assert!(settled.is_err(), "{case}: a page does not say that a job is gone");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_job_of_an_earlier_process_is_settled_by_its_state() -> Checked {
    for (call, ends_as, expected) in [
        (JobCall::Entities, "FINISHED", ["dropped", "failed"]),
        (JobCall::Get, "FINISHED", ["running", "finished"]),
        (JobCall::Get, "ERROR_BAD_DATA", ["running", "failed"]),
    ] {
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        server.update(|behaviour| behaviour.ends_as = ends_as);
        break_down(&server, call, u32::from(call == JobCall::Get), JobFaultKind::Unheard);
        let client = client(&server, quick_settings())?;
        let open = client.open_job().await?;
        let job = open.id().clone();
        let contents = place.contents(FIRST, &Estate::of(2))?;
        let delivery = client.deliver(open, contents, &[], |_| ());
        let killed = tokio::time::timeout(Duration::from_millis(700), delivery).await;
        assert!(killed.is_err(), "{call:?}: the delivery was not under way");
        server.update(|behaviour| behaviour.faults.clear());

        let mut impatient = quick_settings();
        impatient.poll.deadline = Duration::ZERO;
        let first = self::client(&server, impatient)?.settle(&job).await?;
        let last = client.settle(&job).await?;
        assert_eq!([name(&first), name(&last)], expected, "{call:?} {ends_as}");
        let unknown = client.settle(&JobId::parse("no-such-job")?).await?;
        assert_eq!(name(&unknown), "gone");
    }
    Ok(())
}

fn name(settled: &Settled) -> &'static str {
    match settled {
        Settled::Finished(_) => "finished",
        Settled::Failed => "failed",
        Settled::Running => "running",
        Settled::Dropped => "dropped",
        Settled::Gone => "gone",
    }
}
