//! Compiles every `.proto` file under `api/v1` and `log/v1`, without `protoc`, and keeps the descriptors for
//! reflection; and apart from them those under `kurrent`, which are others' words and no part of our reflection.

use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where message definitions stand, relative to this crate.
const FOLDERS: [&str; 2] = ["api/v1", "log/v1"];
/// Where the definitions of the KurrentDB protocol stand.
const KURRENT: [&str; 2] = ["kurrent/v1", "kurrent/v2"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo says where the crate is")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo says where to write")?);
    let mut descriptors = protox::compile(protos(&root, &FOLDERS)?, [&root])?;
    fs::write(out.join("stele.bin"), descriptors.encode_to_vec())?;
    encoded_once(&mut descriptors)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".stele.api.v1.WatchDecisionsResponse")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(protox::compile(protos(&root, &KURRENT)?, [&root])?)?;
    Ok(())
}

/// In Rust a watched decision is the bytes that it is on the wire: one encoding serves every watcher. A message and its
/// bytes are the same there, so nobody else notices.
fn encoded_once(descriptors: &mut FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    let mut messages = descriptors.file.iter_mut().flat_map(|file| &mut file.message_type);
    let told = messages.find(|message| message.name() == "WatchDecisionsResponse");
    let told = told.ok_or("there is no WatchDecisionsResponse")?;
    let decision = told.field.iter_mut().find(|field| field.name() == "decision");
    let decision = decision.ok_or("WatchDecisionsResponse has no decision")?;
    decision.set_type(Type::Bytes);
    decision.type_name = None;
    Ok(())
}

/// By name, so that the generated code is the same everywhere.
fn protos(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = vec![];
    for folder in folders {
        println!("cargo:rerun-if-changed={folder}");
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "proto") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
