//! `goodtwin catalog`: make the catalogue, and say what one is made of.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::Subcommand;
use goodtwin_core::terminal::{note, one_line};
use goodtwin_core::{Availability, Condition, DatasetReader, Row};
use goodtwin_inference::{Catalog, CatalogReader, Encoder, Progress, build};
use goodtwin_vision::{Compute, DeviceChoice};
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::{Outcome, say};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Embed every picture of a data set and swap the catalogue in at OUT/current; what did not change is taken over
    Build {
        /// The run folder of a trained network
        #[arg(long, value_name = "RUN")]
        model: PathBuf,
        /// The data set
        #[arg(long, value_name = "DIR")]
        dataset: PathBuf,
        /// The folder of catalogues
        #[arg(long, value_name = "DIR", default_value = "catalogs")]
        out: PathBuf,
        /// auto, cpu or gpu
        #[arg(long, default_value = "auto")]
        device: DeviceChoice,
    },
    /// Check a catalogue and say what it is made of
    Show {
        /// The catalogue
        #[arg(long, value_name = "DIR", default_value = "catalogs/current")]
        catalog: PathBuf,
    },
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Build { model, dataset, out, device } => {
            let started = Instant::now();
            let dataset = DatasetReader::open(&dataset)?;
            let compute = Compute::choose(device)?;
            note(format_args!("embedding with {}", compute.describe()));
            let encoder = Encoder::open(&model, &compute)?;
            let mut meter = Meter::new();
            let built = build(&encoder, &model, &dataset, &out, &mut |at| meter.show(at))?;
            meter.finish();
            say(format_args!(
                "catalogue {} at {}: {} items, {} pictures, {} embedded, {} reused, {:.1} s",
                built.manifest.id.short(),
                built.path.display(),
                built.manifest.items,
                built.manifest.count,
                built.embedded,
                built.reused,
                started.elapsed().as_secs_f64()
            ))?;
            Ok(())
        }
        Command::Show { catalog } => say(shown(&CatalogReader::open(&catalog)?).trim_end()),
    }
}

/// A bar on a terminal; elsewhere a line for each tenth.
struct Meter {
    bar: Option<ProgressBar>,
    tenths: usize,
}

impl Meter {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left")
            .expect("the template is written as indicatif wants it");
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::no_length().with_style(style));
        Meter { bar, tenths: 0 }
    }

    fn show(&mut self, at: Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(at.total as u64);
            bar.set_position(at.done as u64);
            return;
        }
        let tenths = at.done * 10 / at.total.max(1);
        if tenths > self.tenths {
            self.tenths = tenths;
            note(format_args!("{} of {} pictures embedded", at.done, at.total));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a catalogue is made of, a line each. Types, shops and folders have strangers' names.
fn shown(catalog: &Catalog) -> String {
    let manifest = &catalog.manifest;
    let count = |keep: &dyn Fn(&Row) -> bool| catalog.items().filter(|row| keep(row)).count();
    let mut lines = vec![
        ("catalogue".to_string(), manifest.id.to_string()),
        ("folder".into(), catalog.root.display().to_string()),
        ("model".into(), manifest.parents.model.to_string()),
        ("preprocess".into(), manifest.parents.preprocess.to_string()),
        ("dataset".into(), manifest.parents.dataset.to_string()),
        ("run".into(), manifest.run.given.display().to_string()),
        ("vectors".into(), format!("{} of {} values", manifest.count, manifest.dim)),
        ("items".into(), manifest.items.to_string()),
    ];
    let mut rows: Vec<(String, usize)> = catalog.types().into_iter().map(|(t, n)| (format!("  {t}"), n)).collect();
    let offers = count(&|row| row.item.is_some());
    if offers > 0 {
        let mut stores: BTreeMap<&str, usize> = BTreeMap::new();
        for item in catalog.items().filter_map(|row| row.item.as_ref()) {
            *stores.entry(&item.store).or_default() += 1;
        }
        rows.push(("offers".into(), offers));
        rows.extend(stores.into_iter().map(|(store, n)| (format!("  {store}"), n)));
        rows.extend([
            ("  with a price".into(), count(&|r| r.item.as_ref().is_some_and(|i| i.price.is_some()))),
            ("  rated".into(), count(&|r| r.item.as_ref().is_some_and(|i| i.rating.is_some()))),
            ("  second-hand".into(), count(&|r| r.item.as_ref().is_some_and(|i| i.condition == Condition::SecondHand))),
            ("  sold out".into(), count(&|r| r.item.as_ref().is_some_and(|i| i.availability == Availability::SoldOut))),
        ]);
    }
    lines.extend(rows.into_iter().map(|(name, n)| (name, n.to_string())));
    lines.iter().map(|(name, value)| format!("{:<18} {}\n", one_line(name), one_line(value))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use goodtwin_core::{BagType, ContentId, DatasetWriter, Item, ItemId, Split};
    use goodtwin_imaging::Picture;
    use goodtwin_vision::{Features, colour};

    use super::*;

    /// A catalogue of one offer of a shop.
    fn catalog(dir: &Path, run: &str, store: &str, bag_type: BagType) -> Catalog {
        let picture = Picture::new(32, 32, vec![90; 32 * 32 * 3]);
        let (png, writer) = (picture.to_png(), DatasetWriter::create(&dir.join("data")).unwrap());
        let sha256 = ContentId::of(&png);
        let file = writer.add_image(&png, &sha256, "png").unwrap();
        let item = Item {
            evaluation_only: false,
            id: ItemId::new(store, "1"),
            store: store.into(),
            url: "https://shop.example/1".into(),
            title: "Bag".into(),
            brand: "Maker".into(),
            bag_type: Some(bag_type.clone()),
            family: None,
            colour: None,
            price: None,
            price_text: None,
            condition: Condition::New,
            availability: Availability::InStock,
            rating: None,
            images: vec![],
        };
        let row = Row { item: Some(item), ..Row::new(file, sha256, [32, 32], bag_type, Split::Train) };
        let dataset = writer.finish(vec![row], BTreeMap::new(), "all in train".into(), vec![]).unwrap();
        let seen = |picture: &Picture| Features {
            embedding: vec![1.0],
            colour: colour::histogram(picture, None),
            class_probabilities: vec![1.0],
        };
        let encoder = Encoder {
            model: ContentId::of("model"),
            preprocess: ContentId::of("preprocess"),
            dim: 1,
            classes: vec![BagType::new("tote")],
            frame: Arc::new(Picture::clone),
            embed: Arc::new(move |pictures| Ok(pictures.iter().map(seen).collect())),
        };
        let out = dir.join("catalogs");
        build(&encoder, Path::new(run), &dataset, &out, &mut |_| {}).unwrap();
        CatalogReader::open(&out.join("current")).unwrap()
    }

    #[test]
    fn names_of_strangers_are_shown_and_not_obeyed() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path(), "ru\u{1b}[31mn", "sh\nitems 9\u{1b}[2Jop", BagType::new("to\u{202e}te"));
        let text = shown(&catalog);
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        for line in
            ["run                ru\u{fffd}[31mn\n", "\n  sh items 9\u{fffd}[2Jop", "\n  to\u{fffd}te            1\n"]
        {
            assert!(text.contains(line), "{line:?} in {text:?}");
        }
    }
}
