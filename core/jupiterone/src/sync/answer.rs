//! The meaning of an answer. A proxy, a firewall or a login page also answers, with any status, so an answer
//! counts only if its body is JupiterOne's own: a success must name the job that was asked for, and a refusal
//! that decides something must be JSON.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::job::{Job, JobId};
use super::retry_cause::RetryCause;
use crate::error::{Call, JupiterOneError};

/// The error codes that mean something here (integration SDK 17.4 and JupiterOne's documentation).
const JOB_NOT_AWAITING_UPLOADS: &str = "JOB_NOT_AWAITING_UPLOADS";
const TOO_LARGE: &str = "RequestEntityTooLargeException";

/// The error's words for a body that JupiterOne does not send.
const WEB_PAGE: &str = "a web page, so a proxy, a firewall or a login page answered in JupiterOne's place: \
                        check `url` and the proxy";
const NOT_JSON: &str = "a body that is not JSON, so something answered in JupiterOne's place: check `url` \
                        and the proxy";

/// An answer.
pub(super) struct Answer {
    pub(super) call: Call,
    pub(super) expected_job: Option<JobId>,
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// The meaning of an answer.
pub(super) enum Meaning {
    /// It worked.
    Done,
    /// The upload is too large.
    TooLarge,
    /// The job was ended.
    JobEnded,
    /// Something of what was sent is not acceptable.
    Refused,
    /// Another job is active.
    Conflict,
    /// It may work later.
    Retry(RetryCause),
    /// It will not work.
    Fatal(JupiterOneError),
}

/// The kinds of bodies, told apart by their first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    /// An object, which is what JupiterOne answers with.
    Json,
    /// HTML or XML.
    WebPage,
    Empty,
    Other,
}

impl BodyKind {
    fn sniff(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        match body.first() {
            Some(b'{') => Self::Json,
            Some(b'<') => Self::WebPage,
            Some(_) => Self::Other,
            None => Self::Empty,
        }
    }
}

impl Answer {
    /// Returns the meaning of the answer for the call.
    pub(super) fn meaning(&self) -> Meaning {
        let status = self.status.as_u16();
        if self.status.is_success() {
            if self.is_trusted_success() {
                return Meaning::Done;
            }
            let what =
                self.foreign_body().unwrap_or("no description of the job that was asked for");
            return Meaning::Retry(RetryCause::Foreign { call: self.call, status, what });
        }
        match (status, self.error_code().as_deref()) {
            // A load balancer in front of JupiterOne answers this with a page of its own.
            (413, _) | (_, Some(TOO_LARGE)) => Meaning::TooLarge,
            (_, Some(JOB_NOT_AWAITING_UPLOADS)) => Meaning::JobEnded,
            (429, _) => self.throttled(),
            (503, _) if self.retry_after.is_some() => self.throttled(),
            // A load balancer answers 408 for a request that it did not get in time, and 425 for one that came too early.
            (408 | 425 | 500.., _) => {
                Meaning::Retry(RetryCause::TemporaryStatus { call: self.call, status })
            }
            // A gateway that refuses the key need not say more than that. A page is of a proxy or a login.
            (401 | 403, _) if BodyKind::sniff(&self.body) != BodyKind::WebPage => {
                Meaning::Fatal(JupiterOneError::Unauthorized { call: self.call, status })
            }
            _ if self.foreign_body().is_some() => Meaning::Fatal(self.unexpected()),
            (400 | 422, _) => Meaning::Refused,
            (409, _) => Meaning::Conflict,
            _ => Meaning::Fatal(self.unexpected()),
        }
    }

    fn throttled(&self) -> Meaning {
        Meaning::Retry(RetryCause::Throttled {
            call: self.call,
            status: self.status.as_u16(),
            retry_after: self.retry_after,
        })
    }

    /// Returns whether JupiterOne says that the job is not known.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.foreign_body().is_none()
    }

    /// The job that a successful answer describes.
    pub(super) fn job(&self) -> Result<Job, JupiterOneError> {
        #[derive(Deserialize)]
        struct Envelope {
            job: Job,
        }
        let envelope = serde_json::from_slice::<Envelope>(&self.body);
        envelope.map(|envelope| envelope.job).map_err(|_| JupiterOneError::UnexpectedAnswer {
            call: self.call,
            status: self.status.as_u16(),
            what: self.foreign_body().unwrap_or("no description of the job"),
        })
    }

    /// The error for an answer that has no meaning for the call.
    pub(super) fn unexpected(&self) -> JupiterOneError {
        let what = if self.status.is_redirection() {
            "a redirect, which is never followed"
        } else if let Some(foreign) = self.foreign_body() {
            foreign
        } else if self.is_not_found() {
            "an unknown address or job: check `url` and `integration_instance_id`"
        } else {
            "a refusal, which will not change by trying again"
        };
        JupiterOneError::UnexpectedAnswer { call: self.call, status: self.status.as_u16(), what }
    }

    /// Says what is wrong with a body that JupiterOne does not send.
    fn foreign_body(&self) -> Option<&'static str> {
        match BodyKind::sniff(&self.body) {
            BodyKind::Json => None,
            BodyKind::WebPage => Some(WEB_PAGE),
            BodyKind::Empty => {
                Some("no body, so something answered in JupiterOne's place: check `url`")
            }
            BodyKind::Other => Some(NOT_JSON),
        }
    }

    /// Returns whether a success is about the job that the call was about. What answers a line for the job's log is
    /// not documented, so only a page is refused there; a job that is created gets read as a whole later.
    fn is_trusted_success(&self) -> bool {
        #[derive(Deserialize)]
        struct Envelope {
            job: Named,
        }
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        match (&self.expected_job, self.call) {
            (Some(expected), _) => serde_json::from_slice::<Envelope>(&self.body)
                .is_ok_and(|envelope| envelope.job.id == expected.as_str()),
            (None, Call::PostEvents) => BodyKind::sniff(&self.body) != BodyKind::WebPage,
            (None, _) => true,
        }
    }

    fn error_code(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Envelope {
            error: Code,
        }
        #[derive(Deserialize)]
        struct Code {
            code: String,
        }
        serde_json::from_slice::<Envelope>(&self.body).ok().map(|envelope| envelope.error.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\u{feff}\r\n <!DOCTYPE html><title>Sign in</title>";
    const REFUSAL: &str = r#"{"error":{"code":"ANY","message":"m"}}"#;
    const JOB: &str = r#"{"job":{"id":"a-1","status":"AWAITING_UPLOADS"}}"#;

    fn answer(call: Call, status: u16, body: &str) -> Answer {
        let names_job = !matches!(call, Call::CreateJob | Call::PostEvents);
        Answer {
            call,
            expected_job: names_job.then(|| JobId::parse("a-1").expect("it is legal")),
            status: StatusCode::from_u16(status).expect("it is a status"),
            retry_after: None,
            body: body.as_bytes().to_vec(),
        }
    }

    fn name(meaning: &Meaning) -> &'static str {
        match meaning {
            Meaning::Done => "done",
            Meaning::TooLarge => "too large",
            Meaning::JobEnded => "job ended",
            Meaning::Refused => "refused",
            Meaning::Conflict => "conflict",
            Meaning::Retry(RetryCause::Foreign { .. }) => "foreign",
            Meaning::Retry(_) => "later",
            Meaning::Fatal(JupiterOneError::Unauthorized { .. }) => "unauthorized",
            Meaning::Fatal(_) => "unexpected",
        }
    }

    #[test]
    fn k18_a_decision_counts_only_if_its_body_is_one_that_jupiterone_sends() {
        use Call::{CreateJob, Finalize, GetJob, PostEvents, UploadEntities};
        let ended = r#"{"error":{"code":"JOB_NOT_AWAITING_UPLOADS"}}"#;
        for (call, status, body, expected) in [
            (GetJob, 200, JOB, "done"),
            (GetJob, 200, PAGE, "foreign"),
            (GetJob, 200, "", "foreign"),
            (GetJob, 200, "[]", "foreign"),
            (UploadEntities, 200, r#"{"job":{"id":"b-2"}}"#, "foreign"),
            (PostEvents, 200, "", "done"),
            (PostEvents, 200, PAGE, "foreign"),
            (UploadEntities, 400, REFUSAL, "refused"),
            (UploadEntities, 400, PAGE, "unexpected"),
            (UploadEntities, 422, "no such thing", "unexpected"),
            (UploadEntities, 400, ended, "job ended"),
            (UploadEntities, 413, PAGE, "too large"),
            (CreateJob, 409, REFUSAL, "conflict"),
            (CreateJob, 409, PAGE, "unexpected"),
            (CreateJob, 401, REFUSAL, "unauthorized"),
            (CreateJob, 401, r#"{"message":"Unauthorized"}"#, "unauthorized"),
            (CreateJob, 401, "", "unauthorized"),
            (CreateJob, 403, "Forbidden", "unauthorized"),
            (CreateJob, 403, PAGE, "unexpected"),
            (Finalize, 302, PAGE, "unexpected"),
            (Finalize, 429, PAGE, "later"),
            (Finalize, 502, PAGE, "later"),
        ] {
            let found = answer(call, status, body).meaning();
            assert_eq!(name(&found), expected, "{call:?} {status} {body}");
        }
    }

    #[test]
    fn k18_only_jupiterone_can_say_that_a_job_is_not_known() {
        for (body, expected) in [(REFUSAL, true), (PAGE, false), ("404 page not found", false)] {
            assert_eq!(answer(Call::GetJob, 404, body).is_not_found(), expected, "{body}");
        }
    }

    #[test]
    fn k18_a_page_in_place_of_an_answer_is_named_and_never_shown() {
        let created = answer(Call::CreateJob, 200, PAGE).job().expect_err("it is no job");
        let refused = answer(Call::Abort, 404, PAGE).unexpected();
        for error in [created, refused] {
            let error = error.to_string();
            assert!(error.contains("a web page") && !error.contains("Sign in"), "{error}");
        }
    }

    #[test]
    fn a_status_without_a_meaning_of_its_own_is_final_or_temporary_by_its_class() {
        for (status, expected) in [
            (201, "done"),
            (202, "done"),
            (304, "unexpected"),
            (308, "unexpected"),
            (404, "unexpected"),
            (405, "unexpected"),
            (408, "later"),
            (410, "unexpected"),
            (425, "later"),
            (429, "later"),
            (499, "unexpected"),
            (500, "later"),
            (503, "later"),
            (599, "later"),
        ] {
            let body = if status < 300 { JOB } else { REFUSAL };
            let found = answer(Call::GetJob, status, body).meaning();
            assert_eq!(name(&found), expected, "{status}");
        }
    }

    #[test]
    fn a_wait_that_an_answer_asks_for_is_kept_also_by_an_unavailable_service() {
        let wait = Some(Duration::from_mins(2));
        for (status, retry_after, is_kept) in [
            (429, None, true),
            (429, wait, true),
            (503, wait, true),
            (503, None, false),
            (502, wait, false),
        ] {
            let answer = Answer { retry_after, ..answer(Call::GetJob, status, "") };
            let Meaning::Retry(cause) = answer.meaning() else { panic!("{status} is temporary") };
            let transience = core_http::RetryCause::transience(&cause);
            let kept = core_http::Transience::Throttled(retry_after);
            assert_eq!(transience == kept, is_kept, "{status} {retry_after:?}");
        }
    }

    #[test]
    fn a_refusal_says_whether_it_was_redirected_not_found_or_final() {
        for (status, body, expected) in [
            (302, REFUSAL, "a redirect, which is never followed"),
            (302, PAGE, "a redirect, which is never followed"),
            (404, REFUSAL, "an unknown address or job"),
            (404, "", "no body"),
            (405, "not here", "a body that is not JSON"),
            (405, REFUSAL, "a refusal, which will not change by trying again"),
        ] {
            let told = answer(Call::GetJob, status, body).unexpected().to_string();
            assert!(told.contains(expected), "{status}: {told}");
        }
    }
}
