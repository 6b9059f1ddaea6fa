/**
 * The shop behind the tools: its database and what its own interface accepts. A conversation has a copy of its own, so
 * what one does is never seen by another.
 */
import type { Call } from "./benchmark.js";

export type Source = "credit_card" | "paypal" | "gift_card";

export type Status =
  "pending" | "pending (item modified)" | "processed" | "delivered" | "cancelled" | "return requested" | "exchange requested";

export interface Customer {
  first_name: string;
  last_name: string;
  email: string;
  zip: string;
}

export interface PaymentMethod {
  customer: string;
  source: Source;
  /** Of a gift card. */
  balance_cents: number | null;
}

/** One piece: two of the same item are two lines. */
export interface Line {
  item: string;
  product: string;
  price_cents: number;
}

export interface Payment {
  kind: "payment" | "refund";
  method: string;
  amount_cents: number;
}

export interface Order {
  customer: string;
  status: Status;
  lines: readonly Line[];
  payments: readonly Payment[];
  /** Tools that have changed it. */
  done: readonly string[];
}

export interface Item {
  product: string;
  available: boolean;
  price_cents: number;
}

export interface Database {
  customers: ReadonlyMap<string, Customer>;
  paymentMethods: ReadonlyMap<string, PaymentMethod>;
  orders: ReadonlyMap<string, Order>;
  items: ReadonlyMap<string, Item>;
  products: ReadonlySet<string>;
}

/** The shop's own interface does not do it. */
export class ShopRefusal extends Error {
  override readonly name = "ShopRefusal";
}

function demand(holds: boolean, refusal: string): asserts holds {
  if (!holds) throw new ShopRefusal(refusal);
}

export class Shop {
  readonly #orders: Map<string, Order>;
  readonly #paymentMethods: Map<string, PaymentMethod>;

  constructor(
    readonly database: Database,
    changed?: { orders: Map<string, Order>; paymentMethods: Map<string, PaymentMethod> },
  ) {
    this.#orders = new Map(changed?.orders);
    this.#paymentMethods = new Map(changed?.paymentMethods);
  }

  /** A copy: what is done to it leaves this one alone. */
  copy(): Shop {
    return new Shop(this.database, { orders: this.#orders, paymentMethods: this.#paymentMethods });
  }

  order(id: string): Order | undefined {
    return this.#orders.get(id) ?? this.database.orders.get(id);
  }

  paymentMethod(id: string): PaymentMethod | undefined {
    return this.#paymentMethods.get(id) ?? this.database.paymentMethods.get(id);
  }

  /** Whom an e-mail address, or a name and zip code, belong to. */
  find(details: Call["kwargs"]): string | undefined {
    const same = (a: string | string[] | undefined, b: string): boolean => typeof a === "string" && a.toLowerCase() === b.toLowerCase();
    for (const [id, customer] of this.database.customers) {
      const byEmail = same(details["email"], customer.email);
      const byName = same(details["first_name"], customer.first_name) && same(details["last_name"], customer.last_name);
      if (byEmail || (byName && details["zip"] === customer.zip)) return id;
    }
    return undefined;
  }

  /** Does what the call says. @throws ShopRefusal where the shop's interface refuses it; nothing has changed then */
  run({ name, kwargs }: Call): void {
    const order = text(kwargs["order_id"]);
    const payment = text(kwargs["payment_method_id"]);
    const items = list(kwargs["item_ids"]);
    const newItems = list(kwargs["new_item_ids"]);
    switch (name) {
      case "find_user_id_by_email":
      case "find_user_id_by_name_zip":
        demand(this.find(kwargs) !== undefined, "no such customer");
        return;
      case "get_user_details":
      case "modify_user_address":
        demand(this.database.customers.has(text(kwargs["user_id"])), "no such customer");
        return;
      case "get_order_details":
        demand(this.order(order) !== undefined, "no such order");
        return;
      case "get_product_details":
        demand(this.database.products.has(text(kwargs["product_id"])), "no such product");
        return;
      case "get_item_details":
        demand(this.database.items.has(text(kwargs["item_id"])), "no such item");
        return;
      case "list_all_product_types":
      case "calculate":
      case "transfer_to_human_agents":
        return;
      case "cancel_pending_order":
        this.#cancel(order, text(kwargs["reason"]));
        return;
      case "modify_pending_order_address":
        this.#modifyAddress(order);
        return;
      case "modify_pending_order_payment":
        this.#modifyPayment(order, payment);
        return;
      case "modify_pending_order_items":
        this.#modifyItems(order, items, newItems, payment);
        return;
      case "exchange_delivered_order_items":
        this.#exchange(order, items, newItems, payment);
        return;
      case "return_delivered_order_items":
        this.#return(order, items, payment);
        return;
      default:
        throw new ShopRefusal("no such tool");
    }
  }

  #cancel(id: string, reason: string): void {
    const order = this.#existing(id);
    demand(order.status === "pending", "only a pending order can be cancelled");
    demand(["no longer needed", "ordered by mistake"].includes(reason), "not a reason to cancel");
    for (const { method, amount_cents } of order.payments) this.#pay(method, -amount_cents);
    const refunds = order.payments.map((payment): Payment => ({ ...payment, kind: "refund" }));
    this.#change(id, "cancel", { status: "cancelled", payments: [...order.payments, ...refunds] });
  }

  #modifyAddress(id: string): void {
    demand(this.#existing(id).status.startsWith("pending"), "only a pending order can be modified");
    this.#change(id, "modify_address", {});
  }

  #modifyPayment(id: string, payment: string): void {
    const order = this.#existing(id);
    demand(order.status.startsWith("pending"), "only a pending order can be modified");
    const method = this.#methodOf(order, payment);
    const [original] = order.payments;
    demand(order.payments.length === 1 && original?.kind === "payment", "there must be exactly one payment");
    demand(original.method !== payment, "the payment method must differ");
    const { amount_cents } = original;
    demand(covers(method, amount_cents), "the gift card does not cover the order");
    this.#pay(payment, amount_cents);
    this.#pay(original.method, -amount_cents);
    this.#change(id, "modify_payment", {
      payments: [
        ...order.payments,
        { kind: "payment", method: payment, amount_cents },
        { kind: "refund", method: original.method, amount_cents },
      ],
    });
  }

  #modifyItems(id: string, items: string[], newItems: string[], payment: string): void {
    const order = this.#existing(id);
    demand(order.status === "pending", "only a pending order can be modified");
    const changed = this.#changedLines(order, items, newItems);
    demand(
      items.every((item, i) => item !== newItems[i]),
      "the new item must differ from the old one",
    );
    const difference_cents = priceOf(changed) - priceOf(order.lines);
    demand(covers(this.#methodOf(order, payment), difference_cents), "the gift card does not cover the difference");
    this.#pay(payment, difference_cents);
    const settled: Payment = {
      kind: difference_cents > 0 ? "payment" : "refund",
      method: payment,
      amount_cents: Math.abs(difference_cents),
    };
    this.#change(id, "modify_items", {
      status: "pending (item modified)",
      lines: changed,
      payments: [...order.payments, settled],
    });
  }

  #exchange(id: string, items: string[], newItems: string[], payment: string): void {
    const order = this.#existing(id);
    demand(order.status === "delivered", "only a delivered order can be exchanged");
    const difference_cents = priceOf(this.#changedLines(order, items, newItems)) - priceOf(order.lines);
    demand(covers(this.#methodOf(order, payment), difference_cents), "the gift card does not cover the difference");
    this.#change(id, "exchange", { status: "exchange requested" });
  }

  #return(id: string, items: string[], payment: string): void {
    const order = this.#existing(id);
    demand(order.status === "delivered", "only a delivered order can be returned");
    const method = this.#methodOf(order, payment);
    const original = order.payments[0]?.method;
    demand(method.source === "gift_card" || payment === original, "refunds go to the original payment or a gift card");
    this.#demandHolds(order, items);
    this.#change(id, "return", { status: "return requested" });
  }

  #existing(id: string): Order {
    const order = this.order(id);
    demand(order !== undefined, "no such order");
    return order;
  }

  #methodOf(order: Order, id: string): PaymentMethod {
    const method = this.paymentMethod(id);
    demand(method?.customer === order.customer, "no such payment method");
    return method;
  }

  #demandHolds(order: Order, items: string[]): void {
    for (const item of items) {
      const held = order.lines.filter((line) => line.item === item).length;
      demand(items.filter((other) => other === item).length <= held, "the order does not hold these items");
    }
  }

  /** The order's lines with each of `items` replaced by the one at its place in `newItems`. */
  #changedLines(order: Order, items: string[], newItems: string[]): Line[] {
    this.#demandHolds(order, items);
    demand(items.length === newItems.length, "as many new items as old ones");
    const changed = [...order.lines];
    for (const [i, item] of items.entries()) {
      const place = changed.findIndex((line, at) => line.item === item && line === order.lines[at]);
      const old = changed[place];
      const id = newItems[i];
      demand(old !== undefined && id !== undefined, "the order does not hold these items");
      const offer = this.database.items.get(id);
      demand(offer?.product === old.product, "the new item is another product");
      demand(offer.available, "the new item is not available");
      changed[place] = { item: id, product: offer.product, price_cents: offer.price_cents };
    }
    return changed;
  }

  #change(id: string, tool: string, change: Partial<Order>): void {
    const order = this.#existing(id);
    this.#orders.set(id, { ...order, ...change, done: [...order.done, tool] });
  }

  /** Takes from a gift card, or gives back where the amount is below zero; other methods are settled elsewhere. */
  #pay(id: string, amount_cents: number): void {
    const method = this.paymentMethod(id);
    if (method === undefined || method.balance_cents === null) return;
    this.#paymentMethods.set(id, { ...method, balance_cents: method.balance_cents - amount_cents });
  }
}

function covers(method: PaymentMethod, amount_cents: number): boolean {
  return method.balance_cents === null || method.balance_cents >= amount_cents;
}

export function priceOf(lines: readonly Line[]): number {
  return lines.reduce((sum, line) => sum + line.price_cents, 0);
}

function text(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : "";
}

function list(value: string | string[] | undefined): string[] {
  return Array.isArray(value) ? value : [];
}
