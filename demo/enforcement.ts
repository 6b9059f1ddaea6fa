/**
 * The shop's enforcement point: it stands between the model and the shop's tools, finds out from the shop's database what
 * a call is about, asks, and lets the call through only where the answer says so.
 */
import type { DecideRequest, Obligation } from "../src/contract/index.js";
import type { Call } from "./benchmark.js";
import type { Action, Verdict } from "./parties.js";
import { ShopRefusal, priceOf, type Order, type Shop } from "./shop.js";

type Kwargs = Call["kwargs"];
type Resolve = (kwargs: Kwargs, shop: Shop) => Omit<Action, "verb">;

/** What came of one call. */
export interface Attempt {
  verdict: Verdict;
  /** The enforcement point let it through. */
  acted: boolean;
}

/** The task of one conversation: what is asked on it, and what its host is told that it is about. */
export interface Case {
  decide(action: Action): Promise<Verdict>;
  isAbout(type: string, id: string): Promise<void>;
}

/** One conversation with one customer, and a copy of the shop. */
export class Conversation {
  constructor(
    readonly work: Case,
    readonly shop: Shop,
  ) {}

  async attempt(call: Call): Promise<Attempt> {
    const action = actionOf(call, this.shop);
    const verdict = await this.work.decide(action);
    const acted = verdict.mayAct && (verdict.answer?.obligations ?? []).every(isMet);
    if (!acted || !this.does(call) || action.verb !== "search") return { verdict, acted };
    const customer = this.shop.find(call.kwargs);
    if (customer !== undefined) await this.work.isAbout("customer", customer);
    return { verdict, acted };
  }

  /** False where the shop's own interface refuses what the service allowed. */
  private does(call: Call): boolean {
    try {
      this.shop.run(call);
      return true;
    } catch (cause) {
      if (cause instanceof ShopRefusal) return false;
      throw cause;
    }
  }
}

/**
 * No recording holds what customers say; that they said yes before each of these calls is part of how they were made. An
 * enforcement point that talks to somebody asks them here. An obligation of another kind it can't meet, so it doesn't act.
 */
function isMet(obligation: Obligation): boolean {
  return obligation.type === "confirm" && obligation.with === "customer";
}

/** Tool → its verb in the vocabulary, and how the shop's database tells what a call is about. */
const TOOLS: ReadonlyMap<string, readonly [verb: string, resolve: Resolve]> = new Map<string, [string, Resolve]>([
  ["find_user_id_by_email", ["search", anyCustomer]],
  ["find_user_id_by_name_zip", ["search", anyCustomer]],
  ["get_user_details", ["read", customer]],
  ["modify_user_address", ["modify_address", customer]],
  ["get_order_details", ["read", order]],
  ["cancel_pending_order", ["cancel", order]],
  ["modify_pending_order_address", ["modify_address", order]],
  ["modify_pending_order_payment", ["modify_payment", order]],
  ["modify_pending_order_items", ["modify_items", order]],
  ["exchange_delivered_order_items", ["exchange", order]],
  ["return_delivered_order_items", ["return", order]],
  ["get_product_details", ["read", product]],
  ["get_item_details", ["read", item]],
  ["list_all_product_types", ["list", () => ({ resource: { type: "product", id: null } })]],
  ["calculate", ["calculate", (kwargs) => ({ resource: { type: "calculation", id: null }, arguments: kwargs })]],
  ["transfer_to_human_agents", ["transfer", (kwargs) => ({ resource: { type: "conversation", id: null }, arguments: kwargs })]],
]);

/** A tool's call in the words of the vocabulary. A tool that the shop hasn't got keeps its name: no policy knows it. */
export function actionOf({ name, kwargs }: Call, shop: Shop): Action {
  const tool = TOOLS.get(name);
  if (tool === undefined) return { verb: name, resource: { type: "tool", id: name } };
  const [verb, resolve] = tool;
  return { verb, ...resolve(kwargs, shop) };
}

function anyCustomer(kwargs: Kwargs, shop: Shop): Omit<Action, "verb"> {
  const found = shop.find(kwargs) ?? null;
  return {
    resource: { type: "customer", id: null, attributes: { exists: found !== null, found } },
    arguments: kwargs,
  };
}

function customer({ user_id, ...others }: Kwargs, shop: Shop): Omit<Action, "verb"> {
  const id = text(user_id);
  const exists = shop.database.customers.has(id);
  return { resource: { type: "customer", id, attributes: { exists } }, arguments: others };
}

function product({ product_id }: Kwargs, shop: Shop): Omit<Action, "verb"> {
  const id = text(product_id);
  return { resource: { type: "product", id, attributes: { exists: shop.database.products.has(id) } } };
}

function item({ item_id }: Kwargs, shop: Shop): Omit<Action, "verb"> {
  const id = text(item_id);
  return { resource: { type: "item", id, attributes: { exists: shop.database.items.has(id) } } };
}

function order(kwargs: Kwargs, shop: Shop): Omit<Action, "verb"> {
  const { order_id, payment_method_id, item_ids, new_item_ids, ...others } = kwargs;
  const id = text(order_id);
  const known = shop.order(id);
  const attributes = known === undefined ? { exists: false } : orderAttributes(known, item_ids, new_item_ids, shop);
  return {
    resource: { type: "order", id, attributes },
    ...(payment_method_id === undefined ? {} : { related: { payment: payment(text(payment_method_id), shop) } }),
    arguments: {
      ...others,
      ...(item_ids === undefined ? {} : { items: item_ids }),
      ...(new_item_ids === undefined ? {} : { new_items: new_item_ids }),
    },
  };
}

function orderAttributes(
  known: Order,
  items: Kwargs[string] | undefined,
  newItems: Kwargs[string] | undefined,
  shop: Shop,
): Record<string, unknown> {
  return {
    exists: true,
    customer: known.customer,
    status: known.status,
    done: known.done,
    ordered: known.lines.map((line) => line.item),
    original_payment: known.payments[0]?.method ?? null,
    total_cents: priceOf(known.lines),
    ...(Array.isArray(items) && Array.isArray(newItems) ? pairs(known, items, newItems, shop) : {}),
  };
}

/** What would become of each item named, and what all of it would cost; null where it can't be told. */
function pairs(known: Order, items: string[], newItems: string[], shop: Shop): Record<string, unknown> {
  if (items.length !== newItems.length) return {};
  const found = items.map((id, i) => {
    const newId = newItems[i] ?? "";
    return { id, newId, line: known.lines.find((line) => line.item === id), offer: shop.database.items.get(newId) };
  });
  const differences = found.map(({ line, offer }) =>
    line === undefined || offer === undefined ? NaN : offer.price_cents - line.price_cents,
  );
  const difference = differences.reduce((sum, cents) => sum + cents, 0);
  return {
    pairs: found.map(({ id, newId, line, offer }) => ({
      item: id,
      new_item: newId,
      product: line?.product ?? null,
      new_product: offer?.product ?? null,
      available: offer?.available ?? null,
    })),
    price_difference_cents: Number.isNaN(difference) ? null : difference,
  };
}

function payment(id: string, shop: Shop): DecideRequest["resource"] {
  const method = shop.paymentMethod(id);
  return {
    type: "payment_method",
    id,
    attributes: method === undefined ? {} : { customer: method.customer, source: method.source, balance_cents: method.balance_cents },
  };
}

/** An id that the model left out is sent as what it is, nothing, and refused at the door. */
function text(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : "";
}
