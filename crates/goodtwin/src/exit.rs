//! How a command ends: the one table from errors to exit codes (those of `sysexits.h`, and 3 for a gate that closed).

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use goodtwin_core::terminal::note;

/// What every command returns.
pub type Outcome = Result<(), Failure>;

/// A command that failed: what to say, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// 2 usage, 3 gate, 65 bad data, 69 unavailable, 70 internal, 73 cannot create, 74 disk, 75 locked, 130 interrupted.
    pub code: u8,
    /// One or more lines for stderr. Empty when all was said before.
    pub message: String,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }

    /// What the user gave cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::new(2, message)
    }
}

/// Errors that know their exit code.
macro_rules! exit_by_their_code {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Self {
                Failure::new(e.exit_code(), e.to_string())
            }
        }
    )*};
}

exit_by_their_code! {
    goodtwin_core::Error,
    goodtwin_inference::Error,
    goodtwin_scraper::Error,
    goodtwin_training::Error,
    goodtwin_training::dataset::Error,
    goodtwin_vision::Error,
    goodtwin_web::Error,
}

impl From<goodtwin_demo::Error> for Failure {
    fn from(e: goodtwin_demo::Error) -> Self {
        let code = match e {
            goodtwin_demo::Error::Port { .. } => 69,
            goodtwin_demo::Error::Ports { .. } => 2,
        };
        Failure::new(code, e.to_string())
    }
}

/// Write a line, or several, to stdout. A reader that has gone away, as `head` does, ends no command.
///
/// # Errors
/// Exit 74 when stdout cannot be written, such as a file on a full disk.
pub fn say(text: impl Display) -> Outcome {
    write_line(&mut std::io::stdout().lock(), text)
}

/// A table, or what has one, no wider than the terminal that stdout is; as it is elsewhere, so that a line stays a row for `grep`.
pub fn fitted(text: impl Display) -> String {
    match terminal_size::terminal_size_of(std::io::stdout()) {
        Some((terminal_size::Width(width), _)) if width > 0 => format!("{text:width$}", width = width.into()),
        _ => text.to_string(),
    }
}

fn write_line(out: &mut impl Write, text: impl Display) -> Outcome {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(74, format!("cannot write to stdout: {e}"))),
        _ => Ok(()),
    }
}

/// Say what went wrong, if anything did, and turn it into the process's exit code.
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                note(format_args!("goodtwin: {}", failure.message));
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Logs go to stderr: lines for people on a terminal, JSON lines elsewhere; `GOODTWIN_LOG` sets the level (default `warn`).
pub fn init_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GOODTWIN_LOG").unwrap_or_else(|_| "warn".into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { builder.init() } else { builder.json().init() }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Fails as a pipe or a disk does.
    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_ends_no_command_and_a_full_disk_does() {
        let mut out = Vec::new();
        write_line(&mut out, "twins").unwrap();
        assert_eq!(out, b"twins\n");
        write_line(&mut Fails(ErrorKind::BrokenPipe), "twins").unwrap();
        assert_eq!(write_line(&mut Fails(ErrorKind::StorageFull), "twins").unwrap_err().code, 74);
    }
}
