use super::*;
use crate::training_run::fixture::{config, run, valid};

fn refused(spec: &str) -> String {
    validate(&run(spec), &config()).unwrap_err().to_string()
}

#[test]
fn what_the_api_server_cannot_check_is_refused_with_what_to_write() {
    for (spec, part) in [
        (
            "{task: Regression, train: {builtin: {estimator: DecisionTree, parameters: {max_dept: 3}}}}",
            "train.builtin.parameters: DecisionTree has no parameter max_dept; did you mean max_depth? it has ccp_alpha",
        ),
        (
            "{task: Regression, train: {builtin: {estimator: DecisionTree, parameters: {criterion: gini}}}}",
            "criterion gini is not for Regression; write one of squared_error, absolute_error, friedman_mse, poisson",
        ),
        (
            "{train: {builtin: {estimator: DecisionTree, search: {grid: {criterion: [gini, squared_error]}}}}}",
            "train.builtin.search: criterion squared_error is not for Classification",
        ),
        (
            "{pod: {serviceAccountName: admin}}",
            "pod.serviceAccountName: admin is not one of those the operator allows: default, trainer, other",
        ),
    ] {
        let message = refused(spec);
        assert!(message.contains(part), "{spec}: {message}");
    }
}

#[test]
fn a_criterion_of_either_task_is_fine_while_the_task_is_not_known() {
    for criterion in ["gini", "squared_error"] {
        valid(&format!("{{train: {{builtin: {{estimator: DecisionTree, parameters: {{criterion: {criterion}}}}}}}}}"));
    }
}

#[test]
fn a_spec_that_does_not_fit_is_refused() {
    let features: Vec<_> = (0..1_000).map(|i| format!("{{name: f{i}, description: '{}'}}", "x".repeat(100))).collect();
    let spec = format!("{{train: {{builtin: {{estimator: DecisionTree, features: [{}]}}}}}}", features.join(", "));
    let message = refused(&spec);
    assert!(message.contains("at most 65536 can be given to the steps"), "{message}");
}

#[test]
fn a_champion_is_sought_only_where_a_gate_asks() {
    assert_eq!(valid("{}").champion, None);
    let relative = "gates: [{metric: r2, champion: {worseByAtMost: 0}}]";
    assert_eq!(
        valid(&format!("{{{relative}}}")).champion,
        Some(ChampionQuery::Following("time-to-dispatch".to_owned()))
    );
    assert_eq!(
        valid(&format!("{{{relative}, champion: {{modelDeployment: live}}}}")).champion,
        Some(ChampionQuery::Named("live".to_owned()))
    );
}

#[test]
fn the_service_accounts_of_the_list_and_default_are_allowed() {
    valid("{pod: {serviceAccountName: trainer}}");
    valid("{pod: {serviceAccountName: default}}");
}
