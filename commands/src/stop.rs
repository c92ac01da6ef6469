//! The wish that everything ends: given once, heard by every service.

use tokio::sync::watch;

/// Gives the wish.
#[derive(Debug, Clone)]
pub struct Stopper {
    sender: watch::Sender<bool>,
}

/// Hears the wish.
#[derive(Debug, Clone)]
pub struct Stop {
    receiver: watch::Receiver<bool>,
}

/// Both ends.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper { sender }, Stop { receiver })
}

impl Stopper {
    /// Ends everything.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }
}

impl Stop {
    /// Waits for the wish. A lost sender is the wish too.
    pub async fn requested(&mut self) {
        let heard = self.receiver.wait_for(|stop| *stop).await;
        drop(heard);
    }

    /// Whether it was given.
    pub fn is_requested(&self) -> bool {
        *self.receiver.borrow()
    }
}
