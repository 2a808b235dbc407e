//! Why bytes are not taken as a picture.

use crate::Format;

/// Why bytes were refused. The text is for a person; [`Refusal::cause`] is the word to count by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No bytes at all.
    #[error("the file is empty: expected a JPEG, PNG, WebP or GIF picture")]
    Empty,
    /// Bytes of something else.
    #[error("not an image: looks like {looks_like}; expected a JPEG, PNG, WebP or GIF picture")]
    NotAnImage {
        /// What they look like, such as "an HTML page".
        looks_like: &'static str,
    },
    /// A picture in a format, or a variant of one, that is not read here.
    #[error("{what} is not supported: expected a JPEG, PNG, WebP or GIF picture")]
    Unsupported {
        /// The format, or the variant, such as "TIFF".
        what: String,
    },
    /// The file stops before its end.
    #[error("the {format} file is cut off after {received} bytes: {missing}")]
    Truncated {
        /// What it started as.
        format: Format,
        /// How many bytes there are.
        received: usize,
        /// What the rest should have held.
        missing: &'static str,
    },
    /// Decoding would take more pixels or more memory than anybody's photograph needs.
    #[error("too large: {what}")]
    TooLarge {
        /// The size, and the largest size that is taken.
        what: String,
    },
    /// Too few pixels to see a bag in.
    #[error("{width} x {height} pixels are too few: expected at least {min} x {min}", min = crate::decode::MIN_SIDE)]
    TooSmall {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A whole file, as far as its frame goes, whose contents make no picture.
    #[error("the {format} file does not decode: {reason}")]
    Undecodable {
        /// What it started as.
        format: Format,
        /// The decoder's reason.
        reason: String,
    },
}

impl Refusal {
    /// The cause in one word, for tables and metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            Refusal::Empty => "empty",
            Refusal::NotAnImage { .. } => "not-an-image",
            Refusal::Unsupported { .. } => "unsupported",
            Refusal::Truncated { .. } => "truncated",
            Refusal::TooLarge { .. } => "too-large",
            Refusal::TooSmall { .. } => "too-small",
            Refusal::Undecodable { .. } => "undecodable",
        }
    }
}
