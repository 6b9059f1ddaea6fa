/** Reads events of CAEP 1.0, RISC 1.0 and SSF 1.0, by the URIs of their types, and what each does here. */
import { SetRefused } from "./refusals.js";

export const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
export const RISC = "https://schemas.openid.net/secevent/risc/event-type/";
export const SSF = "https://schemas.openid.net/secevent/ssf/event-type/";

/**
 * Effect of an event on its subject.
 * - `end_session`: it is cut off until that is lifted; of a principal: its tasks, and tokens that were issued before.
 * - `cut_tokens`: its tokens that were issued before are refused.
 * - `suspend`: it is cut off until the transmitter reports that it is enabled, or that is lifted.
 * - `restore`: what this transmitter has cut off is lifted.
 * - `narrow`: it is left with reading what its task is about.
 */
export type EventEffect = "end_session" | "cut_tokens" | "suspend" | "restore" | "narrow";

export type EventPayload = Readonly<Record<string, unknown>>;

interface EventType {
  /** Members that it must have, each a text of those listed, any text where none is, or an object. */
  needs?: Readonly<Record<string, readonly string[] | "object">>;
  /** Null: nothing. */
  effect: (event: EventPayload) => EventEffect | null;
}

const nothing = (): null => null;
const always = (effect: EventEffect) => (): EventEffect => effect;

/** A type that isn't here is taken, and has no effect. */
const TYPES: ReadonlyMap<string, EventType> = new Map([
  [`${CAEP}session-revoked`, { effect: always("end_session") }],
  [`${CAEP}token-claims-change`, { needs: { claims: "object" }, effect: always("cut_tokens") }],
  [
    `${CAEP}credential-change`,
    {
      needs: { credential_type: [], change_type: ["create", "revoke", "update", "delete"] },
      effect: ({ change_type }) => (change_type === "revoke" || change_type === "delete" ? "cut_tokens" : null),
    },
  ],
  [
    `${CAEP}assurance-level-change`,
    {
      needs: { namespace: [], current_level: [] },
      effect: ({ change_direction }) => (change_direction === "decrease" ? "narrow" : null),
    },
  ],
  [
    `${CAEP}device-compliance-change`,
    {
      needs: { current_status: ["compliant", "not-compliant"] },
      effect: ({ current_status }) => (current_status === "not-compliant" ? "narrow" : null),
    },
  ],
  [
    `${CAEP}risk-level-change`,
    {
      needs: { principal: [], current_level: ["LOW", "MEDIUM", "HIGH"] },
      effect: ({ current_level }) => (current_level === "HIGH" ? "narrow" : null),
    },
  ],
  [`${CAEP}session-established`, { effect: nothing }],
  [`${CAEP}session-presented`, { effect: nothing }],
  [`${RISC}account-disabled`, { effect: always("suspend") }],
  [`${RISC}account-purged`, { effect: always("suspend") }],
  [`${RISC}account-enabled`, { effect: always("restore") }],
  [`${RISC}credential-compromise`, { needs: { credential_type: [] }, effect: always("cut_tokens") }],
  [`${RISC}sessions-revoked`, { effect: always("end_session") }],
  ...[
    "account-credential-change-required",
    "identifier-changed",
    "identifier-recycled",
    "opt-in",
    "opt-out-initiated",
    "opt-out-cancelled",
    "opt-out-effective",
    "recovery-activated",
    "recovery-information-changed",
  ].map((name): [string, EventType] => [`${RISC}${name}`, { effect: nothing }]),
] satisfies [string, EventType][]);

export const EVENT_TYPES: readonly string[] = [...TYPES.keys()];

export interface ReadEvent {
  known: boolean;
  effect: EventEffect | null;
  /** When it happened, as it says; null where it says nothing. Milliseconds since the epoch. */
  at_ms: number | null;
  /** Why, for who operates; null where it doesn't say. */
  why: string | null;
}

/** @throws SetRefused where it isn't as its type defines it */
export function readEvent(type: string, event: EventPayload): ReadEvent {
  const known = TYPES.get(type);
  if (known === undefined) return { known: false, effect: null, at_ms: null, why: null };
  for (const [name, wanted] of Object.entries(known.needs ?? {})) {
    const value = event[name];
    const fits =
      wanted === "object"
        ? typeof value === "object" && value !== null && !Array.isArray(value)
        : typeof value === "string" && (wanted.length === 0 || wanted.includes(value));
    if (!fits) throw refused(name, wanted === "object" ? "an object" : wanted.length === 0 ? "text" : wanted.join(", "));
  }
  return { known: true, effect: known.effect(event), at_ms: timeOf(event), why: whyOf(event) };
}

/** CAEP 1.0, section 2. */
function timeOf({ event_timestamp: at }: EventPayload): number | null {
  if (at === undefined) return null;
  if (typeof at !== "number" || !Number.isFinite(at) || at < 0) throw refused("event_timestamp", "seconds since 1970");
  return at * 1000;
}

/** Returns the reason in English, or else in the first language. */
function whyOf({ reason_admin: reason }: EventPayload): string | null {
  if (typeof reason === "string") return reason;
  if (typeof reason !== "object" || reason === null) return null;
  const texts = reason as Readonly<Record<string, unknown>>;
  const text = texts["en"] ?? Object.values(texts)[0];
  return typeof text === "string" ? text : null;
}

function refused(member: string, expected: string): SetRefused {
  return new SetRefused("invalid_request", `\`events\`: \`${member}\`: expected ${expected}`);
}

/** The last part of a type's URI: `session-revoked`. */
export function shortName(type: string): string {
  return type.slice(type.lastIndexOf("/") + 1);
}
