//! The commands of a prompt: one table, of which parsing, completion, help and the manual are made.

use crate::nearest::nearest;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// `:try SELECTOR => SCHEME`
    Try,
    /// `:sweep SELECTOR over SCHEME, SCHEME`
    Sweep,
    /// `:hist NAME [SCHEME]`
    Hist,
    /// `:show NAME`
    Show,
    /// `:worst [N]`
    Worst,
    /// `:sensitivity [SCHEME] [by layer]`
    Sensitivity,
    /// `:diff`
    Diff,
    /// `:plan`
    Plan,
    /// `:run [OUT]`
    Run,
    /// `:eval [DATA]`
    Eval,
    /// `:calibrate [DATA]`
    Calibrate,
    /// `:check`
    Check,
    /// `:fix [all]`
    Fix,
    /// `:explain WORD`
    Explain,
    /// `:list`
    List,
    /// `:undo`
    Undo,
    /// `:redo`
    Redo,
    /// `:reset`
    Reset,
    /// `:load FILE`
    Load,
    /// `:save [FILE]`
    Save,
    /// `:model [PATH]`
    Model,
    /// `:target [SYSTEM]`
    Target,
    /// `:time on|off`
    Time,
    /// `:json on|off`
    Json,
    /// `:help [TOPIC]`
    Help,
    /// `:quit`
    Quit,
}

/// What is written behind a command, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// Text of the language, as a rule has it.
    Rule,
    /// A scheme.
    Scheme,
    /// The name of a weight or module, then perhaps a scheme.
    Name,
    /// A file.
    Path,
    /// A deployment target.
    Target,
    /// A code, or a word of the language.
    Word,
    /// A command or topic.
    Topic,
    /// `on` or `off`.
    Switch,
    /// Free text: a number, a word that the form names.
    Free,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its name, without the colon.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
    /// More about it.
    pub page: &'static str,
    /// Lines to try.
    pub examples: &'static [&'static str],
    /// What is written behind it.
    pub argument: Argument,
}

macro_rules! entries {
    ($($command:ident $name:literal $argument:ident $form:literal $meaning:literal $page:literal [$($example:literal),*];)*) => {
        /// Every command, in the order in which help lists them.
        pub const COMMANDS: &[Entry] = &[$(Entry {
            command: Command::$command,
            name: $name,
            form: $form,
            meaning: $meaning,
            page: $page,
            examples: &[$($example),*],
            argument: Argument::$argument,
        }),*];
    };
}

entries! {
    Try "try" Rule ":try SELECTOR => SCHEME"
        "quantize the weights that a selector matches, now, and show how far they are from what they were"
        "The weights are quantized with the kernels of a run, and nothing is written or kept. The worst come first: the \
         ratio of signal to noise (SQNR) in dB, the largest and the mean error, bytes and bits per weight. `:time on` \
         adds the time that each took. The recipe stays as it is; its precision and arithmetic hold."
        [":try linear => int4 per-group(32)", ":try \"*.mlp.*\" => lut4 per-grouped-channel(16)"];
    Sweep "sweep" Rule ":sweep SELECTOR over SCHEME, SCHEME, …"
        "compare several schemes on the same weights: size against error"
        "A row for each scheme, and a plot. Marked are those that are worth their bytes: no other one is as small and \
         better, or as good and smaller. `keep` may be among them."
        [":sweep linear over int8, int4 per-group(32), lut4 per-grouped-channel(16)"];
    Hist "hist" Name ":hist NAME [SCHEME]"
        "draw the distribution of a weight's values, with the levels that quantization leaves over it"
        "Without a scheme, the one that the recipe decides for the weight is drawn; where it decides none, the values alone."
        [":hist lm_head", ":hist lm_head lut3"];
    Show "show" Name ":show NAME"
        "show one weight: its values, which rule decides, what other schemes would make of it"
        "NAME is that of a weight or of its module."
        [":show lm_head"];
    Worst "worst" Free ":worst [N]"
        "quantize everything as the recipe says and list the weights with the lowest quality"
        "Nothing is written. N is 10 when it is left out."
        [":worst", ":worst 3"];
    Sensitivity "sensitivity" Scheme ":sensitivity [SCHEME] [by layer]"
        "rank the weights by what quantizing each of them alone does to the whole"
        "Each weight, or with `by layer` each layer, is quantized while the rest stays as it is: with the recipe's \
         schemes, or all with one. `alone` is the ratio over everything that was measured when only this one is quantized; \
         `of the noise` is its part when all are."
        [":sensitivity", ":sensitivity int4 per-group(32)", ":sensitivity int4 per-group(32) by layer"];
    Diff "diff" None ":diff"
        "show what has changed since the recipe was loaded or saved: its text, and what becomes of the weights"
        "" [":diff"];
    Plan "plan" Free ":plan [all]"
        "show what becomes of every weight"
        "Repeated layers stand in one row; `:plan all` lists every tensor, and where activations become codes." [":plan"];
    Run "run" Path ":run[!] [OUT]"
        "quantize the model as the recipe says and write it"
        "Without OUT, the recipe's `output` counts, or a name made of the model's and the recipe's. What is there already \
         is replaced by `:run!` only." [":run", ":run small.safetensors"];
    Eval "eval" Path ":eval [DATA]"
        "measure on test data what the recipe does to the answers of the model"
        "The model, an export or a package, is run in float and as the recipe makes it: accuracy and perplexity where the \
         data has labels, the ratio of signal to noise of every output, agreement, and where the error enters. DATA is a \
         safetensors file with a tensor for each input; without it, the samples of `calibrate` are taken. `bitmill eval` \
         can do more."
        [":eval", ":eval examples/models/digits-test.safetensors"];
    Calibrate "calibrate" Path ":calibrate [DATA]"
        "measure the ranges of activations, and show them with their codes"
        "The export is run on the samples that the recipe names, or those of DATA, as a run would: a row for each place \
         where values become codes, with the range that was observed, the scale and the zero point. Places that share a \
         range have the same number. Nothing is written."
        [":calibrate", ":calibrate examples/models/digits-calibration.safetensors"];
    Check "check" None ":check"
        "show everything that the checker finds in the recipe"
        "" [":check"];
    Fix "fix" Free ":fix [all]"
        "apply the fixes that surely do what was meant"
        "`:fix all` also applies the first of several choices." [":fix"];
    Explain "explain" Word ":explain WORD"
        "explain a code of a finding, or any word of the language"
        "" [":explain affine-block-divides", ":explain per-group"];
    List "list" None ":list"
        "show the recipe, formatted"
        "" [":list"];
    Undo "undo" None ":undo"
        "take back the last change of the recipe"
        "" [":undo"];
    Redo "redo" None ":redo"
        "make a change again that was taken back"
        "" [":redo"];
    Reset "reset" None ":reset"
        "begin anew with an empty recipe, but for its model"
        "`:undo` brings the old one back." [":reset"];
    Load "load" Path ":load FILE"
        "go on with the recipe of a file"
        "When the file is changed elsewhere, the change is taken over before the next line; what was typed here and not \
         saved stays behind it. `:undo` brings the old recipe back." [":load recipe.bitmill"];
    Save "save" Path ":save[!] [FILE]"
        "write the recipe to a file, formatted, with its comments"
        "The file appears whole or not at all. One that is there already is replaced only when the recipe was loaded from \
         it and it is still as it was, or by `:save!`. Paths in the recipe count from the file, and are rewritten where it \
         lies elsewhere." [":save recipe.bitmill"];
    Model "model" Path ":model [PATH]"
        "show the model, or try the recipe on another one"
        "The recipe stays as it is: `model \"PATH\"` without the colon writes the model into it. `:model -` goes back to \
         the recipe's own." [":model", ":model examples/models/digits.safetensors"];
    Target "target" Target ":target [SYSTEM, …]"
        "show what every deployment target would demand, or set the recipe's"
        "" [":target", ":target iOS18"];
    Time "time" Switch ":time on|off"
        "show how long things take, or do not"
        "" [":time on"];
    Json "json" Switch ":json on|off"
        "answer in JSON, one object a line, or in text"
        "" [":json on"];
    Help "help" Topic ":help [TOPIC]"
        "list the commands, or tell about one, or about the language"
        "Topics are the commands, `selectors`, `schemes`, `statements`, `keys`, and every word that `:explain` knows."
        [":help sweep", ":help selectors"];
    Quit "quit" None ":quit"
        "leave; so does Ctrl-D"
        "What was not saved is lost, but lines stay in the history." [":quit"];
}

/// A line that begins with a colon, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The row of the table.
    pub entry: &'static Entry,
    /// Whether `!` follows the name: what is there may be replaced.
    pub force: bool,
    /// What is written behind, without blanks around it.
    pub argument: &'a str,
    /// Where that begins in the line.
    pub offset: usize,
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name as written.
    pub name: String,
    /// The command that was probably meant.
    pub nearest: Option<&'static str>,
}

/// Whether a line is a command, rather than text of the language.
pub fn is_command(line: &str) -> bool {
    line.trim_start().starts_with(':')
}

/// Takes a command apart. A name may be shortened as long as one command alone begins so.
///
/// # Errors
/// When there is no such command.
pub fn parse(line: &str) -> Result<Call<'_>, Unknown> {
    let trimmed = line.trim_start();
    let begin = line.len() - trimmed.len();
    let rest = trimmed.strip_prefix(':').unwrap_or(trimmed);
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    let (name, behind) = rest.split_at(length);
    let force = behind.starts_with('!');
    let behind_mark = if force { &behind[1..] } else { behind };
    let argument = behind_mark.trim_start();
    let offset = begin + (trimmed.len() - argument.len());
    let entry = find(name).ok_or_else(|| Unknown {
        name: rest.split_whitespace().next().unwrap_or("").chars().take(40).collect(),
        nearest: nearest(name, COMMANDS.iter().map(|entry| entry.name)),
    })?;
    Ok(Call { entry, force, argument: argument.trim_end(), offset })
}

/// The command of a name, or the only one that begins so.
pub fn find(name: &str) -> Option<&'static Entry> {
    let exact = COMMANDS.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
    let mut begun = COMMANDS.iter().filter(|entry| !name.is_empty() && entry.name.starts_with(name));
    exact.or_else(|| begun.next().filter(|_| begun.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_apart() {
        let call = parse("  :save!  a b.bitmill ").unwrap();
        assert_eq!((call.entry.name, call.force, call.argument, call.offset), ("save", true, "a b.bitmill", 10));
        assert_eq!(parse(":q").unwrap().entry.command, Command::Quit);
        assert_eq!(parse(":sw linear over int8").unwrap().argument, "linear over int8");
        let unknown = parse(":sweeep linear").unwrap_err();
        assert_eq!((unknown.name.as_str(), unknown.nearest), ("sweeep", Some("sweep")));
        for junk in [":", "::", ":\u{1b}[2J", ":é", ":s"] {
            assert!(parse(junk).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn the_table_is_consistent() {
        for entry in COMMANDS {
            assert!(entry.form.starts_with(&format!(":{}", entry.name)), "{}", entry.name);
            assert!(!entry.meaning.ends_with('.') && !entry.examples.is_empty(), "{}", entry.name);
            for example in entry.examples {
                assert_eq!(parse(example).unwrap().entry.name, entry.name);
            }
        }
    }
}
