//! How long storage may take.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::StoreError;

/// How long storage may take.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// To take a connection.
    pub connect: Duration,
    /// To begin an answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
    /// Without any progress, tries included, until it counts as unreachable.
    pub give_up_after: Duration,
}

/// Pause before the second try; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Policy {
    /// The usual times, with one to give up after; no other is longer.
    pub fn giving_up_after(give_up_after: Duration) -> Policy {
        Policy {
            connect: Duration::from_secs(5).min(give_up_after),
            answer: Duration::from_secs(20).min(give_up_after),
            stall: Duration::from_secs(20).min(give_up_after),
            give_up_after,
        }
    }

    /// Does something until it works, fails for good, or has failed for too long.
    pub async fn retry<T>(&self, mut action: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut patience = Patience::new(*self);
        loop {
            match action().await {
                Err(error) if error.is_transient() => patience.wait(error).await?,
                done => return done,
            }
        }
    }
}

/// What is left of the time to give up after.
#[derive(Debug)]
pub struct Patience {
    policy: Policy,
    since: Instant,
    pause: Duration,
}

impl Patience {
    /// Begins to count.
    pub fn new(policy: Policy) -> Patience {
        Patience { policy, since: Instant::now(), pause: FIRST_PAUSE }
    }

    /// There was progress: begins to count again.
    pub fn renew(&mut self) {
        *self = Patience::new(self.policy);
    }

    /// Pauses before the next try, or gives `error` back when the time is over.
    pub async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if self.since.elapsed() + self.pause > self.policy.give_up_after {
            return Err(error);
        }
        eprintln!("{error}; trying again");
        sleep(jittered(self.pause)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Up to half shorter, so that many pods do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let share = f64::from(now.subsec_nanos() % 1000) / 2000.0;
    pause.mul_f64(1.0 - share)
}
