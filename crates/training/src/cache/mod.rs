//! Block 4 (`block4_pool`, or ResNet-50's stage 3) of every picture and view, on disk in f16, and how much of each of its
//! places is bag, where that is known.
//!
//! The trunk is frozen, so what it says of a picture never changes: it is worked out once, and an epoch pays for block 5
//! only. Outputs are kept by picture (SHA-256) and view, in a folder for each set of settings that they depend on: weights,
//! preprocessing, the trunk's arithmetic, and for views the augmentation. A picture that changed is worked out anew and no
//! other; runs that differ in seed, head or optimiser share all of it. [`pack`] says how they lie on the disk.
//!
//! Every output that a run will use is checked against its SHA-256 once, when the cache is opened. Reads are positioned
//! reads (`pread`) and no memory map: a map is `unsafe` in Rust, since another process may cut the file under it, and the
//! system's page cache serves both the same bytes.
//!
//! Nothing removes folders of old settings: the cache can be deleted whole at any time.

mod pack;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::terminal::note;
use goodtwin_core::{ContentId, Dataset, Error as CoreError, Row};
use goodtwin_imaging::Picture;
use goodtwin_vision::embedder::{batch_size, block4};
use goodtwin_vision::{Architecture, Compute, Preprocess, Trunk, Weights};
use half::f16;
use rayon::prelude::*;
use serde::Serialize;

use crate::recipe::Augment;
use crate::{Result, Ui, augment};
use pack::{Key, Pack};

/// Pixels of a place of block 4 along a side.
const PLACE: usize = 16;
/// What is kept for the share of bag of a place where nobody knows it.
const UNKNOWN: f32 = -1.0;

/// What the outputs of a folder depend on, but picture and view.
#[derive(Serialize)]
struct Settings<'a> {
    layer: &'static str,
    weights: &'a ContentId,
    preprocess: &'a Preprocess,
    preprocess_id: ContentId,
    arithmetic: String,
    masks: u32,
    /// None for the pictures as they are.
    views: Option<serde_json::Value>,
}

/// All that is needed to work out what is missing.
pub struct Source<'a> {
    /// Whose pictures.
    pub dataset: &'a Dataset,
    /// From a picture to the trunk's input.
    pub preprocess: &'a Preprocess,
    /// How views are made, and how many.
    pub augment: &'a Augment,
    /// The trunk's weights: of which network they are, they say.
    pub imagenet: &'a Weights,
    /// Where the trunk runs.
    pub compute: &'a Compute,
    /// Where progress goes.
    pub ui: &'a Ui,
}

/// The trunk's outputs of a data set: view 0 is the picture itself.
pub struct TrunkCache {
    /// Pictures as they are, then their views.
    packs: Vec<Pack>,
    /// By row, then by view.
    slots: Vec<Vec<u64>>,
    /// Of the maps of a slot: crops, channels, rows, columns.
    shape: [usize; 4],
}

impl TrunkCache {
    /// Open the cache below `root`, check what is there, and work out what is missing or damaged.
    ///
    /// # Errors
    /// A picture that cannot be read or is not the one that the data set names (exit 65); a full disk (74). What was worked
    /// out until then is kept.
    pub fn open(root: &Path, source: &Source<'_>) -> Result<TrunkCache> {
        let architecture = Architecture::of(source.imagenet)?;
        let mut packs = vec![source.open_pack(root, architecture, None)?];
        if source.augment.views > 0 {
            packs.push(source.open_pack(root, architecture, Some(augment::settings(source.augment)))?);
        }
        let rows: BTreeMap<&ContentId, &Row> = source.dataset.rows.iter().map(|row| (&row.sha256, row)).collect();
        for (number, pack) in packs.iter_mut().enumerate() {
            let views = if number == 0 { 0..=0 } else { 1..=source.augment.views };
            let keys: Vec<Key> =
                rows.keys().flat_map(|picture| views.clone().map(|view| ((*picture).clone(), view))).collect();
            source.fill(pack, &keys, &rows)?;
            pack.finish()?;
        }
        let slot = |row: &Row, view: usize| {
            let key = (row.sha256.clone(), view);
            packs[usize::from(view > 0)].slot(&key).expect("what was missing has been worked out")
        };
        let slots =
            source.dataset.rows.iter().map(|row| (0..=source.augment.views).map(|v| slot(row, v)).collect()).collect();
        Ok(TrunkCache { packs, slots, shape: maps_shape(architecture, source.preprocess) })
    }

    /// How many views a picture has beside itself.
    pub fn views(&self) -> usize {
        self.slots.first().map_or(0, |views| views.len() - 1)
    }

    /// Block 4 of some rows, each in its own view: `[n * crops, channels, side, side]`, row-major.
    pub fn values(&self, rows: &[usize], views: &[usize]) -> Result<TensorData> {
        let [crops, channels, height, width] = self.shape;
        let len = crops * channels * height * width;
        let mut values = vec![0f32; rows.len() * len];
        values.par_chunks_mut(len).zip(rows.par_iter().zip(views)).try_for_each(|(out, (row, view))| {
            let mut bytes = vec![0; 2 * len];
            self.packs[usize::from(*view > 0)].read(self.slots[*row][*view], &mut bytes)?;
            for (value, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = f16::from_le_bytes([b[0], b[1]]).to_f32();
            }
            Ok::<(), crate::Error>(())
        })?;
        Ok(TensorData::new(values, [rows.len() * crops, channels, height, width]))
    }

    /// How much of each place of block 4 is bag in a row's view, of the crop that shows the whole, 0 to 1; none where nobody
    /// knows.
    pub fn mask(&self, row: usize, view: usize) -> Result<Option<Vec<f32>>> {
        let maps: usize = self.shape.iter().product();
        let mut bytes = vec![0; 2 * self.shape[2] * self.shape[3]];
        self.packs[usize::from(view > 0)].read_from(self.slots[row][view], 2 * maps, &mut bytes)?;
        let shares: Vec<f32> = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        Ok(shares.iter().all(|share| *share >= 0.0).then_some(shares))
    }

    /// Of the maps of a picture or view: crops, channels, rows, columns.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// [`TrunkCache::values`] on a device.
    pub fn batch(&self, rows: &[usize], views: &[usize], device: &Device) -> Result<Tensor<4>> {
        Ok(Tensor::from_data(self.values(rows, views)?, device))
    }
}

/// Pictures of a batch and their views: as the trunk's input, and how much of each place is bag.
#[derive(Default)]
struct Inputs {
    keys: Vec<Key>,
    frames: Vec<Vec<Picture>>,
    masks: Vec<Vec<f32>>,
}

impl Source<'_> {
    fn open_pack(&self, root: &Path, trunk: Architecture, views: Option<serde_json::Value>) -> Result<Pack> {
        let settings = Settings {
            layer: trunk.block4(),
            weights: self.imagenet.id(),
            preprocess: self.preprocess,
            preprocess_id: self.preprocess.id(),
            arithmetic: trunk.arithmetic(self.compute),
            masks: augment::MASK_VERSION,
            views,
        };
        let shape = maps_shape(trunk, self.preprocess);
        let values = shape.iter().product::<usize>() + shape[2] * shape[3];
        Pack::open(root, &settings, 2 * values, |dir| {
            note(format_args!("{}: another run fills this cache: waiting for it", dir.display()));
        })
    }

    /// Work out what is missing. Pictures are decoded on threads of their own while the trunk runs.
    fn fill(&self, pack: &mut Pack, keys: &[Key], rows: &BTreeMap<&ContentId, &Row>) -> Result<()> {
        let missing = pack.missing(keys)?;
        for (picture, view) in &missing.damaged {
            note(format_args!(
                "{}: view {view} of picture {} does not have its SHA-256 any more: worked out anew",
                pack.dir().display(),
                picture.short()
            ));
        }
        let missing = missing.by_picture();
        let count: usize = missing.values().map(Vec::len).sum();
        if count == 0 {
            return Ok(());
        }
        let trunk = Trunk::load(self.imagenet, self.compute.device())?;
        let bar = self.ui.bar(count as u64, "trunk, once");
        // Decoded in this order; `decode` checks the bytes.
        let pictures: Vec<(&Row, &Vec<usize>)> = missing.iter().map(|(id, views)| (rows[id], views)).collect();
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(1);
            scope.spawn(move || {
                let views = pictures.iter().map(|(_, views)| views.len()).max().unwrap_or(1);
                for batch in pictures.chunks((batch_size(self.preprocess, self.compute.device()) / views).max(1)) {
                    let inputs = self.inputs(batch);
                    let failed = inputs.is_err();
                    // An error at the other end has ended the loop there.
                    if send.send(inputs).is_err() || failed {
                        return;
                    }
                }
            });
            for inputs in receive {
                let inputs = inputs?;
                let maps = block4(&trunk, &inputs.frames, self.preprocess, self.compute.device());
                let values = maps.into_data().try_into_vec::<f32>().expect("the network's tensors are f32");
                let each = values.len() / inputs.keys.len();
                let done = inputs.keys.len();
                let slots = values.par_chunks(each).zip(&inputs.masks).map(|(maps, mask)| {
                    let mut bytes = to_f16(maps);
                    bytes.extend(to_f16(mask));
                    bytes
                });
                pack.append(inputs.keys.into_iter().zip(slots.collect::<Vec<_>>()))?;
                bar.inc(done as u64);
            }
            Ok::<(), crate::Error>(())
        })?;
        self.ui.line(&bar, &filled(count, keys, self.preprocess));
        bar.finish_and_clear();
        Ok(())
    }

    fn inputs(&self, pictures: &[(&Row, &Vec<usize>)]) -> Result<Inputs> {
        let of_one = |(row, views): &(&Row, &Vec<usize>)| {
            let picture = decode(self.dataset, row)?;
            let mut one = Inputs::default();
            for view in *views {
                let seen = augment::see(&picture, self.preprocess, self.augment, own_seed(row), *view);
                one.keys.push((row.sha256.clone(), *view));
                one.frames.push(seen.frames);
                one.masks.push(shares(seen.mask.as_ref(), self.preprocess.size));
            }
            Ok(one)
        };
        let mut all = Inputs::default();
        for one in pictures.par_iter().map(of_one).collect::<Result<Vec<Inputs>>>()? {
            all.keys.extend(one.keys);
            all.frames.extend(one.frames);
            all.masks.extend(one.masks);
        }
        Ok(all)
    }
}

/// Of the maps of one picture: crops, channels, rows, columns.
fn maps_shape(trunk: Architecture, preprocess: &Preprocess) -> [usize; 4] {
    let ([channels, _], [side, _]) = (trunk.channels(), trunk.sides(preprocess.size));
    [preprocess.crops.len(), channels, side, side]
}

/// The seed of a picture's views: its own, so that no other picture matters.
fn own_seed(row: &Row) -> u64 {
    u64::from_str_radix(&row.sha256.as_str()[..16], 16).expect("a content id is hexadecimal")
}

/// The mean of a mask over each place of block 4, 0 to 1; [`UNKNOWN`] where there is no mask.
fn shares(mask: Option<&Picture>, size: u32) -> Vec<f32> {
    let (size, side) = (size as usize, size as usize / PLACE);
    let Some(mask) = mask else { return vec![UNKNOWN; side * side] };
    let mut sums = vec![0u32; side * side];
    for (i, pixel) in mask.rgb().chunks_exact(3).enumerate() {
        sums[i / size / PLACE * side + i % size / PLACE] += u32::from(pixel[0]);
    }
    sums.into_iter().map(|sum| sum as f32 / (255 * PLACE * PLACE) as f32).collect()
}

/// Little-endian; what is too large for f16 becomes its largest number, and what is none stays so.
fn to_f16(values: &[f32]) -> Vec<u8> {
    let most = f16::MAX.to_f32();
    values.iter().flat_map(|v| f16::from_f32(if *v > most { most } else { *v }).to_le_bytes()).collect()
}

/// What was worked out: pictures as they are, or views of them, and as what the network sees them.
fn filled(count: usize, keys: &[Key], preprocess: &Preprocess) -> String {
    let what = if keys.iter().all(|(_, view)| *view == 0) { "pictures" } else { "augmented views" };
    format!("trunk: {count} {what} worked out and cached ({})", preprocess.describe())
}

/// The picture of a row, decoded.
pub fn decode(dataset: &Dataset, row: &Row) -> Result<Picture> {
    let bytes = dataset.read(row)?;
    Picture::decode(&bytes).map_err(|e| CoreError::data(dataset.path(row), e.to_string()).into())
}

#[cfg(test)]
mod tests;
