//! Which host gets the API key.

use url::Url;

use super::job::JobId;
use crate::error::JupiterOneError;
use crate::objects::ObjectKind;

/// A base URL that may be called with the API key: checked, without query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(core_http::BaseUrl);

impl BaseUrl {
    /// Reads `https://api.<environment>.jupiterone.io`, for example with `us` or `eu`, or the address of
    /// a loopback host, such as that of a simulated JupiterOne.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`] names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, JupiterOneError> {
        let base = Self::checked(text)?;
        if base.0.is_loopback() || base.is_jupiterone() {
            return Ok(base);
        }
        Err(refusal("its host is not api.<environment>.jupiterone.io"))
    }

    /// Reads the address of any host, for a gateway that the caller trusts with the API key.
    ///
    /// # Errors
    /// [`JupiterOneError::InvalidSetting`] names the rule that is broken.
    pub fn explicit(text: &str) -> Result<Self, JupiterOneError> {
        Self::checked(text)
    }

    fn checked(text: &str) -> Result<Self, JupiterOneError> {
        let base = core_http::BaseUrl::parse(text).map_err(refusal)?;
        if base.as_url().path() != "/" {
            return Err(refusal("it has a path; leave it out"));
        }
        Ok(Self(base))
    }

    fn is_jupiterone(&self) -> bool {
        let environment =
            self.0.host().strip_prefix("api.").and_then(|rest| rest.strip_suffix(".jupiterone.io"));
        environment.is_some_and(|label| !label.is_empty() && !label.contains('.'))
            && self.0.as_url().port().is_none()
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.0.uses_tls()
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.0.host()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    pub(crate) fn jobs(&self) -> Url {
        self.join("")
    }

    pub(crate) fn job(&self, job: &JobId) -> Url {
        self.join(&format!("/{job}"))
    }

    pub(crate) fn objects(&self, job: &JobId, kind: ObjectKind) -> Url {
        self.join(&format!("/{job}/{}", kind.name()))
    }

    pub(crate) fn events(&self, job: &JobId) -> Url {
        self.join(&format!("/{job}/events"))
    }

    pub(crate) fn finalize(&self, job: &JobId) -> Url {
        self.join(&format!("/{job}/finalize"))
    }

    pub(crate) fn abort(&self, job: &JobId) -> Url {
        self.join(&format!("/{job}/abort"))
    }

    fn join(&self, path: &str) -> Url {
        self.0.join(&format!("persister/synchronization/jobs{path}"))
    }
}

fn refusal(reason: &'static str) -> JupiterOneError {
    JupiterOneError::InvalidSetting { name: "base URL", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_to_jupiterone_to_this_machine_or_to_a_host_named_explicitly() {
        for (text, plain, explicit) in [
            ("https://api.us.jupiterone.io", true, true),
            ("https://api.eu.jupiterone.io/", true, true),
            ("http://127.0.0.1:9000", true, true),
            ("http://[::1]:9000", true, true),
            ("http://localhost:9000", true, true),
            ("https://gateway.example", false, true),
            ("https://api.us.jupiterone.io:8443", false, true),
            ("https://api.us.jupiterone.io.evil.example", false, true),
            ("https://apixus.jupiterone.io", false, true),
            ("https://api.jupiterone.io", false, true),
            ("https://api..jupiterone.io", false, true),
            ("https://api.a.b.jupiterone.io", false, true),
            ("http://api.us.jupiterone.io", false, false),
            ("http://10.0.0.1", false, false),
            ("https://canary@api.us.jupiterone.io", false, false),
            ("https://api.us.jupiterone.io/canary", false, false),
            ("https://api.us.jupiterone.io?canary", false, false),
            ("https://api.us.jupiterone.io#canary", false, false),
            ("ftp://api.us.jupiterone.io", false, false),
            ("canary", false, false),
            ("", false, false),
        ] {
            assert_eq!(BaseUrl::parse(text).is_ok(), plain, "{text}");
            assert_eq!(BaseUrl::explicit(text).is_ok(), explicit, "{text}");
            if let Err(error) = BaseUrl::parse(text) {
                assert!(!error.to_string().contains("canary"), "{error}");
            }
        }
    }

    #[test]
    fn every_address_is_below_the_jobs() -> Result<(), JupiterOneError> {
        let base = BaseUrl::parse("https://api.us.jupiterone.io/")?;
        let job = JobId::parse("a-1")?;
        let jobs = "https://api.us.jupiterone.io/persister/synchronization/jobs";
        assert_eq!(base.jobs().as_str(), jobs);
        assert!(base.uses_tls() && !BaseUrl::parse("http://127.0.0.1:9000")?.uses_tls());
        assert_eq!(base.job(&job).as_str(), format!("{jobs}/a-1"));
        let entities = base.objects(&job, ObjectKind::Entities);
        assert_eq!(entities.as_str(), format!("{jobs}/a-1/entities"));
        Ok(())
    }
}
