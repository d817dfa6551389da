//! Fetches a results file: streamed, counted, and without a credential.

use std::sync::Arc;

use reqwest::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::client::Client;
use crate::error::{Endpoint, NexthinkError, SharedError};
use crate::results_link::ResultsLink;
use crate::retry::{Retry, Setback};
use crate::transport::{read_up_to, retry_after, setback};

/// How much of a refusal is read to find its error code, in bytes.
const REFUSAL_CAP: usize = 8 << 10;

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
    /// Whether the file host announced this size: without, a file that was cut looks whole.
    pub length_proven: bool,
}

impl Client {
    /// Fetches the file behind a results link into `sink`, as transferred, and flushes it.
    ///
    /// Until the first byte, trouble that looks transient is repeated; after it, an error leaves
    /// part of the file in `sink`. `on_progress` gets the bytes so far and those of the whole file.
    ///
    /// # Errors
    /// [`NexthinkError::LinkExpired`] asks for a new link; [`NexthinkError::DownloadRefused`],
    /// [`NexthinkError::DownloadBroken`], [`NexthinkError::LengthMismatch`] and
    /// [`NexthinkError::TooLarge`] say why there is no file; [`NexthinkError::Sink`] is about
    /// `sink`.
    pub async fn download(
        &self,
        link: &ResultsLink,
        sink: &mut (impl AsyncWrite + Unpin),
        mut on_progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Download, NexthinkError> {
        let mut response = self.open(link).await?;
        let total = response.content_length();
        let cap = self.settings.max_download_bytes;
        if total.is_some_and(|total| total > cap) {
            return Err(NexthinkError::TooLarge { cap });
        }
        let sink_failed = |error| NexthinkError::Sink { source: Arc::new(error) };
        let mut received: u64 = 0;
        loop {
            let chunk = response.chunk().await.map_err(|error| {
                let source = SharedError::new(error.without_url());
                NexthinkError::DownloadBroken { received, source }
            })?;
            let Some(chunk) = chunk else {
                break;
            };
            received += chunk.len() as u64;
            if received > cap {
                return Err(NexthinkError::TooLarge { cap });
            }
            sink.write_all(&chunk).await.map_err(sink_failed)?;
            on_progress(received, total);
        }
        sink.flush().await.map_err(sink_failed)?;
        match total {
            Some(expected) if expected != received => {
                Err(NexthinkError::LengthMismatch { received, expected })
            }
            _ => Ok(Download { bytes: received, length_proven: total.is_some() }),
        }
    }

    /// Gets an answer that carries the whole file.
    async fn open(&self, link: &ResultsLink) -> Result<Response, NexthinkError> {
        let policy = &self.settings.retry;
        let mut retry = Retry::new(policy, &self.jitter, policy.max_attempts);
        loop {
            let setback = match self.files.get(link).await {
                Ok(response) if response.status() == StatusCode::OK => return Ok(response),
                Ok(response) => {
                    let asked = retry_after(response.headers());
                    match setback(response.status(), asked, Endpoint::ResultsFile) {
                        Some(setback) => setback,
                        None => return Err(refusal(response).await),
                    }
                }
                Err(error) => Setback::NoAnswer(error),
            };
            retry.pause(setback).await?;
        }
    }
}

/// Why the file host does not deliver.
async fn refusal(mut response: Response) -> NexthinkError {
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
    let code = match read_up_to(&mut response, REFUSAL_CAP).await {
        Ok((body, _)) => error_code(&body),
        Err(_) => None,
    };
    // S3 answers an expired link with AccessDenied and a message that is not looked at.
    match code {
        Some("AccessDenied" | "ExpiredToken") => NexthinkError::LinkExpired { code },
        _ => NexthinkError::DownloadRefused { status: status.as_u16(), code },
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
