//! What the network says of some rows, seen as they are.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use goodtwin_vision::Top;
use goodtwin_vision::embedder::rows;

use crate::metrics::argmax;
use crate::{Result, TrunkCache};

/// What the network says of some rows.
pub struct Measured {
    rows: Vec<usize>,
    /// Of length 1, a row each.
    pub embeddings: Vec<Vec<f32>>,
    /// The softmax's input, a row each.
    pub logits: Vec<Vec<f32>>,
    /// The mean cross-entropy, without label smoothing and balance.
    pub loss: f64,
}

impl Measured {
    /// See some rows. `labels` are those of all rows.
    pub fn of(
        top: &Top,
        which: &[usize],
        labels: &[usize],
        cache: &TrunkCache,
        batch_size: usize,
        device: &Device,
    ) -> Result<Measured> {
        let top = top.clone().fix();
        let loss_of = CrossEntropyLossConfig::new().init(device);
        let mut out = Measured { rows: which.to_vec(), embeddings: vec![], logits: vec![], loss: 0.0 };
        for batch in which.chunks(batch_size) {
            let (embedding, logits) = top.forward(cache.batch(batch, &vec![0; batch.len()], device)?);
            let batch_labels: Vec<i32> = batch.iter().map(|i| labels[*i] as i32).collect();
            let targets = Tensor::<1, Int>::from_data(TensorData::new(batch_labels, [batch.len()]), device);
            let loss = loss_of.forward(logits.clone(), targets).into_scalar::<f32>();
            out.loss += f64::from(loss) * batch.len() as f64 / which.len() as f64;
            out.embeddings.extend(rows(embedding));
            out.logits.extend(rows(logits));
        }
        Ok(out)
    }

    /// The rows of which something is no finite number; all where their loss is none.
    pub fn unsound(&self) -> Vec<usize> {
        let sound = |values: &[f32]| values.iter().all(|value| value.is_finite());
        let seen = self.rows.iter().zip(&self.embeddings).zip(&self.logits);
        let unsound: Vec<usize> = seen
            .filter(|((_, embedding), logits)| !(sound(embedding) && sound(logits)))
            .map(|((row, _), _)| *row)
            .collect();
        if unsound.is_empty() && !self.loss.is_finite() { self.rows.clone() } else { unsound }
    }

    /// The share of rows whose largest logit is that of their label.
    pub fn accuracy(&self, labels: &[usize]) -> f64 {
        let right = self.rows.iter().zip(&self.logits).filter(|(i, row)| argmax(row) == labels[**i]).count();
        right as f64 / self.rows.len() as f64
    }
}
