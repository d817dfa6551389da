//! The rows K of the table of faults: what goes wrong at JupiterOne's end or on the way.

use std::time::Duration;

use core_jupiterone::{
    ApiKey, BaseUrl, Destination, ErrorKind, JobId, JupiterOneError, Source, SyncClient,
};
use core_simulator::{JobCall, JobFault, JobFaultKind, JupiterOne, JupiterOneBehaviour};

use crate::support::{
    Checked, Estate, FIRST, Place, SCOPE, SECOND, client, deliver, deliver_with,
    impatient_settings, jupiterone, kept, quick_settings,
};

fn faulty(call: JobCall, after: u32, times: u32, kind: JobFaultKind) -> JupiterOneBehaviour {
    JupiterOneBehaviour {
        faults: vec![JobFault { call, after, times, kind }],
        ..JupiterOneBehaviour::default()
    }
}

fn count(server: &JupiterOne, call: JobCall) -> usize {
    server.requests().iter().filter(|request| request.call == call).count()
}

/// K1
#[tokio::test]
async fn k1_a_wrong_key_or_account_is_found_before_anything_is_uploaded() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    for (account, key, expected) in [
        ("demo", "demo-key", None),
        ("demo", "canary-key", Some(401)),
        ("other", "demo-key", Some(403)),
    ] {
        let source = Source::Api { scope: SCOPE.to_owned() };
        let destination = Destination::new(BaseUrl::parse(server.url())?, account, source)?;
        let key = ApiKey::new(key.to_owned())?;
        let answer = SyncClient::new(destination, key, quick_settings())?.probe().await;
        let status = match &answer {
            Err(error @ JupiterOneError::Unauthorized { status, .. }) => {
                assert_eq!(error.kind(), ErrorKind::Credentials);
                assert!(!format!("{error} {error:?}").contains("canary"));
                Some(*status)
            }
            _ => None,
        };
        assert_eq!(status, expected, "{answer:?}");
    }
    assert!(server.jobs().is_empty());
    Ok(())
}

/// K2
#[tokio::test]
async fn k2_an_upload_that_is_too_large_is_halved_and_the_next_are_smaller() -> Checked {
    let place = Place::new()?;
    let behaviour = JupiterOneBehaviour { max_upload_bytes: 4_000, ..Default::default() };
    let server = jupiterone(behaviour).await?;
    let mut settings = quick_settings();
    settings.batch_bytes = 20_000;
    settings.uploads_in_flight = 1;
    let contents = place.contents(FIRST, &Estate::of(200))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    assert!(report.is_whole());
    assert_eq!(kept(&server, "nexthink_device").len(), 200);
    let requests = server.requests();
    let refused = requests.iter().filter(|request| request.json_bytes > 4_000).count();
    // Three batches may be cut before the first refusal is known, each refused seven times at most.
    assert!(refused <= 21, "{refused} of {}", requests.len());
    Ok(())
}

/// K2: a single one that is too large is left out, its type is partial, the rest arrives.
#[tokio::test]
async fn k2_an_object_that_is_too_large_alone_is_left_out_and_counted() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    deliver(&server, place.contents(FIRST, &Estate::of(3))?).await?;
    // The account, with three properties, stays below; every device is above.
    server.update(|behaviour| behaviour.max_upload_bytes = 400);
    let report = deliver(&server, place.contents(SECOND, &Estate::of(3))?).await?;
    assert_eq!(report.uploads.losses["nexthink_device"].refused, 3);
    assert!(report.partial_datasets.contains(&"nexthink_device".to_owned()));
    assert!(!report.is_whole());
    assert_eq!(kept(&server, "nexthink_device").len(), 3);
    Ok(())
}

/// K3
#[tokio::test]
async fn k3_throttling_and_server_errors_are_waited_out() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    server.update(|behaviour| {
        for (call, kind) in [
            (JobCall::Create, JobFaultKind::Status(503)),
            (JobCall::Entities, JobFaultKind::Throttled(1)),
            (JobCall::Relationships, JobFaultKind::Status(500)),
            (JobCall::Get, JobFaultKind::Status(502)),
        ] {
            behaviour.faults.push(JobFault { call, after: 0, times: 2, kind });
        }
    });
    let before = tokio::time::Instant::now();
    let report = deliver(&server, place.contents(FIRST, &Estate::of(10))?).await?;
    assert!(before.elapsed() >= Duration::from_secs(2), "Retry-After was asked for twice");
    assert!(report.is_whole());
    assert_eq!(count(&server, JobCall::Entities), 3);
    Ok(())
}

/// K4
#[tokio::test]
async fn k4_an_upload_whose_answer_is_lost_is_repeated_under_its_name_without_harm() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(faulty(JobCall::Entities, 0, 1, JobFaultKind::LostAnswer)).await?;
    let client = client(&server, impatient_settings())?;
    let report = deliver_with(&client, place.contents(FIRST, &Estate::of(4))?, &[], |_| ()).await?;
    assert!(report.is_whole());
    assert_eq!(server.jobs()[0].repeated, 7);
    assert_eq!(report.counters.num_entities_created, 7);
    let requests = server.requests();
    let mut names: Vec<_> = requests
        .iter()
        .filter(|request| request.call == JobCall::Entities)
        .map(|request| request.correlation_id.clone())
        .collect();
    assert_eq!(names.len(), 2);
    names.dedup();
    assert_eq!(names.len(), 1);
    Ok(())
}

/// K5
#[tokio::test]
async fn k5_a_job_that_was_ended_from_elsewhere_ends_the_delivery() -> Checked {
    for call in [JobCall::Entities, JobCall::Relationships, JobCall::Finalize] {
        let place = Place::new()?;
        let server = jupiterone(faulty(call, 0, 1, JobFaultKind::JobEnded)).await?;
        let contents = place.contents(FIRST, &Estate::of(4))?;
        let error = deliver(&server, contents).await.expect_err("the job is gone");
        let is_expected =
            matches!(error, JupiterOneError::JobEnded { .. } | JupiterOneError::JobFailed { .. });
        assert!(is_expected, "{call:?}: {error}");
        assert_eq!(count(&server, call), 1, "{call:?}");
        assert_eq!(count(&server, JobCall::Abort), 0, "{call:?}");
        assert!(server.graph("api", SCOPE).entities.is_empty());
        // The next run makes a job of its own.
        deliver(&server, place.contents(SECOND, &Estate::of(4))?).await?;
    }
    Ok(())
}

/// K6: the four states in which the job can be found after a finalization without an answer.
#[tokio::test]
async fn k6_a_finalization_without_an_answer_is_repeated_only_if_it_was_not_heard() -> Checked {
    for (kind, ends_as, finalizations, succeeds) in [
        (JobFaultKind::Unheard, "FINISHED", 2, true),
        (JobFaultKind::LostAnswer, "FINISHED", 1, true),
        (JobFaultKind::LostAnswer, "ERROR_BAD_DATA", 1, false),
        (JobFaultKind::Status(504), "FINISHED", 2, true),
        (JobFaultKind::JobEnded, "FINISHED", 1, false),
    ] {
        let place = Place::new()?;
        let server = jupiterone(faulty(JobCall::Finalize, 0, 1, kind)).await?;
        server.update(|behaviour| behaviour.ends_as = ends_as);
        let client = client(&server, impatient_settings())?;
        let contents = place.contents(FIRST, &Estate::of(2))?;
        let answer = deliver_with(&client, contents, &[], |_| ()).await;
        assert_eq!(answer.is_ok(), succeeds, "{kind:?} {ends_as}: {answer:?}");
        assert_eq!(count(&server, JobCall::Finalize), finalizations, "{kind:?} {ends_as}");
    }
    Ok(())
}

/// K7
#[tokio::test]
async fn k7_a_job_whose_creation_was_not_answered_stays_without_effect() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(faulty(JobCall::Create, 0, 1, JobFaultKind::LostAnswer)).await?;
    let client = client(&server, impatient_settings())?;
    let contents = place.contents(FIRST, &Estate::of(2))?;
    deliver_with(&client, contents, &[], |_| ()).await?;
    let states: Vec<_> = server.jobs().into_iter().map(|job| job.status).collect();
    assert_eq!(states, ["AWAITING_UPLOADS", "FINISHED"]);

    // It is not tried for ever: each attempt may leave a job behind.
    server.update(|behaviour| {
        behaviour.faults = vec![JobFault {
            call: JobCall::Create,
            after: 0,
            times: 9,
            kind: JobFaultKind::LostAnswer,
        }];
    });
    let contents = place.contents(SECOND, &Estate::of(2))?;
    let error = deliver_with(&client, contents, &[], |_| ()).await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(server.jobs().len(), 4);
    Ok(())
}

/// K8
#[tokio::test]
async fn k8_a_delivery_that_is_killed_changes_nothing_and_its_job_can_be_given_up() -> Checked {
    for (call, after) in [
        (JobCall::Entities, 0),
        (JobCall::Entities, 1),
        (JobCall::Relationships, 0),
        (JobCall::Finalize, 0),
    ] {
        let place = Place::new()?;
        let server = jupiterone(JupiterOneBehaviour::default()).await?;
        deliver(&server, place.contents(FIRST, &Estate::of(6))?).await?;
        let before = server.graph("api", SCOPE);

        server.update(|behaviour| {
            behaviour.faults =
                vec![JobFault { call, after, times: 1, kind: JobFaultKind::Unheard }];
        });
        let mut settings = quick_settings();
        settings.batch_bytes = 1_000;
        let client = client(&server, settings)?;
        let open = client.open_job().await?;
        let job = open.id().clone();
        let contents = place.contents(SECOND, &Estate::of(2))?;
        let delivery = client.deliver(open, contents, &[], |_| ());
        let killed = tokio::time::timeout(Duration::from_millis(700), delivery).await;
        assert!(killed.is_err(), "{call:?}: the delivery was not under way");
        assert_eq!(server.graph("api", SCOPE), before, "{call:?}");

        client.abort(&job).await?;
        let state = server.jobs().pop().map(|job| job.status);
        assert_eq!(state.as_deref(), Some("ABORTED"), "{call:?}");
        assert_eq!(server.graph("api", SCOPE), before, "{call:?}");
        client.abort(&job).await?;
        client.abort(&JobId::parse("no-such-job")?).await?;
    }
    Ok(())
}

/// K9
#[tokio::test]
async fn k9_another_active_job_defers_the_delivery() -> Checked {
    let place = Place::new()?;
    let behaviour = JupiterOneBehaviour { one_job_at_a_time: true, ..Default::default() };
    let server = jupiterone(behaviour).await?;
    server.update(|behaviour| {
        behaviour.faults = vec![JobFault {
            call: JobCall::Create,
            after: 0,
            times: 1,
            kind: JobFaultKind::LostAnswer,
        }];
    });
    let client = client(&server, impatient_settings())?;
    let contents = place.contents(FIRST, &Estate::of(2))?;
    let error = deliver_with(&client, contents, &[], |_| ()).await.expect_err("one job is open");
    assert!(matches!(error, JupiterOneError::AnotherJobActive), "{error}");
    assert_eq!(error.kind(), ErrorKind::Deferred);
    Ok(())
}

/// K10
#[tokio::test]
async fn k10_a_refused_object_is_found_left_out_and_makes_its_type_partial() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    deliver(&server, place.contents(FIRST, &Estate::of(40))?).await?;
    let bad = "nexthink_device:uid-00017".to_owned();
    server.update(|behaviour| behaviour.refused_keys = [bad.clone()].into());
    let report = deliver(&server, place.contents(SECOND, &Estate::of(39))?).await?;
    let loss = &report.uploads.losses["nexthink_device"];
    assert_eq!((loss.refused, loss.sample_key.as_ref()), (1, Some(&bad)));
    assert_eq!(
        report.partial_datasets,
        ["nexthink_account_has_device", "nexthink_device", "nexthink_device_has_alert"]
    );
    // Neither the refused one nor the one that is really gone is deleted.
    assert_eq!(kept(&server, "nexthink_device").len(), 40);
    Ok(())
}

/// K10: when everything is refused, bisecting stops soon.
#[tokio::test]
async fn k10_too_many_refused_objects_end_the_delivery() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let estate = Estate::of(300);
    let keys = estate.devices.iter().map(|uid| format!("nexthink_device:{uid}"));
    server.update(|behaviour| behaviour.refused_keys = keys.collect());
    let contents = place.contents(FIRST, &estate)?;
    let error = deliver(&server, contents).await.expect_err("all devices are refused");
    assert!(matches!(error, JupiterOneError::TooManyRefused { .. }), "{error}");
    assert_eq!(server.jobs()[0].status, "ABORTED");
    assert!(server.requests().len() < 300, "{}", server.requests().len());
    Ok(())
}

/// K11
#[tokio::test]
async fn k11_an_upload_that_fails_for_good_makes_its_types_and_their_edges_partial() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    deliver(&server, place.contents(FIRST, &Estate::of(10))?).await?;
    let settings = quick_settings();
    let times = settings.retry.max_attempts;
    server.update(|behaviour| {
        behaviour.faults = vec![JobFault {
            call: JobCall::Entities,
            after: 0,
            times,
            kind: JobFaultKind::Status(500),
        }];
    });
    let contents = place.contents(SECOND, &Estate::of(5))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    assert_eq!(report.uploads.lost_uploads, 1);
    assert!(!report.is_whole());
    assert!(report.partial_datasets.contains(&"nexthink_device".to_owned()));
    assert!(report.partial_datasets.contains(&"nexthink_device_has_alert".to_owned()));
    assert_eq!(kept(&server, "nexthink_device").len(), 10);
    assert_eq!(kept(&server, "nexthink_device_has_alert").len(), 5);
    Ok(())
}

/// K11: a receiver that takes nothing at all is given up, with the reason.
#[tokio::test]
async fn k11_too_many_lost_uploads_end_the_delivery() -> Checked {
    let place = Place::new()?;
    let server =
        jupiterone(faulty(JobCall::Entities, 0, 10_000, JobFaultKind::Status(500))).await?;
    let mut settings = quick_settings();
    settings.batch_bytes = 2_000;
    let contents = place.contents(FIRST, &Estate::of(60))?;
    let error = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await;
    let error = error.expect_err("nothing was taken");
    assert!(matches!(error, JupiterOneError::Unavailable { status: 500, .. }), "{error}");
    assert_eq!(server.jobs()[0].status, "ABORTED");
    Ok(())
}

/// K13
#[tokio::test]
async fn k13_a_job_that_fails_after_it_was_finalized_is_a_failure() -> Checked {
    for ends_as in ["ERROR_BAD_DATA", "ABORTED", "ABORTED_DUE_TO_INVALID_CONFIGURATION"] {
        let place = Place::new()?;
        let server = jupiterone(JupiterOneBehaviour { ends_as, ..Default::default() }).await?;
        let contents = place.contents(FIRST, &Estate::of(2))?;
        let error = deliver(&server, contents).await.expect_err(ends_as);
        let JupiterOneError::JobFailed { status, .. } = error else {
            return Err(format!("{ends_as}: {error}").into());
        };
        assert_eq!(status.name(), ends_as);
    }
    Ok(())
}

/// K13: one that never ends is given up in time.
#[tokio::test]
async fn k13_a_job_that_does_not_get_done_ends_the_wait() -> Checked {
    let place = Place::new()?;
    let behaviour = JupiterOneBehaviour { ends_as: "FINALIZING_ENTITIES", ..Default::default() };
    let server = jupiterone(behaviour).await?;
    let mut settings = quick_settings();
    settings.poll.deadline = Duration::from_millis(200);
    let contents = place.contents(FIRST, &Estate::of(2))?;
    let error = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await;
    assert!(matches!(error, Err(JupiterOneError::JobDeadline { .. })));
    Ok(())
}

/// K16: the destination has a cursor of its own, which a failed delivery does not move.
#[tokio::test]
async fn k16_a_failed_delivery_is_made_up_for_by_the_next() -> Checked {
    let place = Place::new()?;
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let delivered = deliver(&server, place.contents(FIRST, &Estate::of(4))?).await?;
    let cursor = delivered.delivered(None);
    assert_eq!((cursor.generation.as_str(), cursor.whole), (FIRST, true));
    server.update(|behaviour| behaviour.ends_as = "ERROR_BAD_DATA");
    let contents = place.contents(SECOND, &Estate::of(2))?;
    assert!(deliver(&server, contents.clone()).await.is_err());
    assert_eq!(kept(&server, "nexthink_device").len(), 4);
    server.update(|behaviour| behaviour.ends_as = "FINISHED");
    let delivered = deliver(&server, contents).await?.delivered(Some(&cursor));
    assert_eq!((delivered.generation.as_str(), delivered.whole), (SECOND, true));
    assert_eq!(kept(&server, "nexthink_device").len(), 2);
    Ok(())
}

#[tokio::test]
async fn nothing_of_what_is_sent_gets_into_a_log_or_an_error() -> Checked {
    let (place, log) = (Place::new()?, Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut estate = Estate::of(8);
    estate.model = "canary-model";
    // Refused, throttled, lost, then refused for good.
    let server =
        jupiterone(faulty(JobCall::Entities, 3, 10_000, JobFaultKind::Status(418))).await?;
    server.update(|behaviour| {
        behaviour.refused_keys = ["nexthink_device:uid-00001".to_owned()].into();
        let (call, after, times) = (JobCall::Entities, 0, 1);
        behaviour
            .faults
            .insert(0, JobFault { call, after, times, kind: JobFaultKind::Status(503) });
    });
    let error = deliver(&server, place.contents(FIRST, &estate)?).await.expect_err("a teapot");
    drop(guard);

    let log = String::from_utf8(log.0.lock().expect("no holder panics").clone())?;
    assert!(log.contains("call will be repeated") && log.contains("job aborted"), "{log}");
    let text = format!("{log} {error} {error:?}");
    for secret in ["canary", "demo-key", "uid-0"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    Ok(())
}

/// The log.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no holder panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
