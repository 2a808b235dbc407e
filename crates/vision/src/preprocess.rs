//! The one way from a picture to the network's input.
//!
//! The weights were trained on Caffe's preprocessing: BGR, 0 to 255, minus ImageNet's mean, no scaling. A network that
//! sees anything else at the query than it saw in training compares features of two different networks, so training,
//! catalogue and query all call [`Preprocess::apply`], and a catalogue carries [`Preprocess::id`].

use goodtwin_core::ContentId;
use goodtwin_imaging::Picture;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// ImageNet's mean, BGR, of 255.
pub const MEAN_BGR: [f32; 3] = [103.939, 116.779, 123.68];

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
}

impl Preprocess {
    /// Check a setting.
    ///
    /// # Errors
    /// [`Error::Usage`] for a size that is no multiple of 16 (block 4's map would lose a row) or out of 32..=512.
    pub fn check(&self) -> Result<()> {
        if !self.size.is_multiple_of(16) || !(32..=512).contains(&self.size) {
            return Err(Error::Usage(format!(
                "`size` is {}: expected a multiple of 16 from 32 to 512, since the trunk halves the picture four times",
                self.size
            )));
        }
        Ok(())
    }

    /// What a catalogue and a model must agree on.
    pub fn id(&self) -> ContentId {
        ContentId::of_json(&("caffe-bgr-mean", 1, self))
    }

    /// The number of values of one input: 3 x size x size.
    pub fn len(&self) -> usize {
        3 * (self.size * self.size) as usize
    }

    /// Never: an input has pixels.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// From any picture to one input: `[3, size, size]`, planes blue, green, red, minus the mean.
    pub fn apply(&self, picture: &Picture) -> Vec<f32> {
        self.planes(&self.frame(picture))
    }

    /// The first half of [`Preprocess::apply`]: square, `size` pixels a side. Augmentation goes between the halves. A frame's
    /// frame is itself.
    pub fn frame(&self, picture: &Picture) -> Picture {
        let (width, height) = (picture.width(), picture.height());
        // Resized before it is padded: a stranger's panorama padded at full size would be a thousand times its bytes.
        let within = |side: u32| (self.size * side).div_ceil(width.max(height)).clamp(1, self.size);
        let (width, height) = match self.fit {
            Fit::Pad => (within(width), within(height)),
            Fit::Stretch => (self.size, self.size),
        };
        let resized = match (picture.width(), picture.height()) == (width, height) {
            true => picture.clone(),
            false => picture.resize(width, height),
        };
        if width == height { resized } else { resized.pad_to_square([255, 255, 255]) }
    }

    /// The second half of [`Preprocess::apply`], on a picture of `size` x `size`.
    pub fn planes(&self, framed: &Picture) -> Vec<f32> {
        debug_assert_eq!((framed.width(), framed.height()), (self.size, self.size));
        let grey = match self.colour {
            Colour::Full => framed,
            Colour::Grey => &framed.grey(),
        };
        let plane = (self.size * self.size) as usize;
        let mut out = vec![0.0; 3 * plane];
        for (i, pixel) in grey.rgb().chunks_exact(3).enumerate() {
            for (channel, mean) in MEAN_BGR.iter().enumerate() {
                out[channel * plane + i] = f32::from(pixel[2 - channel]) - mean;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preprocess(size: u32) -> Preprocess {
        Preprocess { size, colour: Colour::Full, fit: Fit::Pad }
    }

    #[test]
    fn planes_are_bgr_minus_the_mean() {
        let red = Picture::new(32, 32, [200, 10, 30].repeat(32 * 32));
        let input = preprocess(32).apply(&red);
        assert_eq!(input.len(), 3 * 32 * 32);
        assert_eq!([input[0], input[1024], input[2048]], [30.0 - 103.939, 10.0 - 116.779, 200.0 - 123.68]);
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
        ] {
            assert_ne!(base.id(), other.id());
        }
    }

    #[test]
    fn a_size_that_the_trunk_cannot_halve_is_refused() {
        assert!(preprocess(48).check().is_ok());
        for size in [0, 16, 50, 1024] {
            assert_eq!(preprocess(size).check().unwrap_err().exit_code(), 2);
        }
    }
}
