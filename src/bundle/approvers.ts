/** `approvers` of a purpose: which callers approve what waits, and how many of them it takes. */
import { NAME_PATTERN, type Approvers } from "../contract/index.js";
import type { Path, Sheet } from "./source.js";

export const ROLES_MAX = 16;
export const QUORUM_MAX = 16;
const ROLE = new RegExp(NAME_PATTERN);

/** Returns the members of a compiled purpose: none if nothing is said. */
export function compileApprovers(sheet: Sheet, value: unknown, path: Path): { approvers?: Approvers } {
  if (value === undefined) return {};
  const said = sheet.fields(value, path, "`approvers`", ["roles", "quorum"]);
  const roles = (said["roles"] ?? []) as unknown;
  const isRoles = Array.isArray(roles) && roles.length <= ROLES_MAX && roles.every((role) => typeof role === "string" && ROLE.test(role));
  if (!isRoles || new Set(roles).size !== roles.length)
    sheet.error([...path, "roles"], `\`roles\` must be a list of at most ${ROLES_MAX} names, each once`);
  const quorum = said["quorum"] ?? 1;
  if (typeof quorum !== "number" || !Number.isInteger(quorum) || quorum < 1 || quorum > QUORUM_MAX) {
    sheet.error([...path, "quorum"], `\`quorum\` must be a whole number from 1 to ${QUORUM_MAX}`);
    return {};
  }
  return { approvers: { roles: isRoles ? (roles as string[]) : [], quorum } };
}
