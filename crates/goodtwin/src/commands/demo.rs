//! `goodtwin demo`: the four shops on loopback, and photos to search them with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use goodtwin_core::atomic;
use goodtwin_demo::{Demo, SHOPS};

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
        Command::Serve { first_port, seed } => serve(first_port, seed),
        Command::Photo { out, seed, number } => photo(&out, seed, number),
    }
}

fn serve(first_port: u16, seed: u64) -> Outcome {
    let internal = |e: std::io::Error| Failure::new(70, format!("cannot start the demo's shops: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(internal)?;
    runtime.block_on(async {
        // Listened for before the addresses are printed: whoever reads them may end us at once.
        let asked_to_end = signals::asked_to_end()?;
        let open = Demo::new(seed).serve(first_port).await?;
        let origins: Vec<String> = (0..SHOPS.len()).map(|shop| open.origin(shop)).collect();
        say(origins.join("\n"))?;
        asked_to_end.await;
        open.close().await;
        Ok(())
    })
}

fn photo(out: &Path, seed: u64, number: u64) -> Outcome {
    let photo = Demo::new(seed).query_photo(number);
    atomic::write(out, &photo.jpeg)?;
    let what = format!("{} {} ({}), {}", photo.brand, photo.model, photo.kind.key(), photo.colour);
    say(format_args!("{}: {what}", out.display()))
}
