//! A folder of a bucket into which something else writes files, such as Nexthink's data exporter. It is listed and read,
//! and never written to.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ListResult, ObjectMeta, ObjectStore};

use crate::connect;
use crate::error::BucketError;
use crate::patience::Patience;
use crate::place::{BucketAddress, ClientSettings};
use crate::resuming::WholeObject;

/// A folder of a bucket with files of another program.
#[derive(Clone)]
pub struct FileFolder {
    client: Client,
    folder: Path,
    /// The address without credentials.
    shown: String,
}

/// The client for a bucket. It is made when files are asked for: commands that read the store alone need no credentials.
#[derive(Clone)]
enum Client {
    Made(Arc<dyn ObjectStore>),
    Configured(BucketAddress, ClientSettings),
}

/// A file in such a folder, as it was when it was listed. A bucket shows a file only when it is whole.
#[derive(Clone)]
pub struct BucketFile {
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    shown: String,
}

impl FileFolder {
    /// Returns the folder at an address; `None` if the address is none of a bucket.
    ///
    /// # Errors
    ///
    /// [`BucketError::InvalidAddress`].
    pub fn at(address: &str, settings: ClientSettings) -> Result<Option<Self>, BucketError> {
        let Some(address) = BucketAddress::parse(address)? else { return Ok(None) };
        let (folder, shown) = (address.folder.clone(), address.to_string());
        let shown = shown.trim_end_matches('/').to_owned();
        Ok(Some(Self { client: Client::Configured(address, settings), folder, shown }))
    }

    /// Returns the folder of a bucket that `store` reaches, with the address to show.
    pub fn new(store: Arc<dyn ObjectStore>, folder: Path, shown: &str) -> Self {
        Self { client: Client::Made(store), folder, shown: shown.trim_end_matches('/').to_owned() }
    }

    fn client(&self) -> Result<Arc<dyn ObjectStore>, BucketError> {
        match &self.client {
            Client::Made(store) => Ok(Arc::clone(store)),
            Client::Configured(address, settings) => connect::connect(address, settings.checked()?),
        }
    }

    /// Returns the file that was written last among those with a wanted name; of several, the one whose name comes last.
    /// Folders in the folder are left out.
    ///
    /// # Errors
    ///
    /// [`BucketError::NotBuilt`], [`BucketError::Configuration`], [`BucketError::Request`].
    pub async fn newest(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<BucketFile>, BucketError> {
        let store = self.client()?;
        let mut attempts = Patience::Reader.begin();
        let listed = loop {
            match self.list(&store).await {
                Ok(listed) => break listed,
                Err(error) => attempts.after(error).await?,
            }
        };
        let wanted = listed.objects.into_iter();
        let wanted = wanted.filter(|object| object.location.filename().is_some_and(&is_wanted));
        let newest = wanted.max_by(|one, other| {
            (one.last_modified, &one.location).cmp(&(other.last_modified, &other.location))
        });
        Ok(newest.map(|object| {
            let name = object.location.filename().unwrap_or_default();
            let shown = format!("{}/{name}", self.shown);
            BucketFile { store: Arc::clone(&store), object, shown }
        }))
    }

    async fn list(&self, store: &Arc<dyn ObjectStore>) -> Result<ListResult, BucketError> {
        let listed = store.list_with_delimiter(Some(&self.folder)).await;
        listed.map_err(BucketError::request("list", &self.shown))
    }
}

impl BucketFile {
    /// The number of its bytes.
    pub fn bytes(&self) -> u64 {
        self.object.size
    }

    /// The time at which it was written.
    pub fn modified(&self) -> SystemTime {
        self.object.last_modified.into()
    }

    /// Reads the file. If the connection breaks, it goes on after the last byte that has arrived.
    ///
    /// # Errors
    ///
    /// [`BucketError::Request`] for each piece; [`RequestErrorKind::Conflict`] if the file was replaced since it was
    /// listed.
    ///
    /// [`RequestErrorKind::Conflict`]: crate::RequestErrorKind::Conflict
    pub fn read(&self) -> BoxStream<'static, Result<Bytes, BucketError>> {
        let object = WholeObject {
            store: Arc::clone(&self.store),
            path: self.object.location.clone(),
            e_tag: self.object.e_tag.clone(),
            size: self.object.size,
            shown: self.shown.clone(),
            patience: Patience::Reader,
        };
        object.read(None)
    }

    /// Reads the first bytes of the file, so many at most.
    ///
    /// # Errors
    ///
    /// As [`BucketFile::read`].
    pub async fn read_start(&self, bytes: u64) -> Result<Bytes, BucketError> {
        let end = bytes.min(self.object.size);
        if end == 0 {
            return Ok(Bytes::new());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(0..end)), ..self.options() };
        let found = self.get(options).await?;
        found.bytes().await.map_err(BucketError::request("read", &self.shown))
    }

    async fn get(&self, options: GetOptions) -> Result<GetResult, BucketError> {
        let mut attempts = Patience::Reader.begin();
        loop {
            match self.get_once(options.clone()).await {
                Ok(found) => return Ok(found),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn get_once(&self, options: GetOptions) -> Result<GetResult, BucketError> {
        let found = self.store.get_opts(&self.object.location, options).await;
        found.map_err(BucketError::request("read", &self.shown))
    }

    /// Asks for the file as it was listed.
    fn options(&self) -> GetOptions {
        GetOptions { if_match: self.object.e_tag.clone(), ..GetOptions::default() }
    }
}

impl PartialEq for FileFolder {
    /// Two folders are the same if their addresses are.
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for FileFolder {}

impl fmt::Display for FileFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for FileFolder {
    /// Leaves out the client, which has credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FileFolder").field(&self.shown).finish()
    }
}

impl fmt::Display for BucketFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for BucketFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("BucketFile").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::*;
    use crate::error::RequestErrorKind;

    type Checked = Result<(), Box<dyn std::error::Error>>;

    async fn folder_with(names: &[&str]) -> Result<(Arc<InMemory>, FileFolder), BucketError> {
        let store = Arc::new(InMemory::new());
        for name in names {
            let put = store.put(&Path::from(*name), (*name).to_owned().into()).await;
            put.map_err(BucketError::request("write", name))?;
        }
        let shared: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&store);
        Ok((store, FileFolder::new(shared, Path::from("out"), "s3://b/out/")))
    }

    #[tokio::test]
    async fn the_newest_file_with_a_wanted_name_is_read_and_deeper_ones_are_not() -> Checked {
        let names =
            ["out/devices-2.csv", "out/devices-1.csv", "out/users-1.csv", "out/a/devices-9.csv"];
        let (_, folder) = folder_with(&names).await?;
        let newest = folder.newest(|name| name.starts_with("devices-")).await?.ok_or("a file")?;
        assert_eq!(newest.to_string(), "s3://b/out/devices-1.csv");
        let read: Vec<Bytes> = newest.read().try_collect().await?;
        assert_eq!(read.concat(), b"out/devices-1.csv");
        assert_eq!(newest.bytes(), 17);
        assert_eq!(newest.read_start(3).await?, "out");
        assert_eq!(newest.read_start(99).await?, "out/devices-1.csv");
        assert!(folder.newest(|name| name.starts_with("alerts")).await?.is_none());
        Ok(())
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_after_it_was_listed_is_not_read() -> Checked {
        let (store, folder) = folder_with(&["out/devices.csv"]).await?;
        let listed = folder.newest(|_| true).await?.ok_or("a file")?;
        store.put(&Path::from("out/devices.csv"), "other".into()).await?;
        let refused = listed.read().try_next().await.err().ok_or("it is another file")?;
        assert!(
            matches!(&refused, BucketError::Request { kind: RequestErrorKind::Conflict, .. }),
            "{refused}"
        );
        assert!(listed.read_start(1).await.is_err());
        Ok(())
    }

    #[tokio::test]
    async fn an_empty_file_has_no_start() -> Checked {
        let (store, folder) = folder_with(&[]).await?;
        store.put(&Path::from("out/devices.csv"), "".into()).await?;
        let listed = folder.newest(|_| true).await?.ok_or("a file")?;
        assert!(listed.read_start(10).await?.is_empty());
        Ok(())
    }

    #[test]
    fn a_path_of_this_machine_is_no_folder_of_a_bucket() -> Checked {
        let at = |address| FileFolder::at(address, ClientSettings::default());
        assert!(at("/data/exports")?.is_none());
        assert!(at("s3://key@b/exports").is_err());
        // Without credentials too: they are needed when files are asked for.
        assert_eq!(at("s3://b/exports/")?.ok_or("a folder")?.to_string(), "s3://b/exports");
        Ok(())
    }
}
