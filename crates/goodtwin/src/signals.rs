//! How a person or a service manager ends a command that goes on for long: asked once, it ends in good order; asked twice, at
//! once.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// Done at the first SIGINT (Ctrl-C) or SIGTERM. It listens from this call on, not from when it is awaited, so that nobody is
/// ended by a signal that comes early. A second one ends the process with 130, whatever it is doing.
///
/// # Errors
/// Exit 70 when the system does not let us listen.
pub fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let failed = |e| Failure::new(70, format!("signals cannot be heard: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(130);
        });
    })
}

/// The same for work that awaits nothing: `first` is called at the first signal, on a thread of its own.
///
/// # Errors
/// As [`asked_to_end`].
pub fn when_asked_to_end(first: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(70, format!("signals cannot be heard: {e}")))?;
    let asked = {
        let _entered = runtime.enter();
        asked_to_end()?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            asked.await;
            first();
            // The second signal is waited for on this thread too.
            std::future::pending::<()>().await;
        });
    });
    Ok(())
}
