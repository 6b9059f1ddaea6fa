/** `invoice/I-1`, or `invoice` where an action names no single resource. */
import { isCanonicalId, isCanonicalPath, type ResourceType, type Vocabulary } from "../contract/index.js";
import type { Path, Sheet } from "../bundle/source.js";

export interface ResourceName {
  /** Name as the author wrote it. */
  name: string;
  type: string;
  spec: ResourceType;
  id: string | null;
}

export function readResourceName(sheet: Sheet, vocabulary: Vocabulary, value: unknown, at: Path): ResourceName | null {
  const name = sheet.text(value, at, "a resource", 512);
  if (name === null) return null;
  const slash = name.indexOf("/");
  const type = slash < 0 ? name : name.slice(0, slash);
  const spec = Object.hasOwn(vocabulary.types, type) ? vocabulary.types[type] : undefined;
  if (spec === undefined) {
    sheet.unknownWord(at, "resource type", type, Object.keys(vocabulary.types));
    return null;
  }
  const id = slash < 0 ? null : name.slice(slash + 1);
  if (id !== null && !(spec.id === "path" ? isCanonicalPath(id) : isCanonicalId(id))) {
    sheet.error(at, `\`${id}\` is not an id of form \`${spec.id}\``);
    return null;
  }
  return { name, type, spec, id };
}
