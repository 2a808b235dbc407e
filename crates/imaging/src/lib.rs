//! Strangers' bytes in, an upright RGB [`Picture`] out, or a [`Refusal`] that names its cause.
//!
//! - [`sniff`]: what bytes are, by their first ones: a [`Format`] that is read here, or the words for what it is instead.
//! - [`complete`]: whether a file has its end. Decoders do not say: most JPEGs cut in half decode without an error.
//! - [`decode`]: the way in: sniff, complete, size from the header, decode under limits, turn upright, flatten on white.
//! - `jpeg`: JPEGs whose scans hold one component each, and others that the usual decoder gets wrong.
//! - `webp`: what decoding a WebP takes beside its pixels.
//! - [`picture`]: the [`Picture`], and what is done with one: resize, pad, grey, thumbnail, JPEG and PNG out.
//! - [`fingerprint`]: a picture in; what tells whether another file shows the same shot out.
//! - [`refusal`]: the [`Refusal`], with the one word by which refusals are counted.

pub mod complete;
pub mod decode;
pub mod fingerprint;
mod jpeg;
pub mod picture;
pub mod refusal;
pub mod sniff;
mod webp;

pub use decode::{Decoded, decode, decode_any_size};
pub use fingerprint::Fingerprint;
pub use picture::Picture;
pub use refusal::Refusal;
pub use sniff::Format;

#[cfg(test)]
mod samples;
