//! The one way from a picture to the network's input.
//!
//! Each trunk's weights were trained on values of their own, [`Values`]. A network that sees anything else at the query than
//! it saw in training compares features of two different networks, so training, catalogue and query all call
//! [`Preprocess::frames`] and make the input of them in [`embedder`](crate::embedder), and a catalogue carries [`Preprocess::id`].

use std::borrow::Cow;

use goodtwin_core::ContentId;
use goodtwin_imaging::Picture;
use serde::{Deserialize, Serialize};

use crate::ground::Bag;
use crate::{Error, Result};

/// What the network's input is made of: what the trunk's weights were trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// Blue, green, red, 0 to 255, minus ImageNet's mean, no scaling: VGG16's.
    #[default]
    Caffe,
    /// Red, green, blue, 0 to 1, minus ImageNet's mean, divided by its standard deviation: ResNet-50's.
    Torchvision,
}

impl Values {
    /// Of each plane: the channel of RGB that it shows, its mean, and what it is divided by, both of 255.
    pub(crate) fn planes(self) -> [(usize, f32, f32); 3] {
        match self {
            Values::Caffe => [(2, 103.939, 1.0), (1, 116.779, 1.0), (0, 123.68, 1.0)],
            Values::Torchvision => {
                [(0, 0.485, 0.229), (1, 0.456, 0.224), (2, 0.406, 0.225)].map(|(c, m, s)| (c, m * 255.0, s * 255.0))
            }
        }
    }
}

/// Which colours the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// As photographed.
    #[default]
    Full,
    /// Luma in all three channels: a family comes in many colours, and grey finds the others.
    Grey,
}

/// How a picture that is not square becomes square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// White is added on the short sides: proportions are a cue.
    #[default]
    Pad,
    /// Stretched, as the original study did.
    Stretch,
}

/// What of a picture the network sees at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// All of it.
    Whole,
    /// The bag, where the ground is plain enough to find it; all of it elsewhere. Small bags are seen larger, and where in
    /// the picture they lie does not matter.
    Bag,
}

/// The margin around a bag that was cut out, as a share of the side.
const MARGIN: f64 = 0.03;
/// A picture that waits to be looked at in several crops keeps so many times the network's side.
const KEPT: u32 = 4;

/// How pictures are made into the network's input. Part of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Pixels of a side; a multiple of 16, at least 32.
    pub size: u32,
    /// Which colours the network sees.
    pub colour: Colour,
    /// How a picture becomes square.
    pub fit: Fit,
    /// What the network sees of a picture: one input each, embedded together.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub crops: Vec<Crop>,
    /// What the trunk wants to see; a recipe leaves it out, since it follows from the trunk.
    #[serde(default, skip_serializing_if = "is_caffe")]
    pub values: Values,
}

fn whole() -> Vec<Crop> {
    vec![Crop::Whole]
}

// Left out where it is the default, so that models from before there were crops keep their ids.
fn is_whole(crops: &[Crop]) -> bool {
    crops == [Crop::Whole]
}

// The same for models from before there was a second trunk.
fn is_caffe(values: &Values) -> bool {
    *values == Values::Caffe
}

impl Preprocess {
    /// Check a setting.
    ///
    /// # Errors
    /// [`Error::Usage`] for a size that is no multiple of 16 (block 4's map would lose a row) or out of 32..=512, and
    /// for crops that are none or come twice.
    pub fn check(&self) -> Result<()> {
        if !self.size.is_multiple_of(16) || !(32..=512).contains(&self.size) {
            return Err(Error::Usage(format!(
                "`size` is {}: expected a multiple of 16 from 32 to 512, since the trunk halves the picture four times",
                self.size
            )));
        }
        let twice = self.crops.iter().enumerate().any(|(i, crop)| self.crops[..i].contains(crop));
        if self.crops.is_empty() || twice {
            return Err(Error::Usage(format!(
                "`crops` is {}: expected \"whole\", \"bag\", or both, each once",
                serde_json::to_string(&self.crops).expect("names serialise")
            )));
        }
        Ok(())
    }

    /// For people: "128 px, grey, padded to a square, as a whole and as the bag cut out of it".
    pub fn describe(&self) -> String {
        let colour = match self.colour {
            Colour::Full => "full colour",
            Colour::Grey => "grey",
        };
        let fit = match self.fit {
            Fit::Pad => "padded",
            Fit::Stretch => "stretched",
        };
        let crops: Vec<&str> = self
            .crops
            .iter()
            .map(|crop| match crop {
                Crop::Whole => "as a whole",
                Crop::Bag => "as the bag cut out of it",
            })
            .collect();
        format!("{} px, {colour}, {fit} to a square, {}", self.size, crops.join(" and "))
    }

    /// What a catalogue and a model must agree on.
    pub fn id(&self) -> ContentId {
        let values = match self.values {
            Values::Caffe => "caffe-bgr-mean",
            Values::Torchvision => "torchvision-rgb-mean-deviation",
        };
        ContentId::of_json(&(values, 1, self))
    }

    /// The number of values of a picture's inputs: 3 x size x size a crop.
    pub fn len(&self) -> usize {
        self.crops.len() * 3 * (self.size * self.size) as usize
    }

    /// Never: an input has pixels.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What is to be kept of a picture that waits: no more than the network will look at. It has the same frames as the
    /// picture itself.
    pub fn frame(&self, picture: &Picture) -> Picture {
        match is_whole(&self.crops) {
            true => self.whole(picture),
            false => picture.thumbnail(KEPT * self.size),
        }
    }

    /// From any picture to what the network sees of it: a square of `size` pixels a side for each crop. Augmentation
    /// changes them before they become the input.
    pub fn frames(&self, picture: &Picture) -> Vec<Picture> {
        let picture = self.frame(picture);
        let frame = |crop: &Crop| match crop {
            Crop::Whole => self.whole(&picture),
            Crop::Bag => Bag::find(&picture).map_or_else(|| self.whole(&picture), |bag| self.bag(&picture, &bag)),
        };
        self.crops.iter().map(frame).collect()
    }

    fn whole(&self, picture: &Picture) -> Picture {
        self.fitted(picture, self.size).on(self.size, self.size, [255, 255, 255])
    }

    /// A mask of a picture as [`Crop::Whole`] shows the picture; black is added where that adds white.
    pub fn whole_mask(&self, mask: &Picture) -> Picture {
        self.fitted(mask, self.size).on(self.size, self.size, [0; 3])
    }

    /// The bag on its own ground.
    fn bag(&self, picture: &Picture, bag: &Bag) -> Picture {
        let side = (f64::from(self.size) * (1.0 - 2.0 * MARGIN)).round() as u32;
        let cut = picture.crop(bag.left, bag.top, bag.width, bag.height);
        self.fitted(&cut, side).on(self.size, self.size, bag.ground)
    }

    /// Resized to lie within a square.
    // Resized before it is padded: a stranger's panorama padded at full size would be a thousand times its bytes.
    fn fitted(&self, picture: &Picture, side: u32) -> Picture {
        let longer = u64::from(picture.width().max(picture.height()));
        let within = |length: u32| (u64::from(side) * u64::from(length)).div_ceil(longer).clamp(1, side.into()) as u32;
        match self.fit {
            Fit::Pad => picture.resize(within(picture.width()), within(picture.height())),
            Fit::Stretch => picture.resize(side, side),
        }
    }

    /// A picture of `size` x `size` in the colours that the network sees.
    pub(crate) fn coloured<'a>(&self, framed: &'a Picture) -> Cow<'a, Picture> {
        debug_assert_eq!((framed.width(), framed.height()), (self.size, self.size));
        match self.colour {
            Colour::Full => Cow::Borrowed(framed),
            Colour::Grey => Cow::Owned(framed.grey()),
        }
    }

    /// A picture of `size` x `size` to `[3, size, size]`, as [`Values`] says.
    pub(crate) fn write_planes(&self, framed: &Picture, out: &mut [f32]) {
        let (plane, planes) = ((self.size * self.size) as usize, self.values.planes());
        for (i, pixel) in self.coloured(framed).rgb().chunks_exact(3).enumerate() {
            for (number, (channel, mean, deviation)) in planes.iter().enumerate() {
                out[number * plane + i] = (f32::from(pixel[*channel]) - mean) / deviation;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn preprocess(size: u32) -> Preprocess {
        Preprocess { size, colour: Colour::Full, fit: Fit::Pad, crops: whole(), values: Values::Caffe }
    }

    fn apply(preprocess: &Preprocess, picture: &Picture) -> Vec<f32> {
        let input = crate::embedder::inputs(std::slice::from_ref(picture), preprocess, &Device::flex());
        input.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn planes_are_bgr_minus_the_mean() {
        let red = Picture::new(32, 32, [200, 10, 30].repeat(32 * 32));
        let input = apply(&preprocess(32), &red);
        assert_eq!(input.len(), 3 * 32 * 32);
        assert_eq!([input[0], input[1024], input[2048]], [30.0 - 103.939, 10.0 - 116.779, 200.0 - 123.68]);
    }

    #[test]
    fn torchvisions_planes_are_rgb_with_mean_0_and_deviation_1() {
        let red = Picture::new(32, 32, [255, 0, 51].repeat(32 * 32));
        let input = apply(&Preprocess { values: Values::Torchvision, ..preprocess(32) }, &red);
        let by_hand = [(1.0 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225];
        for (plane, value) in by_hand.into_iter().enumerate() {
            assert!((input[plane * 1024] - value).abs() < 1e-5, "{} {value}", input[plane * 1024]);
        }
    }

    #[test]
    fn proportions_are_kept_with_white_unless_stretched() {
        let wide = Picture::new(64, 32, vec![0; 64 * 32 * 3]);
        let padded = preprocess(32).frame(&wide);
        assert_eq!(padded.rgb()[..3], [255, 255, 255]);
        let stretched = Preprocess { fit: Fit::Stretch, ..preprocess(32) }.frame(&wide);
        assert_eq!(stretched.rgb()[..3], [0, 0, 0]);
    }

    #[test]
    fn a_panorama_is_shrunk_before_it_is_padded_and_a_frame_stays_as_it_is() {
        let panorama = Picture::new(16_000, 16, vec![0; 16_000 * 16 * 3]);
        let frame = preprocess(48).frame(&panorama);
        assert_eq!((frame.width(), frame.height()), (48, 48));
        assert_eq!(
            frame.rgb().iter().filter(|v| **v == 0).count(),
            48 * 3,
            "one row of the picture, the rest is white"
        );
        assert_eq!(preprocess(48).frame(&frame).rgb(), frame.rgb());
    }

    #[test]
    fn every_setting_is_in_the_id() {
        let base = preprocess(48);
        for other in [
            preprocess(64),
            Preprocess { colour: Colour::Grey, ..base.clone() },
            Preprocess { fit: Fit::Stretch, ..base.clone() },
            Preprocess { crops: vec![Crop::Whole, Crop::Bag], ..base.clone() },
            Preprocess { crops: vec![Crop::Bag], ..base.clone() },
            Preprocess { values: Values::Torchvision, ..base.clone() },
        ] {
            assert_ne!(base.id(), other.id());
        }
    }

    #[test]
    fn a_small_bag_fills_its_crop_and_a_picture_that_waits_has_the_same_crops() {
        let mut rgb = vec![240; 400 * 300 * 3];
        for (i, pixel) in rgb.chunks_exact_mut(3).enumerate() {
            if (200..240).contains(&(i % 400)) && (100..180).contains(&(i / 400)) {
                pixel.fill(10);
            }
        }
        let small = Picture::new(400, 300, rgb);
        let both = Preprocess { crops: vec![Crop::Whole, Crop::Bag], ..preprocess(32) };
        let frames = both.frames(&small);
        let dark = |p: &Picture| p.rgb().iter().filter(|v| **v < 60).count() / 3;
        assert!(dark(&frames[0]) < 30 && dark(&frames[1]) > 300, "{} {}", dark(&frames[0]), dark(&frames[1]));
        assert_eq!(frames[1].rgb()[..3], [240; 3], "the ground's own colour lies around it");
        assert_eq!((apply(&both, &small).len(), both.len()), (2 * 3 * 32 * 32, 2 * 3 * 32 * 32));
        let waiting = both.frame(&small);
        assert_eq!((waiting.width(), waiting.height()), (128, 96));
        assert_eq!((apply(&both, &waiting), both.frame(&waiting)), (apply(&both, &small), waiting));
        let busy =
            Picture::new(64, 64, (0..64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect());
        assert_eq!(both.frames(&busy)[0], both.frames(&busy)[1], "no plain ground, no bag");
    }

    #[test]
    fn crops_that_are_none_or_come_twice_are_refused() {
        for crops in [vec![], vec![Crop::Bag, Crop::Bag]] {
            assert_eq!(Preprocess { crops, ..preprocess(48) }.check().unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn a_model_from_before_there_were_crops_has_the_id_that_it_had() {
        let written = r#"{"size":48,"colour":"full","fit":"pad"}"#;
        assert_eq!(serde_json::from_str::<Preprocess>(written).unwrap(), preprocess(48));
        assert_eq!(serde_json::to_string(&preprocess(48)).unwrap(), written);
    }

    #[test]
    fn a_size_that_the_trunk_cannot_halve_is_refused() {
        assert!(preprocess(48).check().is_ok());
        for size in [0, 16, 50, 1024] {
            assert_eq!(preprocess(size).check().unwrap_err().exit_code(), 2);
        }
    }
}
