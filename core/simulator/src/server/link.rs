//! Results links: signed like a presigned S3 URL, over the exact bytes that the client must send
//! back.

use std::time::Duration;

use crate::row::civil_date;

/// 2026-06-01 00:00:00 UTC in seconds since 1970: the start of the simulator according to its
/// links, so that they are the same in each run.
const START: u64 = 1_780_272_000;

const SIGNATURE: &str = "&X-Amz-Signature=";

/// Makes and checks results links, and derives names that must not be guessable.
pub(crate) struct LinkSigner {
    key: [u8; 32],
    files_url: String,
}

/// The defect of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadLink {
    /// Signed with another key, changed, or not signed.
    Signature,
    Expired,
}

impl LinkSigner {
    pub(crate) fn new(secret: &str, files_url: String) -> Self {
        let key = blake3::derive_key("core-simulator 2026 results links", secret.as_bytes());
        Self { key, files_url }
    }

    /// An opaque name, the same in each run.
    pub(crate) fn name(&self, purpose: &str, number: u64) -> String {
        blake3::keyed_hash(&self.key, format!("{purpose} {number}").as_bytes()).to_hex().to_string()
    }

    /// Signs a link to `path` that is valid from `now` for `lifetime`. It begins with `files_url`,
    /// or with the file host's own address.
    pub(crate) fn sign(
        &self,
        files_url: Option<&str>,
        path: &str,
        now: Duration,
        lifetime: Duration,
    ) -> String {
        let date = amz_date(now);
        let target = format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=SIMULATED%2F{}%2Feu-central-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            &date[..8],
            lifetime.as_secs(),
        );
        let signature = self.signature(&target);
        let files_url = files_url.unwrap_or(&self.files_url);
        format!("{files_url}{target}{SIGNATURE}{signature}")
    }

    /// Checks the path and query of a request, byte for byte as they arrived.
    pub(crate) fn check(&self, target: &str, now: Duration) -> Result<(), BadLink> {
        let (signed, signature) = target.split_once(SIGNATURE).ok_or(BadLink::Signature)?;
        if signature != self.signature(signed) {
            return Err(BadLink::Signature);
        }
        let lifetime = parameter(signed, "X-Amz-Expires").and_then(|text| text.parse().ok());
        let signed_at = parameter(signed, "X-Amz-Date").and_then(seconds_of_amz_date);
        let (Some(lifetime), Some(signed_at)) = (lifetime, signed_at) else {
            return Err(BadLink::Signature);
        };
        if START + now.as_secs() >= signed_at.saturating_add(lifetime) {
            return Err(BadLink::Expired);
        }
        Ok(())
    }

    fn signature(&self, target: &str) -> String {
        blake3::keyed_hash(&self.key, target.as_bytes()).to_hex().to_string()
    }
}

/// The raw value of a query parameter.
fn parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1)
}

/// `20260601T000000Z`
fn amz_date(now: Duration) -> String {
    let seconds = START + now.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let second = seconds % 86_400;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

/// The inverse of [`amz_date`] for dates from the start of the simulator on.
fn seconds_of_amz_date(text: &str) -> Option<u64> {
    // The signature has been checked, so the text is one that `amz_date` made.
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (date, time): (u64, u64) = (date.parse().ok()?, time.parse().ok()?);
    let date = (date / 10_000, date / 100 % 100, date % 100);
    let day = (START / 86_400..).take(36_525).find(|day| civil_date(*day) == date)?;
    Some(day * 86_400 + time / 10_000 * 3_600 + time / 100 % 100 * 60 + time % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(link: &str) -> &str {
        link.strip_prefix("http://files.example").expect("links start with the file host")
    }

    fn signer() -> LinkSigner {
        LinkSigner::new("secret", "http://files.example".to_owned())
    }

    #[test]
    fn a_link_is_valid_until_its_lifetime_ends() {
        let (signer, lifetime) = (signer(), Duration::from_mins(15));
        let signed_at = Duration::from_secs(31 * 86_400 + 59);
        let link = signer.sign(None, "/exports/one.csv", signed_at, lifetime);
        let target = target_of(&link);
        assert_eq!(signer.check(target, signed_at), Ok(()));
        assert_eq!(signer.check(target, signed_at + Duration::from_secs(899)), Ok(()));
        assert_eq!(signer.check(target, signed_at + lifetime), Err(BadLink::Expired));
    }

    #[test]
    fn a_changed_link_is_refused() {
        let signer = signer();
        let link = signer.sign(None, "/exports/one.csv", Duration::ZERO, Duration::from_mins(15));
        let target = target_of(&link);
        for changed in [
            target.replace("one", "two"),
            target.replace("Expires=900", "Expires=9000"),
            target.replace("%2F", "/"),
            target.replace("%2F", "%2f"),
            format!("{target}0"),
            "/exports/one.csv".to_owned(),
        ] {
            assert_eq!(
                signer.check(&changed, Duration::ZERO),
                Err(BadLink::Signature),
                "{changed}"
            );
        }
    }
}
