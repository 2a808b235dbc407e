//! `goodtwin serve`: the web page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use goodtwin_core::terminal::note;
use goodtwin_inference::CatalogReader;
use goodtwin_vision::{Compute, DeviceChoice};
use goodtwin_web::server::Limits;
use goodtwin_web::{App, ServeConfig, Server, Shutdown, Surroundings};

use crate::exit::{Failure, Outcome, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// The catalogue
    #[arg(long, value_name = "DIR", default_value = "catalogs/current")]
    catalog: PathBuf,
    /// The run that made the catalogue; left out, the one that the catalogue names
    #[arg(long, value_name = "RUN")]
    model: Option<PathBuf>,
    /// Left out, configs/serve.toml if it is there, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port, in place of the config's; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// auto, cpu or gpu
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let mut config = ServeConfig::find(args.config.as_deref())?;
    config.listen = args.listen.unwrap_or(config.listen);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(70, format!("cannot start the server: {e}")))?;
    let served = runtime.block_on(async {
        let catalog = CatalogReader::open(&args.catalog)?;
        // Before the network is loaded, which takes a while: a port that is taken is said at once.
        let server = Server::bind(config.listen, Limits::default()).await?;
        let shutdown = Shutdown::when(signals::asked_to_end()?);
        let compute = Compute::choose(args.device)?;
        let encoder = catalog.encoder(args.model.as_deref(), &compute)?;
        let (items, id) = (catalog.manifest.items, catalog.id().clone());
        let router = App::new(catalog, encoder, config, Surroundings::system())?.router();
        note(format_args!(
            "serving {items} items of catalogue {}, looking at photos with {}",
            id.short(),
            compute.describe()
        ));
        say(format_args!("http://{}/", server.address()))?;
        server.run(router, shutdown).await;
        Ok(())
    });
    // A photo that is on the bench cannot be interrupted; nobody is left to see its twins.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}
