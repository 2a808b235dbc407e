//! `goodtwin catalog`: make the catalogue, and say what one is made of.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::Subcommand;
use goodtwin_core::terminal::note;
use goodtwin_core::{Availability, Condition, DatasetReader, Row};
use goodtwin_inference::{CatalogReader, Encoder, Progress, build};
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
        Command::Show { catalog } => show(&catalog),
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

fn show(dir: &std::path::Path) -> Outcome {
    let catalog = CatalogReader::open(dir)?;
    let manifest = &catalog.manifest;
    let count = |keep: &dyn Fn(&Row) -> bool| catalog.items().filter(|row| keep(row)).count();
    let mut lines = vec![
        ("catalogue", manifest.id.to_string()),
        ("folder", catalog.root.display().to_string()),
        ("model", manifest.parents.model.to_string()),
        ("preprocess", manifest.parents.preprocess.to_string()),
        ("dataset", manifest.parents.dataset.to_string()),
        ("run", manifest.run.given.display().to_string()),
        ("vectors", format!("{} of {} values", manifest.count, manifest.dim)),
        ("items", manifest.items.to_string()),
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
    let rows: Vec<(&str, String)> = rows.iter().map(|(name, n)| (name.as_str(), n.to_string())).collect();
    lines.extend(rows);
    for (name, value) in lines {
        say(format_args!("{name:<18} {value}"))?;
    }
    Ok(())
}
