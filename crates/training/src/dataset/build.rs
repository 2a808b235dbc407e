//! The items of a crawl into a data set.

use std::collections::BTreeMap;
use std::path::Path;

use goodtwin_core::dataset::LeftOut;
use goodtwin_core::{ContentId, Dataset, Item};

use super::gather::{Candidate, Origin, gather};
use super::{Options, Result};

/// Make a data set at `out` of scraped items, whose pictures lie below `images_dir`.
///
/// # Errors
/// Exit 65 when nothing is left, or of a class no image or one; 2 for brands that cannot be held out; 74 when the disk refuses.
/// An item without a type or without a picture, and a picture whose bytes are not those that the item names, are left out and
/// listed.
pub fn build(
    items: &[Item],
    images_dir: &Path,
    crawl_id: &ContentId,
    out: &Path,
    options: &Options<'_>,
) -> Result<Dataset> {
    let mut candidates = Vec::new();
    let mut left_out = Vec::new();
    let mut leave_out = |item: &Item, cause: &str, detail: &str| {
        left_out.push(LeftOut { file_name: item.id.to_string(), cause: cause.into(), detail: detail.into() });
    };
    for item in items {
        if item.bag_type.is_none() {
            leave_out(item, "no-type", "neither the store's labels nor the title say the type");
        } else if item.images.is_empty() {
            leave_out(item, "no-image", "no picture of it was fetched whole");
        } else {
            candidates.extend(pictures(item, images_dir));
        }
    }
    let parents = BTreeMap::from([("crawl".to_string(), crawl_id.clone())]);
    gather(candidates, Origin { path: images_dir, parents, left_out }, out, options, |_| None)
}

fn pictures(item: &Item, images_dir: &Path) -> impl Iterator<Item = Candidate> {
    // Several pictures of one offer are twins of each other, whether or not the shop has a word for it.
    let family = item.family.clone().or_else(|| (item.images.len() > 1).then(|| item.id.to_string()));
    item.images.iter().map(move |image| Candidate {
        name: format!("{}: {}", item.id, image.file_name()),
        path: Some(images_dir.join(image.file_name())),
        sha256: Some(image.sha256.clone()),
        bag_type: item.bag_type.clone(),
        family: family.clone(),
        colour: item.colour.clone(),
        brand: Some(item.brand.clone()).filter(|brand| !brand.is_empty()),
        title: Some(item.title.clone()),
        source: Some(item.store.clone()),
        item: Some(item.clone()),
        ..Candidate::default()
    })
}
