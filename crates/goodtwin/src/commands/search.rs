//! `goodtwin search`: twins of a photo, as a table or as JSON.

use std::path::PathBuf;

use goodtwin_core::terminal::one_line_within;
use goodtwin_core::{Availability, Condition, Currency, Label, Money, Table, config};
use goodtwin_inference::answer::{Guess, TwinJson};
use goodtwin_inference::search::colour_weight;
use goodtwin_inference::{Answer, CatalogReader, Filters, Look, photo};
use goodtwin_vision::{Compute, DeviceChoice};
use goodtwin_web::{ServeConfig, filters};
use rust_decimal::Decimal;

use crate::exit::{Failure, Outcome, fitted, say};

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
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true, value_parser = filters::price)]
    max_price: Option<Decimal>,
    /// Of --max-price, and what prices are converted to
    #[arg(long, default_value = "EUR")]
    currency: Currency,
    /// The least rating of the brand: great, good, its-a-start, ...; leaves out brands without one
    #[arg(long, value_name = "LABEL", value_parser = label)]
    min_rating: Option<Label>,
    /// A type that the catalogue has, such as tote
    #[arg(long = "type", value_name = "TYPE")]
    bag_type: Option<String>,
    /// new or second-hand
    #[arg(long)]
    condition: Option<Condition>,
    /// How much the colours count beside the shape, 0 to 1. Likeness in colour spreads wider than in shape: 0.1 is felt, and from 0.5
    /// on colours outweigh it
    #[arg(long, value_name = "WEIGHT", default_value = "0", value_parser = colour_weight)]
    colour: f32,
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

/// A label, in the form that is easy to type.
fn label(word: &str) -> Result<Label, String> {
    word.parse().map_err(|_| {
        let known = Label::ALL.map(Label::slug);
        let near = config::nearest(&word.to_lowercase(), known).map(|near| format!("did you mean `{near}`? "));
        format!("{}Expected one of {}", near.unwrap_or_default(), known.join(", "))
    })
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let exchange = ServeConfig::find(args.config.as_deref())?.exchange;
    filters::with_rate(args.currency, &exchange).map_err(|what| Failure::usage(format!("--currency: {what}")))?;
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
    let compute = Compute::choose(args.device)?;
    let encoder = catalog.encoder(args.model.as_deref(), &compute)?;
    let features = encoder.embed(&[picture])?.remove(0);
    let twins = catalog.search(Look::from(&features), args.colour, &wanted, args.k.into(), &exchange)?;
    let guesses = Guess::all(&encoder, &features);
    let answer = Answer::new(&catalog, sha256, guesses, &wanted, args.colour, args.currency, &exchange, &twins);
    if args.json {
        let json = serde_json::to_string_pretty(&answer);
        say(json.map_err(|e| Failure::new(70, format!("cannot write the answer: {e}")))?)
    } else if answer.twins.is_empty() {
        let any_price = Filters { max_price: None, ..wanted.clone() };
        match (wanted.max_price, catalog.matching(&any_price, &exchange)) {
            (Some(most), others) if others > 0 => {
                say(format_args!("No twins under {most}; {others} items without the price filter."))
            }
            _ => say(format_args!("No twins with these filters; {} items without them.", catalog.manifest.items)),
        }
    } else {
        say(fitted(table(&answer, args.currency)))
    }
}

/// A column that says nothing of any twin is left out.
fn table(answer: &Answer, currency: Currency) -> Table {
    let converted = format!("IN {currency}");
    let heads = [
        "",
        "ALIKE",
        "TITLE",
        "BRAND",
        "PRICE",
        &converted,
        "GOOD ON YOU",
        "CONDITION",
        "TYPE",
        "FAMILY",
        "ADDRESS",
        "RATING FROM",
    ];
    let mut table = Table::new(&heads);
    for twin in &answer.twins {
        table.row(cells(twin));
    }
    table
}

fn cells(twin: &TwinJson) -> Vec<String> {
    let money = |m: &Option<Money>| m.map(|m| m.to_string()).unwrap_or_default();
    let rating = twin.rating.as_ref().map(|r| format!("{} ({})", r.label, r.as_of));
    let sold_out = if twin.availability == Some(Availability::SoldOut) { ", sold out" } else { "" };
    let condition = twin.condition.map(|c| format!("{c}{sold_out}"));
    let no_offer = twin.url.is_none();
    vec![
        twin.rank.to_string(),
        format!("{:.3}", twin.score),
        if no_offer { String::new() } else { one_line_within(&twin.title, 40) },
        one_line_within(twin.brand.as_deref().unwrap_or_default(), 24),
        money(&twin.price),
        money(&twin.converted),
        rating.unwrap_or_default(),
        condition.unwrap_or_default(),
        if no_offer { twin.bag_type.title() } else { String::new() },
        twin.family.as_deref().filter(|_| no_offer).map(|f| one_line_within(f, 24)).unwrap_or_default(),
        twin.url.clone().unwrap_or_else(|| twin.picture.file_name.clone()),
        twin.rating.as_ref().map(|r| r.source.clone()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Search {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_currency_without_a_rate_is_refused_with_those_that_have_one() {
        let asked = ["search", "nowhere.jpg", "--max-price", "1,000", "--currency", "brl"];
        let failure = run(Search::parse_from(asked).args).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(failure.message.starts_with("--currency: there is no exchange rate for BRL"), "{}", failure.message);
        assert!(failure.message.contains("EUR, GBP"), "{}", failure.message);
    }
}
