//! The shape of the house, held by tests: arrows, folders, files and the promises of the documents.

mod aggregates;
mod arrows;
mod documents;
mod files;
