//! Who else there is: nobody. Clients that are given several addresses ask for it before they have said who they are.

use crate::outward::ticks;
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_proto::kurrent::client::gossip::gossip_server::Gossip as Service;
use stele_proto::kurrent::client::gossip::member_info::VNodeState;
use stele_proto::kurrent::client::gossip::{ClusterInfo, EndPoint, MemberInfo};
use stele_proto::kurrent::client::{Empty, Uuid as WireUuid, uuid as wire};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Tells of the one member that there is.
#[derive(Clone)]
pub struct Gossip {
    instance: Uuid,
    address: String,
    port: u16,
    clock: Arc<dyn Clock>,
}

impl Gossip {
    /// The member that clients reach at this address.
    pub fn new((address, port): (String, u16), clock: Arc<dyn Clock>) -> Self {
        Self { instance: Uuid::new_v4(), address, port, clock }
    }
}

#[tonic::async_trait]
impl Service for Gossip {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let end_point = EndPoint { address: self.address.clone(), port: u32::from(self.port) };
        let member = MemberInfo {
            instance_id: Some(WireUuid { value: Some(wire::Value::String(self.instance.to_string())) }),
            time_stamp: ticks(self.clock.now()),
            state: i32::from(VNodeState::Leader),
            is_alive: true,
            http_end_point: Some(end_point),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}
