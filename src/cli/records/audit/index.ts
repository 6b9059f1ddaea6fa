/** `remit audit`: asks the records. One module per subcommand, each adding itself. */
import type { Command } from "commander";
import type { Exit } from "../../exit.js";
import type { Ui } from "../../ui.js";

/** Adds a subcommand. What it needs to do its work it loads when it does it. */
type AddTo = (audit: Command, ui: Ui, finish: (exit: Exit) => void) => void;

/** Subcommands in the order of the help. */
const COMMANDS: readonly (() => Promise<AddTo>)[] = [
  async () => (await import("./query.js")).addQuery,
  async () => (await import("./show.js")).addShow,
  async () => (await import("./timeline.js")).addTimeline,
  async () => (await import("./who.js")).addWho,
  async () => (await import("./denied.js")).addDenied,
  async () => (await import("./fresh.js")).addNew,
  async () => (await import("./follow.js")).addFollow,
  async () => (await import("./sql.js")).addSql,
  async () => (await import("./receipt.js")).addKeys,
  async () => (await import("./receipt.js")).addCheckpoint,
  async () => (await import("./receipt.js")).addReceipt,
  async () => (await import("./verify.js")).addVerify,
  async () => (await import("./verify_receipt.js")).addVerifyReceipt,
  async () => (await import("./verify_growth.js")).addVerifyGrowth,
  async () => (await import("./export.js")).addExport,
  async () => (await import("./publish.js")).addPublish,
  async () => (await import("./retain.js")).addRetain,
  async () => (await import("./rebuild.js")).addRebuildIndex,
];

export async function addAudit(program: Command, ui: Ui, finish: (exit: Exit) => void): Promise<void> {
  const audit = program.command("audit").description("records: what was decided, for whom, why and what became of it");
  for (const load of COMMANDS) (await load())(audit, ui, finish);
}
