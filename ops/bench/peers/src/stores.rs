//! Stores that live in this process.

pub mod fjall;
pub mod sqlite;
pub mod stele;
pub mod tephra;
pub mod umadb;
