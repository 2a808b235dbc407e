//! Whether a file is a picture, and what is on it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use goodtwin_imaging::decode_any_size;
use serde::{Deserialize, Serialize};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A file.
#[derive(Deserialize)]
pub struct Case {
    path: PathBuf,
}

/// What was seen, or the word for why not.
#[derive(Default, Serialize)]
pub struct Answer {
    ok: bool,
    width: Option<u32>,
    height: Option<u32>,
    mean_rgb: Option<[f64; 3]>,
    frames: Option<u32>,
    cause: Option<&'static str>,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let Some(bytes) = read(&case.path).map_err(|e| format!("cannot read {}: {e}", case.path.display()))? else {
        return Ok(Answer { cause: Some("too-large"), ..Answer::default() });
    };
    let decoded = match decode_any_size(&bytes) {
        Ok(decoded) => decoded,
        Err(refusal) => return Ok(Answer { cause: Some(refusal.cause()), ..Answer::default() }),
    };
    Ok(Answer {
        ok: true,
        width: Some(decoded.picture.width()),
        height: Some(decoded.picture.height()),
        mean_rgb: Some(mean(decoded.picture.rgb())),
        frames: Some(decoded.frames),
        cause: None,
    })
}

/// A file's bytes; none, where there are more than [`MAX_BYTES`].
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let found = fs::metadata(path)?;
    // A pipe would be waited for, and a device never ends.
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::with_capacity(found.len().min(MAX_BYTES) as usize + 1);
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_BYTES).then_some(bytes))
}

/// The mean of each channel over all pixels, from 0 to 255, to three places.
fn mean(rgb: &[u8]) -> [f64; 3] {
    // Sixteen pixels beside one another, each byte with a sum of its own: processors add those at once.
    const LANES: usize = 48;
    let mut sums = [0u64; 3];
    let (lanes, rest) = rgb.as_chunks::<LANES>();
    for block in lanes.chunks(usize::from(u16::MAX / 255)) {
        let mut lane_sums = [0u16; LANES];
        for lane in block {
            for (sum, value) in lane_sums.iter_mut().zip(lane) {
                *sum = sum.wrapping_add(u16::from(*value));
            }
        }
        for (n, sum) in lane_sums.iter().enumerate() {
            sums[n % 3] += u64::from(*sum);
        }
    }
    for (n, value) in rest.iter().enumerate() {
        sums[n % 3] += u64::from(*value);
    }
    sums.map(|sum| (sum as f64 / (rgb.len() / 3) as f64 * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_counts_every_pixel() {
        assert_eq!(mean(&[1, 2, 3]), [1.0, 2.0, 3.0]);
        assert_eq!(mean(&[255, 255, 0].repeat(100_003)), [255.0, 255.0, 0.0]);
        let rgb: Vec<u8> = (0..3 * 1_009u32).map(|n| (n * n % 251) as u8).collect();
        let plain = [0, 1, 2].map(|c| rgb.iter().skip(c).step_by(3).map(|v| f64::from(*v)).sum::<f64>() / 1_009.0);
        assert_eq!(mean(&rgb), plain.map(|v| (v * 1000.0).round() / 1000.0));
    }
}
