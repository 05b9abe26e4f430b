//! Who of several operators writes: the rules, without a clock or a connection.
//!
//! As in client-go's leader election nobody trusts another machine's clock. A lease is given up for dead when it has not
//! changed for [`LEASE`] of *our* time, and a holder stops writing [`HOLD`] of *its* time after the last renewal that it
//! sent, whether or not the answer came late. `LEASE / HOLD` is 2.5, so two clocks may differ in pace by that factor before
//! two operators could write at once.

use std::time::{Duration, Instant};

/// How long a lease must not have changed before another operator takes it.
pub const LEASE: Duration = Duration::from_secs(15);
/// How long a renewal allows its sender to write, from before it was sent.
pub const HOLD: Duration = Duration::from_secs(6);

/// A lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// Its version.
    pub version: String,
}

/// What to do after reading the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// There is none: make it.
    Create,
    /// It is ours: say that we are still here.
    Renew,
    /// Nobody holds it any more: take it, in the version that was read.
    Take,
    /// Somebody else holds it.
    Wait,
}

/// One operator's view.
#[derive(Debug)]
pub struct Election {
    me: String,
    seen: Option<(String, Instant)>,
}

impl Election {
    /// `me` is a name that no other process has, nor this one after a restart.
    pub fn new(me: String) -> Election {
        Election { me, seen: None }
    }

    /// The name.
    pub fn me(&self) -> &str {
        &self.me
    }

    /// What to do about the lease that was read just now.
    pub fn look(&mut self, lease: Option<&Record>, now: Instant) -> Ask {
        let Some(lease) = lease else { return Ask::Create };
        if lease.holder == self.me {
            return Ask::Renew;
        }
        if lease.holder.is_empty() {
            return Ask::Take;
        }
        match &self.seen {
            Some((version, since)) if *version == lease.version => {
                if now.duration_since(*since) >= LEASE {
                    Ask::Take
                } else {
                    Ask::Wait
                }
            }
            _ => {
                self.seen = Some((lease.version.clone(), now));
                Ask::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held_by(holder: &str, version: &str) -> Record {
        Record { holder: holder.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_lease_is_dead_when_it_does_not_change_for_long_enough() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut election = Election::new("a".to_owned());
        assert_eq!(election.look(None, at(0)), Ask::Create);
        assert_eq!(election.look(Some(&held_by("a", "1")), at(0)), Ask::Renew);
        assert_eq!(election.look(Some(&held_by("b", "2")), at(10)), Ask::Wait);
        assert_eq!(election.look(Some(&held_by("b", "2")), at(24)), Ask::Wait);
        assert_eq!(election.look(Some(&held_by("b", "3")), at(24)), Ask::Wait, "it was renewed meanwhile");
        assert_eq!(election.look(Some(&held_by("b", "3")), at(38)), Ask::Wait);
        assert_eq!(election.look(Some(&held_by("b", "3")), at(39)), Ask::Take);
        assert_eq!(election.look(Some(&held_by("", "4")), at(39)), Ask::Take, "it was given back");
    }

    /// An operator with a clock of its own pace, in the middle of a round.
    struct Operator {
        election: Election,
        pace: f64,
        round: Round,
        /// By its own clock, in seconds.
        may_write_until: f64,
    }

    enum Round {
        Idle,
        /// It will write over that version of the lease; the time is its own, from before the write.
        Writing(Option<String>, f64),
        /// The server has answered.
        Answered(bool, f64),
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn two_operators_never_write_at_once_whatever_their_clocks_and_pauses(
            paces in prop::collection::vec(1.0..2.0_f64, 3),
            steps in prop::collection::vec((0..3_usize, 0.0..9.0_f64, any::<bool>()), 1..200),
        ) {
            let begin = Instant::now();
            let mut operators: Vec<Operator> = paces
                .iter()
                .enumerate()
                .map(|(place, pace)| Operator {
                    election: Election::new(place.to_string()),
                    pace: *pace,
                    round: Round::Idle,
                    may_write_until: 0.0,
                })
                .collect();
            let (mut lease, mut version, mut now): (Option<Record>, u64, f64) = (None, 0, 1.0);
            for (who, pause, is_lost) in steps {
                now += pause;
                let operator = &mut operators[who];
                let own = now * operator.pace;
                match std::mem::replace(&mut operator.round, Round::Idle) {
                    Round::Idle => {
                        let ask = operator.election.look(lease.as_ref(), begin + Duration::from_secs_f64(own));
                        if ask != Ask::Wait {
                            operator.round = Round::Writing(lease.as_ref().map(|lease| lease.version.clone()), own);
                        }
                    }
                    Round::Writing(expected, sent) => {
                        let is_taken = lease.as_ref().map(|lease| lease.version.clone()) == expected;
                        if is_taken {
                            version += 1;
                            lease = Some(held_by(operator.election.me(), &version.to_string()));
                        }
                        operator.round = Round::Answered(is_taken && !is_lost, sent);
                    }
                    Round::Answered(is_taken, sent) => {
                        if is_taken {
                            operator.may_write_until = sent + HOLD.as_secs_f64();
                        }
                    }
                }
                let writing = operators.iter().filter(|operator| now * operator.pace < operator.may_write_until).count();
                prop_assert!(writing <= 1, "{writing} operators write at {now}");
            }
        }
    }
}
