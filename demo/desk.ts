/** What the support desk's own systems know: the attributes that an enforcement point finds before it asks. */
import type { Values } from "../src/contract/index.js";
import type { Action } from "./parties.js";

const EMAIL: Readonly<Record<string, string>> = { ada: "ada@example.com", eva: "eva@example.com" };

/** Resource → what is known of it. */
export const FOUND: Readonly<Record<string, Values>> = {
  "ticket/TCK-81": { customer: "ada" },
  "ticket/TCK-82": { customer: "bob" },
  "ticket/TCK-83": { customer: "cho" },
  "ticket/TCK-84": { customer: "dev" },
  "ticket/TCK-85": { customer: "eva" },
  "ticket/TCK-86": {}, // sent from an address that nobody knows
  "ticket/TCK-87": { customer: "gus" },
  "ticket/TCK-88": { customer: "hal" },
  "ticket/TCK-89": { customer: "ida" },
  "order/O-2": { customer: "bob" },
  "order/O-6": { customer: "fay" },
  "invoice/I-1": { customer: "ada", amount_cents: 4900 },
  "invoice/I-2": { customer: "bob", amount_cents: 12_000 },
  "invoice/I-7": { customer: "gus", amount_cents: 8000 },
  "payment/P-1": { customer: "ada", amount_cents: 4900 },
  "payment/P-4": { customer: "dev", amount_cents: 90_000 },
  "payment/P-7": { customer: "gus", amount_cents: 8000 },
};

/** @param asked `read invoice/I-1`, or `search customer`, which names nothing yet */
export function action(asked: string, args?: Values): Action {
  const [verb = "", name = ""] = asked.split(" ");
  const [type = "", id = null] = name.split("/");
  return {
    verb,
    resource: { type, id, attributes: FOUND[name] ?? {} },
    ...(args === undefined ? {} : { arguments: args }),
  };
}

/** A reply on a ticket; `to` is what the model wrote. */
export function reply(ticket: string, to: string): Action {
  const { customer } = FOUND[`ticket/${ticket}`] ?? {};
  return {
    verb: "create",
    resource: {
      type: "reply",
      id: null,
      attributes: { ticket, customer_email: typeof customer === "string" ? (EMAIL[customer] ?? null) : null },
    },
    arguments: { to, text: "…" },
  };
}

/** One of a customer's past orders. */
export function pastOrder(customer: string, number: number): Action {
  return { verb: "read", resource: { type: "order", id: `O-${number}`, attributes: { customer } } };
}
