/**
 * The benchmark's files, read down to what an enforcement point may know. What a broken row is graded by is kept apart,
 * for the report: nothing that decides or resolves gets to see it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Database, Order, PaymentMethod, Source, Status } from "./shop.js";

/** One tool call as the model wrote it. */
export interface Call {
  name: string;
  kwargs: Record<string, string | string[]>;
}

export interface Conversation {
  id: string;
  /** Whom the host knows to be speaking, where the conversation starts with a customer known. */
  customer: string;
  calls: Call[];
}

/** A conversation that goes well until its last call breaks the shop's policy. */
export interface BrokenRow {
  conversation: string;
  prior: Call[];
  call: Call;
}

export type Access = "read" | "write" | "generic";

export interface Benchmark {
  database: Database;
  /** Tool → the benchmark's own marking. */
  access: ReadonlyMap<string, Access>;
  conversations: Conversation[];
  broken: BrokenRow[];
  /** The rule that each broken row breaks, by its index. */
  rules: string[];
}

/** @param folder holds `retail.jsonl`, `retail.negatives.jsonl`, `retail.db.json` and `retail.tools.json` */
export function loadBenchmark(folder: string): Benchmark {
  const recordings = lines(folder, "retail.jsonl") as { id: string; user_id: string; actions: Call[] }[];
  const rows = lines(folder, "retail.negatives.jsonl") as {
    task_id: string;
    prior: Call[];
    call: Call;
    rule: string;
  }[];
  const { tools } = json(folder, "retail.tools.json") as { tools: { name: string; access: Access }[] };
  return {
    database: loadDatabase(folder),
    access: new Map(tools.map(({ name, access }) => [name, access])),
    conversations: recordings.map((recorded) => ({
      id: recorded.id,
      customer: recorded.user_id,
      calls: recorded.actions.map(callOf),
    })),
    broken: rows.map((row) => ({ conversation: row.task_id, prior: row.prior.map(callOf), call: callOf(row.call) })),
    rules: rows.map((row) => row.rule),
  };
}

function callOf({ name, kwargs }: Call): Call {
  return { name, kwargs };
}

interface RawDatabase {
  users: Record<
    string,
    {
      name: [string, string];
      email: string;
      zip: string;
      payment_methods: Record<string, { source: Source; balance?: number }>;
    }
  >;
  orders: Record<string, { user_id: string; status: Status; items: [string, string, number][]; payments: [string, string, number][] }>;
  items: Record<string, [string, boolean, number]>;
  products: Record<string, string>;
}

function loadDatabase(folder: string): Database {
  const raw = json(folder, "retail.db.json") as RawDatabase;
  const users = Object.entries(raw.users);
  return {
    customers: new Map(users.map(([id, { name, email, zip }]) => [id, { first_name: name[0], last_name: name[1], email, zip }])),
    paymentMethods: new Map(
      users.flatMap(([customer, user]) =>
        Object.entries(user.payment_methods).map(([id, { source, balance }]): [string, PaymentMethod] => [
          id,
          { customer, source, balance_cents: balance === undefined ? null : cents(balance) },
        ]),
      ),
    ),
    orders: new Map(
      Object.entries(raw.orders).map(([id, order]): [string, Order] => [
        id,
        {
          customer: order.user_id,
          status: order.status,
          lines: order.items.map(([item, product, price]) => ({ item, product, price_cents: cents(price) })),
          payments: order.payments.map(([kind, method, amount]) => ({
            kind: kind === "payment" ? "payment" : "refund",
            method,
            amount_cents: cents(amount),
          })),
          done: [],
        },
      ]),
    ),
    items: new Map(
      Object.entries(raw.items).map(([id, [product, available, price]]) => [id, { product, available, price_cents: cents(price) }]),
    ),
    products: new Set(Object.keys(raw.products)),
  };
}

function cents(amount: number): number {
  return Math.round(amount * 100);
}

function json(folder: string, file: string): unknown {
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}

function lines(folder: string, file: string): unknown[] {
  const text = readFileSync(join(folder, file), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}
