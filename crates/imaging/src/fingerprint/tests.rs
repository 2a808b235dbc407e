use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::samples;

/// A handbag of sorts on white: a body, a flap and a handle, in one colour.
fn bag(width: u32, height: u32, colour: [u8; 3], flap: u32) -> Picture {
    let pixel = |x: u32, y: u32| {
        let (u, v) = (x * 1000 / width, y * 1000 / height);
        let body = (200..800).contains(&u) && (420..850).contains(&v);
        let handle = (360..640).contains(&u) && (200..420).contains(&v) && !((400..600).contains(&u) && v > 250);
        let shade = if v < flap { 3 } else { 4 };
        if body || handle { colour.map(|c| (u32::from(c) * shade / 4) as u8) } else { [255; 3] }
    };
    Picture::new(width, height, (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect())
}

fn anew(picture: &Picture, quality: u8) -> Picture {
    Picture::decode(&picture.to_jpeg(quality)).unwrap()
}

fn padded(picture: &Picture, left: u32, top: u32, right: u32, bottom: u32) -> Picture {
    let (width, height) = (picture.width() + left + right, picture.height() + top + bottom);
    let row = width as usize * 3;
    let mut rgb = vec![255; row * height as usize];
    for (y, pixels) in picture.rgb().chunks_exact(picture.width() as usize * 3).enumerate() {
        let start = (top as usize + y) * row + left as usize * 3;
        rgb[start..start + pixels.len()].copy_from_slice(pixels);
    }
    Picture::new(width, height, rgb)
}

#[test]
fn the_same_shot_is_near_in_every_size_encoding_and_margin() {
    let shot = bag(400, 480, [150, 70, 40], 560);
    let print = Fingerprint::of(&shot);
    for (name, other) in [
        ("quality 50", anew(&shot, 50)),
        ("half", anew(&shot.resize(200, 240), 75)),
        ("twice", anew(&shot.resize(800, 960), 85)),
        ("a wider margin", anew(&padded(&shot, 40, 60, 40, 10), 80)),
        ("square", padded(&shot, 40, 0, 40, 0)),
    ] {
        let distance = print.distance(&Fingerprint::of(&other));
        assert!(distance <= 1.0, "{name}: {distance}");
    }
}

#[test]
fn another_colour_and_another_bag_are_far() {
    let print = Fingerprint::of(&bag(400, 480, [60, 40, 35], 560));
    for (name, other) in [
        ("black for brown", bag(400, 480, [45, 45, 45], 560)),
        ("plum for brown", bag(400, 480, [55, 38, 48], 560)),
        ("another bag", bag(400, 400, [60, 40, 35], 560)),
    ] {
        let distance = print.distance(&Fingerprint::of(&other));
        assert!(distance > 1.0, "{name}: {distance}");
    }
}

#[test]
fn it_is_written_and_read_and_another_version_is_not() {
    let print = Fingerprint::of(&samples::scene(90, 60));
    assert_eq!(Fingerprint::from_bytes(&print.to_bytes()), Some(print.clone()));
    assert_eq!(print.to_string().parse(), Ok(print.clone()));
    let mut bytes = print.to_bytes();
    bytes[0] += 1;
    assert_eq!(Fingerprint::from_bytes(&bytes), None);
    assert!("abc".parse::<Fingerprint>().unwrap_err().contains("hexadecimal"));
    assert!("é".repeat(BYTES).parse::<Fingerprint>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_index_finds_what_comparing_all_finds(shades in proptest::collection::vec((0..40u8, 0..3u32), 2..12)) {
        let prints: Vec<_> =
            shades.iter().map(|(s, flap)| Fingerprint::of(&bag(50, 60, [90 + s / 4, 60, 40], 500 + flap * 100))).collect();
        let mut expected = Vec::new();
        for a in 0..prints.len() {
            expected.extend((a + 1..prints.len()).filter(|&b| prints[a].is_near(&prints[b])).map(|b| (a, b)));
        }
        prop_assert_eq!(near_pairs(&prints), expected);
    }

    #[test]
    fn every_picture_has_one_and_is_near_itself(
        width in 1..40u32, height in 1..40u32, seed in proptest::collection::vec(any::<u8>(), 1..64),
    ) {
        let rgb = seed.iter().copied().cycle().take((width * height * 3) as usize).collect();
        let print = Fingerprint::of(&Picture::new(width, height, rgb));
        prop_assert_eq!(print.distance(&print), 0.0);
    }
}

/// Photographs of bags that lie beside the workspace on some machines.
fn photographs(set: &str) -> Vec<(String, Picture)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(set);
    let folder = if root.join("images").is_dir() { root.join("images") } else { root.clone() };
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not there", root.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "jpg"));
    paths.sort();
    let read = |p: &PathBuf| {
        let name = p.file_name().unwrap().to_string_lossy().into_owned();
        (name, Picture::decode(&std::fs::read(p).unwrap()).unwrap())
    };
    paths.iter().map(read).collect()
}

/// Of real photographs, each encoded anew in several ways is near itself, and hardly any two are near each other.
#[test]
fn real_photographs_are_told_apart() {
    for (set, most_pairs, every) in [("realbags", 1, 2), ("bags60", 4, 8)] {
        let photographs = photographs(set);
        let prints: Vec<_> = photographs.iter().map(|(_, p)| Fingerprint::of(p)).collect();
        let pairs = near_pairs(&prints);
        for (a, b) in &pairs {
            let distance = prints[*a].distance(&prints[*b]);
            println!("{set}: {} and {}: {distance:.2}", photographs[*a].0, photographs[*b].0);
        }
        assert!(pairs.len() <= most_pairs, "{set}: {} pairs are near", pairs.len());
        type Change = fn(&Picture) -> Picture;
        let changes: [(&str, Change); 6] = [
            ("quality 50", |p| anew(p, 50)),
            ("70 %, quality 80", |p| anew(&p.resize(p.width() * 7 / 10, p.height() * 7 / 10), 80)),
            ("twice, quality 85", |p| anew(&p.resize(p.width() * 2, p.height() * 2), 85)),
            ("half, quality 75", |p| anew(&p.resize(p.width().div_ceil(2), p.height().div_ceil(2)), 75)),
            ("a margin of 15 %, quality 80", |p| {
                let (w, h) = (p.width() * 15 / 100, p.height() * 15 / 100);
                anew(&padded(p, w, h, w, h), 80)
            }),
            ("square, quality 85", |p| anew(&p.pad_to_square([255; 3]), 85)),
        ];
        for (n, (name, change)) in changes.into_iter().enumerate() {
            let tried = || photographs.iter().zip(&prints).step_by(every);
            let found = tried().filter(|((_, p), print)| print.is_near(&Fingerprint::of(&change(p)))).count();
            let part = found as f64 / tried().count().max(1) as f64;
            println!("{set}: {name}: {part:.3} found");
            let least = if n < 4 { 0.99 } else { 0.6 };
            assert!(photographs.is_empty() || part >= least, "{set}: {name}: {part}");
        }
    }
}
