//! What of a picture speaks for the type that the softmax told.

use std::fmt::Write;

use goodtwin_core::Dataset;
use goodtwin_imaging::Picture;
use goodtwin_vision::activation::Activation;
use goodtwin_vision::embedder::Explanation;
use goodtwin_vision::preprocess::Crop;
use goodtwin_vision::{Embedder, Pooling};

use super::escape;
use super::gallery::embedded;
use crate::Result;
use crate::cache::decode;
use crate::evaluation::Classification;

/// How many right answers, and how many mistakes, are shown.
const EACH: usize = 5;
/// Pixels of a side.
const SIDE: u32 = 168;

/// A section of the page: some pictures that were told right, of as many types as there are, and the surest mistakes.
///
/// # Errors
/// A picture that cannot be read.
pub fn section(embedder: &Embedder, dataset: &Dataset, told: &Classification) -> Result<String> {
    let rows = &dataset.rows;
    let mut right: Vec<usize> = Vec::new();
    let seen = |right: &[usize], row: usize| right.iter().filter(|r| rows[**r].bag_type == rows[row].bag_type).count();
    // One of each type first, then a second of each.
    for round in 0..EACH {
        for row in &told.right {
            if right.len() < EACH && !right.contains(row) && seen(&right, *row) == round {
                right.push(*row);
            }
        }
    }
    let wrong: Vec<usize> = told.worst.iter().take(EACH).map(|mistake| mistake.row).collect();
    if right.is_empty() && wrong.is_empty() {
        return Ok(String::new());
    }
    let mut html = "<h2>What speaks for the type?</h2><p>Where block 5's last maps raise the softmax's value for the type that was \
                    told (Grad-CAM, Selvaraju et al. 2017): red most, yellow less, grey not. What it looks at beside the bag is \
                    what it may have learned from the shop and not from the bag.</p>"
        .to_string();
    if embedder.card().network.pooling == Pooling::Masked {
        html += "<p>Beside it, the picture as it counts: what the network takes for ground is faded, and where it found no bag, all counts. \
                 What speaks is shown as far as it counts.</p>";
    }
    for (title, which) in [("Told right", right), ("The surest mistakes", wrong)] {
        if which.is_empty() {
            continue;
        }
        let _ = write!(html, "<h3>{title}</h3><div class='asked seen'>");
        for row in which {
            let explanation = embedder.explain(&decode(dataset, &rows[row])?);
            html += &figure(&explanation, embedder, rows[row].bag_type.as_str());
        }
        html += "</div>";
    }
    Ok(html)
}

fn figure(explanation: &Explanation, embedder: &Embedder, actual: &str) -> String {
    let told = embedder.classes()[explanation.class].as_str();
    let words = match told == actual {
        true => format!("{actual} ({:.2})", explanation.probability),
        false => format!("{actual}, taken for {told} ({:.2})", explanation.probability),
    };
    let words = escape(&words.replace('_', " "));
    let mut pictures = String::new();
    let mut shown: Vec<&Picture> = Vec::new();
    for ((frame, activation), crop) in explanation.crops.iter().zip(&embedder.card().preprocess.crops) {
        // Where there is no plain ground, the bag's crop is the whole picture once more.
        if shown.contains(&frame) {
            continue;
        }
        shown.push(frame);
        let crop = if *crop == Crop::Bag { "the bag cut out" } else { "the whole picture" };
        let source = embedded(&overlay(frame, activation));
        let _ =
            write!(pictures, "<img alt='{crop}: what speaks for {}' src='{source}'>", escape(&told.replace('_', " ")));
    }
    for ((frame, _), bag) in explanation.crops.iter().zip(&explanation.bag) {
        shown.push(frame);
        let _ =
            write!(pictures, "<img alt='what the network takes for the bag' src='{}'>", embedded(&faded(frame, bag)));
    }
    let class = if shown.len() > 1 { " class=two" } else { "" };
    format!("<figure{class}>{pictures}<figcaption>{words}</figcaption></figure>")
}

/// The picture in grey, with colour where something speaks.
fn overlay(frame: &Picture, activation: &Activation) -> Picture {
    painted(&frame.resize(SIDE, SIDE).grey(), activation, |value| {
        // From yellow to red; what hardly speaks stays grey.
        let ink = [235.0, 200.0 * (1.0 - value), 30.0 * (1.0 - value)];
        (ink, 0.75 * ((value - 0.15) / 0.6).clamp(0.0, 1.0))
    })
}

/// The picture, white where there is no bag.
fn faded(frame: &Picture, bag: &Activation) -> Picture {
    painted(&frame.resize(SIDE, SIDE), bag, |value| ([255.0; 3], 0.9 * (1.0 - value)))
}

/// A picture of this page's size with an ink laid over each pixel, and the ink's share, by the value there.
fn painted(frame: &Picture, values: &Activation, ink: impl Fn(f32) -> ([f32; 3], f32)) -> Picture {
    let mut rgb = Vec::with_capacity(frame.rgb().len());
    for (i, pixel) in frame.rgb().chunks_exact(3).enumerate() {
        let (ink, share) = ink(values.at_cell(i, SIDE as usize, SIDE as usize));
        rgb.extend((0..3).map(|c| (f32::from(pixel[c]) * (1.0 - share) + ink[c] * share).round() as u8));
    }
    Picture::new(SIDE, SIDE, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_lies_where_something_speaks() {
        let frame = Picture::new(8, 8, [10, 200, 90].repeat(64));
        let activation = Activation { height: 1, width: 2, values: vec![0.0, 1.0] };
        let shown = overlay(&frame, &activation);
        let at = |x: u32| &shown.rgb()[3 * x as usize..][..3];
        assert!(at(0)[0] == at(0)[1] && at(0)[1] == at(0)[2], "grey");
        assert!(at(SIDE - 1)[0] > 190 && at(SIDE - 1)[1] < 60, "red: {:?}", at(SIDE - 1));
        let faded = faded(&frame, &activation);
        let at = |x: u32| &faded.rgb()[3 * x as usize..][..3];
        assert_eq!((at(0)[0] > 225, at(SIDE - 1)), (true, &[10, 200, 90][..]), "ground is faded, the bag is as it is");
    }
}
