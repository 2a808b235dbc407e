//! Whether a file is a picture, and what is on it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

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
    let mut bytes = Vec::new();
    let read = File::open(&case.path).and_then(|f| f.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|e| format!("cannot read {}: {e}", case.path.display()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Ok(Answer { cause: Some("too-large"), ..Answer::default() });
    }
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

/// The mean of each channel over all pixels, from 0 to 255, to three places.
fn mean(rgb: &[u8]) -> [f64; 3] {
    let mut sums = [0u64; 3];
    for pixel in rgb.chunks_exact(3) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(*value);
        }
    }
    sums.map(|sum| (sum as f64 / (rgb.len() / 3) as f64 * 1000.0).round() / 1000.0)
}
