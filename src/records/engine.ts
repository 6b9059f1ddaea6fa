/** DuckDB as this process has it: in memory, one thread, and bounds on what one query may take. */
import { DuckDBInstance, type DuckDBConnection, type DuckDBValue } from "@duckdb/node-api";
import { systemTimers } from "../system/index.js";

export interface EngineOptions {
  memory_mb_max: number;
  query_ms_max: number;
}

/** A query took more than it may: time, or memory. */
export class TooDear extends Error {
  override readonly name = "TooDear";
}

export type SqlValue = string | number | bigint | boolean | readonly string[];

export class Engine {
  readonly #instance: DuckDBInstance;
  readonly #options: EngineOptions;
  readonly #idle: DuckDBConnection[] = [];

  private constructor(instance: DuckDBInstance, options: EngineOptions) {
    this.#instance = instance;
    this.#options = options;
  }

  static async open(options: EngineOptions): Promise<Engine> {
    const instance = await DuckDBInstance.create(":memory:", {
      threads: "1",
      memory_limit: `${options.memory_mb_max}MB`,
      // What doesn't fit is too dear: records go to no other place of the disk.
      temp_directory: "",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const engine = new Engine(instance, options);
    await engine.rows("SET GLOBAL TimeZone = 'UTC'");
    await engine.rows("SET GLOBAL parquet_metadata_cache = true");
    return engine;
  }

  /**
   * Runs one statement.
   * @throws TooDear; what the engine reports
   */
  async rows<T>(sql: string, values: readonly SqlValue[] = [], query_ms_max = this.#options.query_ms_max): Promise<T[]> {
    const connection = this.#idle.pop() ?? (await this.#instance.connect());
    const deadline = { passed: false };
    const cancel = systemTimers.after(query_ms_max, () => {
      deadline.passed = true;
      connection.interrupt();
    });
    try {
      const reader = await connection.runAndReadAll(sql, values as DuckDBValue[]);
      return reader.getRowObjectsJS() as T[];
    } catch (cause) {
      if (deadline.passed || (cause instanceof Error && /^Out of Memory|INTERRUPT/.test(cause.message)))
        throw new TooDear(deadline.passed ? `the query took longer than ${query_ms_max} ms` : "the query takes more memory than it may", {
          cause,
        });
      throw cause;
    } finally {
      cancel();
      this.#idle.push(connection);
    }
  }

  close(): void {
    for (const connection of this.#idle.splice(0)) connection.closeSync();
    this.#instance.closeSync();
  }
}
