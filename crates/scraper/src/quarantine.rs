//! Pages that contradict themselves, kept for a person to look at: `OUT/quarantine/ab/abcd….html`, as they were delivered.

use std::path::{Path, PathBuf};

use goodtwin_core::{ContentId, atomic};

/// Where the page with this hash is kept, below a crawl's output folder.
pub fn path(out: &Path, page: &ContentId) -> PathBuf {
    out.join("quarantine").join(&page.as_str()[..2]).join(format!("{page}.html"))
}

/// Keep a page.
pub(crate) fn keep(out: &Path, page: &ContentId, body: &[u8]) -> goodtwin_core::Result<()> {
    let path = path(out, page);
    if path.is_file() { Ok(()) } else { atomic::write(&path, body) }
}
