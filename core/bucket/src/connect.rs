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
    use object_store::ClientOptions;
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;

    use crate::place::Service;

    // The limit for a whole request: long enough for a large table over a slow line.
    let options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
    let failed = |error: object_store::Error| BucketError::Configuration {
        reason: error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    match address.service {
        Service::S3 => {
            let mut builder = AmazonS3Builder::new()
                .with_client_options(options)
                .with_bucket_name(&address.bucket);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let is_loopback = is_loopback(settings, "AWS_ENDPOINT");
            Ok(Arc::new(builder.with_allow_http(is_loopback).build().map_err(failed)?))
        }
        Service::Azure => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_client_options(options)
                .with_container_name(&address.bucket);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let is_loopback = is_loopback(settings, "AZURE_STORAGE_ENDPOINT");
            Ok(Arc::new(builder.with_allow_http(is_loopback).build().map_err(failed)?))
        }
    }
}

/// Returns true if an endpoint is on this machine. Only then is HTTP without TLS allowed.
#[cfg(feature = "cloud")]
fn is_loopback(settings: &ClientSettings, prefix: &str) -> bool {
    let endpoints = settings.0.iter().filter(|(name, _)| name.starts_with(prefix));
    let mut hosts = endpoints.map(|(_, value)| url::Url::parse(value).ok());
    hosts.any(|url| {
        url.is_some_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        })
    })
}
