//! What a run does to the operator, in a word that can be typed to do it again. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, bail};

use crate::kind::{self, Kind};

/// On which side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The API server never hears of it.
    Before,
    /// The API server has done it.
    After,
}

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator is killed and started again.
    Kill(Side),
    /// The write is done, and the connection ends before the answer.
    Lose,
    /// The write reaches the API server late.
    Delay,
    /// The operator gets this code instead of an answer.
    Answer(u16, Side),
    /// The operator waits for an answer for as long as it likes.
    Stall,
    /// All watches that are open end, as when an API server goes down in good order.
    CutWatches,
    /// All watches that are open stay open and tell nothing any more.
    MuteWatches,
    /// All watches, or those of one kind, new ones too, tell what they have to tell late: the operator looks at the past.
    Hold(Option<Kind>),
    /// The operator is killed again and again; the number is not a write's, but what decides when.
    Storm,
}

/// How late a delayed write is, and how long watches are held.
pub const DELAY: Duration = Duration::from_secs(3);

/// Deaths in a storm.
const KILLS: usize = 12;

/// Codes that may be answered: throttled, something broke, not available, timed out.
const CODES: [u16; 4] = [429, 500, 503, 504];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(Side::Before) => f.write_str("before"),
            Fault::Kill(Side::After) => f.write_str("after"),
            Fault::Lose => f.write_str("lose"),
            Fault::Delay => f.write_str("delay"),
            Fault::Answer(code, Side::Before) => write!(f, "{code}-before"),
            Fault::Answer(code, Side::After) => write!(f, "{code}-after"),
            Fault::Stall => f.write_str("stall"),
            Fault::CutWatches => f.write_str("cut"),
            Fault::MuteWatches => f.write_str("mute"),
            Fault::Storm => f.write_str("storm"),
            Fault::Hold(None) => f.write_str("hold"),
            Fault::Hold(Some(kind)) => write!(f, "hold-{}", kind.plural),
        }
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fault, Error> {
        let answer = |code: &str, side| match code.parse() {
            Ok(code) if CODES.contains(&code) => Ok(Fault::Answer(code, side)),
            _ => bail!("{code} is not among the codes {CODES:?}"),
        };
        Ok(match text {
            "before" => Fault::Kill(Side::Before),
            "after" => Fault::Kill(Side::After),
            "lose" => Fault::Lose,
            "delay" => Fault::Delay,
            "stall" => Fault::Stall,
            "cut" => Fault::CutWatches,
            "mute" => Fault::MuteWatches,
            "hold" => Fault::Hold(None),
            "storm" => Fault::Storm,
            _ => match text.split_once('-') {
                Some(("hold", plural)) => {
                    let kind = kind::ALL.into_iter().find(|kind| kind.plural == plural);
                    Fault::Hold(Some(kind.with_context(|| format!("{plural} are not watched"))?))
                }
                Some((code, "before")) => answer(code, Side::Before)?,
                Some((code, "after")) => answer(code, Side::After)?,
                _ => bail!(
                    "{text} is no fault; write one of before, after, lose, delay, stall, cut, mute, hold, hold-pods, storm, 504-before, 504-after"
                ),
            },
        })
    }
}

/// A fault, and the write at which it happens; writes count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// What happens.
    pub fault: Fault,
    /// When.
    pub at: usize,
}

impl Script {
    /// What happens at the write `number`.
    pub fn fault_at(&self, number: usize) -> Option<Fault> {
        (number == self.at && self.fault != Fault::Storm).then_some(self.fault)
    }

    /// How long after each other the operator is killed in a storm, and nothing otherwise: always the same for a number.
    pub fn storm(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let kills = if self.fault == Fault::Storm { KILLS } else { 0 };
        let mut state = (self.at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        std::iter::repeat_with(move || {
            // Marsaglia's xorshift64, with his first triple.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Duration::from_millis(300 + state % 2_000)
        })
        .take(kills)
    }
}

/// A run by name: `promote:after:7`; the scenario alone is a run without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Name of the scenario.
    pub scenario: String,
    /// What is done to it.
    pub script: Option<Script>,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.script {
            Some(Script { fault, at }) => write!(f, "{}:{fault}:{at}", self.scenario),
            None => f.write_str(&self.scenario),
        }
    }
}

impl FromStr for Replay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Replay, Error> {
        let mut parts = text.split(':');
        let scenario = parts.next().unwrap_or_default().to_owned();
        let script = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(fault), Some(at), None) => {
                let at = at.parse().ok().filter(|at| *at > 0);
                Some(Script { fault: fault.parse()?, at: at.context("writes count from 1: promote:after:7")? })
            }
            _ => bail!("{text} names no run; write promote:after:7"),
        };
        Ok(Replay { scenario, script })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_what_its_name_says() {
        for name in [
            "promote",
            "promote:before:1",
            "train:after:12",
            "promote:lose:3",
            "promote:delay:3",
            "promote:504-after:3",
            "promote:503-before:3",
            "promote:stall:3",
            "promote:cut:3",
            "promote:mute:3",
            "promote:hold:3",
            "promote:storm:3",
            "promote:hold-modeldeployments:3",
        ] {
            assert_eq!(name.parse::<Replay>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_wrong_name_is_refused_with_what_to_write() {
        let refusal = |name: &str| name.parse::<Replay>().unwrap_err().to_string();
        assert!(refusal("promote:after:0").contains("promote:after:7"));
        assert!(refusal("promote:after").contains("promote:after:7"));
        assert!(refusal("promote:later:1").contains("before, after"));
        assert!(refusal("promote:hold-secrets:1").contains("secrets are not watched"));
        assert!(refusal("promote:418-after:1").contains("503"));
    }

    #[test]
    fn a_storm_is_the_same_each_time_and_no_fault_of_a_write() {
        let storm = |at| Script { fault: Fault::Storm, at };
        let kills = |at| storm(at).storm().collect::<Vec<_>>();
        assert_eq!(kills(1), kills(1));
        assert_ne!(kills(1), kills(2));
        assert_eq!(kills(1).len(), KILLS);
        assert!(kills(1).iter().all(|after| (300..2_300).contains(&after.as_millis())));
        assert_eq!(storm(1).fault_at(1), None);
        assert_eq!(Script { fault: Fault::Lose, at: 1 }.storm().count(), 0);
    }

    #[test]
    fn a_fault_happens_once() {
        let script = Script { fault: Fault::Kill(Side::After), at: 2 };
        let faults: Vec<_> = (1..=3).map(|number| script.fault_at(number).is_some()).collect();
        assert_eq!(faults, [false, true, false]);
    }
}
