//! Reads an answer up to a cap.

use reqwest::Response;
use zeroize::Zeroizing;

/// The start of an answer's body.
pub struct Body {
    /// The bytes, wiped on drop: they may hold a token or a signed link.
    pub bytes: Zeroizing<Vec<u8>>,
    /// True if the answer has more bytes than the cap.
    pub is_over_cap: bool,
}

/// Reads the first bytes of a body, `cap` at most.
///
/// # Errors
/// The HTTP client's error if the body breaks off; convert it to a
/// [`CallFailure`](crate::CallFailure), which has no URL.
pub async fn read_up_to(response: &mut Response, cap: usize) -> Result<Body, reqwest::Error> {
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(cap));
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced.min(cap)));
    while let Some(chunk) = response.chunk().await? {
        let room = cap - bytes.len();
        if chunk.len() > room {
            return Ok(Body { bytes, is_over_cap: true });
        }
        let needed = bytes.len() + chunk.len();
        if needed > bytes.capacity() {
            // By hand, since a vector that grows leaves a copy behind that is not wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity((2 * needed).min(cap)));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body { bytes, is_over_cap: false })
}
