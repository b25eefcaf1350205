//! The arguments of the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::draw::When;
use crate::project::Given;
use crate::run::OutputFormat;
use crate::scheme::Arithmetic;
use crate::session::command::COMMANDS;
use crate::tune::Budget;

/// Check quantization recipes for Core ML, see what they decide for every weight, and run them.
#[derive(Debug, Parser)]
#[command(name = "bitmill", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 fine, 1 findings or failed expectations, 2 usage, 3 a broken input or a \
                        failed write, 130 interrupted.")]
pub struct Cli {
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The command line with its help, that of the prompt's commands included.
pub fn command() -> clap::Command {
    let mut help =
        "Lines are statements, selectors and schemes of the language, or commands. Where no terminal is, the \
                    lines of standard input are answered one after the other, up to the first that has errors.\n\n\
                    Commands:\n"
            .to_string();
    for entry in COMMANDS {
        help += &format!("  {}\n          {}\n", entry.form, entry.meaning);
    }
    Cli::command().mut_subcommand("repl", |repl| repl.after_long_help(help))
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check recipes: grammar, names, what Core ML can take, and whether they fit their models
    Check(CheckArgs),
    /// Format recipes
    Fmt(FmtArgs),
    /// Show what becomes of every weight, from headers alone
    Plan(PlanArgs),
    /// Show why one weight is treated as it is, and what other schemes would make of it
    Why(WhyArgs),
    /// Quantize a model as a recipe says
    Run(RunArgs),
    /// Measure on test data what a recipe does to the answers of a model
    Eval(EvalArgs),
    /// Find the recipe of several schemes that keeps to a budget and loses least
    Tune(TuneArgs),
    /// Write a model with its compressed weights as plain ones
    Decompress(DecompressArgs),
    /// Show what changed between two models, weight by weight
    Diff(DiffArgs),
    /// Show the tensors of a model
    Inspect(InspectArgs),
    /// Explain a code of a finding, or any word of the language
    Explain(ExplainArgs),
    /// List the rules of the checker
    Rules(JsonArgs),
    /// List the built-in recipes, or show one
    Presets(PresetsArgs),
    /// Begin a recipe with a preset
    New(NewArgs),
    /// Try things at a prompt: statements, selectors, schemes and experiments, answered at once
    Repl(ReplArgs),
    /// Serve editors: the language server, on standard input and output
    Lsp(LspArgs),
    /// Write completions for a shell to standard output
    Completions(CompletionsArgs),
    /// Write the manual page to standard output
    Man(ManArgs),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Recipes, `-` for standard input; those of the current directory when none is named
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub recipes: Vec<PathBuf>,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
    /// How to write findings
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub format: Format,
    /// Apply the fixes that surely do what was meant
    #[arg(long)]
    pub fix: bool,
    /// With --fix or --diff: apply the first of several choices too
    #[arg(long)]
    pub unsafe_fixes: bool,
    /// Show what --fix would change, and change nothing
    #[arg(long)]
    pub diff: bool,
    /// Check again whenever a recipe, an import or a model changes
    #[arg(long, conflicts_with_all = ["fix", "diff"])]
    pub watch: bool,
    /// Exit with 1 for these findings too
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub deny: Option<Deny>,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For annotations in a GitHub workflow
    Github,
}

/// What `--deny` takes for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings
    Warnings,
    /// Warnings and hints
    Hints,
}

/// Arguments of `fmt`.
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Recipes, `-` for standard input; those of the current directory when none is named
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// List the files that are not formatted and exit with 1 if there are some; change nothing
    #[arg(long)]
    pub check: bool,
    /// Show what would change, and change nothing; exits with 1 if something would
    #[arg(long)]
    pub diff: bool,
}

// No summary of its own in the help: it stands among the arguments of commands.
/// What a command line gives in place of what a recipe says.
#[derive(Debug, Args)]
pub struct ProjectArgs {
    /// The model, in place of the one that the recipe names
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Whose formulas hold, in place of what the recipe says: `torchao` or `coremltools`
    #[arg(long, value_name = "TOOL", value_parser = super::arithmetics())]
    pub arithmetic: Option<Arithmetic>,
}

impl ProjectArgs {
    /// As projects take it.
    pub fn given(&self) -> Given<'_> {
        Given { model: self.model.as_deref(), arithmetic: self.arithmetic }
    }
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The recipe, `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    /// List every tensor, with repeated layers and what stays in float, and where activations become codes
    #[arg(long)]
    pub all: bool,
    /// Write the decisions to a file, one line for each weight
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "check", "targets"])]
    pub lock: Option<PathBuf>,
    /// Compare with the decisions in a file, and exit with 1 if they differ
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "targets"])]
    pub check: Option<PathBuf>,
    /// Show for every deployment target what would have to change
    #[arg(long)]
    pub targets: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The recipe, `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// The name of a weight or of its module
    pub name: String,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The recipe, `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Where to write, in place of what the recipe names: a file, or a directory for a model that is one
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// How to write: `torchao` for its own loader (the default for checkpoints), `packed` small, `dequantized` as
    /// floats, `mlpackage` (the default for packages)
    #[arg(long, value_name = "FORMAT", value_parser = super::run::formats())]
    pub format: Option<OutputFormat>,
    /// Replace what is at the output
    #[arg(long)]
    pub force: bool,
    /// Write the report as JSON
    #[arg(long)]
    pub json: bool,
    /// How many of the worst weights to list
    #[arg(long, value_name = "N")]
    pub worst: Option<usize>,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The recipe, `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Test data: a safetensors file with a tensor for each input, samples along the first dimension
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
    /// The labels: a tensor of integers in the test data, one for each sample, or for each position of it; -100 counts
    /// for nothing [default: `label` or `labels`, if there is one]
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// The model predicts next tokens: measure perplexity, and where the data has no labels, take the tokens of the
    /// input, one later
    #[arg(long)]
    pub next_token: bool,
    /// The output that the labels are about, where several fit
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// Use the first N samples
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub samples: Option<u64>,
    /// Show the N values with which most error enters; 10 if no number is given
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", require_equals = true)]
    pub layers: Option<usize>,
    /// Write the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `tune`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("bound").required(true).args(["budget", "size", "min_sqnr"]))]
pub struct TuneArgs {
    /// The recipe, `-` for standard input: its settings hold, and its rules say which weights may change
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// At most so many bits per weight, over all weights that may change: `4.5bpw`
    #[arg(long, value_name = "BITS", value_parser = Budget::bits)]
    pub budget: Option<Budget>,
    /// At most this size, of the whole model: `30%` of what it is, or `120MB`
    #[arg(long, value_name = "SIZE", value_parser = Budget::size)]
    pub size: Option<Budget>,
    /// As small as possible with at least this ratio of signal to noise, in dB
    #[arg(long, value_name = "DB", value_parser = Budget::sqnr, allow_hyphen_values = true)]
    pub min_sqnr: Option<Budget>,
    /// Test data, as `eval` reads it: errors are those of the model's outputs; without it, those of the weights
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// The schemes to choose from, with commas between them; `keep` is always one [default: those of the recipe, and
    /// the usual ones]
    #[arg(long, value_name = "SCHEMES")]
    pub over: Option<String>,
    /// Where to write; `-` for standard output [default: NAME.tuned.bitmill beside the recipe]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace what is at the output
    #[arg(long)]
    pub force: bool,
    /// The model, and settings
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Use the first N samples
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "data")]
    pub samples: Option<u64>,
    /// The labels, for what is told of the result: see `eval`
    #[arg(long, value_name = "NAME", requires = "data")]
    pub label: Option<String>,
    /// The model predicts next tokens: see `eval`
    #[arg(long, requires = "data")]
    pub next_token: bool,
    /// Keep results of measurements in this file, and go on from those that are there [default: a file in the user's
    /// directory of caches]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub resume: Option<PathBuf>,
    /// Measure everything anew
    #[arg(long)]
    pub fresh: bool,
    /// Write the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `decompress`.
#[derive(Debug, Args)]
pub struct DecompressArgs {
    /// A Core ML package, or a checkpoint that `run --format packed` wrote
    #[arg(value_hint = ValueHint::AnyPath)]
    pub model: PathBuf,
    /// Where to write; `NAME-decompressed` in the current directory when nothing is named
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Replace what is at the output
    #[arg(long)]
    pub force: bool,
    /// Write the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A checkpoint or a Core ML package
    #[arg(value_hint = ValueHint::AnyPath)]
    pub before: PathBuf,
    /// What it became, or another like it; exits with 1 if they differ
    #[arg(value_hint = ValueHint::AnyPath)]
    pub after: PathBuf,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    /// List every weight, with those that are the same
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A safetensors file, a directory with shards or a config.json, or a Core ML package
    #[arg(value_hint = ValueHint::AnyPath)]
    pub model: PathBuf,
    /// Only these: a selector as in recipes (`linear`, `"*.q_proj" where rank == 2`), or a bare glob over names
    pub pattern: Option<String>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    /// Read the values too: extremes, mean, deviation, zeros, NaN, a histogram
    #[arg(long)]
    pub values: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code (`affine-bits`), or a word of the language, a preset, a target
    pub code: String,
}

/// Arguments of `rules`.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Write JSON, with pages and examples
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `presets`.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// The preset to show
    pub name: Option<String>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The preset to begin with; `bitmill presets` lists them
    pub preset: String,
    /// The file to write; standard output when none is named
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// The model that the recipe is for
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Write the statements that the preset stands for, in place of `extend`
    #[arg(long)]
    pub spell_out: bool,
    /// Replace the file if there is one
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `lsp`.
#[derive(Debug, Args)]
pub struct LspArgs {
    /// Serve clients on a port instead, each with documents of its own; port 0 is one that the system chooses
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Add what happens to a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
    /// Serve on standard input and output, which is the default: some editors say so
    #[arg(long, conflicts_with = "listen")]
    pub stdio: bool,
}

/// Arguments of `repl`.
#[derive(Debug, Args)]
pub struct ReplArgs {
    /// The recipe to go on with; it is looked at again when it changes elsewhere
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: Option<PathBuf>,
    /// The model, in place of the one that the recipe names
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// Answer this line and end; may be given several times
    #[arg(short = 'c', value_name = "LINE", action = clap::ArgAction::Append, allow_hyphen_values = true)]
    pub lines: Vec<String>,
    /// Go on after a line that has errors; the exit status still tells
    #[arg(long)]
    pub keep_going: bool,
    /// Without a terminal: show each line before its answer
    #[arg(long)]
    pub echo: bool,
    /// Answer in JSON, one object a line
    #[arg(long)]
    pub json: bool,
    /// Show how long things take
    #[arg(long)]
    pub time: bool,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A command; the page of `bitmill` itself when none is named
    pub command: Option<String>,
}
