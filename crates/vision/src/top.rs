//! What is fine-tuned: block 5 of the trunk's network, a dense layer, a softmax layer.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::checkpoint::NetworkSpec;
use crate::layers::linear;
use crate::mask::MaskHead;
use crate::pooling::{known, unit};
use crate::trunk::Block5;
use crate::{Pooling, Result, Weights};

/// What follows the dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Rectified, as the original recipe does.
    Relu,
    /// Linear: keeps the angles that whitening made.
    None,
}

/// Block 5, a dense layer, dropout, a softmax layer.
#[derive(Module, Debug)]
pub struct Top {
    /// Of the trunk's network.
    pub block5: Block5,
    /// Where the bag is, with [`Pooling::Masked`]; it does not learn with the rest.
    pub mask: Option<MaskHead>,
    /// The penultimate layer; its output is the embedding.
    pub dense: Linear,
    dropout: Dropout,
    /// The softmax layer's weights.
    pub classifier: Linear,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    block5_weight: f64,
    #[module(skip)]
    crops: usize,
    #[module(skip)]
    activation: Activation,
}

impl Top {
    /// Block 5 from ImageNet; dense and softmax layers at random.
    pub fn init(spec: &NetworkSpec, size: u32, imagenet: &Weights, device: &Device) -> Result<Top> {
        Ok(Top {
            block5: Block5::load(imagenet, device)?,
            mask: (spec.pooling == Pooling::Masked).then(|| MaskHead::init(spec.trunk, device)),
            dense: LinearConfig::new(spec.pooled_len(size), spec.dense).init(device),
            dropout: DropoutConfig::new(spec.dropout).init(),
            classifier: LinearConfig::new(spec.dense, spec.classes.len()).init(device),
            pooling: spec.pooling,
            block5_weight: spec.block5_weight,
            crops: spec.crops,
            activation: spec.activation,
        })
    }

    /// All from a checkpoint.
    pub fn load(spec: &NetworkSpec, size: u32, weights: &Weights, device: &Device) -> Result<Top> {
        let linear = |key: &str, d_in: usize, d_out: usize| -> Result<Linear> {
            Ok(Linear {
                weight: Param::from_tensor(weights.tensor(&format!("{key}.weight"), [d_in, d_out], device)?),
                bias: Some(Param::from_tensor(weights.tensor(&format!("{key}.bias"), [d_out], device)?)),
            })
        };
        Ok(Top {
            block5: Block5::load(weights, device)?,
            mask: match spec.pooling {
                Pooling::Masked => Some(MaskHead::load(spec.trunk, weights, device)?),
                _ => None,
            },
            dense: linear("dense", spec.pooled_len(size), spec.dense)?,
            dropout: DropoutConfig::new(spec.dropout).init(),
            classifier: linear("classifier", spec.dense, spec.classes.len())?,
            pooling: spec.pooling,
            block5_weight: spec.block5_weight,
            crops: spec.crops,
            activation: spec.activation,
        })
    }

    /// The same, with weights that never change again: without gradients, and several times as fast on the CPU.
    pub fn fix(self) -> Top {
        let top = self.no_grad();
        Top { block5: top.block5.fix(), ..top }
    }

    /// How much of each place of block 4 counts as bag, `[n, 1, h, w]`: all of it where no bag was found. None where all places
    /// count alike.
    pub fn bag(&self, block4: Tensor<4>) -> Option<Tensor<4>> {
        self.mask.as_ref().map(|head| known(head.forward(block4.clone(), self.block5.forward(block4))))
    }

    /// What the dense layer sees: block 4 of all crops in, `[n, crops * pooling.len(size)]` out.
    pub fn pooled(&self, block4: Tensor<4>) -> Tensor<2> {
        self.pooled_and_bag(block4).0
    }

    /// The same, with how much of each place is bag, also where that is nowhere.
    fn pooled_and_bag(&self, block4: Tensor<4>) -> (Tensor<2>, Option<Tensor<4>>) {
        let block5 = self.block5.forward(block4.clone());
        let mask = self.mask.as_ref().map(|head| head.forward(block4.clone().detach(), block5.clone().detach()));
        let pooled = self.pooling.forward(block4, block5, self.block5_weight, mask.clone());
        let [rows, width] = pooled.dims();
        (pooled.reshape([rows / self.crops, self.crops * width]), mask)
    }

    /// The penultimate layer: block 4 of all crops in, `[n, dense]` out, of any length.
    pub fn penultimate(&self, block4: Tensor<4>) -> Tensor<2> {
        self.dense_of(self.pooled(block4))
    }

    /// The penultimate layer of what [`Top::pooled`] gave.
    pub fn dense_of(&self, pooled: Tensor<2>) -> Tensor<2> {
        let x = linear(&self.dense, pooled);
        match self.activation {
            Activation::Relu => relu(x),
            Activation::None => x,
        }
    }

    /// The softmax layer's input: `[n, dense]` in, `[n, classes]` out. Dropout acts where gradients are on.
    pub fn logits(&self, penultimate: Tensor<2>) -> Tensor<2> {
        linear(&self.classifier, self.dropout.forward(penultimate))
    }

    /// One class's logit of one picture, from block 4 and block 5 of its crops, with gradients back to them: the weights here are
    /// without.
    pub fn logit_of(&self, block4: Tensor<4>, block5: Tensor<4>, class: usize) -> Tensor<1> {
        let through = |x: Tensor<2>, linear: &Linear| {
            let bias = linear.bias.as_ref().expect("our linear layers have biases").val();
            x.matmul(Tensor::from_inner(linear.weight.val())) + Tensor::<1>::from_inner(bias).unsqueeze()
        };
        let mask = self.mask.as_ref().map(|head| head.forward(block4.clone().inner(), block5.clone().inner()));
        let pooled = self.pooling.forward(block4, block5, self.block5_weight, mask.map(Tensor::from_inner));
        let width = pooled.dims()[1];
        let x = through(pooled.reshape([1, self.crops * width]), &self.dense);
        let x = match self.activation {
            Activation::Relu => relu(x),
            Activation::None => x,
        };
        through(x, &self.classifier).slice([0..1, class..class + 1]).reshape([1])
    }

    /// Embedding (rows of length 1) and logits.
    pub fn forward(&self, block4: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self.penultimate(block4);
        (unit(x.clone()), self.logits(x))
    }

    /// The same, with how much of each place is bag, also where that is nowhere.
    pub fn forward_with_bag(&self, block4: Tensor<4>) -> (Tensor<2>, Tensor<2>, Option<Tensor<4>>) {
        let (pooled, bag) = self.pooled_and_bag(block4);
        let x = self.dense_of(pooled);
        (unit(x.clone()), self.logits(x), bag)
    }
}
