//! The files of `migrations/`, in order. A test compares the list with the folder.

use super::Migration;

/// Every migration.
pub const FILES: &[Migration] = &[
    Migration {
        version: 1,
        file: "0001_read_model.sql",
        sql: include_str!("../../../../migrations/0001_read_model.sql"),
    },
    Migration {
        version: 2,
        file: "0002_quotes.sql",
        sql: include_str!("../../../../migrations/0002_quotes.sql"),
    },
    Migration {
        version: 3,
        file: "0003_demands.sql",
        sql: include_str!("../../../../migrations/0003_demands.sql"),
    },
    Migration {
        version: 4,
        file: "0004_prices.sql",
        sql: include_str!("../../../../migrations/0004_prices.sql"),
    },
    Migration {
        version: 5,
        file: "0005_inventory.sql",
        sql: include_str!("../../../../migrations/0005_inventory.sql"),
    },
    Migration {
        version: 6,
        file: "0006_decisions.sql",
        sql: include_str!("../../../../migrations/0006_decisions.sql"),
    },
    Migration {
        version: 7,
        file: "0007_commands.sql",
        sql: include_str!("../../../../migrations/0007_commands.sql"),
    },
    Migration {
        version: 8,
        file: "0008_results.sql",
        sql: include_str!("../../../../migrations/0008_results.sql"),
    },
    Migration {
        version: 9,
        file: "0009_account.sql",
        sql: include_str!("../../../../migrations/0009_account.sql"),
    },
    Migration {
        version: 10,
        file: "0010_services.sql",
        sql: include_str!("../../../../migrations/0010_services.sql"),
    },
    Migration {
        version: 11,
        file: "0011_alerts.sql",
        sql: include_str!("../../../../migrations/0011_alerts.sql"),
    },
    Migration {
        version: 12,
        file: "0012_relay.sql",
        sql: include_str!("../../../../migrations/0012_relay.sql"),
    },
    Migration {
        version: 13,
        file: "0013_filter.sql",
        sql: include_str!("../../../../migrations/0013_filter.sql"),
    },
    Migration {
        version: 14,
        file: "0014_attempts.sql",
        sql: include_str!("../../../../migrations/0014_attempts.sql"),
    },
    Migration {
        version: 15,
        file: "0015_event_counts.sql",
        sql: include_str!("../../../../migrations/0015_event_counts.sql"),
    },
    Migration {
        version: 16,
        file: "0016_access_attempts.sql",
        sql: include_str!("../../../../migrations/0016_access_attempts.sql"),
    },
    Migration {
        version: 17,
        file: "0017_keys.sql",
        sql: include_str!("../../../../migrations/0017_keys.sql"),
    },
    Migration {
        version: 18,
        file: "0018_arm_requests.sql",
        sql: include_str!("../../../../migrations/0018_arm_requests.sql"),
    },
    Migration {
        version: 19,
        file: "0019_arm_waiting.sql",
        sql: include_str!("../../../../migrations/0019_arm_waiting.sql"),
    },
    Migration {
        version: 20,
        file: "0020_checkpoint_event.sql",
        sql: include_str!("../../../../migrations/0020_checkpoint_event.sql"),
    },
    Migration {
        version: 21,
        file: "0021_result_counts.sql",
        sql: include_str!("../../../../migrations/0021_result_counts.sql"),
    },
    Migration {
        version: 22,
        file: "0022_digests.sql",
        sql: include_str!("../../../../migrations/0022_digests.sql"),
    },
    Migration {
        version: 23,
        file: "0023_rebuild.sql",
        sql: include_str!("../../../../migrations/0023_rebuild.sql"),
    },
    Migration {
        version: 24,
        file: "0024_parkings.sql",
        sql: include_str!("../../../../migrations/0024_parkings.sql"),
    },
    Migration {
        version: 25,
        file: "0025_tiering.sql",
        sql: include_str!("../../../../migrations/0025_tiering.sql"),
    },
];

/// What the desk's role may do, said anew after every run.
pub const GRANTS: &str = include_str!("../../../../migrations/grants.sql");
