//! The rules at the end of a run: they are evaluated, and what waits is sent for a short time. A run must not wait for a
//! receiver that is down.

use std::time::Duration;

use core_engine::Failure;
use core_reading::Reader;

use crate::channels::ReadSecret;
use crate::evaluate::{Evaluator, RuleAnswers};
use crate::report::RulesReport;
use crate::sending::Messenger;

/// The longest time that a run sends at its end.
const SENDING: Duration = Duration::from_secs(30);

/// Evaluates the rules that are on, and sends the messages that wait. Tells which channels did not take one.
///
/// # Errors
///
/// The rules could not be evaluated, or nothing could be sent. The failure says which command makes up for it.
pub async fn after_run<Source: RuleAnswers>(
    evaluator: &Evaluator<'_, Source>,
    read_secret: ReadSecret<'_>,
) -> Result<RulesReport, Failure> {
    let program = &evaluator.reader.host.program;
    let evaluated = evaluator.evaluate(&[]).await;
    let report = evaluated.map_err(|failure| {
        failure.context(format!(
            "the rules could not be evaluated, and what they have found stays as it was; `{program} rules run` \
             evaluates them"
        ))
    })?;
    let sent = send_what_waits(&evaluator.reader, read_secret).await;
    sent.map_err(|failure| {
        failure.context(format!(
            "the messages about findings were not sent; `{program} notify send` sends them"
        ))
    })?;
    Ok(report)
}

/// Sends the messages that wait, for a short time, and tells which channels did not take one.
///
/// # Errors
///
/// The channels or the findings cannot be read or written.
pub async fn send_what_waits(
    reader: &Reader<'_>,
    read_secret: ReadSecret<'_>,
) -> Result<(), Failure> {
    let report = Messenger { reader, read_secret }.send(SENDING).await?;
    for line in report.failures() {
        (reader.tell)(&line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use core_engine::FailureKind;
    use core_http::Secret;
    use core_rules::book::FILE;
    use core_rules::notify::settings::SecretPlace;
    use core_simulator::Receiver;
    use core_store::Outcome;

    use super::*;
    use crate::load_rules;
    use crate::testing::{InProcess, Scene, keys};

    fn no_secret(_: &SecretPlace, what: &str) -> anyhow::Result<Secret> {
        anyhow::bail!("{what} is not there")
    }

    async fn end_of_run(scene: &Scene) -> Result<RulesReport, Failure> {
        let library = load_rules(Some(scene.folder.path()));
        let (reader, source) = (scene.reader(), InProcess(scene));
        after_run(&Evaluator { reader, library: &library, source }, &no_secret).await
    }

    fn scene(receiver: &Receiver) -> Scene {
        let scene = Scene::new("");
        let url = receiver.url();
        let channels =
            format!("[channels.ops]\nkind = 'slack'\nurl = '{url}'\n[[routes]]\nto = ['ops']\n");
        scene.write("notify.toml", &channels);
        scene.add_rule("fan", &keys(&["a"]));
        scene.publish(Outcome::Complete);
        scene
    }

    #[tokio::test]
    async fn what_the_rules_find_is_told_in_the_same_run() {
        let receiver = Receiver::start().await.expect("a port is free");
        let scene = scene(&receiver);
        let report = end_of_run(&scene).await.expect("it can be read and written");
        assert!(report.summary().is_some_and(|summary| summary.contains("1 opened")));
        assert_eq!(receiver.requests().len(), 1);
        end_of_run(&scene).await.expect("it can be read and written");
        assert_eq!(receiver.requests().len(), 1, "nothing new is found");
    }

    #[tokio::test]
    async fn a_receiver_that_is_down_is_no_failure_of_the_run() {
        let receiver = Receiver::start().await.expect("a port is free");
        receiver.answer_with(500);
        let scene = scene(&receiver);
        end_of_run(&scene).await.expect("the message waits");
        receiver.answer_with(200);
        scene.pass(1);
        end_of_run(&scene).await.expect("it can be read and written");
        assert_eq!(receiver.requests().len(), 2, "it is sent again");
    }

    #[tokio::test]
    async fn findings_that_cannot_be_read_name_the_command_that_makes_up_for_it() {
        let receiver = Receiver::start().await.expect("a port is free");
        let scene = scene(&receiver);
        let lock = scene.tenant.lock("a test").expect("the lock is free");
        lock.set_state(FILE, b"{").expect("there is room");
        drop(lock);
        let failure = end_of_run(&scene).await.map(drop).expect_err("they are damaged");
        assert_eq!(failure.kind, FailureKind::DataRefused);
        let text = format!("{:#}", failure.error);
        assert!(text.starts_with("the rules could not be evaluated"), "{text}");
        assert!(text.contains("`nexthink-graph rules run`"), "{text}");
    }

    #[tokio::test]
    async fn channels_that_cannot_be_read_leave_the_report_and_name_the_command_that_sends() {
        let receiver = Receiver::start().await.expect("a port is free");
        let scene = scene(&receiver);
        scene.write("notify.toml", "channels = 7");
        let failure = end_of_run(&scene).await.map(drop).expect_err("there is a mistake");
        let text = format!("{:#}", failure.error);
        assert!(text.contains("`nexthink-graph notify send` sends them"), "{text}");
        assert_eq!(scene.in_state("open"), ["a is found"]);
    }
}
