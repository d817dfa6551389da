//! The entries of a Delta log: the actions of one version, a JSON object a line (protocol: reader 1, writer 2).

use arrow_schema::{DataType, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::DeltaError;

/// Who wrote a version, in its `commitInfo`.
pub(crate) const ENGINE: &str = "nexthink-graph";

/// A data file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataFile {
    /// The path in the table's folder.
    pub(crate) path: String,
    /// The size in bytes.
    pub(crate) size: u64,
    /// The number of rows.
    pub(crate) rows: u64,
}

/// One version of a table, which has all of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its number.
    pub(crate) number: u64,
    /// The generation that it has.
    pub(crate) generation: String,
    /// The time of the generation, in milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// The mark of its rows.
    pub(crate) mark: String,
    /// The schema, as JSON in a text.
    pub(crate) schema: String,
    /// The ID of the table.
    pub(crate) table_id: String,
    /// When the table was made, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// The types of both ends, of a relationship type.
    pub(crate) ends: Option<(String, String)>,
    /// The files with its rows.
    pub(crate) files: Vec<DataFile>,
}

/// The schema of a table in Delta's words.
pub(crate) fn schema_text(type_name: &str, schema: &Schema) -> Result<String, DeltaError> {
    let field = |field: &arrow_schema::FieldRef| {
        let data_type = type_of(field.data_type()).ok_or_else(|| DeltaError::Column {
            type_name: type_name.to_owned(),
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        let (name, nullable) = (field.name(), field.is_nullable());
        Ok(json!({ "name": name, "type": data_type, "nullable": nullable, "metadata": {} }))
    };
    let fields = schema.fields().iter().map(field).collect::<Result<Vec<_>, DeltaError>>()?;
    Ok(json!({ "type": "struct", "fields": fields }).to_string())
}

fn type_of(data_type: &DataType) -> Option<Value> {
    Some(match data_type {
        DataType::Utf8 => json!("string"),
        DataType::Int64 => json!("long"),
        DataType::Boolean => json!("boolean"),
        DataType::Timestamp(..) => json!("timestamp"),
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            json!({ "type": "array", "elementType": "string", "containsNull": true })
        }
        DataType::Dictionary(keys, values) if **keys == DataType::UInt32 => type_of(values)?,
        _ => return None,
    })
}

/// The ID of a table: the same for the same tenant, type and first generation, so that no chance is in it.
pub(crate) fn table_id(tenant: &str, type_name: &str, generation: &str) -> String {
    let hash = blake3::hash(format!("{tenant}/{type_name}/{generation}").as_bytes()).to_hex();
    let part = |from: usize, to: usize| &hash[from..to];
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

impl Version {
    /// The features that a reader must know to read the table at all.
    fn protocol() -> Value {
        json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } })
    }

    fn meta_data(&self) -> Value {
        json!({ "metaData": {
            "id": self.table_id,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": self.schema,
            "partitionColumns": [],
            "configuration": {},
            "createdTime": self.created_ms,
        }})
    }

    fn add(&self, file: &DataFile) -> Value {
        json!({ "add": {
            "path": file.path,
            "partitionValues": {},
            "size": file.size,
            "modificationTime": self.time_ms,
            "dataChange": true,
            // No smallest and largest values: they are names.
            "stats": json!({ "numRecords": file.rows }).to_string(),
        }})
    }

    /// The log entry of this version, which replaces the one before.
    pub(crate) fn entry(&self, before: Option<&Self>) -> String {
        let commit = json!({ "commitInfo": {
            "timestamp": self.time_ms,
            "operation": "WRITE",
            "operationParameters": { "mode": "Overwrite" },
            "engineInfo": ENGINE,
            "generation": self.generation,
            "mark": self.mark,
            "ends": self.ends,
        }});
        let removed = before.into_iter().flat_map(|before| &before.files).map(|file| {
            json!({ "remove": {
                "path": file.path,
                "deletionTimestamp": self.time_ms,
                "dataChange": true,
                "extendedFileMetadata": true,
                "partitionValues": {},
                "size": file.size,
            }})
        });
        let mut lines = vec![commit, Self::protocol(), self.meta_data()];
        lines.extend(removed);
        lines.extend(self.files.iter().map(|file| self.add(file)));
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        lines.join("\n") + "\n"
    }

    /// The actions that make this version without any entry before it.
    pub(crate) fn actions(&self) -> Vec<Value> {
        let added = self.files.iter().map(|file| self.add(file));
        [Self::protocol(), self.meta_data()].into_iter().chain(added).collect()
    }

    /// Reads a log entry that this program wrote; `None` for that of another program.
    pub(crate) fn parse(number: u64, text: &str) -> Option<Self> {
        let lines: Vec<Value> =
            text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
        let action = |name: &str| lines.iter().find_map(|line| line.get(name));
        let (commit, meta) = (action("commitInfo")?, action("metaData")?);
        if commit["engineInfo"] != ENGINE {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let file = |add: &Value| {
            let stats: Value = serde_json::from_str(add["stats"].as_str()?).ok()?;
            let (size, rows) = (add["size"].as_u64()?, stats["numRecords"].as_u64()?);
            Some(DataFile { path: text(&add["path"])?, size, rows })
        };
        let files = lines.iter().filter_map(|line| line.get("add")).map(file);
        Some(Self {
            number,
            generation: text(&commit["generation"])?,
            time_ms: commit["timestamp"].as_u64()?,
            mark: text(&commit["mark"])?,
            schema: text(&meta["schemaString"])?,
            table_id: text(&meta["id"])?,
            created_ms: meta["createdTime"].as_u64()?,
            ends: serde_json::from_value(commit["ends"].clone()).ok()?,
            files: files.collect::<Option<Vec<_>>>()?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn version(number: u64, files: &[&str]) -> Version {
        let file = |path: &&str| DataFile { path: (*path).to_owned(), size: 7, rows: 3 };
        Version {
            number,
            generation: format!("G{number}"),
            time_ms: 1_000 * number,
            mark: "m".to_owned(),
            schema: "{\"type\":\"struct\",\"fields\":[]}".to_owned(),
            table_id: table_id("acme-eu", "device", "G0"),
            created_ms: 0,
            ends: (number > 0).then(|| ("user".to_owned(), "device".to_owned())),
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn an_entry_is_read_back_and_replaces_every_file_of_the_one_before() {
        let (before, after) = (version(0, &["a", "b"]), version(1, &["c"]));
        let entry = after.entry(Some(&before));
        assert_eq!(Version::parse(1, &entry), Some(after));
        let count = |name: &str| entry.lines().filter(|line| line.contains(name)).count();
        assert_eq!((count("{\"remove\""), count("{\"add\"")), (2, 1), "{entry}");
        assert_eq!(Version::parse(0, &before.entry(None)), Some(before));
    }

    #[test]
    fn the_entry_of_another_program_and_a_damaged_one_are_not_read() {
        let entry = version(0, &["a"]).entry(None);
        assert_eq!(Version::parse(0, &entry.replace(ENGINE, "spark")), None);
        assert_eq!(Version::parse(0, &entry[..entry.len() / 2]), None);
        assert_eq!(Version::parse(0, ""), None);
    }

    #[test]
    fn the_only_statistics_are_numbers_of_rows() {
        let entry = version(0, &["a"]).entry(None);
        assert!(entry.contains(r#""stats":"{\"numRecords\":3}""#), "{entry}");
        assert!(!entry.contains("minValues") && !entry.contains("maxValues"));
    }

    #[test]
    fn an_id_has_the_form_of_a_uuid() {
        let id = table_id("acme-eu", "nexthink_device", "01ARYZ6S41TSV4RRFFQ69G5FAV");
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    }
}
