//! The past as an operator asks for it: of a desk that runs, of one that was killed and started again, and of one that has ended.

use crate::support::{Desk, World, command};
use serde_json::Value;

/// A desk that keeps a past state every few events.
fn serve(world: &World) -> Desk {
    serve_with(world, "4", "4096")
}

fn serve_with(world: &World, every_events: &str, states_max: &str) -> Desk {
    let mut serve = command(world.path(), &["serve"]);
    serve.env("STELE__READ_MODELS__STATE_EVERY_EVENTS", every_events);
    serve.env("STELE__READ_MODELS__STATES_MAX", states_max);
    let mut desk = Desk::start(serve);
    desk.logged("desk.ready");
    world.until(&["table", "account", "--as-of", "0"], |run| run.code == 0);
    desk
}

fn arming_as_of(world: &World, as_of: &str) -> (Value, Value) {
    let page = world.stele(&["table", "account", "--as-of", as_of, "--json"]).exits(0).json();
    (page["rows"][0]["arming"].clone(), page["as_of"].clone())
}

#[test]
fn a_table_and_a_story_are_shown_as_they_were_also_after_a_kill() {
    let world = World::quiet().with_key();
    let mut desk = serve(&world);
    world.set_limits();
    world.awake();
    world.stele(&["arm", "--reason", "for a while", "--for", "5m"]).exits(0);
    let quote = world.taker_gives_btc(200_000);
    world.event("trading.SubmissionSettled");
    let armed = world.stele(&["log", "stat", "--json"]).exits(0).json()["head"].as_u64().unwrap();
    world.stele(&["disarm", "--reason", "a break"]).exits(0);
    let then = armed.to_string();
    assert_eq!(arming_as_of(&world, &then), ("armed".into(), armed.into()));
    let told = world.stele(&["table", "account", "--as-of", &then]).exits(0).stdout;
    assert!(told.contains(&format!("as of log position {armed} (20")), "{told}");
    let time = world.stele(&["table", "account", "--as-of", &then, "--json"]).json()["as_of_time"].clone();
    assert_eq!(arming_as_of(&world, time.as_str().unwrap()).0, "armed");
    world.stele(&["trace", &quote, "--as-of", "1"]).exits(1).complains(&["as of position 1"]);
    let story = world.stele(&["trace", &quote, "--as-of", &then, "--json"]).exits(0).json();
    assert_eq!((&story["as_of"], &story["as_of_time"]), (&armed.into(), &time));
    let beyond = world.stele(&["table", "account", "--as-of", "1000000"]);
    assert!(beyond.code != 0 && beyond.stderr.contains("the log ends at position"), "{beyond:?}");

    assert_eq!(desk.signalled("KILL").0, -1);
    let mut desk = serve(&world);
    assert_eq!(arming_as_of(&world, &then), ("armed".into(), armed.into()));
    assert_eq!(desk.signalled("TERM").0, 0, "{}", desk.said.join("\n"));
    let strange =
        desk.said.iter().find(|line| line.contains("lsm_tree") || line.contains("past.thrown_away"));
    assert_eq!(strange, None, "the states of the first run serve the second, and quietly");
    // The log alone tells it, too.
    let offline = world.stele(&["trace", &quote, "--as-of", &then, "--json"]).exits(0).json();
    for part in ["as_of", "as_of_time", "decisions", "commands", "timeline"] {
        assert_eq!(offline[part], story[part], "{part}");
    }
    world.stele(&["trace", &quote, "--as-of", "1000000"]).exits(2).complains(&["the log ends at position"]);
}

/// A state for every event, of which a handful may stay: they are thinned all the time, and the desk dies again and again.
#[test]
fn kills_while_states_are_thinned_leave_every_answer_as_it_was() {
    let world = World::quiet().with_key();
    let mut desk = serve_with(&world, "1", "4");
    world.set_limits();
    for life in 0..8 {
        let reason = format!("life {life}");
        world.stele(&["pause", "strategy", "--reason", &reason]).exits(0);
        world.stele(&["resume", "strategy", "--reason", &reason]).exits(0);
        // Every other life has forgotten a state when it ends; the others end wherever they are.
        if life % 2 == 0 {
            desk.logged("past.thinned");
        }
        assert_eq!(desk.signalled("KILL").0, -1);
        desk = serve_with(&world, "1", "4");
        let thrown = desk.said.iter().find(|line| line.contains("past.thrown_away"));
        assert_eq!(thrown, None, "in life {life}");
    }
    let head = world.stele(&["log", "stat", "--json"]).exits(0).json()["head"].as_u64().unwrap();
    let told = || -> Vec<[Value; 3]> {
        let every = (1..=head).step_by(usize::try_from(head / 12).unwrap());
        let page = |at: u64| {
            world.stele(&["table", "services", "--as-of", &at.to_string(), "--json"]).exits(0).json()
        };
        every.map(page).map(|page| ["rows", "as_of", "as_of_time"].map(|part| page[part].clone())).collect()
    };
    let before = told();
    assert_eq!(desk.signalled("TERM").0, 0, "{}", desk.said.join("\n"));
    std::fs::remove_dir_all(world.path().join("stele-data/states")).unwrap();
    let _desk = serve_with(&world, "1", "4096");
    for (anew, before) in told().iter().zip(&before) {
        assert_eq!(anew, before);
    }
}
