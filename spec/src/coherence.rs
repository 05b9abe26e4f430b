//! Whether the words of a run fit each other and the task. No data is needed for it.

use crate::estimator::Estimator;
use crate::feature::{Derived, Feature, check_unit};
use crate::gate::Of;
use crate::metric::Metric;
use crate::run::{Builtin, Task, Train, TrainingSpec};
use crate::search::Search;

impl TrainingSpec {
    /// Checks everything that can be said without the data: sizes, ranges, and whether words fit each other and the task, where
    /// the spec names it. The first fault is told with its path and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        self.check_limits()?;
        self.check_words(self.task)
    }

    /// Checks whether the words fit each other, and `task` where it is known.
    pub fn check_words(&self, task: Option<Task>) -> Result<(), String> {
        if self.positive_class.is_some() && task == Some(Task::Regression) {
            return Err("positiveClass is for task Classification; leave it out".to_owned());
        }
        if let Train::Builtin(builtin) = &self.train {
            let inferred = if self.task.is_none() { ", which was inferred from the target" } else { "" };
            check_builtin(builtin, task, inferred)?;
            self.check_metrics(task)?;
        }
        self.check_evaluation()
    }

    /// Whether gates name metrics that the builtin trainer computes.
    fn check_metrics(&self, task: Option<Task>) -> Result<(), String> {
        let mut metrics = self.gates.iter().map(|gate| Metric::for_task(&gate.metric, task));
        metrics.try_for_each(|metric| metric.map(drop)).map_err(|error| format!("gates: {error}"))
    }

    /// Whether gates about groups and intervals can be judged.
    fn check_evaluation(&self) -> Result<(), String> {
        let evaluation = &self.evaluation;
        for gate in &self.gates {
            match gate.of {
                Of::WorstGroup | Of::GroupGap if evaluation.group_by.is_none() => {
                    return Err("gates: WorstGroup and GroupGap need groups; write evaluation.groupBy".to_owned());
                }
                Of::ConfidenceBound if evaluation.confidence.as_ref().is_some_and(|asked| asked.resamples < 1) => {
                    return Err("gates: ConfidenceBound needs evaluation.confidence.resamples above 0".to_owned());
                }
                Of::ConfidenceBound if gate.champion.is_some() => {
                    return Err(
                        "gates: the champion has no confidence bound to compare with; leave of or champion out"
                            .to_owned(),
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `inferred` says where the task comes from, if that is not the spec.
fn check_builtin(builtin: &Builtin, task: Option<Task>, inferred: &str) -> Result<(), String> {
    let Builtin { estimator, parameters, .. } = builtin;
    builtin.features.iter().try_for_each(Feature::check)?;
    builtin.derive.iter().try_for_each(Derived::check)?;
    builtin.target_unit.as_deref().map_or(Ok(()), |unit| check_unit("targetUnit", unit))?;
    if builtin.target_unit.is_some() && task == Some(Task::Classification) {
        return Err(format!("targetUnit is for task Regression, and this is Classification{inferred}; leave it out"));
    }
    if let Some(task) = task.filter(|task| !estimator.tasks().contains(task)) {
        return Err(format!("{estimator} is not for {task}{inferred}; write one of {}", Estimator::names(task)));
    }
    match &builtin.search {
        None => {
            parameters.check(*estimator, task).map_err(|error| format!("spec.train.builtin.parameters: {error}"))?;
        }
        Some(search) => {
            let own = parameters.check_each(*estimator, task);
            own.map_err(|error| format!("spec.train.builtin.parameters: {error}"))?;
            search.check(parameters, *estimator, task).map_err(|error| error.to_string())?;
            search.scored_by(task)?;
        }
    }
    if let Some(threshold) = &builtin.threshold {
        threshold.check()?;
        if task == Some(Task::Regression) {
            return Err("threshold is for two classes, and the target is for Regression; leave it out".to_owned());
        }
    }
    Ok(())
}

impl Search {
    /// The metric that decides: r2 or accuracy where the spec names none; `None` where that depends on a task that is not known.
    pub fn scored_by(&self, task: Option<Task>) -> Result<Option<Metric>, String> {
        let Some(name) = &self.metric else {
            return Ok(task.map(|task| if task == Task::Regression { Metric::R2 } else { Metric::Accuracy }));
        };
        Metric::for_task(name, task).map(Some).map_err(|error| format!("search.metric: {error}"))
    }
}

impl Metric {
    /// The metric of a name, which must be one for the task where that is known.
    fn for_task(name: &str, task: Option<Task>) -> Result<Metric, String> {
        match (Metric::parse(name), task) {
            (Some(metric), task) if task.is_none_or(|task| metric.task() == task) => Ok(metric),
            (_, Some(task)) => Err(format!("{name} is no metric for {task}; write one of {}", Metric::names(task))),
            (_, None) => {
                let [regression, classification] = [Task::Regression, Task::Classification].map(Metric::names);
                Err(format!(
                    "there is no metric {name}; write one of {regression} (Regression) or {classification} (Classification)"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(task: &str, builtin: &str) -> Result<(), String> {
        let spec = format!(
            "{{modelName: m, target: y, data: {{uri: d}}, output: {{uri: o}}, {task} train: {{builtin: {{{builtin}}}}}}}"
        );
        serde_saphyr::from_str::<TrainingSpec>(&spec).unwrap().check()
    }

    #[test]
    fn what_the_task_forbids_is_refused_as_soon_as_the_task_is_known() {
        let linear = "estimator: LinearRegression";
        assert_eq!(check("", linear), Ok(()));
        let problem = check("task: Classification,", linear).unwrap_err();
        assert!(
            problem.starts_with("LinearRegression is not for Classification; write one of DecisionTree"),
            "{problem}"
        );
        let gini = "estimator: DecisionTree, parameters: {criterion: gini}";
        assert_eq!(check("", gini), Ok(()));
        let problem = check("task: Regression,", gini).unwrap_err();
        assert!(
            problem.starts_with("spec.train.builtin.parameters: criterion gini is not for Regression"),
            "{problem}"
        );
    }

    #[test]
    fn the_target_has_a_unit_where_it_is_a_number() {
        let hours = "estimator: DecisionTree, targetUnit: h";
        assert_eq!(check("task: Regression,", hours), Ok(()));
        assert_eq!(check("", hours), Ok(()));
        let problem = check("task: Classification,", hours).unwrap_err();
        assert!(problem.starts_with("targetUnit is for task Regression"), "{problem}");
        let problem = check("", "estimator: DecisionTree, targetUnit: ''").unwrap_err();
        assert_eq!(problem, "targetUnit has 0 characters; write 1 to 32, such as m2");
    }

    #[test]
    fn a_metric_that_is_none_is_refused_whatever_the_task() {
        let problem = check("gates: [{metric: r3, atLeast: 1}],", "estimator: DecisionTree").unwrap_err();
        assert!(problem.starts_with("gates: there is no metric r3; write one of r2"), "{problem}");
        let search = "estimator: DecisionTree, search: {grid: {max_depth: [2]}, metric: r3}";
        let problem = check("", search).unwrap_err();
        assert!(problem.starts_with("search.metric: there is no metric r3; write one of r2"), "{problem}");
    }
}
