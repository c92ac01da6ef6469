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

/// Every definition, comments included, as reflection hands it out.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("stele");
