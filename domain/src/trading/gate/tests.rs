//! Codes are stored, counted and searched for: they never differ from the stored form.

use super::{Gate, Reason};
use crate::trading::account::event::RefusalCode;
use std::collections::BTreeSet;

#[test]
fn a_reasons_code_is_its_stored_form() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
}

#[test]
fn a_gates_code_is_its_stored_form() {
    for gate in Gate::ALL {
        assert_eq!(serde_json::to_value(gate).unwrap(), gate.code());
    }
}

#[test]
fn a_refusals_code_is_its_stored_form() {
    for code in RefusalCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.code());
    }
}

#[test]
fn no_gate_and_no_reason_is_listed_twice() {
    assert_eq!(BTreeSet::from(Gate::ALL).len(), Gate::ALL.len());
    assert_eq!(BTreeSet::from(Reason::ALL).len(), Reason::ALL.len());
    assert_eq!(BTreeSet::from(RefusalCode::ALL).len(), RefusalCode::ALL.len());
}

#[test]
fn the_gates_are_asked_in_the_order_in_which_they_are_declared() {
    assert!(Gate::ALL.is_sorted());
}
