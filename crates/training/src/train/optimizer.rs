//! How a gradient becomes a step: the rule, and a learning rate for each part of the network.
//!
//! The rules are Burn's, written once more over rows of values that are kept by the path to their parameter: a run that goes
//! on after a kill needs them back, and Burn reads its optimisers' records onto its default device, which may be a GPU that
//! the run does not use or that is not there.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::{Device, Tensor};
use goodtwin_vision::Weights;
use goodtwin_vision::weights::Stored;

use crate::Result;
use crate::recipe::{self, Rule};

/// A part of the network that learns at a rate of its own.
pub struct Group {
    /// A word in the path of its parameters.
    pub part: &'static str,
    /// What TensorBoard calls the rate.
    pub tag: &'static str,
    /// The learning rate, before the schedule.
    pub rate: f64,
}

/// All groups of a recipe. What none of them names learns at the first one's rate.
pub fn groups(recipe: &recipe::Optimizer) -> [Group; 3] {
    [
        Group { part: "block5", tag: "learning_rate/block5", rate: recipe.block5 },
        Group { part: "dense", tag: "learning_rate/dense", rate: recipe.dense },
        Group { part: "classifier", tag: "learning_rate/classifier", rate: recipe.classifier },
    ]
}

/// The learning rates of one step.
pub fn rates(recipe: &recipe::Optimizer, factor: f64) -> ModuleLearningRate {
    let [base, rest @ ..] = groups(recipe);
    rest.into_iter()
        .fold(ModuleLrScheduler::new(base.rate * factor), |rates, group| {
            rates.with_group(ParamGroup::from_predicate(group.part), group.rate * factor)
        })
        .step()
}

/// A rule and what it remembers of each parameter.
pub struct Optimizer {
    rule: Rule,
    steps: usize,
    moments: BTreeMap<String, Moments>,
}

/// Running means over the gradients of one parameter.
struct Moments {
    /// Of the gradient; AdamW only.
    first: Option<Tensor<1>>,
    /// Of its square.
    second: Tensor<1>,
}

impl Optimizer {
    /// A rule before its first step.
    pub fn new(rule: Rule) -> Optimizer {
        Optimizer { rule, steps: 0, moments: BTreeMap::new() }
    }

    /// A rule that goes on after so many steps with what was stored then.
    pub fn load(rule: Rule, steps: usize, stored: &Weights, device: &Device) -> Result<Optimizer> {
        let row = |key: &str| -> Result<Tensor<1>> {
            let len = stored.stored(key).map_or(0, |s| s.shape.iter().product());
            Ok(stored.tensor(key, [len], device)?)
        };
        let mut moments = BTreeMap::new();
        for path in stored.names().filter_map(|name| name.strip_prefix("second.")) {
            let first = match rule {
                Rule::Adamw => Some(row(&format!("first.{path}"))?),
                Rule::Rmsprop => None,
            };
            moments.insert(path.to_string(), Moments { first, second: row(&format!("second.{path}"))? });
        }
        Ok(Optimizer { rule, steps, moments })
    }

    /// What is remembered, to be stored.
    pub fn stored(&self) -> BTreeMap<String, Stored> {
        let values = |row: &Tensor<1>| {
            let values: Vec<f32> = row.to_data().try_into_vec().expect("the network's tensors are f32");
            Stored::from_f32(&[values.len()], &values)
        };
        let both = self.moments.iter().flat_map(|(path, moments)| {
            let first = moments.first.as_ref().map(|row| (format!("first.{path}"), values(row)));
            first.into_iter().chain([(format!("second.{path}"), values(&moments.second))])
        });
        both.collect()
    }

    /// The network after one step.
    pub fn step<M: Module>(&mut self, rates: &ModuleLearningRate, module: M, gradients: GradientsParams) -> M {
        self.steps += 1;
        module.map(&mut Step { optimizer: self, rates, gradients, path: vec![] })
    }

    /// What to subtract, divided by the learning rate.
    fn direction(&mut self, path: &str, gradient: Tensor<1>) -> Tensor<1> {
        let zeros = || Tensor::zeros(gradient.dims(), &gradient.device());
        let old = self.moments.remove(path);
        let (first, second) = old.map_or_else(|| (None, zeros()), |m| (m.first, m.second));
        let squared = gradient.clone() * gradient.clone();
        match self.rule {
            Rule::Rmsprop => {
                let second = second * 0.9 + squared * 0.1;
                self.moments.insert(path.into(), Moments { first: None, second: second.clone() });
                gradient / (second.sqrt() + 1e-7)
            }
            Rule::Adamw => {
                let (beta1, beta2) = (0.9f64, 0.999f64);
                let first = first.unwrap_or_else(zeros) * beta1 + gradient * (1.0 - beta1);
                let second = second * beta2 + squared * (1.0 - beta2);
                self.moments.insert(path.into(), Moments { first: Some(first.clone()), second: second.clone() });
                let unbiased = |beta: f64| 1.0 / (1.0 - beta.powf(self.steps as f64));
                first * unbiased(beta1) / ((second * unbiased(beta2)).sqrt() + 1e-8)
            }
        }
    }
}

/// AdamW's weight decay, a share of the learning rate.
const WEIGHT_DECAY: f64 = 1e-4;

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    rates: &'a ModuleLearningRate,
    gradients: GradientsParams,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let path = self.path.join(".");
        let rate = self.rates.lr_from_param(param.id, Some(&path));
        param.map(|old| {
            let shape = old.dims();
            let count: usize = shape.iter().product();
            let direction = self.optimizer.direction(&path, gradient.reshape([count]));
            let decayed = match self.optimizer.rule {
                Rule::Rmsprop => old.inner(),
                Rule::Adamw => old.inner() * (1.0 - rate * WEIGHT_DECAY),
            };
            Tensor::from_inner(decayed - direction.reshape(shape) * rate).require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{AdamWConfig, ModuleOptimizer, RmsPropConfig};

    use super::*;
    use crate::recipe::Schedule;
    use crate::train::parameters;

    fn recipe() -> recipe::Optimizer {
        recipe::Optimizer {
            rule: Rule::Adamw,
            fine_tune_from: recipe::FineTune::Block5,
            block5: 1e-5,
            dense: 1e-4,
            classifier: 1e-3,
            schedule: Schedule::Constant,
            warm_up: 0.0,
            averaging: 0.0,
            label_smoothing: 0.0,
            class_balance: 0.0,
        }
    }

    #[test]
    fn each_part_has_its_own_rate() {
        let rates = rates(&recipe(), 0.5);
        let rate = |path: &str| rates.lr_from_param(ParamId::from(1), Some(path));
        assert_eq!(rate("top.block5.convs.0.weight"), 0.5e-5);
        assert_eq!(rate("top.dense.bias"), 0.5e-4);
        assert_eq!(rate("top.classifier.weight"), 0.5e-3);
        assert_eq!(rate("family_classifier"), 0.5e-3);
        assert_eq!(rates.base(), 0.5e-5);
    }

    fn gradients(linear: &Linear, step: usize) -> GradientsParams {
        let device = linear.weight.val().device();
        let input = Tensor::<2>::from_data([[0.3, -0.7 + step as f32 * 0.2, 1.1]], &device);
        let loss = linear.forward(input).powf_scalar(2.0).sum();
        GradientsParams::from_grads(loss.backward(), linear)
    }

    fn values(linear: &Linear) -> Vec<f32> {
        linear.weight.val().into_data().try_into_vec().unwrap()
    }

    #[test]
    fn the_rules_are_burns() {
        let device = Device::flex().autodiff();
        let start: Linear = LinearConfig::new(3, 4).init(&device);
        let burns: [(Rule, ModuleOptimizer); 2] = [
            (Rule::Adamw, AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-4).init()),
            (Rule::Rmsprop, RmsPropConfig::new().with_alpha(0.9).with_momentum(0.0).with_epsilon(1e-7).init()),
        ];
        for (rule, mut burns) in burns {
            let (mut ours, mut theirs) = (start.clone(), start.clone());
            let mut optimizer = Optimizer::new(rule);
            for step in 0..5 {
                let (rate, gradients_ours) = (ModuleLearningRate::from(0.01), gradients(&ours, step));
                ours = optimizer.step(&rate, ours, gradients_ours);
                let gradients_theirs = gradients(&theirs, step);
                theirs = burns.step(0.01, theirs, gradients_theirs);
            }
            for (a, b) in values(&ours).iter().zip(values(&theirs)) {
                assert!((a - b).abs() < 1e-6, "{rule:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn it_goes_on_where_it_was_stored() {
        let device = Device::flex().autodiff();
        let dir = tempfile::tempdir().unwrap();
        for rule in [Rule::Adamw, Rule::Rmsprop] {
            let rate = ModuleLearningRate::from(0.01);
            let mut optimizer = Optimizer::new(rule);
            let start: Linear = LinearConfig::new(3, 4).init(&device);
            let (first, second) = (gradients(&start, 0), gradients(&start, 1));
            let linear = optimizer.step(&rate, start.clone(), first);
            let path = dir.path().join(format!("{rule:?}.safetensors"));
            std::fs::write(&path, goodtwin_vision::weights::serialize(&optimizer.stored())).unwrap();
            let mut again = Optimizer::load(rule, 1, &Weights::load(&path).unwrap(), &Device::flex()).unwrap();
            let second_again = gradients(&start, 1);
            let went_on = optimizer.step(&rate, linear.clone(), second);
            let resumed = again.step(&rate, linear, second_again);
            assert_eq!(parameters::stored(&went_on), parameters::stored(&resumed));
            assert_ne!(parameters::stored(&went_on), parameters::stored(&start));
        }
    }
}
