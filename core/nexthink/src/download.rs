//! Fetches a results file: streamed, counted, and without a credential.

use bytes::Bytes;
use core_http::{Retry, SharedError, read_up_to, requested_wait};
use reqwest::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Endpoint, NexthinkError};
use crate::results_link::ResultsLink;
use crate::results_sink::{ResultsSink, sink_failed};
use crate::retry_cause::RetryCause;
use crate::speed::{SpeedCheck, TooSlow};
use crate::transfer::{Answered, Rest, Transfer};
use crate::transport::retry_cause;

/// The part of a refusal that is read to find its error code, in bytes.
const REFUSAL_CAP: usize = 8 << 10;

/// The media type of a results file.
const CSV: &str = "text/csv";

/// The error codes of Amazon S3 that tell something ("Error responses", Amazon S3 API reference).
/// Only these are ever repeated: a refusal can hold parts of the request.
const KNOWN_CODES: [&str; 12] = [
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InternalError",
    "InvalidArgument",
    "InvalidRequest",
    "NoSuchBucket",
    "NoSuchKey",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SlowDown",
];

/// A results file that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Download {
    /// Its size in bytes, as transferred.
    pub bytes: u64,
    /// True if the file host announced this size: without, a file that was cut looks whole.
    pub length_proven: bool,
}

impl Client {
    /// Fetches the file behind a results link into `sink`, as transferred, and flushes it.
    ///
    /// Until the first byte, transient failures are retried. After it, an error leaves a part of
    /// the file in `sink`; only [`Client::run_export`] resumes it. `on_progress` gets the number of
    /// bytes so far, and of the whole file.
    ///
    /// # Errors
    /// [`NexthinkError::LinkExpired`] asks for a new link; [`NexthinkError::DownloadRefused`],
    /// [`NexthinkError::DownloadBroken`], [`NexthinkError::DownloadTooSlow`],
    /// [`NexthinkError::LengthMismatch`] and [`NexthinkError::TooLarge`] say why there is no file;
    /// [`NexthinkError::Sink`] is about `sink`.
    pub async fn download(
        &self,
        link: &ResultsLink,
        sink: &mut (impl AsyncWrite + Unpin),
        on_progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Download, NexthinkError> {
        let mut transfer = Transfer::default();
        let response = self.open(link, None).await?;
        transfer.begin(&response);
        self.receive(response, &mut transfer, sink, on_progress).await
    }

    /// Requests the missing rest of a transfer, or the whole file if a part cannot be used. Returns
    /// which of them comes; for the whole file, `sink` is empty.
    ///
    /// # Errors
    /// Those of [`Client::download`], and [`NexthinkError::DownloadChanged`] if the file has
    /// changed; the next call then starts from zero.
    pub(crate) async fn open_rest(
        &self,
        link: &ResultsLink,
        sink: &mut impl ResultsSink,
        transfer: &mut Transfer,
    ) -> Result<(Response, Answered), NexthinkError> {
        let rest = transfer.rest();
        let response = self.open(link, rest.as_ref()).await?;
        let answered = rest.map_or(Ok(Answered::Whole), |rest| rest.check(&response));
        match answered {
            Ok(Answered::Rest) => {}
            Ok(Answered::Whole) => {
                if transfer.received > 0 {
                    sink.restart().await.map_err(sink_failed)?;
                }
                transfer.begin(&response);
            }
            Err(_) => transfer.validator = None,
        }
        answered.map(|answered| (response, answered))
    }

    /// Writes the body of `response` to `sink`, up to the announced length, which is reported
    /// before the first byte.
    pub(crate) async fn receive(
        &self,
        mut response: Response,
        transfer: &mut Transfer,
        sink: &mut (impl AsyncWrite + Unpin),
        mut on_progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Download, NexthinkError> {
        let total = transfer.total;
        let cap = self.settings.max_download_bytes;
        if total.is_some_and(|total| total > cap) {
            return Err(NexthinkError::TooLarge { cap });
        }
        on_progress(transfer.received, total);
        let mut speed = SpeedCheck::new(self.settings.slowest_download, Instant::now());
        while let Some(chunk) = next_chunk(&mut response, &mut speed, transfer.received).await? {
            let received = transfer.received + chunk.len() as u64;
            if received > cap {
                return Err(NexthinkError::TooLarge { cap });
            }
            if let Some(expected) = total.filter(|total| received > *total) {
                return Err(NexthinkError::LengthMismatch { received, expected });
            }
            // Counted before it is written: a failed write ends the export.
            transfer.received = received;
            sink.write_all(&chunk).await.map_err(sink_failed)?;
            on_progress(received, total);
        }
        sink.flush().await.map_err(sink_failed)?;
        let received = transfer.received;
        match total {
            Some(expected) if expected != received => {
                Err(NexthinkError::LengthMismatch { received, expected })
            }
            _ => Ok(Download { bytes: received, length_proven: total.is_some() }),
        }
    }

    /// Gets an answer with the whole file. If `rest` is requested, the answer may be the rest
    /// (206), the whole file (200), or that the file has changed (412, or 416 if it is shorter).
    async fn open(
        &self,
        link: &ResultsLink,
        rest: Option<&Rest>,
    ) -> Result<Response, NexthinkError> {
        let policy = &self.settings.retry;
        let mut retry = Retry::new(policy, &self.jitter, policy.max_attempts);
        let mut accept = "*/*";
        loop {
            let cause = match self.files.get(link, rest, accept).await {
                Ok(response) => match response.status() {
                    StatusCode::OK => return Ok(response),
                    StatusCode::PARTIAL_CONTENT
                    | StatusCode::PRECONDITION_FAILED
                    | StatusCode::RANGE_NOT_SATISFIABLE
                        if rest.is_some() =>
                    {
                        return Ok(response);
                    }
                    // Some file hosts refuse the usual value, though the file is there and paid for.
                    StatusCode::NOT_ACCEPTABLE if accept != CSV => {
                        accept = CSV;
                        continue;
                    }
                    status => {
                        let requested = requested_wait(response.headers());
                        match retry_cause(status, requested, Endpoint::ResultsFile) {
                            Some(cause) => cause,
                            None => return Err(self.refusal(response, link.host()).await),
                        }
                    }
                },
                Err(error) => RetryCause::NoAnswer(error),
            };
            retry.pause(cause).await?;
        }
    }

    /// The reason why the file host does not deliver.
    async fn refusal(&self, mut response: Response, host: &str) -> NexthinkError {
        let status = response.status();
        if !status.is_client_error() {
            let what = if status.is_redirection() {
                "a redirect, which is never followed"
            } else {
                "something else than a whole file"
            };
            let (endpoint, status) = (Endpoint::ResultsFile, status.as_u16());
            return NexthinkError::UnexpectedAnswer { endpoint, status, what };
        }
        // The client of the files has no time limit of its own, since a file takes as long as it takes.
        let body = read_up_to(&mut response, REFUSAL_CAP);
        let code = match tokio::time::timeout(self.settings.timeouts.answer, body).await {
            Ok(Ok(body)) => error_code(&body.bytes),
            _ => None,
        };
        // S3 answers an expired link with AccessDenied and a message that is not looked at.
        match code {
            Some("AccessDenied" | "ExpiredToken") => NexthinkError::LinkExpired { code },
            // The host itself gives a code.
            None if status == StatusCode::FORBIDDEN => {
                NexthinkError::FilesBlocked { host: host.to_owned() }
            }
            _ => NexthinkError::DownloadRefused { status: status.as_u16(), code },
        }
    }
}

/// The next bytes of a body, or none at its end.
pub(crate) async fn next_chunk(
    response: &mut Response,
    speed: &mut SpeedCheck,
    received: u64,
) -> Result<Option<Bytes>, NexthinkError> {
    let too_slow = |TooSlow| NexthinkError::DownloadTooSlow { received };
    loop {
        let Ok(chunk) = tokio::time::timeout_at(speed.stretch_ends(), response.chunk()).await
        else {
            speed.stretch_ended(Instant::now()).map_err(too_slow)?;
            continue;
        };
        let chunk = chunk.map_err(|error| {
            let source = SharedError::new(error.without_url());
            NexthinkError::DownloadBroken { received, source }
        })?;
        if let Some(chunk) = &chunk {
            speed.came(chunk.len() as u64, Instant::now()).map_err(too_slow)?;
        }
        return Ok(chunk);
    }
}

/// The content of the first `<Code>` element, if it is a known code.
fn error_code(body: &[u8]) -> Option<&'static str> {
    let body = String::from_utf8_lossy(body);
    let (_, rest) = body.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    KNOWN_CODES.into_iter().find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_error_codes_are_repeated() {
        for (body, expected) in [
            ("<Error><Code>AccessDenied</Code><Message>…</Message></Error>", Some("AccessDenied")),
            ("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code></Error>", Some("NoSuchKey")),
            ("<Error><Code>Bearer c0ffee</Code></Error>", None),
            ("<Error><Code>AccessDenied", None),
            ("<html><body>Forbidden</body></html>", None),
            ("", None),
        ] {
            assert_eq!(error_code(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(error_code(b"\xff<Code>SlowDown</Code>"), Some("SlowDown"));
    }

    #[test]
    fn known_codes_are_sorted() {
        assert!(KNOWN_CODES.is_sorted());
    }
}
