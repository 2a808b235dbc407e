//! A trained network at work.

use std::path::Path;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use goodtwin_core::{BagType, ContentId};
use goodtwin_imaging::Picture;
use rayon::prelude::*;

use crate::activation::{Activation, activations, places};
use crate::colour::Colours;
use crate::{Checkpoint, Compute, ModelCard, Preprocess, Result, Top, Trunk};

/// Inputs a batch hold at most this many values on the CPU, so that memory does not grow with the number of pictures: 8 pictures
/// at 224 px.
const VALUES_A_BATCH: usize = 8 * 3 * 224 * 224;

/// Pictures a batch at most.
const BATCH: usize = 64;

/// What the network says of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The penultimate layer's output, of length 1 (Euclidean).
    pub embedding: Vec<f32>,
    /// The bag's colours: [`crate::colour::histogram`], of length 1.
    pub colour: Vec<f32>,
    /// The softmax, in the order of [`Embedder::classes`].
    pub class_probabilities: Vec<f32>,
}

/// What of a picture speaks for its type.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The type that the softmax tells, by place in [`Embedder::classes`].
    pub class: usize,
    /// How sure it is, 0 to 1.
    pub probability: f32,
    /// What the network saw, and which places of it speak for that type.
    pub crops: Vec<(Picture, Activation)>,
    /// How much of each place of the crop is bag, where the network looks at the bag alone.
    pub bag: Option<Activation>,
}

/// A checkpoint, ready to embed.
pub struct Embedder {
    card: ModelCard,
    trunk: Trunk,
    top: Top,
    device: Device,
}

impl Embedder {
    /// Load a run folder onto a device.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`], and a tensor that is missing or has another shape than `model.json` says.
    pub fn open(run: &Path, compute: &Compute) -> Result<Embedder> {
        let checkpoint = Checkpoint::open(run)?;
        let device = compute.device().clone();
        let trunk = Trunk::load(&checkpoint.weights, &device)?;
        let card = checkpoint.card;
        let top = Top::load(&card.network, card.preprocess.size, &checkpoint.weights, &device)?.fix();
        Ok(Embedder { card, trunk, top, device })
    }

    /// The content id of network, preprocessing and weights.
    pub fn model_id(&self) -> &ContentId {
        &self.card.id
    }

    /// The content id of the preprocessing.
    pub fn preprocess_id(&self) -> &ContentId {
        &self.card.preprocess_id
    }

    /// The data set that the model was trained on.
    pub fn dataset_id(&self) -> &ContentId {
        &self.card.dataset
    }

    /// All that `model.json` says.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The length of an embedding.
    pub fn dim(&self) -> usize {
        self.card.network.dense
    }

    /// The classes, in the order of the softmax.
    pub fn classes(&self) -> &[BagType] {
        &self.card.network.classes
    }

    /// What of a picture speaks for the type that the softmax tells.
    pub fn explain(&self, picture: &Picture) -> Explanation {
        let preprocess = &self.card.preprocess;
        let frames = preprocess.frames(picture);
        let block4 = self.trunk.forward(framed_inputs(std::slice::from_ref(&frames), preprocess, &self.device));
        let probabilities = probabilities(self.top.forward(block4.clone()).1).remove(0);
        let (class, probability) = probabilities
            .into_iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .expect("a softmax has at least two classes");
        let bags = self.top.bag(block4.clone()).map(places).unwrap_or_default();
        let crops = frames.into_iter().zip(activations(&self.top, block4, &bags, class)).collect();
        Explanation { class, probability, crops, bag: bags.into_iter().next() }
    }

    /// Embed pictures, in batches.
    pub fn embed(&self, pictures: &[Picture]) -> Result<Vec<Features>> {
        let mut all = Vec::with_capacity(pictures.len());
        let preprocess = &self.card.preprocess;
        for batch in pictures.chunks(batch_size(preprocess, &self.device)) {
            let frames: Vec<Vec<Picture>> = batch.par_iter().map(|picture| preprocess.frames(picture)).collect();
            let block4 = block4(&self.trunk, &frames, preprocess, &self.device);
            let (embedding, logits, bag) = self.top.forward_with_bag(block4);
            // A card is at work on these; nothing above waits for it, what is below does.
            let colours: Vec<Colours> = frames.par_iter().map(|frames| Colours::of(&frames[0])).collect();
            // The first crop of each picture.
            let bags = bag.map(|bag| places(bag).into_iter().step_by(preprocess.crops.len()).collect::<Vec<_>>());
            let colours: Vec<Vec<f32>> = colours
                .par_iter()
                .enumerate()
                .map(|(n, colours)| colours.histogram(bags.as_ref().map(|bags| &bags[n])))
                .collect();
            all.extend(
                rows(embedding).into_iter().zip(colours).zip(probabilities(logits)).map(
                    |((embedding, colour), class_probabilities)| Features { embedding, colour, class_probabilities },
                ),
            );
        }
        Ok(all)
    }
}

/// The softmax of each row, on the CPU: for so few numbers a GPU is not worth asking.
fn probabilities(logits: Tensor<2>) -> Vec<Vec<f32>> {
    rows(softmax(logits.to_device(&Device::flex()), 1))
}

/// How many pictures go through the trunk at once. A card is kept busy by as many as it is given, and its convolutions see to
/// their own memory.
pub fn batch_size(preprocess: &Preprocess, device: &Device) -> usize {
    let most = if *device == Device::flex() { VALUES_A_BATCH / preprocess.len() } else { BATCH };
    most.clamp(1, BATCH)
}

/// Pictures as the network's input, `[n * crops, 3, size, size]`.
pub fn inputs(pictures: &[Picture], preprocess: &Preprocess, device: &Device) -> Tensor<4> {
    let frames: Vec<Vec<Picture>> = pictures.par_iter().map(|picture| preprocess.frames(picture)).collect();
    framed_inputs(&frames, preprocess, device)
}

/// The same of what [`Preprocess::frames`] made of each picture.
pub fn framed_inputs(frames: &[Vec<Picture>], preprocess: &Preprocess, device: &Device) -> Tensor<4> {
    input(&frames.iter().flatten().collect::<Vec<_>>(), preprocess, device)
}

/// The same of frames of any pictures: `[n, 3, size, size]`. A GPU is sent their bytes, a quarter of what the input takes, and makes
/// the input of them itself.
fn input(frames: &[&Picture], preprocess: &Preprocess, device: &Device) -> Tensor<4> {
    #[cfg(feature = "gpu")]
    if let Some(input) = crate::gpu::input(frames, preprocess, device) {
        return input;
    }
    let (side, len) = (preprocess.size as usize, preprocess.len() / preprocess.crops.len());
    let mut values = vec![0.0; frames.len() * len];
    values.par_chunks_exact_mut(len).zip(frames).for_each(|(out, framed)| preprocess.write_planes(framed, out));
    Tensor::from_data(TensorData::new(values, [frames.len(), 3, side, side]), device)
}

/// Block 4 of each picture's frames, `[n * crops, channels, rows, columns]`.
///
/// Where two crops of a picture show the same, as on every ground that is not plain, they go through the trunk once.
pub fn block4(trunk: &Trunk, frames: &[Vec<Picture>], preprocess: &Preprocess, device: &Device) -> Tensor<4> {
    let (mut distinct, mut places): (Vec<&Picture>, Vec<i32>) = (vec![], vec![]);
    for picture in frames {
        let first = distinct.len();
        for framed in picture {
            let place = distinct[first..].iter().position(|seen| *seen == framed).map(|at| first + at);
            places.push(place.unwrap_or(distinct.len()) as i32);
            if place.is_none() {
                distinct.push(framed);
            }
        }
    }
    let maps = trunk.forward(input(&distinct, preprocess, device));
    match distinct.len() == places.len() {
        true => maps,
        false => {
            let places = Tensor::<1, Int>::from_data(places.as_slice(), device);
            maps.select(0, places)
        }
    }
}

/// The rows of a matrix.
pub fn rows(matrix: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, width] = matrix.dims();
    let values = matrix.into_data().try_into_vec::<f32>().expect("the network's tensors are f32");
    values.chunks(width).map(<[f32]>::to_vec).collect()
}

/// The cosine of two vectors of length 1, such as embeddings: their dot product.
///
/// Sixteen sums side by side, which the compiler turns into vector instructions; always in this order, so that the same
/// two vectors have the same product on every run.
#[inline]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0f32; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_of_any_length() {
        for n in [0, 1, 16, 35] {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|v| v * v).sum();
            assert_eq!(cosine(&a, &a), expected);
        }
    }
}
