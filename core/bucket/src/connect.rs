//! The clients for buckets, behind the feature `cloud`.

use std::sync::Arc;
#[cfg(feature = "cloud")]
use std::time::Duration;

use object_store::ObjectStore;

use crate::error::BucketError;
use crate::place::{BucketAddress, ClientSettings};

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

    // A large table may take hours over a slow line. `LimitedConnector` limits the silence.
    let options = ClientOptions::new().with_timeout_disabled();
    let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let failed = |error: object_store::Error| BucketError::Configuration { reason: reason(&error) };
    match address.service {
        Service::S3 => {
            let mut builder = AmazonS3Builder::new()
                .with_client_options(options)
                .with_retry(retry)
                .with_http_connector(LimitedConnector);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            // After the variables, which may name another bucket: AWS_BUCKET is one of theirs.
            let builder = builder.with_bucket_name(&address.bucket);
            let builder = builder.with_allow_http(settings.has_plain_http());
            Ok(Arc::new(builder.build().map_err(failed)?))
        }
        Service::Azure => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_client_options(options)
                .with_retry(retry)
                .with_http_connector(LimitedConnector);
            for (name, value) in &settings.0 {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder = builder.with_container_name(&address.bucket);
            let builder = builder.with_allow_http(settings.has_plain_http());
            Ok(Arc::new(builder.build().map_err(failed)?))
        }
    }
}

/// The words of the clients about a variable that is missing, and its name.
#[cfg(feature = "cloud")]
const MISSING: [(&str, &str); 3] = [
    ("Missing AccessKeyId", "AWS_ACCESS_KEY_ID"),
    ("Missing SecretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    ("Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME"),
];

/// The reason why a client cannot be made.
#[cfg(feature = "cloud")]
fn reason(error: &object_store::Error) -> String {
    let text = error.to_string();
    match MISSING.iter().find(|(said, _)| text.contains(said)) {
        Some((_, variable)) => format!("the variable {variable} is missing"),
        None => text.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(all(test, feature = "cloud"))]
mod tests {
    use super::*;

    #[test]
    fn variables_name_no_other_bucket_than_the_address() -> Result<(), BucketError> {
        let s3 = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_BUCKET AWS_BUCKET_NAME";
        let azure = "AZURE_STORAGE_ACCOUNT_NAME AZURE_CONTAINER_NAME";
        for (address, variables, expected) in
            [("s3://right/a", s3, "AmazonS3(right)"), ("az://right/a", azure, "container: right ")]
        {
            let settings = variables.split(' ').map(|name| (name.to_owned(), "other".to_owned()));
            let address = BucketAddress::parse(address)?.expect("it is in a bucket");
            let client = connect(&address, &ClientSettings(settings.collect()))?.to_string();
            assert!(client.contains(expected), "{client}");
        }
        Ok(())
    }

    #[test]
    fn a_variable_that_is_missing_is_named() -> Result<(), BucketError> {
        for (address, variable, missing) in [
            ("s3://b/a", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            ("s3://b/a", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            ("az://b/a", "AZURE_CLIENT_ID", "AZURE_STORAGE_ACCOUNT_NAME"),
        ] {
            let settings = ClientSettings([(variable.to_owned(), "demo".to_owned())].into());
            let address = BucketAddress::parse(address)?.expect("it is in a bucket");
            let refused = connect(&address, &settings).expect_err("something is missing");
            let expected =
                format!("the bucket is not configured: the variable {missing} is missing");
            assert_eq!(refused.to_string(), expected);
        }
        Ok(())
    }
}
