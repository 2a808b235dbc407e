//! `goodtwin demo`: the four shops on loopback, and photos to search them with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use goodtwin_core::atomic;
use goodtwin_demo::{Demo, Error, SHOPS, Warehouse};

use crate::exit::{Failure, Outcome, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Open the four shops, print their addresses, serve until Ctrl-C or SIGTERM
    Serve {
        /// The port of the first shop; the others take the three after it. 0: four free ports
        #[arg(long, default_value_t = 8471, value_name = "PORT")]
        first_port: u16,
        /// Seed of all that the shops have
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// A shop that changed its layout, so that most of its pages give no price: second-chapter or omtanke
        #[arg(long, value_name = "SHOP")]
        lose_prices: Option<String>,
    },
    /// Open one shop of any size, for benchmarks, print its address, serve until Ctrl-C or SIGTERM
    Warehouse {
        /// How many items it has, with a picture each
        #[arg(long, default_value_t = 1000)]
        items: usize,
        /// Its port; 0: any free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Write a photo of a bag that no shop has, but whose model one shop has in other colours
    Photo {
        /// The JPEG to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Seed of the shops
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Which photo
        #[arg(long, default_value_t = 0, value_name = "N")]
        number: u64,
    },
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Serve { first_port, seed, lose_prices } => serve(first_port, demo(seed, lose_prices.as_deref())?),
        Command::Warehouse { items, port } => warehouse(items, port),
        Command::Photo { out, seed, number } => photo(&out, seed, number),
    }
}

fn demo(seed: u64, lose_prices: Option<&str>) -> Result<Demo, Failure> {
    match lose_prices {
        None => Ok(Demo::new(seed)),
        Some(shop) => Demo::losing_prices(seed, shop).ok_or_else(|| {
            Failure::usage(format!("--lose-prices: `{shop}` never does: expected second-chapter or omtanke"))
        }),
    }
}

fn serve(first_port: u16, demo: Demo) -> Outcome {
    let internal = |e: std::io::Error| Failure::new(70, format!("cannot start the demo's shops: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(internal)?;
    runtime.block_on(async {
        // Listened for before the addresses are printed: whoever reads them may end us at once.
        let asked_to_end = signals::asked_to_end()?;
        let open = demo.serve(first_port).await.map_err(|e| shut(e, "--first-port takes another four ports"))?;
        let origins: Vec<String> = (0..SHOPS.len()).map(|shop| open.origin(shop)).collect();
        say(origins.join("\n"))?;
        asked_to_end.await;
        open.close().await;
        Ok(())
    })
}

fn warehouse(items: usize, port: u16) -> Outcome {
    let internal = |e: std::io::Error| Failure::new(70, format!("cannot start the warehouse: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(internal)?;
    runtime.block_on(async {
        let asked_to_end = signals::asked_to_end()?;
        let warehouse = Warehouse::open(items, port).await.map_err(|e| shut(e, "--port takes another one"))?;
        say(warehouse.origin())?;
        asked_to_end.await;
        Ok(())
    })
}

/// Why shops do not open, and what to do about a port that is taken.
fn shut(error: Error, hint: &str) -> Failure {
    let hint = if let Error::Port { .. } = error { format!("; {hint}") } else { String::new() };
    let mut failure = Failure::from(error);
    failure.message += &hint;
    failure
}

fn photo(out: &Path, seed: u64, number: u64) -> Outcome {
    let photo = Demo::new(seed).query_photo(number);
    atomic::write(out, &photo.jpeg)?;
    let what = format!("{} {} ({}), {}", photo.brand, photo.model, photo.kind.key(), photo.colour);
    say(format_args!("{}: {what}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_answered_with_the_command_s_own_option() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        for (failure, option) in [
            (serve(port, Demo::new(7)).unwrap_err(), "; --first-port takes another four ports"),
            (warehouse(1, port).unwrap_err(), "; --port takes another one"),
        ] {
            assert_eq!(failure.code, 69);
            assert!(failure.message.contains(&format!("port {port} of 127.0.0.1: ")), "{}", failure.message);
            assert!(failure.message.ends_with(option), "{}", failure.message);
        }
        let none = serve(65_534, Demo::new(7)).unwrap_err();
        assert!(none.code == 2 && !none.message.contains("--"), "{}", none.message);
    }
}
