//! The clients for buckets, behind the feature `cloud`.

use std::sync::Arc;
#[cfg(feature = "cloud")]
use std::time::Duration;

use object_store::ObjectStore;

use crate::error::BucketError;
use crate::place::{BucketAddress, ClientSettings};

/// The longest time of one request.
#[cfg(feature = "cloud")]
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);

/// The time for which the client itself sends a request again. Then it fails, and `patience` decides.
#[cfg(feature = "cloud")]
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the client for a bucket.
///
/// # Errors
///
/// [`BucketError::NotBuilt`].
#[cfg(not(feature = "cloud"))]
pub(crate) fn connect(
    address: &BucketAddress,
    _: &ClientSettings,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let text = address.to_string();
    let scheme = text.split(':').next().unwrap_or_default().to_owned();
    Err(BucketError::NotBuilt { scheme })
}

/// Makes the client for a bucket.
///
/// # Errors
///
/// [`BucketError::Configuration`] if a setting is missing or wrong.
#[cfg(feature = "cloud")]
pub(crate) fn connect(
    address: &BucketAddress,
    settings: &ClientSettings,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::{ClientOptions, RetryConfig};

    use crate::answer_limit::LimitedConnector;
    use crate::place::Service;

    // The limit for a whole request: long enough for a large table over a slow line.
    let options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
    let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let failed = |error: object_store::Error| BucketError::Configuration {
        reason: error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    match address.service {
        Service::S3 => {
            let mut builder = AmazonS3Builder::new()
                .with_client_options(options)
                .with_retry(retry)
                .with_http_connector(LimitedConnector)
                .with_bucket_name(&address.bucket);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            Ok(Arc::new(
                builder.with_allow_http(settings.has_plain_http()).build().map_err(failed)?,
            ))
        }
        Service::Azure => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_client_options(options)
                .with_retry(retry)
                .with_http_connector(LimitedConnector)
                .with_container_name(&address.bucket);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            Ok(Arc::new(
                builder.with_allow_http(settings.has_plain_http()).build().map_err(failed)?,
            ))
        }
    }
}
