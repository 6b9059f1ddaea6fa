/**
 * Names that examples use without declaring them: what every application has of its own. An example may use any of these; everything
 * else it declares or imports. The addresses and folders in `PLACES` stand for those of the test.
 */
import { readFileSync } from "node:fs";
import express from "express";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { RemitClient, type Action } from "../../src/client/index.js";
import type { DecideRequest } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";

export const url = process.env["REMIT_URL"] ?? "";
export const token = process.env["REMIT_TOKEN"] ?? "";
export const currentToken = (): string => token;

/** Text in an example → text in the run. The second part is below the folder in which it runs. */
export const PLACES: readonly (readonly [from: string, to: string])[] = [
  ["http://127.0.0.1:8181", url],
  ["https://remit.internal:8181", url],
  ["/var/lib/support-app/", "./"],
];

export const action: Action & DecideRequest = {
  agent: "support-7",
  purpose: "customer_support",
  task: "T-1",
  verb: "read",
  resource: { type: "customer", id: "ada" },
};
export const other: Action & DecideRequest = { ...action, resource: { type: "ticket", id: "TCK-81" } };
export const actions: readonly DecideRequest[] = [action, other];
export const id = "I-9";
export const customer = "ada";

export const client = new RemitClient({ url, token: currentToken });
export const app = express();
export const readCustomer = (one: string | null, _signal?: AbortSignal): Promise<{ id: string | null }> => Promise.resolve({ id: one });
export const readInvoice = readCustomer;
export const invoices = { read: (one: string) => readInvoice(one) };
export const ownerOf = (_payment: string): Promise<string> => Promise.resolve(customer);
export const log = { info: ignored, warn: ignored, error: ignored };

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
export const proceeds = (_call: object, _revision: unknown): Promise<boolean> => Promise.resolve(true);

const WORDS = asset("rego", "policies", "customer_support", "vocabulary.yaml");
export const vocabulary = compileVocabulary(new Sheet("vocabulary.yaml", readFileSync(WORDS)));

export const evaluation = `${url}/access/v1/evaluation`;
export const evaluations = `${url}/access/v1/evaluations`;
export const name = "get_customer";
export const tools = new Map([[name, { name, inputSchema: { type: "object" } }]]);
export const request = { method: "tools/call", params: { name, arguments: {} } };
export const claims = { sub: "support-7", aud: "https://mcp.example.com" };

function ignored(..._fields: unknown[]): void {
  // An application's log.
}
