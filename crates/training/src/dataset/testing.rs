//! Pictures and offers for tests.

use std::fs;
use std::path::Path;

use goodtwin_core::{Availability, BagType, Condition, ContentId, Item, ItemId, ItemImage};
use goodtwin_imaging::Picture;

/// No two numbers give pictures that are alike: 64 cells of noise.
pub fn png(number: usize) -> Vec<u8> {
    let mut state = 2 * number as u32 + 1;
    let cells: Vec<u8> = (0..64)
        .map(|_| {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (state >> 24) as u8
        })
        .collect();
    let pixels = (0..256).flat_map(|i| [cells[i / 32 * 8 + i % 16 / 2]; 3]);
    Picture::new(16, 16, pixels.collect()).to_png()
}

/// Write a file, and the folders to it.
pub fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// An offer whose pictures, of these numbers, lie below `dir`.
pub fn item(dir: &Path, key: &str, bag_type: Option<&str>, family: Option<&str>, pictures: &[usize]) -> Item {
    let image = |number: &usize| {
        let bytes = png(*number);
        let image = ItemImage {
            sha256: ContentId::of(&bytes),
            url: format!("http://shop.test/{number}.png"),
            extension: "png".into(),
            width: 16,
            height: 16,
        };
        put(dir, &image.file_name(), &bytes);
        image
    };
    Item {
        evaluation_only: false,
        id: ItemId::new("shop", key),
        store: "shop".into(),
        url: format!("http://shop.test/{key}"),
        title: format!("The {key}"),
        brand: "Able".into(),
        bag_type: bag_type.map(BagType::new),
        family: family.map(String::from),
        colour: Some("olive".into()),
        price: None,
        price_text: None,
        condition: Condition::New,
        availability: Availability::InStock,
        rating: None,
        images: pictures.iter().map(image).collect(),
    }
}
