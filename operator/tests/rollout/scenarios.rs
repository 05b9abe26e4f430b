//! Stories in `tests/scenarios/*.txt`, and what came of them in `tests/rollout/snapshots`.
//!
//! ```text
//! # A comment is copied.
//! settings replicas=2 minReady=10 deadline=120 bake=60 history=2
//! settings queue         a run that is followed waits until the candidate before it is done with
//! model NAME good | exits CODE | crashes | never-ready | flaps READY UNREADY | no-image | no-room | ends-at SECONDS
//! target NAME            the spec asks for it by itself
//! follow NAME            it is what a policy chooses
//! scale N                an autoscaler asks for so many pods
//! drain NAME             a node is drained: one of its pods is deleted and comes back
//! reboot NAME            the node of all its pods boots again
//! wait SECONDS
//! pause | resume | retry | restart NAME
//! crash N                the operator is killed after N writes of its next pass
//! ```

use std::fs;
use std::path::Path;

use jiff::SignedDuration;
use slipway_crds::model_deployment::Revision;
use slipway_operator::rollout::{Settings, WhileRolling};

use crate::world::{Behaviour, World, revision};

pub fn settings() -> Settings {
    Settings {
        min_ready: SignedDuration::from_secs(10),
        progress_deadline: SignedDuration::from_secs(120),
        bake: SignedDuration::from_secs(60),
        history_limit: 2,
        while_rolling: WhileRolling::Supersede,
        paused: false,
        retry_token: String::new(),
    }
}

fn behaviour(words: &[&str]) -> Behaviour {
    let number = || words[1].parse().unwrap();
    match words[0] {
        "good" => Behaviour::Good,
        "exits" => Behaviour::Exits(words[1].parse().unwrap()),
        "crashes" => Behaviour::Crashes,
        "never-ready" => Behaviour::NeverReady,
        "flaps" => Behaviour::Flaps(number(), words[2].parse().unwrap()),
        "no-image" => Behaviour::NoImage,
        "no-room" => Behaviour::NoRoom,
        "ends-at" => Behaviour::EndsAt(number()),
        other => panic!("no behaviour {other}"),
    }
}

fn set(world: &mut World, words: &[&str]) {
    for (key, value) in words.iter().map(|word| word.split_once('=').unwrap_or((word, ""))) {
        let seconds = || SignedDuration::from_secs(value.parse().unwrap());
        match key {
            "replicas" => world.replicas = value.parse().unwrap(),
            "minReady" => world.settings.min_ready = seconds(),
            "deadline" => world.settings.progress_deadline = seconds(),
            "bake" => world.settings.bake = seconds(),
            "queue" => world.settings.while_rolling = WhileRolling::Queue,
            "history" => world.settings.history_limit = value.parse().unwrap(),
            other => panic!("no setting {other}"),
        }
    }
}

/// Waits, and tells each time that something is to be seen.
fn wait(world: &mut World, seconds: i64) {
    let mut before = world.sketch();
    for _ in 0..seconds {
        world.wait(1);
        let sketch = world.sketch();
        if sketch != before {
            world.say(&format!("  {sketch}"));
            before = sketch;
        }
    }
}

fn play(script: &str) -> String {
    let mut world = World::new(settings(), 2);
    let mut retries = 0;
    for line in script.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.is_empty() || line.starts_with('#') {
            world.log.push(line.to_owned());
            continue;
        }
        world.log.push(format!("> {line}"));
        let before = world.sketch();
        match words[0] {
            "settings" => set(&mut world, &words[1..]),
            "model" => world.behave(words[1], behaviour(&words[2..])),
            "target" => world.target = Some(revision(words[1])),
            "follow" => {
                let training_run = Some(format!("run-{}", words[1]));
                world.target = Some(Revision { training_run, ..revision(words[1]) });
            }
            "scale" => world.replicas = words[1].parse().unwrap(),
            "drain" => world.drain(words[1]),
            "reboot" => world.reboot(words[1]),
            "pause" => world.settings.paused = true,
            "resume" => world.settings.paused = false,
            "retry" => {
                retries += 1;
                world.settings.retry_token = retries.to_string();
            }
            "restart" => world.restart(words[1]),
            "crash" => world.crash_after = Some(words[1].parse().unwrap()),
            "wait" => wait(&mut world, words[1].parse().unwrap()),
            other => panic!("no command {other}"),
        }
        if words[0] != "wait" && words[0] != "crash" {
            world.settle();
            let sketch = world.sketch();
            if sketch != before {
                world.say(&format!("  {sketch}"));
            }
        }
    }
    world.log.push(format!("        {}", world.sketch()));
    world.log.join("\n")
}

#[test]
fn stories_end_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut scripts: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let name = script.file_stem().unwrap().to_str().unwrap().to_owned();
        let transcript = play(&fs::read_to_string(&script).unwrap());
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, transcript);
        });
    }
}
