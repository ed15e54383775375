//! The program: run the command line, print the error with its causes, choose the exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    newsdesk::cli::main()
}
