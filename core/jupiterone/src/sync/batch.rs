//! Uploads in the making: lists of objects, cut by bytes across types, compressed, and split again where
//! JupiterOne finds one too large or something in it wrong.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::error::JupiterOneError;
use crate::objects::{LIST_END, ObjectKind};
use crate::persons::IS;

/// One upload. Only its compressed form is kept, so that six under way take little memory.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) kind: ObjectKind,
    /// The JSON, compressed.
    pub(super) body: Bytes,
    /// The length of the JSON.
    pub(super) json_bytes: usize,
    /// Where each object ends in the JSON. They are separated by one byte.
    ends: Vec<u32>,
    /// Which types the objects have, in their order, and how many of each.
    pub(super) runs: Vec<Run>,
}

/// Objects of one type in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) type_name: Arc<str>,
    pub(super) objects: usize,
}

impl Batch {
    /// The number of its objects.
    pub(super) fn objects(&self) -> usize {
        self.ends.len()
    }

    /// Its objects in two batches.
    pub(super) fn split(&self) -> Result<[Self; 2], JupiterOneError> {
        let json = self.json()?;
        let (mut parts, mut start) = (Vec::new(), self.kind.list_start().len());
        let types =
            self.runs.iter().flat_map(|run| std::iter::repeat_n(&run.type_name, run.objects));
        let mut list = List::new(self.kind);
        for (number, (&end, type_name)) in self.ends.iter().zip(types).enumerate() {
            if number == self.objects() / 2 {
                parts.extend(list.take()?);
            }
            let end = end as usize;
            list.push(type_name, &json[start..end]);
            start = end + 1;
        }
        parts.extend(list.take()?);
        Ok(parts.try_into().expect("a batch that is split has two objects or more"))
    }

    /// The `_key` of its first object, without an e-mail address.
    pub(super) fn first_key(&self) -> Result<Option<String>, JupiterOneError> {
        #[derive(Deserialize)]
        struct Keyed {
            #[serde(rename = "_key")]
            key: String,
        }
        let json = self.json()?;
        let Some(&end) = self.ends.first() else { return Ok(None) };
        let object = &json[self.kind.list_start().len()..end as usize];
        let keyed = serde_json::from_slice::<Keyed>(object).ok();
        Ok(keyed.map(|Keyed { key }| match key.split_once(IS) {
            Some((user, _)) => user.to_owned(),
            None => key,
        }))
    }

    fn json(&self) -> Result<Vec<u8>, JupiterOneError> {
        let mut json = Vec::with_capacity(self.json_bytes);
        GzDecoder::new(&*self.body).read_to_end(&mut json).map_err(failed)?;
        Ok(json)
    }
}

/// Cuts a stream of objects into batches of at most so many bytes of JSON.
pub(super) struct Cutter {
    /// The limit, which uploads may lower while the cutter works.
    limit: Arc<AtomicUsize>,
    list: List,
}

impl Cutter {
    pub(super) fn new(kind: ObjectKind, limit: Arc<AtomicUsize>) -> Self {
        Self { limit, list: List::new(kind) }
    }

    /// Adds an object; gives the batch before it where the limit is reached. An object that is larger
    /// than the limit makes a batch of its own.
    pub(super) fn push(
        &mut self,
        type_name: &Arc<str>,
        object: &[u8],
    ) -> Result<Option<Batch>, JupiterOneError> {
        let length = self.list.json.len() + object.len() + LIST_END.len() + 1;
        let full =
            if length > self.limit.load(Ordering::Relaxed) { self.list.take()? } else { None };
        self.list.push(type_name, object);
        Ok(full)
    }

    /// The last batch, if there is anything left.
    pub(super) fn finish(mut self) -> Result<Option<Batch>, JupiterOneError> {
        self.list.take()
    }
}

/// A list of objects that grows.
struct List {
    kind: ObjectKind,
    json: Vec<u8>,
    ends: Vec<u32>,
    runs: Vec<Run>,
}

impl List {
    fn new(kind: ObjectKind) -> Self {
        Self { kind, json: kind.list_start().to_vec(), ends: Vec::new(), runs: Vec::new() }
    }

    fn push(&mut self, type_name: &Arc<str>, object: &[u8]) {
        if !self.ends.is_empty() {
            self.json.push(b',');
        }
        self.json.extend_from_slice(object);
        self.ends.push(u32::try_from(self.json.len()).expect("an upload is below 4 GiB"));
        match self.runs.last_mut() {
            Some(run) if run.type_name == *type_name => run.objects += 1,
            _ => self.runs.push(Run { type_name: Arc::clone(type_name), objects: 1 }),
        }
    }

    /// The list as a batch, none if it is empty; the list is empty then.
    fn take(&mut self) -> Result<Option<Batch>, JupiterOneError> {
        if self.ends.is_empty() {
            return Ok(None);
        }
        self.json.extend_from_slice(LIST_END);
        // The fastest level already makes a tenth of these texts.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.json).map_err(failed)?;
        let body = Bytes::from(encoder.finish().map_err(failed)?);
        let json_bytes = self.json.len();
        self.json.truncate(self.kind.list_start().len());
        Ok(Some(Batch {
            kind: self.kind,
            body,
            json_bytes,
            ends: std::mem::take(&mut self.ends),
            runs: std::mem::take(&mut self.runs),
        }))
    }
}

fn failed(source: io::Error) -> JupiterOneError {
    JupiterOneError::Compression { source }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn batches(limit: usize, objects: &[(&str, &str)]) -> Result<Vec<Batch>, JupiterOneError> {
        let mut cutter = Cutter::new(ObjectKind::Entities, Arc::new(AtomicUsize::new(limit)));
        let mut batches = Vec::new();
        for (type_name, key) in objects {
            let object = format!(r#"{{"_key":"{key}"}}"#);
            batches.extend(cutter.push(&Arc::from(*type_name), object.as_bytes())?);
        }
        batches.extend(cutter.finish()?);
        Ok(batches)
    }

    fn keys(batch: &Batch) -> Vec<String> {
        let json: Value = serde_json::from_slice(&batch.json().expect("it was compressed here"))
            .expect("a batch is JSON");
        let objects = json["entities"].as_array().expect("a list").iter();
        objects.map(|object| object["_key"].as_str().expect("a key").to_owned()).collect()
    }

    #[test]
    fn batches_go_over_types_and_stay_below_the_limit() -> Result<(), JupiterOneError> {
        let objects = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), ("b", "b3")];
        let cut = batches(60, &objects)?;
        assert_eq!(
            cut.iter().map(keys).collect::<Vec<_>>().concat(),
            ["a1", "a2", "b1", "b2", "b3"]
        );
        assert!(cut.iter().all(|upload| upload.json_bytes <= 60 && upload.objects() > 0));
        assert_eq!(cut.len(), 2);
        let runs: Vec<_> = cut[0].runs.iter().map(|run| (&*run.type_name, run.objects)).collect();
        assert_eq!(runs, [("a", 2), ("b", 1)]);
        Ok(())
    }

    #[test]
    fn an_object_above_the_limit_goes_alone() -> Result<(), JupiterOneError> {
        let long = "x".repeat(100);
        let cut = batches(40, &[("a", "a1"), ("a", &long), ("a", "a2")])?;
        assert_eq!(
            cut.iter().map(keys).collect::<Vec<_>>(),
            [vec!["a1"], vec![&*long], vec!["a2"]]
        );
        Ok(())
    }

    #[test]
    fn halves_have_all_objects_with_their_types() -> Result<(), JupiterOneError> {
        let cut = batches(10_000, &[("a", "a1"), ("a", "a2"), ("b", "b1")])?;
        let [first, second] = cut[0].split()?;
        assert_eq!(keys(&first), ["a1"]);
        assert_eq!(keys(&second), ["a2", "b1"]);
        assert_eq!(second.runs.len(), 2);
        assert_eq!(second.first_key()?.as_deref(), Some("a2"));
        let person = "u:1|is|FORWARD:_class=Person:email=a@acme.example";
        let cut = batches(10_000, &[("a", person)])?;
        assert_eq!(cut[0].first_key()?.as_deref(), Some("u:1"));
        let [first, second] = second.split()?;
        assert_eq!((keys(&first), keys(&second)), (vec!["a2".to_owned()], vec!["b1".to_owned()]));
        assert_eq!(json!(&*second.runs[0].type_name), json!("b"));
        Ok(())
    }

    #[test]
    fn a_batch_of_exactly_the_limit_is_one_and_of_one_byte_more_two() -> Result<(), JupiterOneError>
    {
        let objects = [("a", "a1"), ("a", "a2")];
        let whole = batches(10_000, &objects)?;
        let bytes = whole[0].json_bytes;
        assert_eq!(whole[0].json()?.len(), bytes);
        for (limit, expected) in [(bytes, 1), (bytes - 1, 2)] {
            assert_eq!(batches(limit, &objects)?.len(), expected, "{limit} of {bytes}");
        }
        Ok(())
    }
}
