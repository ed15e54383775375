//! `newsdesk schema`, `completions`, `man`: what the program says about itself, from the definitions that it works by.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Failed, print};
use crate::config::schema;

/// Print the JSON Schema of the configuration, by which editors complete and check it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk schema > newsdesk.schema.json
  newsdesk schema | jq .properties.fetch

An editor that knows TOML finds it by the first line of the file: #:schema newsdesk.schema.json")]
pub struct Schema {}

pub fn schema(_: &Schema) -> Result<ExitCode, Failed> {
    print(&format!("{:#}\n", schema::schema()))?;
    Ok(ExitCode::SUCCESS)
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk completions bash > /etc/bash_completion.d/newsdesk
  newsdesk completions zsh > ~/.zfunc/_newsdesk
  newsdesk completions fish > ~/.config/fish/completions/newsdesk.fish")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

pub fn completions(arguments: &Completions) -> Result<ExitCode, Failed> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "newsdesk", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Print the manual page, or write those of every verb into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk man | man -l -
  newsdesk man --folder /usr/local/share/man/man1")]
pub struct Man {
    /// Write newsdesk.1 and a page for each verb there
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub fn man(arguments: &Man) -> Result<ExitCode, Failed> {
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page).map_err(Failed::Output)?;
        print(&String::from_utf8_lossy(&page))?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command(), folder));
    written.map_err(|cause| Failed::Refused(format!("cannot write to {}: {cause}", folder.display())))?;
    Ok(ExitCode::SUCCESS)
}

fn command() -> Command {
    super::Arguments::command()
}
