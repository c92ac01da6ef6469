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
/// Fields that are handed over as the bytes of their message, with its package and the message that they are in: a watched
/// decision, of which one encoding serves every watcher, and records, which are written from the log's own memory and read
/// into it.
const ENCODED: [(&str, &str, &str); 4] = [
    ("stele.api.v1", "WatchDecisionsResponse", "decision"),
    ("stele.log.v1", "FollowResponse", "page"),
    ("stele.log.v1", "ReadAllResponse", "page"),
    ("stele.log.v1", "ReadStreamResponse", "records"),
];
/// The same for an event that is told over the KurrentDB protocol.
const KURRENT_ENCODED: (&str, &str, &str) = ("event_store.client.streams", "ReadResp", "event");

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo says where the crate is")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo says where to write")?);
    let mut descriptors = protox::compile(protos(&root, &FOLDERS)?, [&root])?;
    fs::write(out.join("stele.bin"), descriptors.encode_to_vec())?;
    let mut ours = tonic_prost_build::configure();
    for (package, message, field) in ENCODED {
        encoded(&mut descriptors, package, message, field)?;
        ours = ours.bytes(format!(".{package}.{message}"));
    }
    ours.btree_map(".").emit_rerun_if_changed(false).compile_fds(descriptors)?;
    let mut theirs = protox::compile(protos(&root, &KURRENT)?, [&root])?;
    let (package, message, field) = KURRENT_ENCODED;
    encoded(&mut theirs, package, message, field)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(theirs)?;
    Ok(())
}

/// Makes a field the bytes that its message is on the wire, in Rust. A message and its bytes are the same there, so nobody
/// else notices.
fn encoded(
    descriptors: &mut FileDescriptorSet,
    package: &str,
    message: &str,
    field: &str,
) -> Result<(), Box<dyn Error>> {
    let files = descriptors.file.iter_mut().filter(|file| file.package() == package);
    let told = files.flat_map(|file| &mut file.message_type).find(|told| told.name() == message);
    let told = told.ok_or_else(|| format!("there is no {package}.{message}"))?;
    let field = told.field.iter_mut().find(|told| told.name() == field);
    let field = field.ok_or_else(|| format!("{package}.{message} has not the field that is named"))?;
    field.set_type(Type::Bytes);
    field.type_name = None;
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
