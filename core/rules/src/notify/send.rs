//! Sends rendered messages: over HTTP, by mail, or to a program on this machine.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use core_http::{Advice, ClientFactory, HttpClient, ProxySettings, Trust, requested_wait};
use core_process::ProcessGroup;
use url::Url;

use super::render::Delivery;
use super::smtp;
use crate::outbox::Attempt;

/// The time that a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// The time that one message may take.
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// The advice if a receiver cannot be reached. Its address is not shown, since it may be secret.
const ADVICE: Advice = Advice::new("check the host in its address");

/// Sends messages.
pub struct Sender {
    trust: Trust,
    proxy: Option<ProxySettings>,
    https: HttpClient,
}

impl Sender {
    /// Sets up the clients.
    ///
    /// # Errors
    /// The reason: a certificate or a proxy that cannot be used.
    pub fn new(trust: Trust, proxy: Option<ProxySettings>) -> Result<Self, String> {
        let https = client(true, &trust, proxy.as_ref())?;
        Ok(Self { trust, proxy, https })
    }

    /// Sends a message.
    pub async fn send(&self, delivery: Delivery) -> Attempt {
        match delivery {
            Delivery::Http { url, headers, body } => self.post(&url, &headers, body).await,
            Delivery::Mail(mail) => smtp::send(&mail, &self.trust).await,
            Delivery::Exec { command, input } => {
                let running =
                    tokio::task::spawn_blocking(move || execute(&command, &input, ANSWER));
                running.await.unwrap_or_else(|_| failed("the program could not be watched"))
            }
        }
    }

    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Attempt {
        let Ok(url) = Url::parse(url) else { return refused("the address is none") };
        let plain;
        let client = if url.scheme() == "https" {
            &self.https
        } else {
            // Only this machine is called over plain HTTP; the settings refuse every other host.
            plain = match client(false, &self.trust, self.proxy.as_ref()) {
                Ok(client) => client,
                Err(reason) => return refused(&reason),
            };
            &plain
        };
        let mut request = client.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            let Ok(value) = reqwest::header::HeaderValue::from_str(value) else {
                return refused("a secret of the channel cannot be part of a header");
            };
            request = request.header(*name, value);
        }
        match request.send().await {
            Ok(answer) => judge(&answer),
            Err(error) => failed(&client.failure(error).cause.describe(&ADVICE)),
        }
    }
}

fn client(
    uses_tls: bool,
    trust: &Trust,
    proxy: Option<&ProxySettings>,
) -> Result<HttpClient, String> {
    let factory = ClientFactory::new(uses_tls, trust, proxy, CONNECT);
    let client = factory.and_then(|factory| factory.client(Some(ANSWER), Some(ANSWER)));
    client.map_err(|error| error.to_string())
}

/// Returns the meaning of an answer. Its body is not read: a status says everything.
fn judge(answer: &reqwest::Response) -> Attempt {
    let status = answer.status();
    if status.is_success() {
        return Attempt::Delivered;
    }
    let reason = format!("the receiver answered HTTP {}", status.as_u16());
    // A mistake in this message would remain; any other problem may be fixed at the receiver.
    if matches!(status.as_u16(), 400 | 413 | 422) {
        return Attempt::Refused { reason };
    }
    let wait = requested_wait(answer.headers());
    let retry_after_ms = wait.and_then(|wait| u64::try_from(wait.as_millis()).ok());
    Attempt::Failed { reason, retry_after_ms }
}

/// Runs a program with a document on its standard input. Its output is dropped. After the time limit, and once it has
/// ended, whatever it has started is stopped.
fn execute(command: &[String], input: &[u8], limit: Duration) -> Attempt {
    let Some((program, arguments)) = command.split_first() else {
        return refused("the command is empty");
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let spawned = ProcessGroup::spawn(&mut command);
    let Ok(mut group) = spawned else { return failed("the program cannot be started") };
    let writer = group.child().stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        // A program that does not read must not hold this one.
        thread::spawn(move || stdin.write_all(&input))
    });
    let status = group.wait_until(Instant::now() + limit).ok().flatten();
    // What the program has started must not go on beside the next attempt.
    drop(group);
    drop(writer);
    match status {
        Some(status) if status.success() => Attempt::Delivered,
        Some(status) => failed(&format!("the program ended with {status}")),
        None => failed("the program did not end in time and was stopped"),
    }
}

pub(super) fn failed(reason: &str) -> Attempt {
    Attempt::Failed { reason: reason.to_owned(), retry_after_ms: None }
}

fn refused(reason: &str) -> Attempt {
    Attempt::Refused { reason: reason.to_owned() }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_stopped_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let [begun, late] = ["begun", "late"].map(|name| folder.path().join(name));
        // The inner shell holds the place of a slow script that opens a ticket in the end.
        let inner = format!("echo > {}; sleep 1; echo > {}", begun.display(), late.display());
        let wrapper = format!("sh -c '{inner}'; true");
        let command = ["sh", "-c", &wrapper].map(str::to_owned);
        let attempt = execute(&command, b"{}", Duration::from_millis(500));
        assert_eq!(attempt, failed("the program did not end in time and was stopped"));
        thread::sleep(Duration::from_secs(2));
        assert!(begun.exists() && !late.exists(), "the inner script went on");
    }
}
