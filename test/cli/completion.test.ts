/** Completion scripts, each read by its own shell as far as that is installed. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { skip } from "../skip.js";
import { remit } from "./remit.js";

interface Shell {
  /** File that the script is put into. */
  file: string;
  /** Words of its command line that print, one a line, what is offered for the last word. */
  asking: (file: string, words: readonly string[]) => string[];
}

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");

const SHELLS: Record<string, Shell> = {
  bash: {
    file: "remit.bash",
    asking: (file, words) => [
      "--norc",
      "-c",
      `. ${file}; COMP_WORDS=(${quoted(words)}); COMP_CWORD=${words.length - 1}; _remit; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
  },
  // As its completion system calls it: by name, for the first time. What would offer the words prints them.
  zsh: {
    file: "functions/_remit",
    asking: (file, words) => [
      "-f",
      "-c",
      `fpath=(${dirname(file)}); autoload -U _remit; compadd() { shift; print -l -- \${(M)@:#$words[CURRENT]*} }; _files() { }
words=(${quoted(words)}); CURRENT=${words.length}; _remit`,
    ],
  },
  fish: {
    file: "remit.fish",
    asking: (file, words) => ["--no-config", "-c", `source ${file}; complete -C "${words.join(" ")}"`],
  },
};

/** Line as far as it is typed, and what completes it; null: names of files. */
const LINES: [words: string[], offered: string[] | null][] = [
  [["remit", "che"], ["check"]],
  [["remit", "audit", "verify-r"], ["verify-receipt"]],
  [["remit", "keys", ""], ["generate"]],
  [["remit", "test", "--wa"], ["--watch"]],
  [["remit", "test", "--filter", "x", "--wa"], ["--watch"]],
  // `verify` is a command too, and has options that `audit verify` doesn't have.
  [["remit", "audit", "verify", "--r"], []],
  [["remit", "verify", "--r"], ["--rebuild"]],
  [["remit", "verify", "support.tar"], null],
];

describe("shell completion", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-completion-"));
    mkdirSync(join(folder, "functions"));
    writeFileSync(join(folder, "support.tar.gz"), "");
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [shell, { file, asking }] of Object.entries(SHELLS)) {
    it(`completes commands, subcommands and the options of each in ${shell}, and else leaves files to it`, async function () {
      if (spawnSync(shell, ["-c", "true"]).error !== undefined) skip(this, `no ${shell} here`);
      const { exit, out } = await remit("completion", shell);
      expect(exit).to.equal("ok");
      const script = join(folder, file);
      writeFileSync(script, out);
      for (const [words, wanted] of LINES) {
        const printed = execFileSync(shell, asking(script, words), { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
        const offered = printed.split("\n").filter((line) => line !== "" && line !== "support.tar.gz");
        expect(offered, words.join(" ")).to.deep.equal(wanted ?? []);
      }
    });
  }

  it("is refused for a shell that isn't known", async () => {
    expect((await remit("completion", "powershell")).exit).to.equal("usage");
  });
});
