//! What the forms of messages can't say of themselves: that fields exclude one another, and what names look like.

use super::schemas;
use serde_json::{Value, json};
use stele_domain::access::{Action, Role};

/// A venue's name for a token: printable.
const TOKEN: &str = "[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}";

/// Says the rest.
pub(super) fn tightened(document: &mut Value) {
    let messages = &mut document["components"]["schemas"];
    let given = |name: &str, kind: &str, other: &str| json!({ "required": [name], "properties": { name: { "type": kind }, other: { "type": "null" } } });
    messages["Arm"]["oneOf"] =
        json!([given("for_ms", "integer", "until"), given("until", "string", "for_ms")]);
    messages["CreateKey"]["not"] = json!({
        "required": ["expires_at", "for_ms"],
        "properties": { "expires_at": { "type": "string" }, "for_ms": { "type": "integer" } },
    });
    let projections = schemas::projections().map(Value::from).chain([Value::Null]);
    messages["StartAudit"]["properties"]["projection"]["enum"] = projections.collect();
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let actions: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    for message in ["WhoAmI", "RoleInfo", "Key", "CreateKey"] {
        messages[message]["properties"]["role"]["enum"] = json!(roles);
        messages[message]["properties"]["actions"]["items"]["enum"] = json!(actions);
    }
    messages["Limits"]["properties"]["floor"]["propertyNames"] = json!({ "pattern": format!("^{TOKEN}$") });
    messages["Limits"]["properties"]["floor"]["additionalProperties"]["pattern"] = json!("^[0-9]{1,77}$");
    messages["SetFilter"]["properties"]["entries"]["items"]["pattern"] =
        json!(format!("^([a-z0-9]+-[a-z0-9]+|{TOKEN}->{TOKEN})$"));
}
