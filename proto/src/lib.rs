//! The messages and services of the gRPC doors, generated from the `.proto` files beside it. Nothing here is
//! written by hand, and nothing here decides: translation stands at the doors.

/// For everybody: `stele.api.v1`.
pub mod api {
    /// Names and numbers here stay for ever; fields may be added.
    pub mod v1 {
        tonic::include_proto!("stele.api.v1");
    }
}

/// Between processes of one desk: `stele.log.v1`.
pub mod log {
    /// Spoken by processes of the same build, or of neighbouring ones while a desk is being updated.
    pub mod v1 {
        tonic::include_proto!("stele.log.v1");
    }
}

/// The KurrentDB protocol: its words and numbers are those of its clients, and not ours to change.
pub mod kurrent {
    /// The first generation: `event_store.client`.
    pub mod client {
        tonic::include_proto!("event_store.client");

        /// Reading, following, appending, deleting.
        pub mod streams {
            tonic::include_proto!("event_store.client.streams");
        }
        /// What a server can do.
        pub mod server_features {
            tonic::include_proto!("event_store.client.server_features");
        }
        /// Who else there is.
        pub mod gossip {
            tonic::include_proto!("event_store.client.gossip");
        }
    }
    /// The second generation: `kurrentdb.protocol.v2.streams`.
    pub mod v2 {
        tonic::include_proto!("kurrentdb.protocol.v2.streams");

        /// Details of a no.
        pub mod errors {
            tonic::include_proto!("kurrentdb.protocol.v2.streams.errors");
        }
    }
}

/// Every definition of our own, comments included, as reflection hands it out.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("stele");
