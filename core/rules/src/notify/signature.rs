//! Signatures by the Standard Webhooks specification: `v1,` and an HMAC-SHA256 in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Begins a key in the specification's form.
const PREFIX: &str = "whsec_";

/// Signs a message: its id, the time of the attempt in seconds, and the body.
///
/// # Errors
/// A key that begins with `whsec_` and is no Base64.
pub fn sign(key: &str, id: &str, timestamp: u64, body: &[u8]) -> Result<String, String> {
    let key = match key.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| "the key begins with whsec_, and the rest is not Base64".to_owned())?,
        None => key.as_bytes().to_vec(),
    };
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "the key cannot be used".to_owned())?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_reproduced() {
        // From the reference implementation's own tests.
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert!(sign("whsec_!", "id", 0, b"").is_err());
    }
}
