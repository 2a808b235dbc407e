//! `goodtwin search`: twins of a photo, as a table or as JSON.

use std::path::PathBuf;

use goodtwin_core::{Condition, Currency, Label, Money};
use goodtwin_inference::answer::{Guess, TwinJson};
use goodtwin_inference::{Answer, CatalogReader, Error, Filters, photo};
use goodtwin_vision::{Compute, DeviceChoice};
use goodtwin_web::{ServeConfig, filters};
use rust_decimal::Decimal;

use crate::exit::{Failure, Outcome};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// A photo of a bag: JPEG, PNG, WebP or GIF
    photo: PathBuf,
    /// The catalogue
    #[arg(long, value_name = "DIR", default_value = "catalogs/current")]
    catalog: PathBuf,
    /// The run that made the catalogue; left out, the one that the catalogue names
    #[arg(long, value_name = "RUN")]
    model: Option<PathBuf>,
    /// How many twins
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    k: u16,
    /// The highest price, in --currency; leaves out bags without a price, or in a currency without a rate
    #[arg(long, value_name = "AMOUNT", value_parser = filters::price)]
    max_price: Option<Decimal>,
    /// Of --max-price, and what prices are converted to
    #[arg(long, default_value = "EUR")]
    currency: Currency,
    /// The least rating of the brand: great, good, its-a-start, ...; leaves out brands without one
    #[arg(long, value_name = "LABEL")]
    min_rating: Option<Label>,
    /// A type that the catalogue has, such as tote
    #[arg(long = "type", value_name = "TYPE")]
    bag_type: Option<String>,
    /// new or second-hand
    #[arg(long)]
    condition: Option<Condition>,
    /// Leave out what is sold out
    #[arg(long)]
    hide_sold_out: bool,
    /// One JSON object on stdout instead of a table
    #[arg(long)]
    json: bool,
    /// Where the exchange rates are; left out, configs/serve.toml if it is there, else built-in rates
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// auto, cpu or gpu
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let exchange = ServeConfig::find(args.config.as_deref())?.exchange;
    let (sha256, picture) = photo::read(&args.photo)?;
    let catalog = CatalogReader::open(&args.catalog)?;
    let known = |name: &String| catalog.known_type(name).map_err(|what| Failure::usage(format!("--type: {what}")));
    let wanted = Filters {
        max_price: args.max_price.map(|amount| Money { amount, currency: args.currency }),
        min_rating: args.min_rating,
        bag_type: args.bag_type.as_ref().map(known).transpose()?,
        condition: args.condition,
        hide_sold_out: args.hide_sold_out,
    };
    let compute = Compute::choose(args.device).map_err(Error::from)?;
    let encoder = catalog.encoder(args.model.as_deref(), &compute)?;
    let features = encoder.embed(&[picture])?.remove(0);
    let twins = catalog.search(&features.embedding, &wanted, args.k.into(), &exchange)?;
    let guesses = Guess::all(&encoder, &features);
    let answer = Answer::new(&catalog, sha256, guesses, &wanted, args.currency, &exchange, &twins);
    if args.json {
        let json = serde_json::to_string_pretty(&answer);
        println!("{}", json.map_err(|e| Failure::new(70, format!("cannot write the answer: {e}")))?);
    } else if answer.twins.is_empty() {
        let others = catalog.matching(&Filters::default(), &exchange);
        println!("No twins with these filters; the catalogue has {others} items without them.");
    } else {
        print!("{}", table(&answer, args.currency));
    }
    Ok(())
}

fn table(answer: &Answer, currency: Currency) -> String {
    let converted = answer.twins.iter().any(|t| t.converted.is_some());
    let mut rows = vec![vec!["", "ALIKE", "TITLE", "BRAND", "PRICE"].into_iter().map(String::from).collect::<Vec<_>>()];
    rows[0].extend(converted.then(|| format!("IN {currency}")));
    rows[0].extend(["RATING", "CONDITION", "ADDRESS"].map(String::from));
    rows.extend(answer.twins.iter().map(|twin| cells(twin, converted)));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

fn cells(twin: &TwinJson, converted: bool) -> Vec<String> {
    let money = |m: &Option<Money>| m.map(|m| m.to_string()).unwrap_or_default();
    let mut cells = vec![
        twin.rank.to_string(),
        format!("{:.3}", twin.score),
        plain(&twin.title, 40),
        plain(twin.brand.as_deref().unwrap_or_default(), 24),
        money(&twin.price),
    ];
    cells.extend(converted.then(|| money(&twin.converted)));
    let rating = twin.rating.as_ref().map(|r| format!("{} ({})", r.label, r.as_of));
    let mut condition = twin.condition.map(|c| c.to_string()).unwrap_or_else(|| twin.bag_type.title());
    if twin.availability == Some(goodtwin_core::Availability::SoldOut) {
        condition += ", sold out";
    }
    let address = twin.url.as_deref().unwrap_or(&twin.picture.file_name);
    cells.extend([rating.unwrap_or_default(), condition, plain(address, usize::MAX)]);
    cells
}

/// Shops' text on somebody's terminal: on one line, without control characters, not longer than the column.
fn plain(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width - 1).chain(['…']).collect()
}
