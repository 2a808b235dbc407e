//! Whether two pictures are the same shot, whatever file it came in.
//!
//! A [`Fingerprint`] is the picture seen from far away: twelve by twelve cells of luma and six by six of the two chroma
//! channels, once of the whole frame and once of what stands out from its ground. The same shot in another size or encoding
//! has nearly the same frame; with more or less white around it, nearly the same subject. Another colour of one model differs
//! in chroma all over the subject and in the same direction, which an encoder's noise does not, so that sum is what is judged.
//!
//! A hash of a few dozen bits, as perceptual hashes are elsewhere, cannot keep those apart: recoloured product photographs
//! agree in every bit of luma. The limits below were measured; `docs/conformance.md` has the figures.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Picture;

/// Cells of luma on a side.
const LUMA: usize = 12;
/// Cells of chroma on a side.
const CHROMA: usize = 6;
/// Blocks of luma cells on a side.
const BLOCKS: usize = 4;
const LUMA_CELLS: usize = LUMA * LUMA;
const CHROMA_CELLS: usize = CHROMA * CHROMA;
const VIEW_BYTES: usize = 2 + LUMA_CELLS + 2 * CHROMA_CELLS;
/// Bytes of a written fingerprint: its version, then two views.
pub const BYTES: usize = 1 + 2 * VIEW_BYTES;
/// The first byte of a written fingerprint; another one means other cells, which cannot be compared.
pub const VERSION: u8 = 1;

/// From this longer side, in pixels, fingerprints are taken: files in many sizes become alike first.
const WORK_SIDE: u32 = 256;
/// The subject is looked for at this longer side, in pixels.
const SEARCH_SIDE: u32 = 64;
/// What differs from the ground by less than this, out of 255, is the encoder's noise.
const GROUND_NOISE: u8 = 10;

/// How far two views of the same shot lie apart at most.
struct Limits {
    /// Root of the mean squared difference of luma cells, out of 255.
    luma: f64,
    /// The same, as a part of the contrast.
    contrast: f64,
    /// Mean difference of chroma over the subject, signs kept, out of 255.
    tint: f64,
    /// The largest difference of one chroma cell.
    spot: f64,
    /// Difference of proportions: hundred times their logarithm.
    proportion: f64,
}

const FRAME: Limits = Limits { luma: 3.5, contrast: 0.14, tint: 1.5, spot: 5.0, proportion: 2.0 };
const SUBJECT: Limits = Limits { luma: 7.0, contrast: 0.12, tint: 1.5, spot: 4.5, proportion: 2.5 };

/// What a picture looks like from far away.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    frame: View,
    subject: View,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct View {
    /// Hundred times the logarithm of width by height.
    proportion: i16,
    luma: [u8; LUMA_CELLS],
    /// Blue-difference cells, then red-difference cells.
    chroma: [i8; 2 * CHROMA_CELLS],
}

impl Fingerprint {
    /// The fingerprint of a picture.
    pub fn of(picture: &Picture) -> Self {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let small = picture.thumbnail(WORK_SIDE);
        let whole = (0.0, 0.0, 1.0, 1.0);
        let subject = find_subject(&small.thumbnail(SEARCH_SIDE));
        Fingerprint {
            frame: View::of(&small, whole, width / height),
            subject: View::of(&small, subject, width * subject.2 / (height * subject.3)),
        }
    }

    /// How far apart two pictures are: up to 1.0 they are the same shot.
    pub fn distance(&self, other: &Self) -> f64 {
        self.frame.distance(&other.frame, &FRAME).min(self.subject.distance(&other.subject, &SUBJECT))
    }

    /// Whether the two are the same shot: in another size, encoded anew, with more or less of a plain ground around it.
    pub fn is_near(&self, other: &Self) -> bool {
        self.distance(other) <= 1.0
    }

    /// The fingerprint as bytes, to be kept.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [VERSION; BYTES];
        self.frame.write(&mut bytes[1..=VIEW_BYTES]);
        self.subject.write(&mut bytes[1 + VIEW_BYTES..]);
        bytes
    }

    /// What [`Fingerprint::to_bytes`] wrote; nothing, if these bytes were not written by this version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES || bytes[0] != VERSION {
            return None;
        }
        let (frame, subject) = bytes[1..].split_at(VIEW_BYTES);
        Some(Fingerprint { frame: View::read(frame), subject: View::read(subject) })
    }
}

/// The bytes in hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = || format!("expected a fingerprint of version {VERSION}: {} hexadecimal digits", 2 * BYTES);
        if text.len() != 2 * BYTES || !text.is_ascii() {
            return Err(digits());
        }
        let bytes: Result<Vec<u8>, _> =
            (0..BYTES).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16)).collect();
        Fingerprint::from_bytes(&bytes.map_err(|_| digits())?).ok_or_else(digits)
    }
}

/// All pairs of near pictures, as positions, the lower one first, in order.
pub fn near_pairs(all: &[Fingerprint]) -> Vec<(usize, usize)> {
    let mut shots = Shots::default();
    let mut pairs = Vec::new();
    for (n, print) in all.iter().enumerate() {
        pairs.extend(shots.near(print).into_iter().map(|m| (m, n)));
        shots.add(n, print);
    }
    pairs.sort_unstable();
    pairs
}

/// Fingerprints among which near ones are found.
///
/// Blocks' means cannot differ more than the cells that they are of, so only those are compared whose luma is about the same,
/// as a whole and then block by block.
#[derive(Default)]
pub struct Shots<'a> {
    frames: Shelves<'a>,
    subjects: Shelves<'a>,
}

/// Views by their mean luma, rounded down.
type Shelves<'a> = BTreeMap<i32, Vec<(Blocks, usize, &'a View)>>;

impl<'a> Shots<'a> {
    /// Add one, under a number of its own.
    pub fn add(&mut self, number: usize, print: &'a Fingerprint) {
        for (shelves, view) in [(&mut self.frames, &print.frame), (&mut self.subjects, &print.subject)] {
            shelves.entry(view.mean() as i32).or_default().push((view.blocks(), number, view));
        }
    }

    /// The numbers of those that are near to this one, in order.
    pub fn near(&self, print: &Fingerprint) -> Vec<usize> {
        let mut found = Vec::new();
        let views = [(&self.frames, &print.frame, &FRAME), (&self.subjects, &print.subject, &SUBJECT)];
        for (shelves, view, limits) in views {
            let (mean, blocks) = (view.mean(), view.blocks());
            let reach = (mean - limits.luma).floor() as i32..=(mean + limits.luma) as i32;
            // Single precision, and so a hair more than the limit.
            let most = (limits.luma * limits.luma * 1.001) as f32;
            for (others, number, other) in shelves.range(reach).flat_map(|(_, shelf)| shelf) {
                if square_apart(&blocks, others) <= most && view.distance(other, limits) <= 1.0 {
                    found.push(*number);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Mean luma of blocks of cells.
type Blocks = [f32; BLOCKS * BLOCKS];

/// The mean squared difference.
fn square_apart(a: &Blocks, b: &Blocks) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / a.len() as f32
}

/// Left, top, width and height, as parts of the picture's sides.
type Part = (f64, f64, f64, f64);

impl View {
    fn of(picture: &Picture, part: Part, proportion: f64) -> Self {
        let luma = picture.resize_part(part, LUMA as u32, LUMA as u32);
        let colour = picture.resize_part(part, CHROMA as u32, CHROMA as u32);
        let mut view =
            View { proportion: hundred_logs(proportion), luma: [0; LUMA_CELLS], chroma: [0; 2 * CHROMA_CELLS] };
        for (cell, pixel) in view.luma.iter_mut().zip(luma.rgb().chunks_exact(3)) {
            *cell = luma_of(pixel).round() as u8;
        }
        for (n, pixel) in colour.rgb().chunks_exact(3).enumerate() {
            let y = luma_of(pixel);
            // Rec. 601, as JPEG has it; the results lie within a signed byte.
            view.chroma[n] = ((f64::from(pixel[2]) - y) * 0.564).round() as i8;
            view.chroma[CHROMA_CELLS + n] = ((f64::from(pixel[0]) - y) * 0.713).round() as i8;
        }
        view
    }

    /// The largest of the differences, each as a part of its limit.
    fn distance(&self, other: &Self, limits: &Limits) -> f64 {
        let proportion = f64::from(self.proportion.abs_diff(other.proportion)) / limits.proportion;
        if proportion > 1.0 {
            return proportion;
        }
        let squares: u32 = self.luma.iter().zip(&other.luma).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum();
        let luma = (f64::from(squares) / LUMA_CELLS as f64).sqrt();
        if luma > limits.luma {
            return luma / limits.luma;
        }
        let contrast = luma / ((self.contrast() + other.contrast()) / 2.0).max(4.0);
        let spot = self.chroma.iter().zip(&other.chroma).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        [
            proportion,
            luma / limits.luma,
            contrast / limits.contrast,
            f64::from(spot) / limits.spot,
            self.tint(other) / limits.tint,
        ]
        .into_iter()
        .fold(0.0, f64::max)
    }

    /// How far the subject's colour as a whole lies from the other's.
    fn tint(&self, other: &Self) -> f64 {
        let (mut blue, mut red, mut weights) = (0.0, 0.0, 0.0);
        for n in 0..CHROMA_CELLS {
            let weight = self.subject_weight(n).max(other.subject_weight(n));
            let difference = |n: usize| f64::from(self.chroma[n]) - f64::from(other.chroma[n]);
            blue += weight * difference(n);
            red += weight * difference(CHROMA_CELLS + n);
            weights += weight;
        }
        blue.hypot(red) / weights.max(1e-3)
    }

    /// Near 0 for a cell of white paper, 1 for one that is dark or coloured.
    fn subject_weight(&self, cell: usize) -> f64 {
        let (row, column) = (cell / CHROMA * 2, cell % CHROMA * 2);
        let at = row * LUMA + column;
        let luma: u32 = [at, at + 1, at + LUMA, at + LUMA + 1].iter().map(|n| u32::from(self.luma[*n])).sum();
        let colour = self.chroma[cell].unsigned_abs() as f64 + self.chroma[CHROMA_CELLS + cell].unsigned_abs() as f64;
        ((255.0 - f64::from(luma) / 4.0 + 2.0 * colour) / 60.0).min(1.0)
    }

    fn mean(&self) -> f64 {
        self.luma.iter().map(|v| f64::from(*v)).sum::<f64>() / LUMA_CELLS as f64
    }

    fn blocks(&self) -> Blocks {
        const SIDE: usize = LUMA / BLOCKS;
        let mut blocks = Blocks::default();
        for (n, luma) in self.luma.iter().enumerate() {
            blocks[n / LUMA / SIDE * BLOCKS + n % LUMA / SIDE] += f32::from(*luma) / (SIDE * SIDE) as f32;
        }
        blocks
    }

    /// Standard deviation of the luma cells.
    fn contrast(&self) -> f64 {
        let mean = self.mean();
        (self.luma.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / LUMA_CELLS as f64).sqrt()
    }

    fn write(&self, into: &mut [u8]) {
        into[..2].copy_from_slice(&self.proportion.to_le_bytes());
        into[2..2 + LUMA_CELLS].copy_from_slice(&self.luma);
        for (byte, value) in into[2 + LUMA_CELLS..].iter_mut().zip(self.chroma) {
            *byte = value.to_le_bytes()[0];
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let mut view = View {
            proportion: i16::from_le_bytes([bytes[0], bytes[1]]),
            luma: [0; LUMA_CELLS],
            chroma: [0; 2 * CHROMA_CELLS],
        };
        view.luma.copy_from_slice(&bytes[2..2 + LUMA_CELLS]);
        for (value, byte) in view.chroma.iter_mut().zip(&bytes[2 + LUMA_CELLS..]) {
            *value = i8::from_le_bytes([*byte]);
        }
        view
    }
}

fn luma_of(pixel: &[u8]) -> f64 {
    0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
}

fn hundred_logs(proportion: f64) -> i16 {
    (proportion.ln() * 100.0).round() as i16
}

/// Where the picture differs from its ground: the middle 96 % of the difference on each axis, a little widened. Sums move little
/// when an edge is blurred, where the first row that differs at all would jump.
fn find_subject(picture: &Picture) -> Part {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixel = |x: usize, y: usize| &picture.rgb()[(y * width + x) * 3..][..3];
    let rim = (0..width).flat_map(|x| [(x, 0), (x, height - 1)]);
    let rim: Vec<(usize, usize)> = rim.chain((0..height).flat_map(|y| [(0, y), (width - 1, y)])).collect();
    let ground = [0, 1, 2].map(|channel| {
        let mut values: Vec<u8> = rim.iter().map(|&(x, y)| pixel(x, y)[channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    });
    let (mut columns, mut rows) = (vec![0u32; width], vec![0u32; height]);
    for (y, row) in rows.iter_mut().enumerate() {
        for (x, column) in columns.iter_mut().enumerate() {
            let differs = pixel(x, y).iter().zip(ground).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0);
            if differs > GROUND_NOISE {
                *column += u32::from(differs);
                *row += u32::from(differs);
            }
        }
    }
    let ((left, across), (top, down)) = (middle(&columns), middle(&rows));
    (left, top, across, down)
}

/// Start and length of the middle of a distribution, as parts of its length.
fn middle(mass: &[u32]) -> (f64, f64) {
    let length = mass.len() as f64;
    let total: f64 = mass.iter().map(|m| f64::from(*m)).sum();
    if total == 0.0 {
        return (0.0, 1.0);
    }
    let quantile = |part: f64| {
        let mut before = 0.0;
        for (at, m) in mass.iter().enumerate() {
            let m = f64::from(*m);
            if before + m >= part * total && m > 0.0 {
                return at as f64 + (part * total - before) / m;
            }
            before += m;
        }
        length
    };
    let (start, end) = (quantile(0.02), quantile(0.98));
    let margin = 0.03 * (end - start).max(2.0);
    let (start, end) = ((start - margin).max(0.0), (end + margin).min(length));
    (start / length, (end - start) / length)
}

#[cfg(test)]
mod tests;
