//! A request's story as the desk tells it (`stele trace`), with the questions that scenarios ask of it.

use serde_json::Value;
use stele_api::dto::{CommandStory, Trace};

/// A request's story.
#[derive(Debug, Clone)]
pub struct Story(pub Trace);

impl Story {
    /// Why the desk did not act; none when it did, or has not decided.
    pub fn reason(&self) -> Option<&str> {
        self.decision()["decision_reason"].as_str()
    }

    /// Whether the desk decided to act.
    pub fn acted(&self) -> bool {
        self.decision()["decision"] == "act"
    }

    /// The decision; null before there is one.
    pub fn decision(&self) -> &Value {
        self.0.decisions.first().map_or(&Value::Null, |story| &story.decision)
    }

    /// How many decisions there are.
    pub fn decisions(&self) -> usize {
        self.0.decisions.len()
    }

    /// How many commands there are.
    pub fn commands(&self) -> usize {
        self.0.commands.len()
    }

    /// What one gate answered, as it is kept: `"pass"`, `{"deny": reason}` or `"not_asked"`.
    pub fn gate(&self, name: &str) -> &Value {
        let gates = self.decision()["gates"].as_array().map(Vec::as_slice).unwrap_or_default();
        gates.iter().find(|gate| gate["gate"] == name).map_or(&Value::Null, |gate| &gate["answer"])
    }

    /// What became of the command; null before the executor took it up.
    pub fn result(&self) -> &Value {
        self.command().and_then(|story| story.result.as_ref()).unwrap_or(&Value::Null)
    }

    /// The result's state.
    pub fn state(&self) -> &str {
        self.result()["state"].as_str().unwrap_or_default()
    }

    /// Where the coin is: `none`, `held` or `released`.
    pub fn reservation(&self) -> &str {
        self.result()["reservation"].as_str().unwrap_or_default()
    }

    /// Every step of the command, oldest first.
    pub fn steps(&self) -> Vec<&str> {
        let steps = self.command().map(|story| story.steps.as_slice()).unwrap_or_default();
        let mut placed: Vec<_> = steps
            .iter()
            .map(|step| (step["position"].as_u64(), step["step"].as_str().unwrap_or_default()))
            .collect();
        placed.sort_unstable();
        placed.into_iter().map(|(_, step)| step).collect()
    }

    /// The command and what became of it.
    pub fn command(&self) -> Option<&CommandStory> {
        self.0.commands.first()
    }

    /// What the intake made of the request and its repeats, oldest first.
    pub fn kinds(&self) -> Vec<&str> {
        let mut placed: Vec<_> = self
            .0
            .requests
            .iter()
            .map(|row| (row["position"].as_u64(), row["kind"].as_str().unwrap_or_default()))
            .collect();
        placed.sort_unstable();
        placed.into_iter().map(|(_, kind)| kind).collect()
    }

    /// Fails unless the desk refused for this reason, kept what it saw, and commanded nothing.
    #[track_caller]
    pub fn is_refused_for(&self, reason: &str) {
        assert_eq!(self.reason(), Some(reason), "{}", self.brief());
        assert_eq!((self.decisions(), self.commands()), (1, 0), "{}", self.brief());
        assert_eq!(self.decision()["gates"].as_array().map(Vec::len), Some(25), "{}", self.brief());
    }

    /// Fails unless these are the result's state, its reservation and all its steps.
    #[track_caller]
    pub fn ended(&self, state: &str, reservation: &str, steps: &[&str]) {
        assert_eq!((self.state(), self.reservation()), (state, reservation), "{}", self.brief());
        assert_eq!(self.steps(), steps, "{}", self.brief());
    }

    /// The story in a line.
    pub fn brief(&self) -> String {
        let decision = self.decision()["decision"].as_str().unwrap_or("undecided");
        let reason = self.reason().unwrap_or_default();
        let (state, coin, detail) = (self.state(), self.reservation(), &self.result()["detail"]);
        format!(
            "{:?} {decision} {reason} → {state} ({detail}), coin {coin}, steps {:?}",
            self.kinds(),
            self.steps()
        )
    }
}
