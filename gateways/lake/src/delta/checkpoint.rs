//! Checkpoints: all that the commits up to a version come to, as one Parquet file, so that nobody has to read them all.

use super::action::{Add, Format, Line, MetaData, Protocol, Remove, Txn, Values};
use super::snapshot::Snapshot;
use crate::error::LakeError;
use arrow_array::builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field as Value, Row};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// The bytes of a checkpoint, and how many actions are in it.
///
/// # Errors
///
/// [`LakeError::Columns`], [`LakeError::Parquet`].
pub fn write(snapshot: &Snapshot) -> Result<(Vec<u8>, usize), LakeError> {
    let lines = lines(snapshot);
    let columns = [
        ("txn", txns(&lines)?),
        ("add", adds(&lines)?),
        ("remove", removes(&lines)?),
        ("metaData", metadata(&lines)?),
        ("protocol", protocols(&lines)?),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(vec![], schema, Some(properties))?;
    writer.write(&batch)?;
    Ok((writer.into_inner()?, lines.len()))
}

/// The lines that lead to a snapshot at once.
fn lines(snapshot: &Snapshot) -> Vec<Line> {
    let txns = snapshot.txns.iter().map(|(app_id, version)| Line {
        txn: Some(Txn { app_id: app_id.clone(), version: *version, last_updated: None }),
        ..Line::default()
    });
    let head = Line { meta_data: snapshot.metadata.clone(), ..Line::default() };
    let protocol = Line { protocol: snapshot.protocol.clone(), ..Line::default() };
    // In a checkpoint no file changes anything: it only says what is there.
    let adds = snapshot
        .files
        .values()
        .map(|add| Line { add: Some(Add { data_change: false, ..add.clone() }), ..Line::default() });
    let removes = snapshot.removed.values().map(|remove| Line {
        remove: Some(Remove { data_change: false, ..remove.clone() }),
        ..Line::default()
    });
    [protocol, head].into_iter().chain(txns).chain(adds).chain(removes).collect()
}

/// Columns of one kind of action: what is there in the lines of that kind, and nothing in the others.
fn group(
    there: impl Iterator<Item = bool>,
    columns: Vec<(&'static str, ArrayRef)>,
) -> Result<ArrayRef, LakeError> {
    let (names, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let fields =
        names.iter().zip(&arrays).map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let nulls = NullBuffer::from(there.collect::<Vec<_>>());
    Ok(Arc::new(StructArray::try_new(fields.collect::<Vec<_>>().into(), arrays, Some(nulls))?))
}

fn texts<'l>(values: impl Iterator<Item = Option<&'l str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

fn maps<'l>(values: impl Iterator<Item = Option<&'l Values>>) -> Result<ArrayRef, LakeError> {
    let names =
        MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut built = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for value in values {
        for (key, value) in value.into_iter().flatten() {
            built.keys().append_value(key);
            built.values().append_option(value.as_deref());
        }
        built.append(value.is_some())?;
    }
    Ok(Arc::new(built.finish()))
}

fn txns(lines: &[Line]) -> Result<ArrayRef, LakeError> {
    let all = || lines.iter().map(|line| line.txn.as_ref());
    group(
        all().map(|txn| txn.is_some()),
        vec![
            ("appId", texts(all().map(|txn| txn.map(|txn| txn.app_id.as_str())))),
            ("version", numbers(all().map(|txn| txn.map(|txn| txn.version)))),
            ("lastUpdated", numbers(all().map(|txn| txn.and_then(|txn| txn.last_updated)))),
        ],
    )
}

fn adds(lines: &[Line]) -> Result<ArrayRef, LakeError> {
    let all = || lines.iter().map(|line| line.add.as_ref());
    group(
        all().map(|add| add.is_some()),
        vec![
            ("path", texts(all().map(|add| add.map(|add| add.path.as_str())))),
            ("partitionValues", maps(all().map(|add| add.map(|add| &add.partition_values)))?),
            ("size", numbers(all().map(|add| add.map(|add| add.size)))),
            ("modificationTime", numbers(all().map(|add| add.map(|add| add.modification_time)))),
            ("dataChange", flags(all().map(|add| add.map(|add| add.data_change)))),
            ("stats", texts(all().map(|add| add.and_then(|add| add.stats.as_deref())))),
            ("tags", maps(all().map(|add| add.and_then(|add| add.tags.as_ref())))?),
        ],
    )
}

fn removes(lines: &[Line]) -> Result<ArrayRef, LakeError> {
    let all = || lines.iter().map(|line| line.remove.as_ref());
    group(
        all().map(|remove| remove.is_some()),
        vec![
            ("path", texts(all().map(|remove| remove.map(|remove| remove.path.as_str())))),
            ("deletionTimestamp", numbers(all().map(|remove| remove.and_then(|r| r.deletion_timestamp)))),
            ("dataChange", flags(all().map(|remove| remove.map(|remove| remove.data_change)))),
            ("extendedFileMetadata", flags(all().map(|remove| remove.map(|r| r.extended_file_metadata)))),
            ("partitionValues", maps(all().map(|remove| remove.map(|remove| &remove.partition_values)))?),
            ("size", numbers(all().map(|remove| remove.map(|remove| remove.size)))),
        ],
    )
}

fn metadata(lines: &[Line]) -> Result<ArrayRef, LakeError> {
    let all = || lines.iter().map(|line| line.meta_data.as_ref());
    let of = |field: fn(&MetaData) -> Option<&str>| texts(all().map(|data| data.and_then(field)));
    let format = group(
        all().map(|data| data.is_some()),
        vec![
            ("provider", of(|data| Some(&data.format.provider))),
            (
                "options",
                maps(all().map(|data| data.map(|MetaData { format: Format { options, .. }, .. }| options)))?,
            ),
        ],
    )?;
    let element = Field::new("element", arrow_schema::DataType::Utf8, true);
    let mut partitions = ListBuilder::new(StringBuilder::new()).with_field(element);
    for data in all() {
        data.into_iter()
            .flat_map(|data| &data.partition_columns)
            .for_each(|name| partitions.values().append_value(name));
        partitions.append(data.is_some());
    }
    group(
        all().map(|data| data.is_some()),
        vec![
            ("id", of(|data| Some(&data.id))),
            ("name", of(|data| data.name.as_deref())),
            ("description", of(|data| data.description.as_deref())),
            ("format", format),
            ("schemaString", of(|data| Some(&data.schema_string))),
            ("partitionColumns", Arc::new(partitions.finish())),
            ("configuration", maps(all().map(|data| data.map(|data| &data.configuration)))?),
            ("createdTime", numbers(all().map(|data| data.and_then(|data| data.created_time)))),
        ],
    )
}

fn protocols(lines: &[Line]) -> Result<ArrayRef, LakeError> {
    let all = || lines.iter().map(|line| line.protocol.as_ref());
    let version = |of: fn(&Protocol) -> u64| -> ArrayRef {
        let versions = all().map(|protocol| protocol.and_then(|protocol| i32::try_from(of(protocol)).ok()));
        Arc::new(versions.collect::<Int32Array>())
    };
    group(
        all().map(|protocol| protocol.is_some()),
        vec![
            ("minReaderVersion", version(|protocol| protocol.min_reader_version)),
            ("minWriterVersion", version(|protocol| protocol.min_writer_version)),
        ],
    )
}

/// The lines of a checkpoint, by whomever it was written.
///
/// # Errors
///
/// [`LakeError::Damaged`] where it is none.
pub fn read(table: &str, name: &str, bytes: Vec<u8>) -> Result<Vec<Line>, LakeError> {
    let damaged = |what: &dyn std::fmt::Display| LakeError::damaged(table, name, what.to_string());
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(|error| damaged(&error))?;
    let mut lines = vec![];
    for row in reader.get_row_iter(None).map_err(|error| damaged(&error))? {
        let row = row.map_err(|error| damaged(&error))?;
        lines.push(serde_json::from_value(object(&row)).map_err(|error| damaged(&error))?);
    }
    Ok(lines)
}

/// A row of a checkpoint as the JSON that a commit would have.
fn object(row: &Row) -> Json {
    let columns = row.get_column_iter().filter(|(_, value)| !matches!(value, Value::Null));
    Json::Object(columns.map(|(name, value)| (name.clone(), jsoned(value))).collect())
}

fn jsoned(value: &Value) -> Json {
    if let Value::Bool(yes) = value {
        json!(yes)
    } else if let Value::Int(number) = value {
        json!(number)
    } else if let Value::Long(number) = value {
        json!(number)
    } else if let Value::Str(text) = value {
        json!(text)
    } else if let Value::Group(row) = value {
        object(row)
    } else if let Value::ListInternal(list) = value {
        Json::Array(list.elements().iter().map(jsoned).collect())
    } else if let Value::MapInternal(map) = value {
        let entries = map.entries().iter().filter_map(|(key, value)| {
            let Value::Str(key) = key else { return None };
            Some((key.clone(), jsoned(value)))
        });
        Json::Object(entries.collect::<Map<_, _>>())
    } else {
        // Statistics of others, which nothing here asks for.
        Json::Null
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::delta::action::{Add, Format, MetaData, Protocol, Remove};
    use crate::delta::snapshot::Snapshot;
    use crate::error::LakeError;
    use std::collections::BTreeMap;

    fn snapshot() -> Snapshot {
        let values =
            || BTreeMap::from([("dt".to_owned(), Some("2026-11-20".to_owned())), ("x".to_owned(), None)]);
        let add = Add {
            path: "dt=2026-11-20/a.parquet".to_owned(),
            partition_values: values(),
            size: 10,
            modification_time: 5,
            data_change: false,
            stats: Some("{\"numRecords\":1}".to_owned()),
            tags: None,
        };
        let tagged = Add { path: "b".to_owned(), stats: None, tags: Some(values()), ..add.clone() };
        let remove = Remove {
            path: "c".to_owned(),
            deletion_timestamp: Some(7),
            data_change: false,
            extended_file_metadata: true,
            partition_values: values(),
            size: 3,
        };
        Snapshot {
            version: 4,
            protocol: Some(Protocol { min_reader_version: 1, min_writer_version: 2 }),
            metadata: Some(MetaData {
                id: "id".to_owned(),
                name: Some("t".to_owned()),
                description: None,
                format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
                schema_string: "{}".to_owned(),
                partition_columns: vec!["dt".to_owned()],
                configuration: values(),
                created_time: Some(1),
            }),
            txns: BTreeMap::from([("t".to_owned(), 99)]),
            files: [add, tagged].into_iter().map(|add| (add.path.clone(), add)).collect(),
            removed: BTreeMap::from([("c".to_owned(), remove)]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_checkpoint_leads_to_what_it_was_made_of() {
        let made = snapshot();
        let (bytes, actions) = write(&made).unwrap();
        let mut read_back = Snapshot { version: 4, ..Snapshot::default() };
        read_back.take("t", read("t", "4", bytes).unwrap()).unwrap();
        assert_eq!(actions, 6);
        assert_eq!(format!("{read_back:?}"), format!("{made:?}"));
    }

    #[test]
    fn a_checkpoint_that_was_cut_is_damaged() {
        let (mut bytes, _) = write(&snapshot()).unwrap();
        bytes.truncate(bytes.len() / 2);
        assert!(matches!(read("t", "4", bytes), Err(LakeError::Damaged { .. })));
    }
}
