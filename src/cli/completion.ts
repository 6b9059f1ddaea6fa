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

/** Command, with its subcommands → what may follow it. */
type Words = Map<string, string[]>;

/** All commands have to be known: main loads each when this one is called. */
function wordsOf(program: Command): Words {
  const words: Words = new Map();
  const visit = (command: Command, path: string[]): void => {
    const options = command.options.flatMap(({ long }) => (long === null || long === undefined ? [] : [long]));
    words.set(path.join(" "), [...command.commands.map((one) => one.name()), ...options, "--help"]);
    for (const one of command.commands) visit(one, [...path, one.name()]);
  };
  visit(program, []);
  return words;
}

const SCRIPTS: Record<Shell, (words: Words) => string> = {
  bash: (words) => `# bash completion for remit
_remit() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${[...words.keys()]
  .filter((path) => path !== "")
  .map((path) => `      "${path.includes(" ") ? path : ` ${path}`}") path="${path}" ;;`)
  .join("\n")}
    esac
  done
  case "$path" in
${[...words].map(([path, next]) => `    "${path}") COMPREPLY=($(compgen -W "${next.join(" ")}" -- "\${COMP_WORDS[COMP_CWORD]}")) ;;`).join("\n")}
  esac
  [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _remit remit`,
  zsh: (words) => `#compdef remit
autoload -U bashcompinit && bashcompinit
${SCRIPTS.bash(words)}`,
  fish: (words) =>
    [...words]
      .flatMap(([path, next]) => {
        const [command, ...more] = path.split(" ").filter((part) => part !== "");
        const seen = [command, ...more].filter((part) => part !== undefined);
        const when = seen.length === 0 ? "__fish_use_subcommand" : seen.map((part) => `__fish_seen_subcommand_from ${part}`).join("; and ");
        return next.map((word) =>
          word.startsWith("--") ? `complete -c remit -n '${when}' -l ${word.slice(2)}` : `complete -c remit -n '${when}' -a ${word}`,
        );
      })
      .join("\n"),
};
