//! What holds in every story: the world itself asserts that traffic is never lost and never given to a refused model.

use jiff::SignedDuration;
use proptest::prelude::*;
use slipway_crds::model_deployment::{Phase, Revision};
use slipway_operator::rollout::WhileRolling;

use crate::scenarios::settings;
use crate::world::{Behaviour, World, revision};

const MODELS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Command {
    Target(usize),
    Behave(usize, Behaviour),
    Wait(i64),
    Pause(bool),
    Retry,
    Restart(usize),
    Crash(usize),
    Scale(i32),
    Drain(usize),
    Reboot(usize),
    Queue(bool),
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        4 => Just(Behaviour::Good),
        1 => (64..=67).prop_map(Behaviour::Exits),
        1 => Just(Behaviour::Crashes),
        1 => Just(Behaviour::NeverReady),
        1 => (1..30_i64, 1..10_i64).prop_map(|(up, down)| Behaviour::Flaps(up, down)),
        1 => Just(Behaviour::NoImage),
        1 => Just(Behaviour::NoRoom),
        1 => (3..120_i64).prop_map(Behaviour::EndsAt),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let model = || 0..MODELS.len();
    prop_oneof![
        4 => model().prop_map(Command::Target),
        1 => (model(), behaviours()).prop_map(|(model, behaviour)| Command::Behave(model, behaviour)),
        5 => (1..150_i64).prop_map(Command::Wait),
        1 => any::<bool>().prop_map(Command::Pause),
        1 => Just(Command::Retry),
        1 => model().prop_map(Command::Restart),
        2 => (0..6_usize).prop_map(Command::Crash),
        1 => (1..4_i32).prop_map(Command::Scale),
        1 => model().prop_map(Command::Drain),
        1 => model().prop_map(Command::Reboot),
        1 => any::<bool>().prop_map(Command::Queue),
    ]
}

fn run(world: &mut World, command: &Command) {
    match command {
        Command::Target(model) => {
            let training_run = (*model % 2 == 0).then(|| MODELS[*model].to_owned());
            world.target = Some(Revision { training_run, ..revision(MODELS[*model]) });
        }
        Command::Behave(model, behaviour) => world.behave(MODELS[*model], *behaviour),
        Command::Wait(seconds) => world.wait(*seconds),
        Command::Pause(paused) => world.settings.paused = *paused,
        Command::Retry => world.settings.retry_token.push('r'),
        Command::Restart(model) => world.restart(MODELS[*model]),
        Command::Crash(writes) => {
            world.crash_after = Some(*writes);
            world.reconcile();
        }
        Command::Scale(replicas) => world.replicas = *replicas,
        Command::Drain(model) => world.drain(MODELS[*model]),
        Command::Reboot(model) => world.reboot(MODELS[*model]),
        Command::Queue(queue) => {
            world.settings.while_rolling = if *queue { WhileRolling::Queue } else { WhileRolling::Supersede };
        }
    }
    let plan = world.settle();
    let is_waiting = matches!(
        world.state.phase,
        Phase::Verifying(_) | Phase::Progressing(_) | Phase::Baking(_) | Phase::RollingBack(_)
    );
    assert!(!is_waiting || plan.requeue_after.is_some_and(|after| after > SignedDuration::ZERO), "nobody wakes it");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_story_comes_to_an_end_without_losing_traffic(
        initial in prop::collection::vec(behaviours(), MODELS.len()),
        story in prop::collection::vec(commands(), 1..25),
        replicas in 1..4_i32,
    ) {
        let mut world = World::new(settings(), replicas);
        for (model, behaviour) in MODELS.iter().zip(initial) {
            world.behave(model, behaviour);
        }
        for command in &story {
            run(&mut world, command);
        }
        // Nobody does anything any more.
        run(&mut world, &Command::Pause(false));
        run(&mut world, &Command::Wait(1_000));
        let Some(target) = world.target.clone() else { return Ok(()) };
        let is_infrastructure = |failure: &slipway_crds::model_deployment::Failure| !failure.reason.condemns();
        let has_ended = match &world.state.phase {
            Phase::Idle => world.state.stable_name() == Some(target.revision.as_str()),
            Phase::RolledBack(refusal) | Phase::Stalled(refusal) => refusal.failed.revision == target.revision,
            // Other systems' trouble is tried again and again.
            Phase::Verifying(attempt) | Phase::Progressing(attempt) => attempt.attempt > 1,
            Phase::Baking(_) | Phase::Held(_) => false,
            Phase::RollingBack(rollback) => is_infrastructure(&rollback.failure),
        };
        prop_assert!(has_ended, "{:#?}", world.state.phase);
    }
}
