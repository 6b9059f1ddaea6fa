/** `remit audit verify-receipt`: what a receipt proves, offline. */
import type { Command } from "commander";
import { readGiven } from "../../../system/read_file.js";
import { CliError } from "../../exit.js";
import { sayJson, type Ui } from "../../ui.js";
import { collect } from "../../values.js";
import { trustedKey } from "./verify.js";

const HELP = `
Without --key, the receipt's own word is taken for whose log it is from: it then proves only that it wasn't altered since.

Examples:
  $ remit audit verify-receipt receipt.json --key 'log.example/pdp+67e1a0f2+AT9iCn4SmL+UrNVOVMsjeSQg50lDEEh0cLGWNlUiDXo5'`;

export function addVerifyReceipt(audit: Command, ui: Ui): void {
  audit
    .command("verify-receipt")
    .description("check that a decision is in the log that a key signs, and tell who decided what and why")
    .argument("<file>", "a receipt")
    .option("--key <vkey>", "a key of the log, as C2SP verifier key; may be given again", collect)
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (file: string, options: { key?: string[]; json?: true }) => {
      const [{ ReceiptError, verifyReceipt }, { accountLines, accountOf }] = await Promise.all([
        import("../../../audit/tree/receipt.js"),
        import("../../../audit/tree/account.js"),
      ]);
      const keys = options.key === undefined ? null : await Promise.all(options.key.map(trustedKey));
      const text = readGiven(file).toString();
      const proven = (() => {
        try {
          return verifyReceipt(text, keys);
        } catch (cause) {
          if (!(cause instanceof ReceiptError)) throw cause;
          throw new CliError("invalid", `\`${file}\`: ${cause.message}`, null, { cause, code: cause.code });
        }
      })();
      const { record, index, outcomes, checkpoint } = proven;
      const { origin, size, by } = checkpoint;
      const account = accountOf(record, outcomes);
      const vkeys = by.map(({ vkey }) => vkey);
      if (options.json === true) {
        sayJson(ui, {
          ok: true,
          index,
          checkpoint: { origin, size },
          keys: { vkeys, named_by: keys === null ? "receipt" : "caller" },
          account,
          record,
          outcomes,
        });
        return;
      }
      if (keys === null)
        ui.err(`${ui.paint("yellow", "note:")} the key is the one that the receipt names itself; \`--key\` names one you know`);
      ui.out(`${ui.paint("green", "verified")}  record ${index + 1} of log ${origin}, among the ${size} signed by ${vkeys.join(", ")}`);
      const lines = account === null ? [["record", JSON.stringify(record)] as const] : accountLines(account);
      const width = Math.max(...lines.map(([name]) => name.length));
      for (const [name, value] of lines) ui.out(`  ${ui.paint("dim", name.padEnd(width))}  ${value}`);
    });
}
