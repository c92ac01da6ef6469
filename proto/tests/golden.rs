//! Names and numbers of `stele.api.v1` never change: what was once written to `golden/` stays true for ever.
//!
//! A new message, field or method is a new line: `UPDATE_GOLDEN=1 cargo test -p stele-proto`, and read the diff.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::collections::BTreeSet;
use std::path::PathBuf;

const PACKAGE: &str = "stele.api.v1";

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{PACKAGE}.txt"))
}

#[test]
fn nothing_that_was_once_promised_is_gone_or_renumbered() {
    let now = definitions();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let kept: BTreeSet<String> = promised().union(&now).cloned().collect();
        let text: String = kept.into_iter().map(|line| line + "\n").collect();
        std::fs::write(golden(), text).unwrap();
    }
    let promised = promised();
    let broken: Vec<_> = promised.difference(&now).collect();
    assert!(broken.is_empty(), "these were promised for ever: {broken:#?}");
    let new: Vec<_> = now.difference(&promised).collect();
    assert!(new.is_empty(), "new, so far without a promise (UPDATE_GOLDEN=1 writes it down): {new:#?}");
}

#[test]
fn no_two_definitions_share_a_line() {
    let set = FileDescriptorSet::decode(stele_proto::FILE_DESCRIPTOR_SET).unwrap();
    let fields: usize = set.file.iter().filter(|file| file.package() == PACKAGE).map(counted).sum();
    assert_eq!(definitions().len(), fields);
}

fn counted(file: &prost_types::FileDescriptorProto) -> usize {
    fn of(message: &DescriptorProto) -> usize {
        message.field.len() + message.nested_type.iter().map(of).sum::<usize>()
    }
    let messages: usize = file.message_type.iter().map(of).sum();
    let values: usize = file.enum_type.iter().map(|kind| kind.value.len()).sum();
    let methods: usize = file.service.iter().map(|service| service.method.len()).sum();
    messages + values + methods
}

fn promised() -> BTreeSet<String> {
    let text = std::fs::read_to_string(golden()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// One line per field, value and method: all that the wire depends on.
fn definitions() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(stele_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut lines = BTreeSet::new();
    for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
        for message in &file.message_type {
            fields(PACKAGE, message, &mut lines);
        }
        for kind in &file.enum_type {
            values(kind, &mut lines);
        }
        for service in &file.service {
            for method in &service.method {
                let streamed = |yes: bool| if yes { "stream " } else { "" };
                lines.insert(format!(
                    "rpc {PACKAGE}.{}/{} ({}{}) returns ({}{})",
                    service.name(),
                    method.name(),
                    streamed(method.client_streaming()),
                    method.input_type(),
                    streamed(method.server_streaming()),
                    method.output_type(),
                ));
            }
        }
    }
    lines
}

fn fields(scope: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", message.name());
    for field in &message.field {
        lines.insert(format!("{name}.{} = {} {}", field.name(), field.number(), kind(message, field)));
    }
    for nested in &message.nested_type {
        fields(&name, nested, lines);
    }
}

fn values(kind: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    for value in &kind.value {
        lines.insert(format!("enum {PACKAGE}.{}.{} = {}", kind.name(), value.name(), value.number()));
    }
}

/// Type and cardinality, as they are written in a definition.
fn kind(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().to_owned(),
        plain => plain.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let oneof = field.oneof_index.and_then(|at| message.oneof_decl.get(usize::try_from(at).unwrap()));
    let place = match (field.label(), field.proto3_optional(), oneof) {
        (Label::Repeated, _, _) => "repeated ".to_owned(),
        (_, true, _) => "optional ".to_owned(),
        (_, false, Some(oneof)) => format!("oneof {} ", oneof.name()),
        (_, false, None) => String::new(),
    };
    format!("{place}{kind}")
}
