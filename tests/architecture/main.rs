//! The shape of the house, held by tests: arrows, folders, files and the promises of the documents.
#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

mod aggregates;
mod arrows;
mod documents;
mod files;
