/**
 * Objects of a cluster in a bucket of NATS JetStream, each by a name. What comes back is whatever lies there: whoever reads it has to
 * verify it.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { Objm, type ObjectStore } from "@nats-io/obj";
import { errorMessage } from "../system/error_message.js";
import type { Timers } from "../system/index.js";
import { StoreUnavailable } from "./store.js";

export interface NatsObjectsOptions {
  bucket: string;
  /** Copies of the bucket, on as many servers. */
  replicas: number;
  /** Bytes of the whole bucket, beyond which the servers refuse another object. */
  bucket_bytes_max: number;
  /** Bytes of an object that is read. */
  bytes_max: number;
  /** Milliseconds within which an object has to be read or stored. */
  within_ms: number;
}

/** Object as a list has it. */
export interface StoredObject {
  name: string;
  modified_ms: number;
}

export class NatsObjects {
  readonly #connection: NatsConnection;
  readonly #options: NatsObjectsOptions;
  readonly #timers: Pick<Timers, "after">;
  #opened: ObjectStore | null = null;

  constructor(connection: NatsConnection, options: NatsObjectsOptions, timers: Pick<Timers, "after">) {
    this.#connection = connection;
    this.#options = options;
    this.#timers = timers;
  }

  /** Stores an object, in the place of one of that name. @throws StoreUnavailable */
  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#within(async (store) => {
      await store.putBlob({ name }, bytes);
    });
  }

  /** Returns what lies under a name; null if nothing does. @throws StoreUnavailable, also for an object that is larger than it may be */
  get(name: string): Promise<Uint8Array | null> {
    const { bytes_max } = this.#options;
    return this.#within(async (store, isLate) => {
      const found = await store.info(name);
      // A link leads to another bucket.
      if (found === null || found.deleted || found.options?.link !== undefined) return null;
      const result = await store.get(name);
      if (result === null) return null;
      // The stream fails with it too.
      result.error.catch(() => undefined);
      const chunks: Uint8Array[] = [];
      let size = 0;
      const reader = result.data.getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        size += next.value.length;
        chunks.push(next.value);
        if (size <= bytes_max && !isLate()) continue;
        await reader.cancel();
        throw new StoreUnavailable(`the object ${name} has more than ${bytes_max} bytes`);
      }
      return Buffer.concat(chunks);
    });
  }

  /** Objects, the last stored first. @throws StoreUnavailable */
  list(): Promise<StoredObject[]> {
    return this.#within(async (store) => {
      const found = await store.list();
      return found.map(({ name, mtime }) => ({ name, modified_ms: Date.parse(mtime) })).sort((a, b) => b.modified_ms - a.modified_ms);
    });
  }

  /** @throws StoreUnavailable */
  remove(name: string): Promise<void> {
    return this.#within(async (store) => {
      await store.delete(name);
    });
  }

  async #within<T>(act: (store: ObjectStore, isLate: () => boolean) => Promise<T>): Promise<T> {
    const { within_ms, bucket } = this.#options;
    let isLate = false;
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.#timers.after(within_ms, () => {
        isLate = true;
        reject(new StoreUnavailable(`the bucket ${bucket} has not answered within ${within_ms} ms`));
      });
    });
    const acting = this.#store().then((store) => act(store, () => isLate));
    // It may fail once nobody waits for it any more.
    acting.catch(() => undefined);
    try {
      return await Promise.race([acting, late]);
    } catch (cause) {
      throw cause instanceof StoreUnavailable ? cause : new StoreUnavailable(errorMessage(cause));
    } finally {
      cancel();
    }
  }

  async #store(): Promise<ObjectStore> {
    if (this.#opened !== null) return this.#opened;
    const { bucket, replicas, bucket_bytes_max: max_bytes } = this.#options;
    const buckets = new Objm(this.#connection);
    // Another node may have created it with bounds of its own.
    this.#opened = await buckets.open(bucket).catch(() => buckets.create(bucket, { replicas, max_bytes, storage: "file" as never }));
    return this.#opened;
  }
}
