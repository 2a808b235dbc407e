//! A tiny catalogue of painted pictures with random unit vectors, and an encoder that knows pictures by their first pixel.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use goodtwin_core::{
    Availability, BagType, Condition, ContentId, DatasetWriter, Item, ItemId, ItemImage, Money, Rating, Row, Split,
};
use goodtwin_imaging::Picture;
use goodtwin_inference::{Catalog, CatalogReader, Encoder, build};
use goodtwin_vision::{Features, colour};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{App, ServeConfig, Surroundings};

/// Items in [`catalog`].
pub const ITEMS: usize = 30;
const DIM: usize = 16;
/// A title that would be markup if it were not escaped.
pub const HOSTILE: &str = "<script>alert('bag')</script> & \"tote\"";

/// A picture whose first pixel is its number.
pub fn painted(number: u8) -> Picture {
    let mut rgb = [number, 100, 255 - number].repeat(32 * 32);
    rgb[..3].fill(number);
    Picture::new(32, 32, rgb)
}

/// Pictures with one first pixel have one vector.
pub fn encoder() -> Encoder {
    let embed = |pictures: &[Picture]| {
        let features = pictures.iter().map(|picture| {
            let mut random = ChaCha8Rng::seed_from_u64(picture.rgb()[0].into());
            let vector: Vec<f32> = (0..DIM).map(|_| random.random_range(-1.0..1.0)).collect();
            let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            let embedding = vector.into_iter().map(|x| x / norm).collect();
            Features { embedding, colour: colour::histogram(picture, None), class_probabilities: vec![0.9, 0.1] }
        });
        Ok(features.collect())
    };
    Encoder {
        model: ContentId::of("model"),
        preprocess: ContentId::of("preprocess"),
        dim: DIM,
        classes: vec![BagType::new("tote"), BagType::new("shoulder_bag")],
        frame: Arc::new(Picture::clone),
        embed: Arc::new(embed),
    }
}

/// Item `n`: cycles through prices, labels, conditions and types; item 0 tries to be markup.
fn item(n: u8, image: ItemImage, bag_type: BagType) -> Item {
    let label = ["Great", "Good", "It's a start"][usize::from(n) % 3];
    let day = "2025-03-12".parse().unwrap();
    let rating = Rating::new("Maker & Co", label.parse().unwrap(), day, "https://ratings.example/maker");
    let money = Money { amount: (20 + 10 * i64::from(n)).into(), currency: "GBP".parse().unwrap() };
    Item {
        evaluation_only: false,
        id: ItemId::new("shop", &n.to_string()),
        store: "shop".into(),
        url: if n == 0 { "javascript:alert(1)".into() } else { format!("https://shop.example/{n}?a=1&b=2") },
        title: if n == 0 { HOSTILE.into() } else { format!("Bag {n}") },
        brand: "Maker & Co".into(),
        bag_type: Some(bag_type),
        family: None,
        colour: Some("olive".into()),
        price: (n != 1).then_some(money),
        price_text: None,
        condition: if n.is_multiple_of(5) { Condition::SecondHand } else { Condition::New },
        availability: if n == 2 { Availability::SoldOut } else { Availability::InStock },
        rating: (n != 5).then_some(rating),
        images: vec![image],
    }
}

/// A catalogue on disk and in memory.
pub fn catalog() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    let writer = DatasetWriter::create(&dir.path().join("data")).unwrap();
    let rows = (0..ITEMS as u8).map(|n| {
        let png = painted(n).to_png();
        let sha256 = ContentId::of(&png);
        let url = "https://shop.example/p.png".into();
        let image = ItemImage { sha256: sha256.clone(), url, extension: "png".into(), width: 32, height: 32 };
        let bag_type = BagType::new(if n.is_multiple_of(2) { "tote" } else { "shoulder_bag" });
        Row {
            item: Some(item(n, image, bag_type.clone())),
            ..Row::new(writer.add_image(&png, &sha256, "png").unwrap(), sha256, [32, 32], bag_type, Split::Train)
        }
    });
    let rows = rows.collect();
    let dataset = writer.finish(rows, BTreeMap::new(), "all in train".into(), vec![]).unwrap();
    let out = dir.path().join("catalogs");
    build(&encoder(), Path::new("run"), &dataset, &out, &mut |_| {}).unwrap();
    let catalog = CatalogReader::open(&out.join("current")).unwrap();
    (dir, catalog)
}

/// The page over [`catalog`], with small caps.
pub fn router() -> (tempfile::TempDir, Router) {
    let (dir, catalog) = catalog();
    let config = ServeConfig { upload_mib: 1, page_size: 12, ..ServeConfig::default() };
    (dir, App::new(catalog, encoder(), config, Surroundings::system()).unwrap().router())
}
