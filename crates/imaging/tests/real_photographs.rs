//! Real photographs, where they are at hand: all decode, and none of them does once it is cut off.

use std::path::{Path, PathBuf};

use goodtwin_imaging::{Picture, decode};

fn pictures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no {}", folder.display());
        return Vec::new();
    };
    let files = entries.map(|e| e.unwrap().path());
    files.filter(|f| f.extension().is_some_and(|e| e == "jpg")).collect()
}

fn every_file_decodes_whole_and_is_refused_cut(folder: &str) {
    let files = pictures(folder);
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let (format, _) = decode(&bytes).unwrap_or_else(|r| panic!("{}: {r}", file.display()));
        assert_eq!(format.extension(), "jpg");
        for percent in [10, 50, 90] {
            let refusal = Picture::decode(&bytes[..bytes.len() * percent / 100]).unwrap_err();
            assert_eq!(refusal.cause(), "truncated", "{} at {percent} %: {refusal}", file.display());
        }
    }
    eprintln!("{folder}: {} files decode, {} cuts are refused as truncated", files.len(), 3 * files.len());
}

#[test]
fn real_photographs() {
    every_file_decodes_whole_and_is_refused_cut("realbags");
}

#[test]
fn small_product_photographs() {
    every_file_decodes_whole_and_is_refused_cut("bags60/images");
}
