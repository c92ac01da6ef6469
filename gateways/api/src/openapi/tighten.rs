//! What the forms of messages can't say of themselves: that fields exclude one another, and what names look like.

use serde_json::{Value, json};
use stele_domain::access::{Action, Role};

/// A venue's name for a token: printable.
const TOKEN: &str = "[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}";

/// Says the rest.
pub(super) fn tightened(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let given = |name: &str, kind: &str, other: &str| json!({ "required": [name], "properties": { name: { "type": kind }, other: { "type": "null" } } });
    schemas["Arm"]["oneOf"] =
        json!([given("for_ms", "integer", "until"), given("until", "string", "for_ms")]);
    schemas["CreateKey"]["not"] = json!({
        "required": ["expires_at", "for_ms"],
        "properties": { "expires_at": { "type": "string" }, "for_ms": { "type": "integer" } },
    });
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let actions: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    for message in ["WhoAmI", "RoleInfo", "Key", "CreateKey"] {
        schemas[message]["properties"]["role"]["enum"] = json!(roles);
        schemas[message]["properties"]["actions"]["items"]["enum"] = json!(actions);
    }
    schemas["Limits"]["properties"]["floor"]["propertyNames"] = json!({ "pattern": format!("^{TOKEN}$") });
    schemas["Limits"]["properties"]["floor"]["additionalProperties"]["pattern"] = json!("^[0-9]{1,77}$");
    schemas["SetFilter"]["properties"]["entries"]["items"]["pattern"] =
        json!(format!("^([a-z0-9]+-[a-z0-9]+|{TOKEN}->{TOKEN})$"));
}
