//! A person's request to change something: who asks, under which id, and the digest that a repetition must match.

use crate::api::Visitor;
use crate::problem::Problem;
use serde::Serialize;
use stele_commands::canonical;
use stele_commands::control::Wish;
use stele_domain::access::Caller;
use stele_domain::ids::CommandId;
use uuid::Uuid;

/// Who asks, and the id of the wish.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// Names the wish.
    pub(crate) command_id: Uuid,
    caller: Caller,
}

impl Asking {
    /// A wish of the visitor's; without a key of theirs it gets one here.
    pub(crate) fn new(visitor: &Visitor, key: Option<Uuid>) -> Self {
        Self { command_id: key.unwrap_or_else(Uuid::now_v7), caller: visitor.caller.clone() }
    }

    /// A wish of somebody whom no door had to find out.
    pub(crate) fn of(caller: Caller) -> Self {
        Self { command_id: Uuid::now_v7(), caller }
    }

    /// The wish behind it. `operation` names what is wanted and of what, the same at every door.
    pub(crate) fn wish(&self, operation: &str, body: &impl Serialize, reason: &str) -> Result<Wish, Problem> {
        Ok(Wish {
            command_id: CommandId(self.command_id),
            digest: digest(operation, body)?,
            caller: self.caller.clone(),
            reason: reason.to_owned(),
        })
    }
}

/// SHA-256 over the operation and the canonical message: what a repetition must agree with, at whatever door.
fn digest(operation: &str, body: &impl Serialize) -> Result<String, Problem> {
    let text = canonical::text(body);
    let text = text.map_err(|error| Problem::internal(format!("no JSON form: {error}")))?;
    Ok(canonical::sha256(&format!("{operation}\n{text}")))
}

#[cfg(test)]
mod tests {
    use super::digest;
    use crate::dto;
    use serde_json::json;

    #[test]
    fn the_order_of_names_and_what_was_left_out_change_nothing() {
        let arm = |text: &str| digest("arm", &serde_json::from_str::<dto::Arm>(text).unwrap()).unwrap();
        let plain = arm(r#"{"reason":"opening","mode":"full","for_ms":1000}"#);
        assert_eq!(plain, arm(r#"{"for_ms":1000,"until":null,"mode":"full","reason":"opening"}"#));
        assert_ne!(plain, arm(r#"{"reason":"opening","mode":"full","for_ms":1001}"#));
    }

    #[test]
    fn the_same_words_for_another_operation_are_another_wish() {
        let body = json!({"reason": "lunch"});
        assert_ne!(digest("pause market", &body).unwrap(), digest("pause inventory", &body).unwrap());
    }
}
