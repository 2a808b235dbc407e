use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::testing::{Offer, colour_encoder, dataset};
use crate::{Catalog, CatalogReader};

const RED: [u8; 3] = [250, 10, 10];
const GREEN: [u8; 3] = [10, 250, 10];
const BLUE: [u8; 3] = [10, 10, 250];

fn make(encoder: &Encoder, dataset: &Dataset, out: &Path) -> Built {
    build(encoder, Path::new("runs/seed"), dataset, out, &mut |_| {}).unwrap()
}

/// `out/current` of a catalogue of two items with three pictures, and the folder that holds it all.
fn made() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("b", &[RED, GREEN]), Offer::new("a", &[BLUE])]);
    let out = dir.path().join("catalogs");
    make(&colour_encoder("m").0, &data, &out);
    let current = out.join("current");
    (dir, current)
}

fn refusal(current: &Path) -> String {
    let error = CatalogReader::open(current).unwrap_err();
    assert_eq!(error.exit_code(), 65, "{error}");
    error.to_string()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_built_is_read() {
    let (dir, current) = made();
    let catalog = CatalogReader::open(&current).unwrap();
    assert_eq!((catalog.manifest.count, catalog.manifest.items, catalog.manifest.dim), (3, 2, 4));
    assert_eq!(catalog.manifest.run.given, Path::new("runs/seed"));
    let ids: Vec<_> = catalog.rows.iter().map(|row| row.item.as_ref().unwrap().id.to_string()).collect();
    assert_eq!(ids, ["shop/a", "shop/b", "shop/b"]);
    let main = &catalog.rows[1];
    assert_eq!(main.sha256, main.item.as_ref().unwrap().images[0].sha256, "the main picture comes first");
    assert!(
        catalog.look(0).embedding[2] > 0.9 && catalog.look(1).embedding[0] > 0.9 && catalog.look(2).embedding[1] > 0.9
    );
    for row in &catalog.rows {
        Picture::decode(&fs::read(catalog.thumbnail(&row.sha256)).unwrap()).unwrap();
    }
    assert_eq!(names(&dir.path().join("catalogs")), [catalog.id().short(), "current"]);
}

#[test]
fn building_twice_gives_the_same_id_and_embeds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("a", &[RED, GREEN]), Offer::new("b", &[RED])]);
    let out = dir.path().join("catalogs");
    let (encoder, seen) = colour_encoder("m");
    let first = make(&encoder, &data, &out);
    assert_eq!((first.embedded, first.reused), (2, 0), "one picture of two items is embedded once");
    let second = make(&encoder, &data, &out);
    assert_eq!((second.embedded, second.reused), (0, 2));
    assert_eq!(first.manifest, second.manifest);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    CatalogReader::open(&out.join("current")).unwrap();
}

#[test]
fn only_what_changed_is_embedded_and_another_model_embeds_all() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("catalogs");
    let (encoder, _) = colour_encoder("m");
    let old = dataset(&dir.path().join("old"), &[Offer::new("a", &[RED]), Offer::new("b", &[GREEN])]);
    let before = make(&encoder, &old, &out);
    let new = dataset(&dir.path().join("new"), &[Offer::new("a", &[RED]), Offer::new("c", &[BLUE])]);
    let after = make(&encoder, &new, &out);
    assert_eq!((after.embedded, after.reused), (1, 1));
    assert!(before.path.exists(), "the catalogue before is still there, for a way back");
    let other = make(&colour_encoder("another").0, &new, &out);
    assert_eq!((other.embedded, other.reused), (2, 0));
}

#[test]
fn pictures_wait_in_the_preprocessing_s_frame_and_thumbnails_are_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("a", &[RED, GREEN])]);
    let (encoder, _) = colour_encoder("m");
    let embed = encoder.embed.clone();
    let framed_only = move |pictures: &[Picture]| {
        let sizes: Vec<_> = pictures.iter().map(|p| (p.width(), p.height())).collect();
        assert_eq!(sizes, [(8, 8); 2]);
        embed(pictures)
    };
    let encoder = Encoder { frame: Arc::new(|p| p.resize(8, 8)), embed: Arc::new(framed_only), ..encoder };
    let out = dir.path().join("catalogs");
    make(&encoder, &data, &out);
    let catalog = CatalogReader::open(&out.join("current")).unwrap();
    let thumbnail = fs::read(catalog.thumbnail(&catalog.rows[0].sha256)).unwrap();
    assert_eq!(Picture::decode(&thumbnail).unwrap().width(), 32);
}

#[test]
fn a_link_that_is_swapped_changes_nothing_for_who_reads_the_catalogue_before() {
    let (dir, current) = made();
    let before = CatalogReader::open(&current).unwrap();
    let data = dataset(&dir.path().join("next"), &[Offer::new("a", &[GREEN])]);
    make(&colour_encoder("m").0, &data, &dir.path().join("catalogs"));
    assert!(before.root.ends_with(before.id().short()), "{}", before.root.display());
    assert!(before.rows.iter().all(|row| before.thumbnail(&row.sha256).is_file()));
    assert_ne!(CatalogReader::open(&current).unwrap().id(), before.id());
}

#[test]
fn a_folder_in_the_place_of_the_link_is_refused_before_any_work() {
    let (dir, current) = made();
    fs::remove_file(&current).unwrap();
    fs::create_dir(&current).unwrap();
    let data = dataset(&dir.path().join("next"), &[Offer::new("a", &[GREEN])]);
    let (encoder, seen) = colour_encoder("m");
    let out = dir.path().join("catalogs");
    let error = build(&encoder, Path::new("run"), &data, &out, &mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 73, "{error}");
    assert!(error.to_string().contains("expected a link to a catalogue, received a folder"), "{error}");
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    assert_eq!(names(&out).len(), 2, "{:?}", names(&out));
}

#[test]
fn the_run_is_looked_for_where_it_lay_and_then_where_it_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let (lay, named) = (dir.path().join("a/run"), dir.path().join("b/run"));
    fs::create_dir_all(&named).unwrap();
    let path = RunPath { given: named.clone(), absolute: lay.clone() };
    assert_eq!(path.find(), named);
    fs::create_dir_all(&lay).unwrap();
    assert_eq!(path.find(), lay);
}

#[test]
fn a_damaged_current_catalogue_is_built_anew() {
    let (dir, current) = made();
    fs::write(current.join(ITEMS), "{").unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("a", &[BLUE])]);
    let built = make(&colour_encoder("m").0, &data, &dir.path().join("catalogs"));
    assert_eq!((built.embedded, built.reused), (1, 0));
    CatalogReader::open(&current).unwrap();
}

#[test]
fn a_picture_that_cannot_be_read_is_named_and_nothing_changes() {
    let (dir, current) = made();
    let before = fs::read_link(&current).unwrap();
    let mut data = dataset(&dir.path().join("broken"), &[Offer::new("a", &[RED])]);
    let page = b"<!doctype html><p>not a bag";
    fs::write(data.path(&data.rows[0]), page).unwrap();
    data.rows[0].sha256 = ContentId::of(page);
    let out = dir.path().join("catalogs");
    let error = build(&colour_encoder("new").0, Path::new("run"), &data, &out, &mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains(&data.rows[0].file_name) && error.to_string().contains("HTML"), "{error}");
    assert_eq!(fs::read_link(&current).unwrap(), before);
    assert_eq!(names(&out).len(), 2, "no staging is left: {:?}", names(&out));
}

#[test]
fn vectors_that_were_cut_off_are_refused_with_both_sizes() {
    let (_dir, current) = made();
    let path = current.join(EMBEDDINGS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let says = refusal(&current);
    let expected = format!("expected {} bytes, received {} bytes", whole.len(), whole.len() / 2);
    assert!(says.contains(EMBEDDINGS) && says.contains(&expected), "{says}");
}

#[test]
fn what_is_not_what_the_manifest_says_is_refused_by_name() {
    let change = |name: &str, from: &str, to: &str| {
        let (dir, current) = made();
        let path = current.join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let says = refusal(&current);
        drop(dir);
        says
    };
    assert!(change(ITEMS, "The a", "The z").contains("items.jsonl: the SHA-256 does not match"));
    assert!(
        change(MANIFEST, "\"format\": 3", "\"format\": 9")
            .contains("format does not match: expected 3, received 9: `goodtwin catalog build`")
    );
    assert!(change(MANIFEST, "\"count\": 3", "\"count\": 4").contains("id does not match"));
    assert!(change(MANIFEST, "{", "[").contains("not a catalogue's manifest"));
    let (_dir, current) = made();
    fs::remove_dir_all(current.join("thumbnails")).unwrap();
    assert!(refusal(&current).contains("no such thumbnail"));
    let nowhere = refusal(Path::new("/nowhere"));
    assert!(nowhere.contains("/nowhere: no such catalogue"), "{nowhere}");
    assert!(nowhere.ends_with("`goodtwin catalog build` makes one, --catalog names another"), "{nowhere}");
}

#[test]
fn a_folder_of_catalogues_is_refused_with_the_one_that_was_meant() {
    let (_dir, current) = made();
    let all = fs::canonicalize(current.parent().unwrap()).unwrap();
    let meant = |name: &str| format!("did you mean `{}`?", all.join(name).display());
    assert!(refusal(&all).contains(&meant("current")), "{}", refusal(&all));
    let own = fs::read_link(&current).unwrap();
    fs::remove_file(&current).unwrap();
    assert!(refusal(&all).contains(&meant(own.to_str().unwrap())), "{}", refusal(&all));
}

#[test]
fn vectors_that_are_no_unit_vectors_are_refused() {
    let (unit, colours) = ([1.0, 0.0, 0.0, 0.0], [1.0].into_iter().chain([0.0; colour::LEN - 1]));
    let colours: Vec<f32> = colours.collect();
    let off = |values: &[f32], value: f32| [&[value], &values[1..]].concat();
    let wrong = |embedding: &[f32], colour: &[f32], says: &str| {
        let (_dir, current) = made();
        let rows = CatalogReader::open(&current).unwrap().rows;
        let parents = CatalogReader::open(&current).unwrap().manifest.parents;
        let right = Look { embedding: &unit, colour: &colours };
        let looks = [Look { embedding, colour }, right, right];
        write_files(&current, &rows, &looks, parents, RunPath::new(Path::new("run")), 4).unwrap();
        let refused = refusal(&current);
        assert!(refused.contains(EMBEDDINGS) && refused.contains(says), "{refused}");
    };
    wrong(&off(&unit, f32::NAN), &colours, "row 0 of `embeddings` holds NaN");
    wrong(&off(&unit, 7.0), &colours, "row 0 of `embeddings` has an L2 norm of 7");
    wrong(&unit, &off(&colours, 0.5), "row 0 of `colours` has an L2 norm of 0.5");
}

#[test]
fn another_model_or_preprocessing_is_refused_by_name() {
    let (_dir, current) = made();
    let catalog: Catalog = CatalogReader::open(&current).unwrap();
    catalog.check_model(&colour_encoder("m").0).unwrap();
    let (other, _) = colour_encoder("other");
    let says = catalog.check_model(&other).unwrap_err();
    assert_eq!(says.exit_code(), 65);
    let expected = format!("the model that made the catalogue does not match: expected {}", other.model);
    assert!(says.to_string().contains(&expected), "{says}");
    // Another preprocessing makes another model, too; it is the one to name.
    let scaled = Encoder { preprocess: ContentId::of("scaled"), ..other };
    let says = catalog.check_model(&scaled).unwrap_err().to_string();
    assert!(says.contains("the preprocessing that made"), "{says}");
}

#[test]
fn a_conventional_stores_items_get_into_no_catalogue_and_are_no_twins() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dataset(&dir.path().join("data"), &[Offer::new("kind", &[RED]), Offer::new("zara", &[GREEN])]);
    for row in &mut data.rows {
        let item = row.item.as_mut().unwrap();
        item.evaluation_only = item.id.as_str() == "shop/zara";
    }
    let (encoder, _) = colour_encoder("m");
    make(&encoder, &data, &dir.path().join("out"));
    let catalog = CatalogReader::open(&dir.path().join("out/current")).unwrap();
    let ids: Vec<_> = catalog.rows.iter().map(|row| row.item.as_ref().unwrap().id.to_string()).collect();
    assert_eq!(ids, ["shop/kind"]);
    let zara = data.rows.iter().find(|row| row.item.as_ref().unwrap().evaluation_only).unwrap();
    assert!(!crate::Filters::default().keep(zara, &goodtwin_core::Exchange::built_in()));

    data.rows.retain(|row| row.item.as_ref().unwrap().evaluation_only);
    let error = build(&encoder, Path::new("run"), &data, &dir.path().join("none"), &mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 65, "{error}");
}

#[test]
fn a_picture_without_an_embedding_is_named_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("a", &[RED]), Offer::new("b", &[GREEN, BLUE])]);
    let (encoder, _) = colour_encoder("m");
    let embed = encoder.embed.clone();
    // As a network whose last layer rectifies makes of a picture that it sees nothing in.
    let blind = move |pictures: &[Picture]| {
        let mut features = embed(pictures)?;
        let green = |p: &Picture| p.rgb()[1] > 200;
        pictures.iter().zip(&mut features).filter(|(p, _)| green(p)).for_each(|(_, f)| f.embedding.fill(0.0));
        Ok(features)
    };
    let encoder = Encoder { embed: Arc::new(blind), ..encoder };
    let out = dir.path().join("catalogs");
    let error = build(&encoder, Path::new("run"), &data, &out, &mut |_| {}).unwrap_err();
    assert_eq!(error.exit_code(), 70);
    let green = data.rows.iter().find(|row| Picture::decode(&data.read(row).unwrap()).unwrap().rgb()[1] > 200).unwrap();
    let says = format!("{}: the network's embedding has an L2 norm of 0: expected 1", data.path(green).display());
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(names(&out), [""; 0], "no staging is left");
}

#[test]
fn a_thumbnail_that_was_cut_off_is_made_anew() {
    let (dir, current) = made();
    let catalog = CatalogReader::open(&current).unwrap();
    let thumbnail = catalog.thumbnail(&catalog.rows[0].sha256);
    let whole = fs::read(&thumbnail).unwrap();
    fs::write(&thumbnail, &whole[..whole.len() / 2]).unwrap();
    // Another item, so that it is another catalogue.
    let offers = [Offer::new("b", &[RED, GREEN]), Offer::new("a", &[BLUE]), Offer::new("c", &[[9, 9, 9]])];
    let data = dataset(&dir.path().join("next"), &offers);
    let built = make(&colour_encoder("m").0, &data, &dir.path().join("catalogs"));
    assert_eq!((built.embedded, built.reused), (1, 3));
    assert_eq!(fs::read(built.path.join(thumbnail_path(&catalog.rows[0].sha256))).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn a_run_whose_path_is_no_text_is_refused_before_any_work() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"), &[Offer::new("a", &[RED])]);
    let (encoder, seen) = colour_encoder("m");
    let run = Path::new(std::ffi::OsStr::from_bytes(b"runs/\xff"));
    let error = build(&encoder, run, &data, &dir.path().join("catalogs"), &mut |_| {}).unwrap_err();
    assert_eq!((error.exit_code(), seen.load(Ordering::SeqCst)), (65, 0));
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn colours_that_were_counted_in_another_way_are_not_compared() {
    let (dir, current) = made();
    let mut manifest = CatalogReader::open(&current).unwrap().manifest;
    manifest.parents.colours -= 1;
    manifest.id = manifest.work_out_id();
    fs::write(current.join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let (encoder, _) = colour_encoder("m");
    let error = CatalogReader::open(&current).unwrap().check_model(&encoder).unwrap_err();
    let says = format!("how colours are counted does not match: expected {}", colour::VERSION);
    assert!(error.exit_code() == 65 && error.to_string().contains(&says), "{error}");
    let data = dataset(&dir.path().join("next"), &[Offer::new("a", &[BLUE])]);
    let built = make(&encoder, &data, &dir.path().join("catalogs"));
    assert_eq!((built.embedded, built.reused), (1, 0));
}
