//! Deliveries in which nothing goes wrong.

use core_jupiterone::{JobEvent, Progress, Source};
use core_simulator::{JobCall, JupiterOneBehaviour};

use crate::support::{
    Checked, Estate, FIRST, Place, SCOPE, SECOND, client, client_for, deliver, deliver_with,
    jupiterone, kept, quick_settings,
};

#[tokio::test]
async fn a_generation_is_there_when_the_job_is_finished() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    let report = deliver(&server, place.contents(FIRST, &Estate::of(10))?).await?;
    assert!(report.is_whole());
    assert_eq!(report.counters.num_entities_created, 16);
    assert_eq!(report.counters.num_relationships_created, 15);
    assert_eq!(report.uploads.objects, 31);
    assert_eq!(kept(&server, "nexthink_device").len(), 10);
    let graph = server.graph("api", SCOPE);
    let edge = &graph.relationships["nexthink_device:uid-00000|has|nexthink_alert:uid-00000"];
    assert_eq!(edge["_class"], "HAS");
    assert_eq!(edge["_fromEntityKey"], "nexthink_device:uid-00000");
    assert_eq!(edge["_toEntityKey"], "nexthink_alert:uid-00000");
    assert_eq!(server.jobs()[0].status, "FINISHED");
    Ok(())
}

#[tokio::test]
async fn the_same_again_changes_nothing() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    deliver(&server, place.contents(FIRST, &Estate::of(10))?).await?;
    let report = deliver(&server, place.contents(SECOND, &Estate::of(10))?).await?;
    let counters = report.counters;
    assert_eq!(counters.num_entities_created + counters.num_entities_updated, 0);
    assert_eq!(counters.num_entities_deleted + counters.num_relationships_deleted, 0);
    Ok(())
}

/// Row K12 of the table of faults.
#[tokio::test]
async fn k12_all_entities_are_there_before_the_first_relationship() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    let mut settings = quick_settings();
    settings.batch_bytes = 2_000;
    let contents = place.contents(FIRST, &Estate::of(60))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    assert!(report.uploads.requests > 10);
    assert_eq!(server.jobs()[0].late_entities, 0);
    assert_eq!(report.counters.errors(), 0);
    let calls: Vec<_> = server.requests().iter().map(|request| request.call).collect();
    let last_entities = calls.iter().rposition(|call| *call == JobCall::Entities);
    let first_relationships = calls.iter().position(|call| *call == JobCall::Relationships);
    assert!(last_entities < first_relationships);
    Ok(())
}

/// Rows K14 and K15: never more than six at a time, and no key twice.
#[tokio::test]
async fn k14_k15_a_slow_receiver_is_not_flooded_and_gets_no_key_twice() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    server.update(|behaviour| behaviour.latency = std::time::Duration::from_millis(30));
    let mut settings = quick_settings();
    settings.batch_bytes = 2_000;
    let contents = place.contents(FIRST, &Estate::of(120))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    assert!(report.uploads.requests > 20);
    let most = server.max_uploads_in_flight();
    assert!((2..=6).contains(&most), "{most}");
    assert_eq!(server.jobs()[0].repeated, 0);
    Ok(())
}

#[tokio::test]
async fn uploads_are_compressed_full_and_named() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    let mut settings = quick_settings();
    settings.batch_bytes = 20_000;
    let contents = place.contents(FIRST, &Estate::of(200))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    let is_upload = |call| matches!(call, JobCall::Entities | JobCall::Relationships);
    let requests = server.requests();
    let uploads: Vec<_> = requests.iter().filter(|request| is_upload(request.call)).collect();
    assert!(
        uploads
            .iter()
            .all(|upload| upload.sent_bytes < upload.json_bytes && upload.json_bytes <= 20_000)
    );
    let bytes: usize = uploads.iter().map(|upload| upload.json_bytes).sum();
    // One more for the last of each kind, which need not be full.
    assert!(uploads.len() <= bytes.div_ceil(19_000) + 2, "{} for {bytes}", uploads.len());
    assert_eq!(report.uploads.json_bytes, bytes as u64);
    let mut names: Vec<_> = uploads.iter().map(|upload| upload.correlation_id.clone()).collect();
    assert!(names.iter().all(Option::is_some));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), uploads.len());
    Ok(())
}

#[tokio::test]
async fn integrations_are_delivered_to_their_instance_and_have_a_log() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let event =
        JobEvent { name: "step_end".to_owned(), description: "Fetch Devices ended".to_owned() };
    let id = "0a1b2c3d-1111-4222-8333-444455556666";
    for (source, id_in) in [
        (Source::IntegrationExternal { integration_instance_id: id.to_owned() }, id),
        (Source::IntegrationManaged { integration_instance_id: id.to_owned() }, id),
        (Source::Api { scope: SCOPE.to_owned() }, SCOPE),
    ] {
        let place = Place::new()?;
        let (name, has_log) = (source.name(), source.has_log());
        let contents = place.contents(FIRST, &Estate::of(2))?;
        let client = client_for(&server, source, quick_settings())?;
        deliver_with(&client, contents, std::slice::from_ref(&event), |_| ()).await?;
        assert!(!server.graph(name, id_in).entities.is_empty(), "{name}");
        let job = server.jobs().pop().ok_or("there is a job")?;
        assert_eq!(!job.events.is_empty(), has_log, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn progress_is_told_in_order() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress| {
        let name = match progress {
            Progress::Uploaded { objects, .. } => format!("uploaded {objects}"),
            Progress::Finalizing => {
                let calls = server.requests();
                assert!(
                    calls.iter().all(|request| request.call != JobCall::Finalize),
                    "told too late"
                );
                "finalizing".to_owned()
            }
            Progress::Finalized => "finalized".to_owned(),
            Progress::State(status) => status.to_string(),
        };
        told.lock().expect("no holder panics").push(name);
    };
    let contents = place.contents(FIRST, &Estate::of(2))?;
    deliver_with(&client(&server, quick_settings())?, contents, &[], tell).await?;
    assert_eq!(
        told.into_inner()?,
        [
            "uploaded 4",
            "uploaded 7",
            "finalizing",
            "finalized",
            "FINALIZE_PENDING",
            "FINALIZING_ENTITIES",
            "FINALIZING_RELATIONSHIPS",
            "FINISHED"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn what_a_report_counts_is_what_jupiterone_has_received() -> Checked {
    let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
    let mut settings = quick_settings();
    settings.batch_bytes = 4_000;
    let contents = place.contents(FIRST, &Estate::of(60))?;
    let report = deliver_with(&client(&server, settings)?, contents, &[], |_| ()).await?;
    let is_upload = |call| matches!(call, JobCall::Entities | JobCall::Relationships);
    let received = server.requests();
    let received: Vec<_> = received.iter().filter(|request| is_upload(request.call)).collect();
    assert!(received.len() > 10, "{}", received.len());
    let uploads = &report.uploads;
    assert_eq!(uploads.requests, received.len() as u64);
    let sum = |bytes: fn(&core_simulator::JobRequest) -> usize| {
        received.iter().map(|request| bytes(request)).sum::<usize>() as u64
    };
    assert_eq!(uploads.json_bytes, sum(|request| request.json_bytes));
    assert_eq!(uploads.sent_bytes, sum(|request| request.sent_bytes));
    // An account, sixty devices, thirty alerts, and an edge to each of both.
    assert_eq!((uploads.objects, uploads.lost_uploads), (1 + 60 + 30 + 60 + 30, 0));
    assert!(uploads.losses.is_empty());
    Ok(())
}
