//! The document is whole: it has every route, nothing else, and its words stay.

use super::Reference;
use super::about::ABOUT;
use crate::routes::ROUTES;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use stele_projections::{models, schemas};

fn document() -> Value {
    serde_json::from_slice(&Reference::of(&schemas(models::ALL), "0.1.0").json).unwrap()
}

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round() {
    let mut expected = BTreeSet::new();
    for route in &ROUTES {
        if route.id == "rows" {
            let tables = models::tables().map(|table| route.path.replace("{table}", table.name));
            expected.extend(tables.map(|path| (route.method.to_owned(), path)));
        } else {
            expected.insert((route.method.to_owned(), route.path.to_owned()));
        }
    }
    assert_eq!(operations(&document()), expected);
    assert_eq!(ABOUT.len(), ROUTES.len());
    let ids: BTreeSet<&str> = ABOUT.iter().map(|about| about.id).collect();
    assert_eq!(ids, ROUTES.iter().map(|route| route.id).collect());
}

#[test]
fn every_reference_leads_somewhere_and_every_message_is_referred_to() {
    let document = document();
    let text = document.to_string();
    let named = document["components"]["schemas"].as_object().unwrap();
    let referred: BTreeSet<&str> =
        text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for name in &referred {
        assert!(named.contains_key(*name), "{name} leads nowhere");
    }
    // The data of events stand in a text stream, which can't refer to them.
    let told_in_text = ["LiveEvent", "LivePlace", "LiveFailure"];
    for name in named.keys() {
        assert!(referred.contains(name.as_str()) || told_in_text.contains(&name.as_str()), "{name} is dead");
    }
}

#[test]
fn every_operation_says_what_it_is_for_and_how_it_says_no() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        let secured = operation["security"].is_array();
        for status in ["401", "429", "503"] {
            let no = &operation["responses"][status]["content"]["application/problem+json"];
            assert_eq!(no["schema"]["$ref"] == "#/components/schemas/Problem", secured, "{path} {status}");
        }
        let writes = operation["requestBody"].is_object();
        for status in ["409", "413", "415", "422"] {
            assert!(!writes || operation["responses"][status].is_object(), "{path} {status}");
        }
    }
}

#[test]
fn the_examples_of_bodies_are_what_is_taken() {
    use crate::dto;
    fn taken<T: serde::de::DeserializeOwned>(example: &str) {
        serde_json::from_str::<T>(example).unwrap_or_else(|error| panic!("{error}: {example}"));
    }
    for about in &ABOUT {
        let Some((message, example)) = about.body else { continue };
        match message {
            "Arm" => taken::<dto::Arm>(example),
            "Approve" => taken::<dto::Approve>(example),
            "Reason" => taken::<dto::Reason>(example),
            "ReasonOrNone" => taken::<dto::ReasonOrNone>(example),
            "SetLimits" => taken::<dto::SetLimits>(example),
            "SetFilter" => taken::<dto::SetFilter>(example),
            "CreateKey" => taken::<dto::CreateKey>(example),
            "StartRebuild" => taken::<dto::StartRebuild>(example),
            "Empty" => taken::<crate::asked::Empty>(example),
            other => panic!("{other} is checked by nobody"),
        }
    }
}

#[test]
fn the_page_has_every_operation_and_nothing_from_elsewhere() {
    let reference = Reference::of(&schemas(models::ALL), "0.1.0");
    let html = std::str::from_utf8(&reference.html).unwrap();
    for (method, path) in operations(&document()) {
        assert!(html.contains(&format!("<code>{path}</code>")), "{method} {path}");
    }
    for outside in ["src=", "url(", "@import", "https://", "<iframe", "onclick"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(reference.policy.contains("default-src 'none'") && !reference.policy.contains("unsafe"));
}

/// `UPDATE_GOLDEN=1` writes it anew: read the difference then, for names under `/v1` stay for ever.
#[test]
fn the_document_is_the_one_that_was_promised() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json");
    let made = String::from_utf8(Reference::of(&schemas(models::ALL), "0.1.0").json.to_vec()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let promised = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == promised, "the document has changed: UPDATE_GOLDEN=1, and read the difference");
}
