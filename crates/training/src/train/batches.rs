//! Reads what the next steps see while the network is at work on this one.

use std::sync::mpsc::sync_channel;

use burn::tensor::TensorData;

use super::plan::Batch;
use crate::{Result, TrunkCache};

/// How many parts are read ahead.
const AHEAD: usize = 2;

/// Call `step` with each batch, and its block 4 in parts of at most `part` pictures.
pub fn each(
    cache: &TrunkCache,
    batches: &[Batch],
    part: usize,
    mut step: impl FnMut(&Batch, &mut dyn Iterator<Item = Result<TensorData>>) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD);
        scope.spawn(move || {
            for batch in batches {
                for (rows, views) in batch.rows.chunks(part).zip(batch.views.chunks(part)) {
                    // Nobody receives any more once a step has failed.
                    if send.send(cache.values(rows, views)).is_err() {
                        return;
                    }
                }
            }
        });
        for batch in batches {
            let parts = batch.rows.len().div_ceil(part);
            step(batch, &mut receive.iter().take(parts))?;
        }
        Ok(())
    })
}
