//! The place of a store: a folder, or a folder of a bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use core_store::{Location, Store};
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::connect;
use crate::error::BucketError;

/// The digits of a hash in the name of a folder.
const HASH_DIGITS: usize = 16;

/// The place of a store.
#[derive(Clone)]
pub enum Place {
    /// A local folder.
    Folder {
        /// The store in it.
        store: Store,
        /// The path as it was given.
        shown: String,
    },
    /// A folder of a bucket.
    Bucket {
        /// The client.
        store: Arc<dyn ObjectStore>,
        /// The folder; empty for the whole bucket.
        folder: Path,
        /// The address without credentials.
        shown: String,
    },
}

/// The services whose buckets can have a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3, and services with its interface.
    S3,
    /// Azure Blob Storage.
    Azure,
}

/// The address of a folder of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// The service.
    pub service: Service,
    /// The bucket, or container.
    pub bucket: String,
    /// The folder; empty for the whole bucket.
    pub folder: Path,
}

/// The settings of the clients for buckets, by the names of their environment variables: `AWS_ENDPOINT_URL`, for
/// example. The values may be secrets, so they are never shown.
#[derive(Clone, Default)]
pub struct ClientSettings(pub BTreeMap<String, String>);

/// The prefixes of the variables that the clients for buckets read.
const VARIABLES: [&str; 2] = ["AWS_", "AZURE_"];

impl ClientSettings {
    /// Reads the settings from the environment. `variables` returns those whose names begin with a prefix.
    /// An empty variable is one that is not set.
    pub fn from_variables(variables: impl Fn(&str) -> BTreeMap<String, String>) -> Self {
        let all = VARIABLES.iter().flat_map(|prefix| variables(prefix));
        Self(all.filter(|(_, value)| !value.is_empty()).collect())
    }
}

/// The variables with the address of a service.
const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
];

/// The variables with the name of a region, which is a part of addresses.
const REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

impl ClientSettings {
    /// Returns the settings, if a client can be made of them.
    pub(crate) fn checked(&self) -> Result<&Self, BucketError> {
        self.check()?;
        Ok(self)
    }

    /// Fails if a request could not have such an address: the clients would panic. HTTP without TLS is for services on
    /// this machine.
    fn check(&self) -> Result<(), BucketError> {
        let wrong = |name: &str, rule| BucketError::Configuration {
            reason: format!("the variable {name} {rule}"),
        };
        for (name, value) in &self.0 {
            if ENDPOINTS.contains(&name.as_str()) {
                let url = Url::parse(value).ok().filter(Url::has_host);
                match url.as_ref().map(Url::scheme) {
                    Some("https") => {}
                    Some("http") if url.as_ref().is_some_and(is_loopback) => {}
                    Some("http") => {
                        return Err(wrong(
                            name,
                            "has no TLS, which only a service on this machine \
                             may lack; write https://HOST",
                        ));
                    }
                    _ => return Err(wrong(name, "is no address of a service; write https://HOST")),
                }
            }
            let is_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if REGIONS.contains(&name.as_str()) && !value.bytes().all(is_region) {
                return Err(wrong(name, "is no region; write one such as eu-central-1"));
            }
        }
        Ok(())
    }

    /// Returns true if a service is reached without TLS, which is on this machine then.
    #[cfg(feature = "cloud")]
    pub(crate) fn has_plain_http(&self) -> bool {
        let endpoints = ENDPOINTS.iter().filter_map(|name| self.0.get(*name));
        endpoints.filter_map(|value| Url::parse(value).ok()).any(|url| url.scheme() == "http")
    }
}

/// Returns true if an address is on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl BucketAddress {
    /// Parses `s3://bucket/folder` or `az://container/folder`; None for the address of a folder of this machine.
    ///
    /// # Errors
    ///
    /// [`BucketError::InvalidAddress`] for an address without a bucket, or with a user, a port or a query.
    pub fn parse(text: &str) -> Result<Option<Self>, BucketError> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        let service = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Service::S3,
            "az" => Service::Azure,
            _ => return Ok(None),
        };
        let invalid = |rule| BucketError::InvalidAddress { text: format!("{scheme}://…"), rule };
        let url = Url::parse(text).map_err(|_| invalid("write s3://BUCKET/FOLDER"))?;
        if !url.username().is_empty() || url.password().is_some() || rest.contains('@') {
            let rule =
                "it must not have credentials: give them in variables such as AWS_ACCESS_KEY_ID";
            return Err(invalid(rule));
        }
        if url.port().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a bucket and a folder only"));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() {
            return Err(invalid("write s3://BUCKET/FOLDER"));
        }
        // A URL has spaces and letters such as `é` in another form than the keys of a bucket.
        let folder = Path::from_url_path(url.path().trim_matches('/'));
        let folder =
            folder.map_err(|_| invalid("a folder has no empty name and none like `..`"))?;
        Ok(Some(Self { service, bucket, folder }))
    }
}

impl BucketAddress {
    /// The name of the folder for working copies of this store; no other store has the same name.
    pub fn folder_name(&self) -> String {
        let hash = blake3::hash(self.to_string().as_bytes()).to_hex();
        format!("{}-{}", self.bucket, &hash[..HASH_DIGITS])
    }
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.service {
            Service::S3 => "s3",
            Service::Azure => "az",
        };
        write!(formatter, "{scheme}://{}/{}", self.bucket, self.folder)
    }
}

impl Place {
    /// Opens the place at an address: a path, `file://…`, `s3://bucket/folder` or `az://container/folder`. Nothing is
    /// read or written.
    ///
    /// # Errors
    ///
    /// [`BucketError::InvalidAddress`], [`BucketError::NotBuilt`], [`BucketError::Configuration`], and those of
    /// [`Location::parse`].
    pub fn open(address: &str, settings: &ClientSettings) -> Result<Self, BucketError> {
        let Some(bucket) = BucketAddress::parse(address)? else {
            let store = Store::open(Location::parse(address)?)?;
            return Ok(Self::Folder { store, shown: address.to_owned() });
        };
        let store = connect::connect(&bucket, settings.checked()?)?;
        let shown = bucket.to_string();
        Ok(Self::Bucket { store, folder: bucket.folder, shown })
    }
}

impl fmt::Debug for Place {
    /// Leaves out the client, which has credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Place").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Folder { shown, .. } | Self::Bucket { shown, .. }) = self;
        formatter.write_str(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_buckets_are_understood_and_others_left_to_folders() -> Result<(), BucketError> {
        let parsed =
            |text| BucketAddress::parse(text).map(|found| found.map(|address| address.to_string()));
        assert_eq!(parsed("s3://b/a/c/")?.as_deref(), Some("s3://b/a/c"));
        assert_eq!(parsed("S3://b")?.as_deref(), Some("s3://b/"));
        assert_eq!(parsed("az://box/a")?.as_deref(), Some("az://box/a"));
        assert_eq!(parsed("s3://b/Daten é/[1]~%20x")?.as_deref(), Some("s3://b/Daten é/[1]~ x"));
        for refused in ["s3://b/a//c", "s3://b/a%0Ac", "s3://b/%FF"] {
            assert!(parsed(refused).is_err(), "{refused}");
        }
        for folder in ["./store", "C:\\store", "file:///srv/store", "gs://b/a"] {
            assert_eq!(parsed(folder)?, None, "{folder}");
        }
        Ok(())
    }

    #[test]
    fn a_variable_from_which_no_address_can_be_made_is_refused_by_its_name() {
        let table = [
            ("AWS_ENDPOINT_URL", "https://minio.example", None),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000", None),
            ("AWS_ENDPOINT_URL", "http://[::1]:9000", None),
            ("AWS_ENDPOINT_URL", "http://minio.example", Some("has no TLS")),
            ("AWS_ENDPOINT_URL_S3", "topsecret", Some("is no address of a service")),
            ("AZURE_STORAGE_ENDPOINT", "file:///topsecret", Some("is no address of a service")),
            ("AWS_REGION", "eu-central-1", None),
            ("AWS_REGION", "topsecret region", Some("is no region")),
        ];
        for (name, value, expected) in table {
            let settings = ClientSettings([(name.to_owned(), value.to_owned())].into());
            let refused = settings.check().err().map(|error| error.to_string());
            match (&refused, expected) {
                (None, None) => {}
                (Some(text), Some(expected)) => {
                    assert!(text.contains(name) && text.contains(expected), "{text}");
                    assert!(!text.contains("topsecret"), "{text}");
                }
                _ => panic!("{name}={value}: {refused:?}"),
            }
        }
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        let variables = |prefix: &str| match prefix {
            "AWS_" => [("AWS_REGION", ""), ("AWS_PROFILE", "p")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            _ => BTreeMap::new(),
        };
        let settings = ClientSettings::from_variables(variables);
        assert_eq!(settings.0.into_keys().collect::<Vec<_>>(), ["AWS_PROFILE"]);
    }

    #[test]
    fn an_address_with_credentials_is_refused_and_not_shown() {
        for text in
            ["s3://AKIA:topsecret@b/a", "s3://topsecret@b/a", "s3://b/a?key=topsecret", "s3://"]
        {
            let error = BucketAddress::parse(text).expect_err("it is refused").to_string();
            assert!(!error.contains("topsecret"), "{error}");
        }
    }
}
