/** `remit completion`: what a shell needs to complete commands and options. */
import { Argument, type Command } from "commander";
import type { Ui } from "./ui.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const EXAMPLES = `
Examples:
  $ remit completion bash > ~/.local/share/bash-completion/completions/remit
  $ remit completion zsh > "\${fpath[1]}/_remit"
  $ remit completion fish > ~/.config/fish/completions/remit.fish`;

export function addCompletion(program: Command, ui: Ui): void {
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", EXAMPLES)
    .action((shell: Shell) => {
      ui.out(SCRIPTS[shell](wordsOf(program)));
    });
}

/** Words that may follow a command, which is named by its path: `audit verify`, empty for `remit` alone. */
interface Following {
  at: string;
  commands: string[];
  options: string[];
}

/** All commands have to be known: main loads each when this one is called. */
function wordsOf(program: Command): Following[] {
  const words: Following[] = [];
  const visit = (command: Command, path: string[]): void => {
    const options = command.options.flatMap(({ long }) => (long === undefined ? [] : [long]));
    words.push({ at: path.join(" "), commands: command.commands.map((one) => one.name()), options: [...options, "--help"] });
    for (const one of command.commands) visit(one, [...path, one.name()]);
  };
  visit(program, []);
  return words;
}

/** Lines of a `case` over what was read and the next word: they find the command among options and their values. */
function steps(words: readonly Following[], line: (from: string, at: string) => string): string {
  return words
    .filter(({ at }) => at !== "")
    .map(({ at }) => line(at.includes(" ") ? at : ` ${at}`, at))
    .join("\n");
}

/** Body of a function in bash or zsh, which sets the arrays `commands` and `options`. */
function arrays(words: readonly Following[], before: string): string {
  return `  local at="" word
  local -a commands options
  for word in ${before}; do
    case "$at $word" in
${steps(words, (from, at) => `      "${from}") at="${at}" ;;`)}
    esac
  done
  case "$at" in
${words.map(({ at, commands, options }) => `    "${at}") commands=(${commands.join(" ")}) options=(${options.join(" ")}) ;;`).join("\n")}
  esac`;
}

const SCRIPTS: Record<Shell, (words: readonly Following[]) => string> = {
  bash: (words) => `# bash completion for remit
_remit() {
${arrays(words, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  word="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "\${options[*]}" -- "$word"))
  elif [ "\${#commands[@]}" -gt 0 ]; then COMPREPLY=($(compgen -W "\${commands[*]}" -- "$word"))
  fi
}
complete -o bashdefault -o default -F _remit remit`,
  zsh: (words) => `#compdef remit
_remit() {
${arrays(words, '"${(@)words[2,CURRENT-1]}"')}
  if [[ "$words[CURRENT]" == -* ]]; then compadd -- $options
  elif (( $#commands )); then compadd -- $commands
  else _files
  fi
}
# Read from \`fpath\` this is the function's own first call.
if [[ "$funcstack[1]" == _remit ]]; then _remit "$@"; else compdef _remit remit; fi`,
  fish: (words) => `# fish completion for remit
function __remit_at
  set -l at ""
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
${steps(words, (from, at) => `      case "${from}"\n        set at "${at}"`)}
    end
  end
  test "$at" = "$argv[1]"
end
${words
  .flatMap(({ at, commands, options }) => [
    ...commands.map((word) => `complete -c remit -f -n '__remit_at "${at}"' -a ${word}`),
    ...options.map((word) => `complete -c remit -n '__remit_at "${at}"' -l ${word.slice(2)}`),
  ])
  .join("\n")}`,
};
