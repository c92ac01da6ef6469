//! In place of wide registers where no processor of this kind has them: nothing is ever made of it.

use super::{Block, LANES};

/// A processor that has the instructions: there is none.
#[derive(Clone, Copy)]
pub enum Wide {}

/// Sixteen states.
pub struct States([[u32; 8]; LANES]);

impl Wide {
    /// None.
    pub fn find() -> Option<Self> {
        None
    }

    /// The same state in every lane.
    pub fn begin(state: [u32; 8]) -> States {
        States([state; LANES])
    }

    /// Is never called.
    pub fn take<'a>(self, _: &mut States, _: impl Iterator<Item = [&'a Block; LANES]>) {
        match self {}
    }
}

impl States {
    /// The state of each lane.
    pub fn each(&self) -> [[u32; 8]; LANES] {
        self.0
    }
}
