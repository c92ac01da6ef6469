//! Facts of the log as Delta tables, in a directory or in a store that speaks S3: Parquet files, partitioned by the UTC date
//! of the event, and a log of commits that says which of them count. It publishes and proves what it published; asking
//! questions is for `DuckDB`, Polars, Spark and Trino.
#![forbid(unsafe_code)]

pub mod columns;
pub mod delta;
pub mod digest;
pub mod doctor;
pub mod document;
pub mod facts;
pub mod figures;
pub mod files;
pub mod history;
pub mod parquet_file;
pub mod publish;
pub mod table;
pub mod verify;

mod error;
mod observe;
#[cfg(test)]
mod testing;

pub use error::LakeError;
pub use observe::announce;
