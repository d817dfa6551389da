//! Published data can be read back, and the same rows give the same bytes.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use core_store::{GenerationId, Outcome, Staging, StoreError, Table, TableKind};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{
    Checked, FIRST, Place, SECOND, device_batch, device_keys, devices, draft, installation_batch,
    installations, write,
};

#[test]
fn a_published_generation_is_current_and_reads_back() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let pairs = [("a".to_owned(), "p".to_owned()), ("b".to_owned(), "p".to_owned())];
    let mut edges = write(&staging, installations(), &[installation_batch(&pairs)])?;
    edges.partial = true;
    let nodes = write(&staging, devices(), &[device_batch(&["a"]), device_batch(&["b", "c"])])?;
    let mut draft = draft(vec![edges, nodes]);
    draft.outcome = Outcome::Partial;
    staging.publish(draft, &[("run.json", b"{\"steps\":[]}")])?;

    let generation = place.tenant.current()?.ok_or("nothing is published")?;
    generation.verify()?;
    assert_eq!(device_keys(&generation)?, ["a", "b", "c"]);
    let edges: Result<Vec<_>, _> =
        generation.batches(TableKind::Relationship, "nexthink_device_installed_package")?.collect();
    assert_eq!(edges?, [installation_batch(&pairs)]);
    assert_eq!(generation.attachment("run.json")?.as_deref(), Some(&b"{\"steps\":[]}"[..]));
    assert_eq!(generation.attachment("other.json")?, None);

    let manifest = generation.manifest();
    assert_eq!(manifest.id.as_str(), FIRST);
    assert_eq!(manifest.previous, None);
    assert_eq!(manifest.outcome, Outcome::Partial);
    let summary: Vec<_> = manifest
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows, table.partial))
        .collect();
    assert_eq!(
        summary,
        [("nexthink_device", 3, false), ("nexthink_device_installed_package", 2, true)]
    );
    assert_eq!(manifest.tables[1].from_type.as_deref(), Some("nexthink_device"));
    assert_eq!(manifest.tables[0].columns[2].data_type, "Int64");
    Ok(())
}

#[test]
fn the_manifest_is_text_with_the_location_of_everything() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "a")?;
    let text = fs::read_to_string(place.path(&format!("generations/{FIRST}/manifest.json")))?;
    let shown: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("blake3") && !line.contains("bytes"))
        .take(26)
        .collect();
    let expected = [
        "{",
        "  \"format_version\": 1,",
        "  \"id\": \"01JN7Z1M80000000000000000A\",",
        "  \"previous\": null,",
        "  \"tenant\": \"acme\",",
        "  \"region\": \"eu\",",
        "  \"created_at\": \"2026-03-01T08:00:00Z\",",
        "  \"outcome\": \"complete\",",
        "  \"tables\": [",
        "    {",
        "      \"kind\": \"entity\",",
        "      \"name\": \"nexthink_device\",",
        "      \"class\": [",
        "        \"Device\",",
        "        \"Host\"",
        "      ],",
        "      \"rows\": 1,",
        "      \"partial\": false,",
        "      \"columns\": [",
        "        {",
        "          \"name\": \"_key\",",
        "          \"type\": \"Utf8\",",
        "          \"nullable\": false",
        "        },",
        "        {",
        "          \"name\": \"displayName\",",
    ];
    assert_eq!(shown, expected);
    assert_eq!(fs::read_to_string(place.path("CURRENT"))?, format!("{FIRST}\n"));
    Ok(())
}

/// The bytes and hash of a table that was written in these batches.
fn written(batches: &[RecordBatch]) -> Result<(Vec<u8>, String), Box<dyn Error>> {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let table = write(&staging, installations(), batches)?;
    let path = place.path(&format!("staging/{FIRST}/generation/{}", table.files[0].file.path));
    Ok((fs::read(path)?, table.files[0].file.blake3.clone()))
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_batches() -> Checked {
    // Enough rows for several pages and two row groups.
    let pairs: Vec<_> = (0..150_000)
        .map(|n| (format!("device-{}", n / 50), format!("package-{}", n % 97)))
        .collect();
    let (whole, whole_hash) = written(&[installation_batch(&pairs)])?;
    for n_rows in [1_000, 8_192, 100_001] {
        let batches: Vec<_> = pairs.chunks(n_rows).map(installation_batch).collect();
        let (bytes, hash) = written(&batches)?;
        assert!(bytes == whole, "batches of {n_rows} rows");
        assert_eq!(hash, whole_hash);
    }
    assert_eq!(blake3::hash(&whole).to_hex().as_str(), whole_hash);
    Ok(())
}

#[test]
fn metadata_of_a_schema_does_not_reach_the_file() -> Checked {
    let batch = installation_batch(&[("a".to_owned(), "p".to_owned())]);
    let notes = HashMap::from([("run".to_owned(), "7".to_owned())]);
    let schema = Schema::clone(&batch.schema()).with_metadata(notes);
    let with_notes = RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec())?;
    assert_eq!(written(&[with_notes])?, written(&[batch])?);
    Ok(())
}

#[test]
fn a_table_without_rows_has_a_file_with_its_columns() -> Checked {
    let place = Place::new()?;
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let table = write(&staging, devices(), &[])?;
    assert_eq!((table.rows, table.files.len()), (0, 1));
    let generation = staging.publish(draft(vec![table]), &[])?;
    assert_eq!(device_keys(&generation)?, Vec::<String>::new());
    let path = generation.folder().join("entities/nexthink_device/part-00000.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    assert_eq!(reader.schema().fields(), devices().schema.fields());
    Ok(())
}

#[test]
fn personal_columns_have_no_statistics() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, "device-1")?;
    let path = generation.folder().join("entities/nexthink_device/part-00000.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let group = reader.metadata().row_group(0);
    let has_statistics: Vec<_> =
        group.columns().iter().map(|column| column.statistics().is_some()).collect();
    assert_eq!(has_statistics, [true, false, true]);
    Ok(())
}

#[test]
fn a_reader_keeps_its_generation_while_the_next_is_published() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "old")?;
    let old = place.tenant.current()?.ok_or("nothing is published")?;
    let new = place.publish(SECOND, "new")?;
    assert_eq!(device_keys(&old)?, ["old"]);
    old.verify()?;
    assert_eq!(new.manifest().previous.as_ref(), Some(old.id()));
    let current = place.tenant.current()?.ok_or("nothing is published")?;
    assert_eq!(device_keys(&current)?, ["new"]);
    Ok(())
}

/// The reason why a draft with the tables that `tables` returns is rejected.
fn refusal(
    place: &Place,
    tables: impl Fn(&Staging) -> Result<Vec<Table>, StoreError>,
) -> Result<String, Box<dyn Error>> {
    let staging = place.lock()?.stage(GenerationId::parse(FIRST)?)?;
    let tables = tables(&staging)?;
    match staging.publish(draft(tables), &[]) {
        Err(StoreError::InvalidDraft { reason }) => Ok(reason),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

#[test]
fn a_draft_must_list_exactly_what_was_written() -> Checked {
    let place = Place::new()?;
    let forgotten = refusal(&place, |staging| {
        write(staging, devices(), &[])?;
        Ok(Vec::new())
    })?;
    assert_eq!(forgotten, "entities/nexthink_device/part-00000.parquet is not listed");
    let doubled = refusal(&place, |staging| {
        let table = write(staging, devices(), &[])?;
        Ok(vec![table.clone(), table])
    })?;
    assert_eq!(doubled, "a file is listed twice");
    let unfinished = refusal(&place, |staging| {
        staging.table(devices())?.write(&device_batch(&["a"]))?;
        Ok(Vec::new())
    })?;
    assert_eq!(unfinished, "entities/nexthink_device/part-00000.parquet is not listed");
    assert!(place.tenant.current()?.is_none());
    Ok(())
}

#[test]
fn j11_a_reader_sees_one_complete_generation_while_others_are_published() -> Checked {
    let place = Place::new()?;
    place.publish(FIRST, "key 0")?;
    let done = std::sync::atomic::AtomicBool::new(false);
    let read = || -> Result<u32, StoreError> {
        let mut reads = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let current = place.tenant.current()?.expect("one is published always");
            current.verify()?;
            reads += 1;
        }
        Ok(reads)
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for number in 1..40 {
            let id = format!("01JN9Y1M8000000000000000{number:02}");
            place.publish(&id, &format!("key {number}")).expect("no other writer");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            let reads = reader.join().expect("a reader does not panic");
            assert!(reads.is_ok_and(|reads| reads > 0));
        }
    });
    Ok(())
}
