//! Faults bite as often and as long as they were told to.

use super::*;

fn bites(faults: &mut Faults) -> bool {
    faults.bites(&Fault::NeverSettles)
}

#[test]
fn a_counted_fault_bites_that_often_and_no_more() {
    let mut faults = Faults::default();
    faults.arm(Fault::NeverSettles, Scope::Count(2), 0).unwrap();
    assert_eq!([bites(&mut faults), bites(&mut faults), bites(&mut faults)], [true, true, false]);
    assert!(faults.armed().is_empty());
}

#[test]
fn a_timed_fault_is_over_when_its_time_is() {
    let mut faults = Faults::default();
    faults.arm(Fault::NeverSettles, Scope::ForMs(0), 0).unwrap();
    assert!(!bites(&mut faults));
}

#[test]
fn clearing_one_fault_leaves_the_others() {
    let mut faults = Faults::default();
    let first = faults.arm(Fault::NeverSettles, Scope::UntilCleared, 0);
    faults.arm(Fault::SettlementFails, Scope::UntilCleared, 0).unwrap();
    assert_eq!(faults.clear(first), 1);
    assert!(!bites(&mut faults));
    assert_eq!(faults.clear(None), 1);
}

#[test]
fn only_so_many_faults_can_be_armed() {
    let mut faults = Faults::default();
    for _ in 0..ARMED_MAX {
        assert!(faults.arm(Fault::NeverSettles, Scope::UntilCleared, 0).is_some());
    }
    assert_eq!(faults.arm(Fault::NeverSettles, Scope::UntilCleared, 0), None);
}

#[test]
fn a_fault_is_read_from_the_json_that_the_readme_shows() {
    let fault: Fault = serde_json::from_str(r#"{"fault":"settles_late","by_ms":500}"#).unwrap();
    assert_eq!(fault, Fault::SettlesLate { by_ms: 500 });
    let wrong = serde_json::from_str::<Fault>(r#"{"fault":"settles_late","ms":500}"#);
    assert!(wrong.is_err());
}
