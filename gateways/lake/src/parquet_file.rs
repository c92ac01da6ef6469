//! Parquet files of rows, in memory: the same rows give the same bytes, however often they are written by one build. Written
//! row group by row group, read batch by batch, so that no more than one of them is there as rows.

use crate::columns;
use crate::digest::RowsDigest;
use crate::error::LakeError;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use stele_domain::port::read_store::{Row, Table};

/// Most rows of one row group.
pub const GROUP_ROWS_MAX: usize = 131_072;

/// Rows that become columns, or come from them, at a time.
pub const BATCH_ROWS: usize = 8_192;

/// What every file says of who wrote it. No version: bytes change when they have to and not with every release.
const WRITTEN_BY: &str = "stele-lake";

/// Writes one file.
pub struct FileWriter<'t> {
    table: &'t Table,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
    digest: RowsDigest,
}

/// A file that was written.
pub struct Written {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its rows come to.
    pub digest: RowsDigest,
}

impl<'t> FileWriter<'t> {
    /// Begins a file of rows of a table.
    ///
    /// # Errors
    ///
    /// [`LakeError::Parquet`].
    pub fn new(table: &'t Table) -> Result<Self, LakeError> {
        let schema = columns::schema(table);
        let properties = WriterProperties::builder()
            .set_created_by(WRITTEN_BY.to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let writer = ArrowWriter::try_new(vec![], SchemaRef::clone(&schema), Some(properties))?;
        Ok(Self { table, schema, writer, digest: RowsDigest::default() })
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// [`LakeError::Misfit`] for a row that is none of the table, [`LakeError::Parquet`].
    pub fn add(&mut self, rows: &[Row]) -> Result<(), LakeError> {
        for rows in rows.chunks(BATCH_ROWS) {
            self.writer.write(&columns::from_rows(self.table, &self.schema, rows)?)?;
            for row in rows {
                self.digest.add(self.table, row);
            }
        }
        Ok(())
    }

    /// Bytes that are written or wait in memory, as far as can be told before the end.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written().saturating_add(self.writer.in_progress_size())
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.digest.rows()
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// [`LakeError::Parquet`].
    pub fn finish(self) -> Result<Written, LakeError> {
        Ok(Written { bytes: self.writer.into_inner()?, digest: self.digest })
    }
}

/// Writes all rows to one file.
///
/// # Errors
///
/// As [`FileWriter::add`].
pub fn write(table: &Table, rows: &[Row]) -> Result<Written, LakeError> {
    let mut file = FileWriter::new(table)?;
    file.add(rows)?;
    file.finish()
}

/// Hands the rows of a file on, some at a time, in their order.
///
/// # Errors
///
/// [`LakeError::Parquet`] where the bytes are no file, [`LakeError::Misfit`] where its rows are none of the table, and what
/// `take` returns.
pub fn read(
    table: &Table,
    bytes: Vec<u8>,
    mut take: impl FnMut(Vec<Row>) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?;
    for batch in reader.with_batch_size(BATCH_ROWS).build()? {
        take(columns::to_rows(table, &batch?)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::digest::RowsDigest;
    use crate::error::LakeError;
    use crate::facts;
    use stele_domain::port::read_store::{Cell, Row};

    fn rows(count: i64) -> Vec<Row> {
        let sample =
            facts::samples().into_iter().find(|(fact, _)| fact.table.name == "fact_quote").unwrap().1;
        (0..count)
            .map(|position| {
                let mut row = sample[0].clone();
                row.0[0] = Cell::Int(position);
                row
            })
            .collect()
    }

    #[test]
    fn the_same_rows_give_the_same_bytes_and_come_back() {
        let table = facts::of("fact_quote").unwrap().table;
        let rows = rows(20_000);
        let written = write(table, &rows).unwrap();
        assert!(written.bytes == write(table, &rows).unwrap().bytes);
        let (mut back, mut digest) = (vec![], RowsDigest::default());
        read(table, written.bytes, |some| {
            for row in &some {
                digest.add(table, row);
            }
            back.extend(some);
            Ok(())
        })
        .unwrap();
        assert!(back == rows && digest == written.digest && digest.rows() == 20_000);
    }

    #[test]
    fn bytes_that_are_no_file_are_refused() {
        let table = facts::of("fact_quote").unwrap().table;
        let mut bytes = write(table, &rows(10)).unwrap().bytes;
        bytes.truncate(bytes.len() - 3);
        assert!(matches!(read(table, bytes, |_| Ok(())), Err(LakeError::Parquet(_))));
        let other = facts::of("fact_price").unwrap().table;
        let bytes = write(table, &rows(10)).unwrap().bytes;
        assert!(matches!(read(other, bytes, |_| Ok(())), Err(LakeError::Misfit { .. })));
    }
}
