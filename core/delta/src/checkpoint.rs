//! The checkpoint of a version: its actions as Parquet, so that readers need no entry before it.

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use anyhow::Context as _;
use arrow::json::ReaderBuilder;
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;

use crate::log::Version;

/// Returns the bytes of the checkpoint of a version, and how many actions it has.
pub(crate) fn encode(version: &Version) -> anyhow::Result<(Vec<u8>, usize)> {
    let actions = version.actions();
    let lines: Vec<String> = actions.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n");
    let schema = Arc::new(schema());
    let reader = ReaderBuilder::new(Arc::clone(&schema));
    let reader = reader.build(BufReader::new(Cursor::new(lines)))?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None)?;
    for batch in reader {
        writer.write(&batch.context("an action does not fit")?)?;
    }
    Ok((writer.into_inner()?, actions.len()))
}

/// The columns that the protocol wants.
fn schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let number = |name: &str| Field::new(name, DataType::Int32, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let group = |name: &str, fields: Vec<Field>| {
        Field::new(name, DataType::Struct(Fields::from(fields)), true)
    };
    let texts = |name: &str| {
        let item = Field::new("element", DataType::Utf8, true);
        Field::new(name, DataType::List(Arc::new(item)), true)
    };
    Schema::new(vec![
        group("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        group(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                flag("dataChange"),
                text("stats"),
                map("tags"),
            ],
        ),
        group("remove", vec![text("path"), long("deletionTimestamp"), flag("dataChange")]),
        group(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                group("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                texts("partitionColumns"),
                map("configuration"),
                long("createdTime"),
            ],
        ),
        group("protocol", vec![number("minReaderVersion"), number("minWriterVersion")]),
    ])
}

/// A column of pairs of texts.
fn map(name: &str) -> Field {
    let key = Field::new("key", DataType::Utf8, false);
    let pair = Fields::from(vec![key, Field::new("value", DataType::Utf8, true)]);
    let pairs = Field::new("key_value", DataType::Struct(pair), false);
    Field::new(name, DataType::Map(Arc::new(pairs), false), true)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray as _;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::log::tests::version;

    #[test]
    fn a_checkpoint_has_the_files_of_its_version_and_what_a_reader_must_know() {
        let (bytes, actions) = encode(&version(4, &["a", "b"])).expect("it can be written");
        assert_eq!(actions, 4);
        let folder = tempfile::TempDir::new().expect("a folder can be made");
        let path = folder.path().join("checkpoint");
        std::fs::write(&path, bytes).expect("there is room");
        let file = std::fs::File::open(&path).expect("it is there");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(ParquetRecordBatchReaderBuilder::build);
        let batches: Vec<_> = reader.expect("it is Parquet").flatten().collect();
        assert_eq!(batches.len(), 1);
        let column = |name: &str| batches[0].column_by_name(name).expect("it has it").as_struct();
        let paths = column("add").column_by_name("path").expect("it has it");
        let paths: Vec<_> = paths.as_string::<i32>().iter().flatten().collect();
        assert_eq!(paths, ["a", "b"]);
        let schemas = column("metaData").column_by_name("schemaString").expect("it has it");
        assert_eq!(schemas.as_string::<i32>().iter().flatten().count(), 1);
    }
}
