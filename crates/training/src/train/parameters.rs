//! A network's parameters by the path to them, such as `top.block5.convs.0.weight`.
//!
//! Checkpoint, optimiser and average all hold something for each parameter, and find it by these paths whatever the network
//! is made of.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use goodtwin_vision::Weights;
use goodtwin_vision::weights::Stored;

use crate::Result;

/// All parameters' values.
pub fn stored<M: Module>(module: &M) -> BTreeMap<String, Stored> {
    let tensors = flat(module).into_iter().map(|(path, (tensor, shape))| {
        let values = tensor.into_data().try_into_vec::<f32>().expect("the network's tensors are f32");
        (path, Stored::from_f32(&shape, &values))
    });
    tensors.collect()
}

/// The same network with these values; each must be there in its shape.
pub fn load<M: Module>(module: M, weights: &Weights) -> Result<M> {
    replace(module, &mut |path, shape| Ok(TensorData::new(weights.values(path, shape)?, shape.to_vec())))
}

/// All parameters, each as one row, with its shape.
pub fn flat<M: Module>(module: &M) -> BTreeMap<String, (Tensor<1>, Vec<usize>)> {
    struct Collect {
        path: Vec<String>,
        found: BTreeMap<String, (Tensor<1>, Vec<usize>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let shape = tensor.dims().to_vec();
            let row = tensor.reshape([shape.iter().product::<usize>()]);
            self.found.insert(self.path.join("."), (row, shape));
        }
    }
    let mut collect = Collect { path: vec![], found: BTreeMap::new() };
    module.visit(&mut collect);
    collect.found
}

/// The same network with values that are made for each path and shape.
pub fn replace<M: Module>(module: M, make: &mut dyn FnMut(&str, &[usize]) -> Result<TensorData>) -> Result<M> {
    struct Replace<'a> {
        path: Vec<String>,
        make: &'a mut dyn FnMut(&str, &[usize]) -> Result<TensorData>,
        failed: Option<crate::Error>,
    }
    impl ModuleMapper for Replace<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| match (self.make)(&self.path.join("."), &old.dims()) {
                Ok(data) => {
                    let new = Tensor::from_data(data, &old.device());
                    if old.is_require_grad() { new.require_grad() } else { new }
                }
                Err(e) => {
                    self.failed.get_or_insert(e);
                    old
                }
            })
        }
    }
    let mut replace = Replace { path: vec![], make, failed: None };
    let module = module.map(&mut replace);
    match replace.failed {
        Some(e) => Err(e),
        None => Ok(module),
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        first: Linear,
        rest: Vec<Linear>,
    }

    fn two(device: &Device) -> Two {
        Two { first: LinearConfig::new(2, 3).init(device), rest: vec![LinearConfig::new(3, 1).init(device)] }
    }

    #[test]
    fn what_is_stored_is_loaded_by_path() {
        let device = Device::flex().autodiff();
        let (one, other) = (two(&device), two(&device));
        let tensors = stored(&one);
        let paths: Vec<&str> = tensors.keys().map(String::as_str).collect();
        assert_eq!(paths, ["first.bias", "first.weight", "rest.0.bias", "rest.0.weight"]);
        assert_ne!(stored(&other), tensors);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.safetensors");
        std::fs::write(&path, goodtwin_vision::weights::serialize(&tensors)).unwrap();
        let loaded = load(other, &Weights::load(&path).unwrap()).unwrap();
        assert_eq!(stored(&loaded), tensors);
        assert!(loaded.first.weight.val().is_require_grad(), "it still learns");
        assert!(!load(loaded.valid(), &Weights::load(&path).unwrap()).unwrap().first.weight.val().is_require_grad());
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let device = Device::flex();
        let module = two(&device);
        let mut tensors = stored(&module);
        tensors.remove("rest.0.bias");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.safetensors");
        std::fs::write(&path, goodtwin_vision::weights::serialize(&tensors)).unwrap();
        let error = load(module, &Weights::load(&path).unwrap()).unwrap_err();
        assert!(error.to_string().contains("rest.0.bias"), "{error}");
    }
}
