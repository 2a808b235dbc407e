//! The mean of the weights over the last steps, which finds what their last wobble misses.
//!
//! An exponential moving average (Polyak and Juditsky 1992; with a decay that starts low, as TensorFlow's
//! `ExponentialMovingAverage` has it, so that the first weights are forgotten soon).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use goodtwin_vision::Weights;
use goodtwin_vision::weights::Stored;

use super::parameters;
use crate::Result;

/// The average of a network's weights.
pub struct Average {
    decay: f64,
    updates: usize,
    rows: BTreeMap<String, (Tensor<1>, Vec<usize>)>,
}

impl Average {
    /// Begin with these weights.
    pub fn new<M: Module>(module: &M, decay: f64) -> Average {
        Average { decay, updates: 0, rows: parameters::flat(&module.valid()) }
    }

    /// Go on with an average that was stored after so many updates of this module's weights.
    pub fn load<M: Module>(module: &M, decay: f64, updates: usize, stored: &Weights) -> Result<Average> {
        let module = parameters::load(module.valid(), stored)?;
        Ok(Average { decay, updates, rows: parameters::flat(&module) })
    }

    /// Take the weights after a step in.
    pub fn update<M: Module>(&mut self, module: &M) {
        self.updates += 1;
        let keep = self.decay.min((1 + self.updates) as f64 / (10 + self.updates) as f64);
        for (path, (new, _)) in parameters::flat(&module.valid()) {
            let (row, _) = self.rows.get_mut(&path).expect("a network keeps its parameters");
            *row = row.clone() * keep + new * (1.0 - keep);
        }
    }

    /// The network with the average for weights, without gradients.
    pub fn network<M: Module>(&self, module: &M) -> Result<M> {
        parameters::replace(module.valid(), &mut |path, shape| {
            let values = self.rows[path].0.to_data().try_into_vec::<f32>().expect("the network's tensors are f32");
            Ok(TensorData::new(values, shape.to_vec()))
        })
    }

    /// The values, to be stored.
    pub fn stored(&self) -> BTreeMap<String, Stored> {
        let values = |row: &Tensor<1>| row.to_data().try_into_vec::<f32>().expect("the network's tensors are f32");
        self.rows.iter().map(|(path, (row, shape))| (path.clone(), Stored::from_f32(shape, &values(row)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn network(value: f32) -> Linear {
        let device = Device::flex().autodiff();
        let mut linear = LinearConfig::new(1, 2).with_bias(false).init(&device);
        linear.weight = Param::from_data([[value, 2.0 * value]], &device);
        linear
    }

    fn values(linear: &Linear) -> Vec<f32> {
        linear.weight.val().into_data().try_into_vec().unwrap()
    }

    #[test]
    fn an_average_by_hand() {
        let mut average = Average::new(&network(0.0), 0.5);
        average.update(&network(11.0)); // keeps 2/11 of 0
        assert_eq!(values(&average.network(&network(0.0)).unwrap()), [9.0, 18.0]);
        for _ in 0..100 {
            average.update(&network(9.0));
        }
        let before = values(&average.network(&network(0.0)).unwrap())[0];
        average.update(&network(19.0)); // by now it keeps 1/2
        let after = values(&average.network(&network(0.0)).unwrap())[0];
        assert!((after - (before + 19.0) / 2.0).abs() < 1e-4, "{before} {after}");
    }

    #[test]
    fn it_goes_on_where_it_was_stored() {
        let mut average = Average::new(&network(1.0), 0.9);
        average.update(&network(2.0));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("average.safetensors");
        std::fs::write(&path, goodtwin_vision::weights::serialize(&average.stored())).unwrap();
        let stored = Weights::load(&path).unwrap();
        let mut again = Average::load(&network(0.0), 0.9, 1, &stored).unwrap();
        average.update(&network(3.0));
        again.update(&network(3.0));
        assert_eq!(average.stored(), again.stored());
    }
}
