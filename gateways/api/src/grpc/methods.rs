//! Every method, what a caller must be allowed to do for it, and how much room it takes. What is not listed here can't
//! be called.

use crate::doors::Room;
use stele_domain::access::Action;

/// A method of `stele.api.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    /// `Service/Method`.
    pub(crate) name: &'static str,
    /// What a caller must be allowed to do; nothing in particular when they ask about themselves.
    pub(crate) action: Option<Action>,
    /// Which room it takes; none for streams, which take their own for as long as they last.
    pub(crate) room: Option<Room>,
}

/// What stands before the name in a path.
pub(crate) const PREFIX: &str = "/stele.api.v1.";

const fn read(name: &'static str) -> Method {
    looking(name, Action::Read)
}

const fn looking(name: &'static str, action: Action) -> Method {
    Method { name, action: Some(action), room: Some(Room::Reads) }
}

const fn wish(name: &'static str, action: Action) -> Method {
    Method { name, action: Some(action), room: Some(Room::Wishes) }
}

/// Killing has room of its own, and so has disarming: nobody else's wish keeps either waiting.
const fn stop(name: &'static str, action: Action, room: Room) -> Method {
    Method { name, action: Some(action), room: Some(room) }
}

const fn stream(name: &'static str, action: Action) -> Method {
    Method { name, action: Some(action), room: None }
}

/// Every method.
pub(crate) const METHODS: [Method; 46] = [
    wish("ControlService/Arm", Action::Arm),
    wish("ControlService/Approve", Action::Approve),
    stop("ControlService/Disarm", Action::Disarm, Room::Disarms),
    stop("ControlService/Kill", Action::Kill, Room::Kills),
    wish("ControlService/Pause", Action::Steer),
    wish("ControlService/Resume", Action::Steer),
    wish("ControlService/Drain", Action::Steer),
    wish("ControlService/Refresh", Action::Refresh),
    wish("ControlService/SetLimits", Action::SetLimits),
    read("ControlService/GetLimits"),
    wish("ControlService/SetPairFilter", Action::SetFilter),
    wish("ControlService/ResetPairFilter", Action::SetFilter),
    read("ControlService/GetPairFilter"),
    read("ControlService/GetAccount"),
    read("ControlService/ListAlerts"),
    wish("ControlService/ClearAlert", Action::Steer),
    Method { name: "AccessService/WhoAmI", action: None, room: Some(Room::Reads) },
    read("AccessService/ListRoles"),
    wish("AccessService/CreateKey", Action::ManageKeys),
    wish("AccessService/RevokeKey", Action::ManageKeys),
    looking("AccessService/ListKeys", Action::ManageKeys),
    read("TradingService/GetStatus"),
    read("TradingService/ListTables"),
    read("TradingService/QueryTable"),
    read("TradingService/Trace"),
    stream("TradingService/WatchDecisions", Action::Read),
    stream("LogService/Tail", Action::ReadLog),
    looking("LogService/List", Action::ReadLog),
    looking("LogService/Get", Action::ReadLog),
    looking("LogService/Stat", Action::ReadLog),
    looking("LogService/Checkpoint", Action::Prove),
    looking("LogService/Prove", Action::Prove),
    looking("LogService/ProveConsistency", Action::Prove),
    read("ProjectionService/ListParked"),
    read("ProjectionService/GetParked"),
    wish("ProjectionService/RetryParked", Action::Steer),
    wish("ProjectionService/SkipParked", Action::Steer),
    read("ProjectionService/ListRebuilds"),
    stream("ProjectionService/WatchRebuilds", Action::Read),
    wish("ProjectionService/StartRebuild", Action::Steer),
    wish("ProjectionService/DropReplaced", Action::Steer),
    wish("AuditService/StartAudit", Action::Prove),
    looking("AuditService/ListAudits", Action::Prove),
    looking("AuditService/GetAudit", Action::Prove),
    stream("AuditService/WatchAudit", Action::Prove),
    stream("AuditService/GetAuditReport", Action::Prove),
];

/// The method of a path.
pub(crate) fn of(path: &str) -> Option<&'static Method> {
    let name = path.strip_prefix(PREFIX)?;
    METHODS.iter().find(|method| method.name == name)
}

/// What is for everybody who reaches the door, as `/livez` is: it tells nothing of the desk but whether it is ready, and
/// how to talk to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// Whether it is ready, asked once. A watch takes a seat itself, for as long as it lasts.
    Health {
        /// Where it takes a seat.
        room: Option<Room>,
    },
    /// How to talk to it: a conversation.
    Reflection,
}

/// What is for everybody at a path.
pub(crate) fn for_everybody(path: &str) -> Option<Open> {
    if let Some(method) = path.strip_prefix("/grpc.health.v1.Health/") {
        return Some(Open::Health { room: (method != "Watch").then_some(Room::Probes) });
    }
    path.starts_with("/grpc.reflection.").then_some(Open::Reflection)
}

#[cfg(test)]
mod tests {
    use super::{METHODS, PREFIX};
    use prost::Message;
    use std::collections::BTreeSet;

    #[test]
    fn every_method_of_the_definitions_is_listed_once_and_no_other_is() {
        let set = prost_types::FileDescriptorSet::decode(stele_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut defined = BTreeSet::new();
        for file in set.file.iter().filter(|file| PREFIX.contains(file.package())) {
            for service in &file.service {
                let names = service.method.iter().map(|m| format!("{}/{}", service.name(), m.name()));
                defined.extend(names);
            }
        }
        let listed: BTreeSet<String> = METHODS.iter().map(|method| method.name.to_owned()).collect();
        assert_eq!(listed.len(), METHODS.len(), "a method is listed twice");
        assert_eq!(listed, defined);
    }
}
