//! The network's input, made of bytes where it is needed: what is sent to the card is a quarter as long.

// The kernels' macro names its own crate.
use burn::cubecl;
use burn::cubecl::prelude::*;

/// Pictures of three bytes a pixel, four bytes a word, to `[n, 3, pixels]`: each value less the mean of its plane, divided by the plane's
/// deviation; `scales` has three of either. The first plane is the last channel where they are `reversed`.
#[cube(launch_unchecked)]
pub fn planes(
    words: &[u32],
    out: &mut [f32],
    values: usize,
    pixels: usize,
    scales: &[f32],
    #[comptime] reversed: bool,
) {
    if ABSOLUTE_POS >= values {
        terminate!();
    }
    let pixel = ABSOLUTE_POS % pixels;
    let plane = ABSOLUTE_POS / pixels % 3;
    let picture = ABSOLUTE_POS / (3 * pixels);
    let channel = if comptime!(reversed) { 2 - plane } else { plane };
    let byte = (picture * pixels + pixel) * 3 + channel;
    let value = (words[byte / 4] >> (byte % 4 * 8) as u32) & 255;
    out[ABSOLUTE_POS] = (f32::cast_from(value) - scales[plane]) / scales[plane + 3];
}
