//! A desk without a usable key watches and decides; it can't be brought to sign, and says why. A key is never said.

use crate::support::{ACCOUNT, Desk, PUBLIC, SECRET, World, command};

/// Everything but signing works: prices, balances, decisions.
fn watches(world: &World, why: &str) {
    let mut desk = world.serve();
    let said = desk.said.join("\n");
    assert!(said.contains("executor.no_signing_key") && said.contains(why), "{why:?} is missing in {said}");
    world.awake();
    world.set_limits();
    // Arming is refused, or comes to nothing: what would sign is missing.
    world.stele(&["arm", "--reason", "try all the same", "--for", "1m"]);
    world.taker_gives_btc(100_000);
    let decided = world.event("trading.Decided");
    assert_eq!(decided["data"]["verdict"]["outcome"], "skip", "{decided}");
    let status = world.until(&["status"], |run| run.stdout.contains("no_signing_key")).stdout;
    assert!(status.contains("the venue would refuse our signature: no_signing_key"), "{status}");
    let journal = world.handle().summary().journal;
    assert_eq!(journal.quote_response_frames, 0, "an offer left the desk");
    assert_eq!(desk.signalled("TERM").0, 0);
    assert!(!desk.said.join("\n").contains(&SECRET[..40]), "the key was said");
}

#[test]
fn without_a_key_the_desk_watches_and_says_why_it_cannot_sign() {
    let world = World::quiet();
    watches(&world, "no key file or variable is configured");
}

#[test]
fn a_malformed_key_is_no_key_and_is_not_repeated() {
    let world = World::quiet();
    world.key_file(&format!("ed25519:{}", &SECRET[..60]), 0o600);
    world.configure("signing_key_file = \"key\"");
    watches(&world, "holds no key");
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let world = World::quiet();
    world.key_file(&format!("ed25519:{SECRET}"), 0o644);
    world.configure("signing_key_file = \"key\"");
    watches(&world, "chmod 600");
}

#[test]
fn a_key_in_a_variable_signs_and_is_never_said() {
    let world = World::quiet();
    world.configure("signing_key_env = \"DESK_KEY\"");
    let mut serve = command(world.path(), &["serve"]);
    serve.env("DESK_KEY", format!("ed25519:{SECRET}")).env("STELE__TELEMETRY__LEVEL", "trace");
    let mut desk = Desk::start(serve);
    desk.logged("desk.ready");
    world.set_limits();
    world.awake();
    world.stele(&["arm", "--reason", "one trade", "--for", "1m"]).exits(0);
    let quote_id = world.taker_gives_btc(20_000);
    world.event("trading.SubmissionSettled");
    let mut answers = vec![];
    for args in [
        &["status", "--json"][..],
        &["trace", "--json", &quote_id],
        &["table", "results", "--json"],
        &["log", "tail", "-n", "1000", "--json"],
        &["config", "print"],
    ] {
        answers.push(world.stele(args).exits(0).stdout);
    }
    assert_eq!(desk.signalled("TERM").0, 0);
    answers.extend(desk.said.iter().cloned());
    let all = answers.join("\n");
    assert!(all.contains(PUBLIC) && all.contains(ACCOUNT), "the search looks at the wrong text");
    assert!(!all.contains(&SECRET[..32]) && !all.contains(&SECRET[32..64]), "the key was said");
}
