//! Making a catalogue: embed what is new, take over what is known, swap it in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use goodtwin_core::atomic::{self, StagedDir};
use goodtwin_core::dataset::to_json_lines;
use goodtwin_core::{ContentId, Dataset, Error as CoreError, Row};
use goodtwin_imaging::Picture;
use goodtwin_vision::{Features, colour};
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::manifest::{
    COLOURS, CURRENT, CatalogManifest, EMBEDDINGS, FORMAT, FileEntry, ITEMS, MANIFEST, Parents, RunPath, TENSOR,
    Thumbnails, thumbnail_path,
};
use crate::pipeline::ahead;
use crate::reader::{Look, Reusable, item_key};
use crate::{Encoder, Error, Result};

/// Large enough for a card on a sharp screen, small enough for a page of them: some 30 KB each.
const THUMBNAILS: Thumbnails = Thumbnails { longest: 480, quality: 82 };
/// Pictures that wait to be embedded at once, framed. Four such batches are in memory; at full size, a picture a core.
const BATCH: usize = 64;

/// What [`build`] made.
#[derive(Clone, Debug)]
pub struct Built {
    /// What was written.
    pub manifest: CatalogManifest,
    /// Its folder, `OUT/<id>`.
    pub path: PathBuf,
    /// Vectors taken over from the catalogue that was current before.
    pub reused: usize,
    /// Pictures that the network had to look at. A picture of two items is embedded once.
    pub embedded: usize,
}

/// How far [`build`] is: pictures embedded, of those that had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Embedded so far.
    pub done: usize,
    /// To be embedded altogether.
    pub total: usize,
}

/// Embed every picture of a data set and put the catalogue at `out/<first digits of its id>`, with `out/current` pointing to
/// it. Vectors and thumbnails of pictures that the current catalogue has by the same model and preprocessing are taken
/// over. Until the last step, and on any error, nothing changes for readers.
///
/// # Errors
/// [`Error::Picture`] naming the first picture that cannot be read (exit 65), [`Error::NoEmbedding`] naming the first of which the
/// network makes none (70); a disk failure (74); a run whose path is no text (65).
pub fn build(
    encoder: &Encoder,
    run: &Path,
    dataset: &Dataset,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built> {
    let current = out.join(CURRENT);
    // A copy of a catalogue, where links were followed. Said now, and not after all the work.
    if current.symlink_metadata().is_ok_and(|entry| entry.is_dir()) {
        let why = std::io::Error::new(
            ErrorKind::IsADirectory,
            "expected a link to a catalogue, received a folder; rename it",
        );
        return Err(CoreError::create(&current, "swap the link", why).into());
    }
    let run = RunPath::new(run);
    if serde_json::to_string(&run).is_err() {
        let what = "the run's path is not UTF-8, and the catalogue's manifest names it: rename the folder";
        return Err(CoreError::data(run.absolute, what).into());
    }
    let known = Reusable::open(&current, encoder);
    // A conventional store's items are for evaluation alone: what is not in a catalogue cannot be offered.
    let offered = |row: &&Row| !row.is_for_evaluation();
    let mut rows: Vec<Row> = dataset.rows.iter().filter(offered).cloned().collect();
    if rows.is_empty() {
        return Err(CoreError::data(&dataset.root, "every item is for evaluation only: nothing can be offered").into());
    }
    rows.sort_by(|a, b| (item_key(a), place(a), &a.file_name).cmp(&(item_key(b), place(b), &b.file_name)));

    let mut seen = HashSet::new();
    let (old, new): (Vec<&Row>, Vec<&Row>) =
        rows.iter().filter(|row| seen.insert(&row.sha256)).partition(|row| known.look(&row.sha256).is_some());

    // The folder's name is the id, which is known only at the end.
    let staged = StagedDir::new(&out.join("catalogue"))?;
    let fresh = embed_all(encoder, dataset, &new, staged.path(), progress)?;
    old.par_iter().try_for_each(|row| take_over_thumbnail(dataset, row, &known, staged.path()))?;

    let look = |row: &Row| fresh.get(&row.sha256).map(Look::from).or_else(|| known.look(&row.sha256));
    let looks: Vec<Look<'_>> =
        rows.iter().map(|row| look(row).expect("each picture is either known or was embedded")).collect();
    let parents = Parents {
        model: encoder.model.clone(),
        preprocess: encoder.preprocess.clone(),
        colours: colour::VERSION,
        dataset: dataset.id().clone(),
    };
    let manifest = write_files(staged.path(), &rows, &looks, parents, run, encoder.dim)?;

    let path = out.join(manifest.id.short());
    staged.publish_as(&path)?;
    atomic::swap_link(&current, Path::new(manifest.id.short()))?;
    Ok(Built { manifest, path, reused: old.len(), embedded: new.len() })
}

/// Which of its item's pictures a row is; the main one is first.
fn place(row: &Row) -> usize {
    let images = row.item.iter().flat_map(|item| &item.images);
    images.map(|i| &i.sha256).position(|sha256| *sha256 == row.sha256).unwrap_or(usize::MAX)
}

/// Decode and embed, batches being decoded while those before are embedded.
fn embed_all(
    encoder: &Encoder,
    dataset: &Dataset,
    rows: &[&Row],
    folder: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<HashMap<ContentId, Features>> {
    let mut embedded = HashMap::with_capacity(rows.len());
    // Of a stranger's pictures a batch may be gigabytes at full size.
    let framed = |row: &&Row| decode(dataset, row, folder).map(|picture| (encoder.frame)(&picture));
    let prepare = |batch: &'_ [&'_ Row]| {
        let decoded: Vec<Result<Picture>> = batch.par_iter().map(framed).collect();
        // Results are gathered before the first error is picked, so that it is always the same one.
        let hashes: Vec<ContentId> = batch.iter().map(|row| row.sha256.clone()).collect();
        (hashes, decoded.into_iter().collect::<Result<Vec<_>>>())
    };
    ahead(rows.chunks(BATCH), prepare, |(hashes, pictures)| {
        let named = |e| match e {
            Error::Embedding { at, what } => Error::NoEmbedding { path: dataset.path(rows[embedded.len() + at]), what },
            other => other,
        };
        let features = encoder.embed(&pictures?).map_err(named)?;
        embedded.extend(hashes.into_iter().zip(features));
        progress(Progress { done: embedded.len(), total: rows.len() });
        Ok::<(), Error>(())
    })?;
    Ok(embedded)
}

/// A row's picture; its thumbnail is written on the way.
fn decode(dataset: &Dataset, row: &Row, folder: &Path) -> Result<Picture> {
    let bytes = dataset.read(row)?;
    let picture = Picture::decode(&bytes).map_err(|refusal| Error::Picture { path: dataset.path(row), refusal })?;
    write_thumbnail(&picture, &row.sha256, folder)?;
    Ok(picture)
}

fn write_thumbnail(picture: &Picture, sha256: &ContentId, folder: &Path) -> Result<()> {
    let path = thumbnail_target(sha256, folder)?;
    let jpeg = picture.thumbnail(THUMBNAILS.longest).to_jpeg(THUMBNAILS.quality);
    std::fs::write(&path, &jpeg).map_err(|e| CoreError::disk(&path, format!("write {} bytes", jpeg.len()), e))?;
    Ok(())
}

fn thumbnail_target(sha256: &ContentId, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(thumbnail_path(sha256));
    atomic::create_dir(path.parent().expect("a thumbnail's path has three parts"))?;
    Ok(path)
}

/// Thumbnails never change once written, so that two catalogues may share one file.
fn take_over_thumbnail(dataset: &Dataset, row: &Row, known: &Reusable, folder: &Path) -> Result<()> {
    let target = thumbnail_target(&row.sha256, folder)?;
    if let Some(source) = known.thumbnail(&row.sha256, THUMBNAILS)
        && (std::fs::hard_link(&source, &target).is_ok() || std::fs::copy(&source, &target).is_ok())
    {
        return Ok(());
    }
    decode(dataset, row, folder).map(drop)
}

fn write_files(
    folder: &Path,
    rows: &[Row],
    looks: &[Look<'_>],
    parents: Parents,
    run: RunPath,
    dim: usize,
) -> Result<CatalogManifest> {
    let embedded: Vec<u8> = looks.iter().flat_map(|look| look.embedding).flat_map(|x| x.to_le_bytes()).collect();
    let colours: Vec<u8> = looks.iter().flat_map(|look| look.colour).flat_map(|x| x.to_le_bytes()).collect();
    let tensor = |length: usize, bytes| {
        TensorView::new(Dtype::F32, vec![looks.len(), length], bytes).expect("the encoder checked every length")
    };
    let tensors = [(TENSOR, tensor(dim, &embedded)), (COLOURS, tensor(colour::LEN, &colours))];
    let embeddings = safetensors::serialize(tensors, None).expect("two tensors with names serialise");
    let mut files = BTreeMap::new();
    for (name, bytes) in [(EMBEDDINGS, embeddings), (ITEMS, to_json_lines(rows))] {
        atomic::write(&folder.join(name), &bytes)?;
        files.insert(name.to_string(), FileEntry { bytes: bytes.len() as u64, sha256: ContentId::of(&bytes) });
    }
    let mut manifest = CatalogManifest {
        format: FORMAT,
        id: ContentId::of(b""),
        parents,
        run,
        dim,
        count: rows.len(),
        items: rows.chunk_by(|a, b| item_key(a) == item_key(b)).count(),
        thumbnails: THUMBNAILS,
        files,
    };
    manifest.id = manifest.work_out_id();
    let json = serde_json::to_vec_pretty(&manifest).expect("our own types have string keys and serialise");
    atomic::write(&folder.join(MANIFEST), &json)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests;
