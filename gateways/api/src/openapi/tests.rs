//! The document is whole: it has every route, nothing else, and its words stay.

use super::Reference;
use super::about::ABOUT;
use crate::routes::ROUTES;
use serde_json::{Value, json};
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

/// What of each kind of part is referred to from somewhere.
fn referred<'d>(text: &'d str, kind: &str) -> BTreeSet<&'d str> {
    let parts = text.split(&format!("\"#/components/{kind}/")).skip(1).collect::<Vec<_>>();
    parts.into_iter().map(|rest| rest.split('"').next().unwrap()).collect()
}

/// A part where it is told.
fn told<'d>(document: &'d Value, part: &'d Value) -> &'d Value {
    match part["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => part,
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_part_is_referred_to() {
    let document = document();
    let text = document.to_string();
    // The data of events stand in a text stream, which can't refer to them.
    let told_in_text = ["LiveEvent", "LivePlace", "LiveFailure"];
    let kinds = ["schemas", "responses", "parameters", "headers"];
    for kind in kinds {
        let named = document["components"][kind].as_object().unwrap();
        let referred = referred(&text, kind);
        for name in &referred {
            assert!(named.contains_key(*name), "{name} of {kind} leads nowhere");
        }
        for name in named.keys() {
            assert!(
                referred.contains(name.as_str()) || told_in_text.contains(&name.as_str()),
                "{name} of {kind} is dead"
            );
        }
    }
    let known: usize =
        kinds.iter().map(|kind| text.matches(&format!("\"#/components/{kind}/")).count()).sum();
    assert_eq!(text.matches("\"$ref\"").count(), known, "a reference of another kind");
}

#[test]
fn parameters_of_several_routes_that_are_the_same_are_told_once() {
    let document = document();
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let shared = document["components"]["parameters"].as_object().unwrap();
            let twice = shared.iter().find(|(_, told)| *told == parameter);
            assert!(twice.is_none(), "{method} {path} tells {} again", twice.unwrap().0);
        }
    }
}

/// Those who take in the document whole, to make a client from it, hold it in memory several times over.
#[test]
fn the_document_stays_small_enough_to_be_read_at_once() {
    const BYTES_MAX: usize = 1024 * 1024;
    let made = Reference::of(&schemas(models::ALL), "0.1.0").json.len();
    assert!(made < BYTES_MAX, "the document has {made} bytes, at most {BYTES_MAX}");
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
            let no = told(&document, &operation["responses"][status]);
            let said = &no["content"]["application/problem+json"];
            assert_eq!(said["schema"]["$ref"] == "#/components/schemas/Problem", secured, "{path} {status}");
            assert!(!secured || said["example"]["status"] == json!(status.parse::<u16>().unwrap()), "{path}");
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
            "StartAudit" => taken::<dto::StartAudit>(example),
            "Empty" => taken::<crate::asked::Empty>(example),
            other => panic!("{other} is checked by nobody"),
        }
    }
}

#[test]
fn the_page_has_every_operation_and_nothing_from_elsewhere() {
    let reference = Reference::of(&schemas(models::ALL), "0.1.0");
    let html = std::str::from_utf8(&reference.html).unwrap();
    let document = document();
    for (method, path) in operations(&document) {
        assert!(html.contains(&format!("<code>{path}</code>")), "{method} {path}");
    }
    for (name, parameter) in document["components"]["parameters"].as_object().unwrap() {
        let shown = format!("<code>{}</code>", parameter["name"].as_str().unwrap());
        assert!(html.contains(&shown), "{name} stands in no list of parameters");
    }
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let code = response["content"]["application/problem+json"]["example"]["code"].as_str().unwrap();
        assert!(html.contains(&format!("<code>{code}</code>")), "{name} stands in no list of answers");
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
