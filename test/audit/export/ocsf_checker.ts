/** Checks events by the compiled schema of OCSF 1.8.0 in `test/vectors/ocsf`. */
import { readFileSync } from "node:fs";
import { asset } from "../../../src/system/paths.js";

interface Attribute {
  type: string;
  requirement: "required" | "recommended" | "optional";
  array?: boolean;
  enum?: Record<string, string>;
  sibling?: string;
  profiles?: string[];
}

interface Shape {
  uid?: number;
  category_uid?: number;
  constraints?: { at_least_one?: string[]; just_one?: string[] };
  attributes: Record<string, Attribute>;
}

const schema = JSON.parse(readFileSync(asset("test", "vectors", "ocsf", "ocsf-1.8.0-trimmed.json"), "utf8")) as {
  classes: Record<string, Shape>;
  objects: Record<string, Shape>;
};

const text = (value: unknown): boolean => typeof value === "string";
const matching =
  (pattern: RegExp) =>
  (value: unknown): boolean =>
    typeof value === "string" && pattern.test(value);
const whole = (value: unknown): boolean => Number.isSafeInteger(value);
const SCALARS: Record<string, (value: unknown) => boolean> = {
  boolean_t: (value) => typeof value === "boolean",
  datetime_t: matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/),
  file_hash_t: matching(/^[0-9a-fA-F]{32,}$/),
  float_t: (value) => typeof value === "number",
  integer_t: whole,
  json_t: () => true,
  long_t: whole,
  port_t: (value) => whole(value) && (value as number) >= 0 && (value as number) <= 65_535,
  timestamp_t: (value) => whole(value) && (value as number) > 0,
};

/** What is wrong with an event; nothing, for a good one. */
export function faultsOf(event: Record<string, unknown>): string[] {
  const shape = Object.values(schema.classes).find(({ uid }) => uid === event["class_uid"]);
  if (shape === undefined) return [`class_uid: ${String(event["class_uid"])} is none that is known`];
  const metadata = event["metadata"] as { version?: unknown; profiles?: string[] } | undefined;
  const faults: string[] = [];
  if (event["category_uid"] !== shape.category_uid) faults.push("category_uid: not the class's");
  if (event["type_uid"] !== (event["class_uid"] as number) * 100 + (event["activity_id"] as number))
    faults.push("type_uid: not the class's and activity's");
  if (metadata?.version !== "1.8.0") faults.push("metadata.version: not 1.8.0");
  check(event, shape, "", new Set(metadata?.profiles ?? []), faults);
  return faults;
}

function check(
  value: Record<string, unknown>,
  { attributes, constraints }: Shape,
  at: string,
  profiles: ReadonlySet<string>,
  faults: string[],
): void {
  const known = Object.entries(attributes).filter(
    ([, { profiles: only }]) => only === undefined || only.some((profile) => profiles.has(profile)),
  );
  const names = new Set(known.map(([name]) => name));
  for (const name of Object.keys(value)) if (!names.has(name)) faults.push(`${at}${name}: unknown`);
  for (const [name, attribute] of known) {
    const member = value[name];
    if (member === undefined) {
      if (attribute.requirement === "required") faults.push(`${at}${name}: missing`);
    } else checkMember(member, attribute, `${at}${name}`, profiles, faults);
    checkSibling(value, name, attribute, at, faults);
  }
  const given = (of: string[] = []): number => of.filter((name) => value[name] !== undefined).length;
  if (constraints?.at_least_one !== undefined && given(constraints.at_least_one) === 0)
    faults.push(`${at}: none of ${constraints.at_least_one.join(", ")}`);
  if (constraints?.just_one !== undefined && given(constraints.just_one) !== 1)
    faults.push(`${at}: not exactly one of ${constraints.just_one.join(", ")}`);
}

/** A text twin says what the schema says of its id, unless that is Other. */
function checkSibling(value: Record<string, unknown>, name: string, attribute: Attribute, at: string, faults: string[]): void {
  const twin = attribute.sibling === undefined ? undefined : value[attribute.sibling];
  if (twin === undefined || value[name] === 99) return;
  const caption = attribute.enum?.[String(value[name])];
  if (caption !== twin) faults.push(`${at}${attribute.sibling ?? ""}: ${JSON.stringify(twin)}, and not ${caption ?? "anything"}`);
}

function checkMember(value: unknown, attribute: Attribute, at: string, profiles: ReadonlySet<string>, faults: string[]): void {
  if (attribute.array === true) {
    if (!Array.isArray(value)) faults.push(`${at}: no list`);
    else for (const [i, item] of value.entries()) checkMember(item, { ...attribute, array: false }, `${at}[${i}]`, profiles, faults);
    return;
  }
  if (attribute.enum !== undefined && !Object.hasOwn(attribute.enum, String(value)))
    faults.push(`${at}: ${String(value)} is none of its values`);
  const [, object] = /^object:(.+)$/.exec(attribute.type) ?? [];
  if (object === undefined) {
    if (!(SCALARS[attribute.type] ?? text)(value)) faults.push(`${at}: no ${attribute.type}`);
  } else if (typeof value !== "object" || value === null || Array.isArray(value)) faults.push(`${at}: no object`);
  // `object` is any.
  else if (object !== "object") {
    const shape = schema.objects[object];
    if (shape === undefined) faults.push(`${at}: ${object} is unknown`);
    else check(value as Record<string, unknown>, shape, `${at}.`, profiles, faults);
  }
}
