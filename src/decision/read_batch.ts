/** Reads the actions of a batch: one that can't be read refuses the whole, and is named by its place. */
import { Problem, pointerToken } from "../contract/index.js";
import type { TaskProof } from "./ports.js";
import type { DecisionLimits } from "./pdp.js";
import { readAction, type ReadAction } from "./read.js";
import type { VocabularyReader } from "./values.js";

type BatchLimits = Pick<DecisionLimits, "batch_actions_max" | "body_bytes_max">;

/**
 * Checks that one action of several isn't larger than an action alone may be: `remit check` vouches for no larger one.
 * @throws Problem `body_too_large`
 */
export function checkSize(action: unknown, bytesMax: number): void {
  if (action !== undefined && Buffer.byteLength(JSON.stringify(action)) > bytesMax)
    throw new Problem("body_too_large", { field: "", expected: `at most ${bytesMax} bytes for one action` });
}

/** @throws Problem with the item's place in `field` */
export function readBatch(
  asked: unknown,
  vocabulary: VocabularyReader,
  limits: BatchLimits,
  taskProof: (token: string) => TaskProof,
): ReadAction[] {
  if (typeof asked !== "object" || asked === null || Array.isArray(asked)) {
    throw new Problem("field_type", { field: "", expected: "an object" });
  }
  const unknown = Object.keys(asked).find((key) => key !== "actions");
  if (unknown !== undefined) {
    throw new Problem("field_unknown", { field: `/${pointerToken(unknown)}`, expected: "only `actions`" });
  }
  const { actions } = asked as { actions?: unknown };
  if (actions === undefined) throw new Problem("field_missing", { field: "/actions", expected: "a list of actions" });
  if (!Array.isArray(actions)) throw new Problem("field_type", { field: "/actions", expected: "a list of actions" });
  return readActions(actions, vocabulary, limits, taskProof);
}

/** Reads the actions of a list that was parsed already. @throws Problem with the item's place in `field` */
export function readActions(
  actions: readonly unknown[],
  vocabulary: VocabularyReader,
  limits: BatchLimits,
  taskProof: (token: string) => TaskProof,
): ReadAction[] {
  const { batch_actions_max, body_bytes_max } = limits;
  if (actions.length === 0 || actions.length > batch_actions_max) {
    throw new Problem("field_invalid", { field: "/actions", expected: `1 to ${batch_actions_max} actions` });
  }
  return actions.map((action, item) => {
    try {
      checkSize(action, body_bytes_max);
      return readAction(action, vocabulary, taskProof);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      const field = `/actions/${item}${cause.detail.field ?? ""}`;
      throw new Problem(cause.code, { ...cause.detail, field, item }, { cause });
    }
  });
}
