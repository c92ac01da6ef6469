//! The document as a page: readable without a script, and with nothing from any other host.

use serde_json::Value;
use std::fmt::Write;

/// How it looks.
pub(super) const STYLE: &str = include_str!("page/style.css");
/// What it does besides being read: it narrows the list to what is looked for.
pub(super) const SCRIPT: &str = include_str!("page/script.js");

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// The page.
pub(super) fn page(document: &Value) -> String {
    let title = text(&document["info"]["title"]);
    let version = text(&document["info"]["version"]);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} {version}: API</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{title} <small>{version}</small></h1>\n\
         <p><a href=\"/openapi.json\">openapi.json</a></p>\n<div class=\"about\">{}</div>\n\
         <input id=\"find\" type=\"search\" placeholder=\"Find an operation\" \
         aria-label=\"Find an operation\" hidden>\n</header>\n<main>\n",
        prose(&document["info"]["description"]),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        group(&mut html, document, tag);
    }
    html.push_str("</main>\n<script>");
    html.push_str(SCRIPT);
    html.push_str("</script>\n</body>\n</html>\n");
    html
}

fn group(html: &mut String, document: &Value, tag: &Value) {
    let name = text(&tag["name"]);
    // Writing to a string can't fail, here and below.
    let _ = write!(html, "<section>\n<h2 id=\"{name}\">{name}</h2>\n{}", prose(&tag["description"]));
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &item[method];
            if operation["tags"].as_array().is_some_and(|tags| tags.contains(&tag["name"])) {
                self::operation(html, document, method, path, operation);
            }
        }
    }
    html.push_str("</section>\n");
}

fn operation(html: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
    let id = text(&operation["operationId"]);
    let _ = write!(
        html,
        "<details id=\"{id}\">\n<summary><b class=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>\n{}",
        method.to_uppercase(),
        escaped(path),
        text(&operation["summary"]),
        prose(&operation["description"]),
    );
    let curl = curl(method, path, operation);
    let _ = writeln!(html, "<pre><code>{}</code></pre>", escaped(&curl));
    parameters(html, document, operation);
    let sent = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let Some(schema) = resolved(document, sent) {
        html.push_str("<h3>Body</h3>\n");
        fields(html, document, schema);
    }
    answers(html, document, operation);
    html.push_str("</details>\n");
}

/// A call that can be pasted into a terminal.
fn curl(method: &str, path: &str, operation: &Value) -> String {
    let mut call = String::from("curl -sS");
    if method != "get" {
        let _ = write!(call, " -X {}", method.to_uppercase());
    }
    if operation["security"].is_array() {
        call.push_str(" -H \"Authorization: Bearer $STELE_KEY\"");
    }
    if let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") {
        let _ = write!(call, " -H 'Content-Type: application/json' \\\n  -d '{example}'");
    }
    let _ = write!(call, " \\\n  'http://127.0.0.1:8420{path}'");
    call
}

fn parameters(html: &mut String, document: &Value, operation: &Value) {
    let Some(parameters) = operation["parameters"].as_array().filter(|list| !list.is_empty()) else { return };
    html.push_str("<h3>Parameters</h3>\n<table>\n");
    for parameter in parameters.iter().filter_map(|parameter| resolved(document, parameter)) {
        let _ = writeln!(
            html,
            "<tr><th><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&parameter["name"]),
            text(&parameter["in"]),
            form(&parameter["schema"]),
            text(&parameter["description"]),
        );
    }
    html.push_str("</table>\n");
}

fn answers(html: &mut String, document: &Value, operation: &Value) {
    html.push_str("<h3>Answers</h3>\n<table>\n");
    let mut message = None;
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let Some(response) = resolved(document, response) else { continue };
        let content = response["content"].as_object().and_then(|content| content.iter().next());
        let (media, code) = content.map_or(("", ""), |(media, content)| {
            (media.as_str(), content["example"]["code"].as_str().unwrap_or_default())
        });
        if status == "200" {
            message = content.and_then(|(_, content)| resolved(document, &content["schema"]));
        }
        let _ = writeln!(
            html,
            "<tr><th>{}</th><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            escaped(status),
            escaped(media),
            escaped(code),
            text(&response["description"]),
        );
    }
    html.push_str("</table>\n");
    if let Some(message) = message {
        fields(html, document, message);
    }
}

/// The fields of a message, and of the rows inside it.
fn fields(html: &mut String, document: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let needed =
        |name: &str| schema["required"].as_array().is_some_and(|list| list.iter().any(|n| n == name));
    html.push_str("<table>\n");
    for (name, property) in properties {
        let _ = writeln!(
            html,
            "<tr><th><code>{}</code></th><td>{}{}</td><td>{}</td></tr>",
            escaped(name),
            form(property),
            if needed(name) { "" } else { ", optional" },
            text(&property["description"]),
        );
    }
    html.push_str("</table>\n");
    if let Some(row) = properties.get("rows").and_then(|rows| resolved(document, &rows["items"])) {
        html.push_str("<h4>Row</h4>\n");
        fields(html, document, row);
    }
}

/// What a value looks like, in a word or two.
fn form(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return escaped(reference.rsplit('/').next().unwrap_or(reference));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(text).collect();
        return values.join(" | ");
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        if let Some(items) = schema[several].as_array() {
            let items: Vec<String> = items.iter().map(form).collect();
            return items.join(" or ");
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => escaped(kind),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    };
    if schema["items"].is_object() {
        return format!("{kind} of {}", form(&schema["items"]));
    }
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some(format), _) => format!("{kind} ({})", escaped(format)),
        (None, Some(pattern)) => format!("{kind} <code>{}</code>", escaped(pattern)),
        (None, None) => kind,
    }
}

/// A part of the document, where it is told.
fn resolved<'d>(document: &'d Value, part: &'d Value) -> Option<&'d Value> {
    match part["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#')?),
        None => part.is_object().then_some(part),
    }
}

/// Text in paragraphs, with `code` in it.
fn prose(value: &Value) -> String {
    let mut html = String::new();
    for paragraph in value.as_str().unwrap_or_default().split("\n\n").filter(|text| !text.is_empty()) {
        html.push_str("<p>");
        for (i, part) in escaped(paragraph).split('`').enumerate() {
            html.push_str(match (i, i % 2) {
                (0, _) => "",
                (_, 1) => "<code>",
                (_, _) => "</code>",
            });
            html.push_str(part);
        }
        html.push_str("</p>\n");
    }
    html
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
