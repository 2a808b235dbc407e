//! A painted data set and an encoder that is no network: it knows each picture's mean colour.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use goodtwin_core::{
    Availability, BagType, Condition, ContentId, Dataset, DatasetWriter, Item, ItemId, ItemImage, Rating, Row, Split,
};
use goodtwin_imaging::Picture;
use goodtwin_vision::{Features, colour};

use crate::Encoder;

/// A plain picture.
pub fn painted(rgb: [u8; 3]) -> Picture {
    Picture::new(32, 24, rgb.repeat(32 * 24))
}

/// An encoder whose embedding is the picture's colour, made a unit vector; it counts the pictures that it was shown.
pub fn colour_encoder(model: &str) -> (Encoder, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let embed = move |pictures: &[Picture]| {
        counter.fetch_add(pictures.len(), Ordering::SeqCst);
        let features = pictures.iter().map(|picture| {
            let pixels = picture.rgb().len() as f32 / 3.0;
            let mean =
                |c: usize| picture.rgb().iter().skip(c).step_by(3).map(|v| f32::from(*v)).sum::<f32>() / pixels + 1.0;
            let v = [mean(0), mean(1), mean(2), 1.0];
            let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            Features {
                embedding: v.map(|x| x / norm).to_vec(),
                colour: colour::histogram(picture, None),
                class_probabilities: vec![0.75, 0.25],
            }
        });
        Ok(features.collect())
    };
    let encoder = Encoder {
        model: ContentId::of(model),
        preprocess: ContentId::of("as it is"),
        dim: 4,
        classes: vec![BagType::new("tote"), BagType::new("clutch")],
        frame: Arc::new(Picture::clone),
        embed: Arc::new(embed),
    };
    (encoder, seen)
}

/// An offer for [`dataset`].
pub struct Offer {
    pub key: &'static str,
    pub colours: Vec<[u8; 3]>,
    pub bag_type: &'static str,
    pub price: Option<(&'static str, &'static str)>,
    pub label: Option<&'static str>,
    pub condition: Condition,
    pub availability: Availability,
}

impl Offer {
    pub fn new(key: &'static str, colours: &[[u8; 3]]) -> Self {
        Offer {
            key,
            colours: colours.to_vec(),
            bag_type: "tote",
            price: None,
            label: None,
            condition: Condition::New,
            availability: Availability::InStock,
        }
    }
}

/// Write a data set of these offers, one row a picture.
pub fn dataset(root: &Path, offers: &[Offer]) -> Dataset {
    let writer = DatasetWriter::create(root).unwrap();
    let mut rows = Vec::new();
    for offer in offers {
        let pictures: Vec<Vec<u8>> = offer.colours.iter().map(|c| painted(*c).to_png()).collect();
        let images: Vec<ItemImage> = (pictures.iter())
            .map(|png| ItemImage {
                sha256: ContentId::of(png),
                url: "https://shop.example/p.png".into(),
                extension: "png".into(),
                width: 32,
                height: 24,
            })
            .collect();
        let item = Item {
            evaluation_only: false,
            id: ItemId::new("shop", offer.key),
            store: "shop".into(),
            url: format!("https://shop.example/{}", offer.key),
            title: format!("The {}", offer.key),
            brand: "Maker".into(),
            bag_type: Some(BagType::new(offer.bag_type)),
            family: None,
            colour: None,
            price: offer.price.map(|(amount, currency)| goodtwin_core::Money {
                amount: amount.parse().unwrap(),
                currency: currency.parse().unwrap(),
            }),
            price_text: None,
            condition: offer.condition,
            availability: offer.availability,
            rating: offer.label.map(|label| {
                let day = "2025-03-12".parse().unwrap();
                Rating::new("Maker", label.parse().unwrap(), day, "https://ratings.example/maker")
            }),
            images: images.clone(),
        };
        for (png, image) in pictures.iter().zip(&images) {
            rows.push(Row {
                item: Some(item.clone()),
                ..Row::new(
                    writer.add_image(png, &image.sha256, "png").unwrap(),
                    image.sha256.clone(),
                    [32, 24],
                    BagType::new(offer.bag_type),
                    Split::Train,
                )
            });
        }
    }
    writer.finish(rows, BTreeMap::new(), "all in train".into(), vec![]).unwrap()
}
