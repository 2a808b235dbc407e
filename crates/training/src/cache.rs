//! `block4_pool` of every picture and view, on disk in f16.
//!
//! The trunk is frozen, so what it says of a picture never changes: it is worked out once, and an epoch pays for block 5
//! only. Files are `CACHE/<key>/view-NN.f16`, one row a picture in the data set's order; the key covers the weights, the
//! preprocessing, the augmentation and its seed, the device's backend, and the SHA-256 of every picture. Nothing removes
//! folders of old keys: the cache can be deleted whole at any time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::{ContentId, Dataset, Error as CoreError, Row, atomic};
use goodtwin_imaging::Picture;
use goodtwin_vision::embedder::{batch_size, input_tensor};
use goodtwin_vision::vgg16::CHANNELS;
use goodtwin_vision::{Compute, Preprocess, Trunk, Weights};
use half::f16;
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::recipe::Augment;
use crate::{Error, Result, Ui, augment};

/// The trunk's outputs of a data set: view 0 is the picture itself.
pub struct TrunkCache {
    views: Vec<File>,
    dir: PathBuf,
    side: usize,
}

impl TrunkCache {
    /// Open the cache, and fill what is missing from the pictures.
    ///
    /// # Errors
    /// A picture that cannot be read or is not the one that the data set names (exit 65); a full disk (74).
    pub fn fill(
        root: &Path,
        dataset: &Dataset,
        preprocess: &Preprocess,
        views: Views<'_>,
        imagenet: &Weights,
        compute: &Compute,
        ui: &Ui,
    ) -> Result<TrunkCache> {
        let pictures: Vec<&str> = dataset.rows.iter().map(|r| r.sha256.as_str()).collect();
        let settings = views.augment.map(|a| (augment::VERSION, a.rotation, a.shift, a.flip, views.seed));
        let key = ContentId::of_json(&(imagenet.id(), preprocess.id(), settings, compute.backend(), pictures));
        let dir = root.join(key.short());
        atomic::create_dir(&dir)?;
        let side = preprocess.size as usize / 16;
        let row_bytes = CHANNELS[3] * side * side * 2;
        let expected = (dataset.rows.len() * row_bytes) as u64;
        let mut trunk = None;
        let count = 1 + views.augment.map_or(0, |a| a.views);
        let progress = ui.bar((count * dataset.rows.len()) as u64, "trunk, once");
        let mut files = Vec::with_capacity(count);
        for number in 0..count {
            let path = dir.join(format!("view-{number:02}.f16"));
            if std::fs::metadata(&path).map(|m| m.len()).ok() == Some(expected) {
                progress.inc(dataset.rows.len() as u64);
            } else {
                if trunk.is_none() {
                    trunk = Some(Trunk::load(imagenet, compute.device())?);
                }
                let trunk = trunk.as_ref().expect("loaded above");
                write_view(&path, dataset, preprocess, &views, number, trunk, compute.device(), &progress)?;
                ui.line(
                    &progress,
                    &format!("trunk: view {} of {count} cached, {} pictures", number + 1, dataset.rows.len()),
                );
            }
            files.push(File::open(&path).map_err(|e| CoreError::read(&path, "cache", e))?);
        }
        progress.finish_and_clear();
        Ok(TrunkCache { views: files, dir, side })
    }

    /// How many views a picture has beside itself.
    pub fn views(&self) -> usize {
        self.views.len() - 1
    }

    /// `block4_pool` of some rows, each in its own view: `[n, 512, side, side]`.
    pub fn batch(&self, rows: &[usize], views: &[usize], device: &Device) -> Result<Tensor<4>> {
        let len = CHANNELS[3] * self.side * self.side;
        let mut values = vec![0f32; rows.len() * len];
        values.par_chunks_mut(len).zip(rows.par_iter().zip(views)).try_for_each(|(out, (row, view))| {
            let mut bytes = vec![0; 2 * len];
            self.views[*view]
                .read_exact_at(&mut bytes, (row * 2 * len) as u64)
                .map_err(|e| CoreError::disk(&self.dir, "read the cache", e))?;
            for (value, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = f16::from_le_bytes([b[0], b[1]]).to_f32();
            }
            Ok::<(), Error>(())
        })?;
        let shape = [rows.len(), CHANNELS[3], self.side, self.side];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

/// Which views to keep.
pub struct Views<'a> {
    /// None for the pictures alone.
    pub augment: Option<&'a Augment>,
    /// The seed of the views.
    pub seed: u64,
}

#[allow(clippy::too_many_arguments)] // one call, above; a struct for it would only rename the list
fn write_view(
    path: &Path,
    dataset: &Dataset,
    preprocess: &Preprocess,
    views: &Views<'_>,
    number: usize,
    trunk: &Trunk,
    device: &Device,
    progress: &ProgressBar,
) -> Result<()> {
    let mut failed = None;
    let written = atomic::write_with(path, |file| {
        for batch in dataset.rows.chunks(batch_size(preprocess)) {
            match block4(batch, dataset, preprocess, views, number, trunk, device) {
                Ok(values) => {
                    let bytes: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
                    file.write_all(&bytes)?;
                }
                Err(e) => {
                    failed = Some(e);
                    return Err(std::io::Error::other("stopped by a picture"));
                }
            }
            progress.inc(batch.len() as u64);
        }
        Ok(())
    });
    match failed {
        Some(e) => Err(e),
        None => Ok(written?),
    }
}

fn block4(
    rows: &[Row],
    dataset: &Dataset,
    preprocess: &Preprocess,
    views: &Views<'_>,
    number: usize,
    trunk: &Trunk,
    device: &Device,
) -> Result<Vec<f32>> {
    let planes = rows.par_iter().map(|row| {
        let framed = preprocess.frame(&decode(dataset, row)?);
        let seen = match views.augment {
            Some(augment) if number > 0 => {
                let own = u64::from_str_radix(&row.sha256.as_str()[..15], 16).expect("a content id is hexadecimal");
                augment::view(&framed, augment, views.seed ^ own, number)
            }
            _ => framed,
        };
        Ok(preprocess.planes(&seen))
    });
    let planes: Vec<Vec<f32>> = planes.collect::<Result<_>>()?;
    let maps = trunk.forward(input_tensor(&planes, preprocess, device));
    Ok(maps.into_data().try_into_vec::<f32>().expect("the network's tensors are f32"))
}

/// The picture of a row, decoded.
pub fn decode(dataset: &Dataset, row: &Row) -> Result<Picture> {
    let bytes = dataset.read(row)?;
    Picture::decode(&bytes).map_err(|e| CoreError::data(dataset.path(row), e.to_string()).into())
}
