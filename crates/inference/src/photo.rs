//! A photo's file in, its hash and its picture out.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use goodtwin_core::{ContentId, Error as CoreError};
use goodtwin_imaging::Picture;

use crate::{Error, Result};

/// The largest file that is taken for a photo, in bytes: more than any camera's JPEG.
pub const MAX_BYTES: u64 = 64 << 20;

/// Read and decode a photo.
///
/// # Errors
/// Exit 65 for a file that is not there, is too large, or is no picture that can be read.
pub fn read(path: &Path) -> Result<(ContentId, Picture)> {
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => CoreError::Missing { path: path.into(), kind: "photo", hint: String::new() },
        ErrorKind::IsADirectory => CoreError::data(path, "a folder: expected the file of a photo"),
        _ => CoreError::disk(path, "read the photo", e),
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let what = format!("more than {MAX_BYTES} bytes: expected a JPEG, PNG, WebP or GIF picture of at most that");
        return Err(CoreError::data(path, what).into());
    }
    let picture = Picture::decode(&bytes).map_err(|refusal| Error::Picture { path: path.into(), refusal })?;
    Ok((ContentId::of(&bytes), picture))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::painted;

    #[test]
    fn what_is_no_photo_is_named_with_its_cause() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let (id, picture) = read(&file("a.png", &painted([1, 2, 3]).to_png())).unwrap();
        assert_eq!((picture.width(), id), (32, ContentId::of(painted([1, 2, 3]).to_png())));
        for (path, code, says) in [
            (file("empty.jpg", b""), 65, "empty.jpg: the file is empty"),
            (file("page.jpg", b"<!doctype html>"), 65, "page.jpg: not an image: looks like an HTML page"),
            (dir.path().to_path_buf(), 65, "a folder: expected the file of a photo"),
            (dir.path().join("none.jpg"), 65, "none.jpg: no such photo"),
        ] {
            let error = read(&path).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
