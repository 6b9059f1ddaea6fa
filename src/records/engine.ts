/** DuckDB as this process has it: in memory, one thread, and bounds on what one query may take. */
import { createRequire } from "node:module";
import type * as DuckDB from "@duckdb/node-api";
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from "@duckdb/node-api";
import { systemTimers } from "../system/index.js";

const require = createRequire(import.meta.url);
/** Required: for an import Node searches the library's text for names that it exports, which takes longer than running it. */
const { DuckDBInstance: Instance, StatementType } = require("@duckdb/node-api") as typeof DuckDB;

export interface SearchEngineOptions {
  memory_mb_max: number;
  query_ms_max: number;
}

/** A query took more than it may: time, or memory. */
export class TooDear extends Error {
  override readonly name = "TooDear";
}

/** A statement isn't one that may be asked. */
export class NotAQuestion extends Error {
  override readonly name = "NotAQuestion";
}

export type SqlValue = string | number | bigint | boolean | readonly string[];

export class SearchEngine {
  readonly #instance: DuckDBInstance;
  readonly #options: SearchEngineOptions;
  readonly #idle: DuckDBConnection[] = [];

  private constructor(instance: DuckDBInstance, options: SearchEngineOptions) {
    this.#instance = instance;
    this.#options = options;
  }

  static async open(options: SearchEngineOptions): Promise<SearchEngine> {
    const instance = await Instance.create(":memory:", {
      threads: "1",
      memory_limit: `${options.memory_mb_max}MB`,
      // What doesn't fit is too dear: records go to no other place of the disk.
      temp_directory: "",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const engine = new SearchEngine(instance, options);
    await engine.rows("SET GLOBAL TimeZone = 'UTC'");
    // The system keeps what was read of files anyway, and what the engine keeps of their ends grows with the log.
    await engine.rows("SET GLOBAL enable_external_file_cache = false");
    return engine;
  }

  /**
   * Runs one statement.
   * @throws TooDear; what the engine reports
   */
  async rows<T>(sql: string, values: readonly SqlValue[] = [], query_ms_max = this.#options.query_ms_max): Promise<T[]> {
    return this.#bounded(query_ms_max, async (connection) => {
      const reader = await connection.runAndReadAll(sql, values as DuckDBValue[]);
      return reader.getRowObjectsJS() as T[];
    });
  }

  /** From now on nothing but these files and this folder is read or written, nothing is loaded, and no statement changes that. */
  async lock(files: readonly string[], folder: string): Promise<void> {
    await this.rows(`SET GLOBAL allowed_paths = [${files.map((file) => `'${file.replaceAll("'", "''")}'`).join(", ")}]`);
    await this.rows(`SET GLOBAL allowed_directories = ['${folder.replaceAll("'", "''")}']`);
    await this.rows("SET GLOBAL enable_external_access = false");
    await this.rows("SET GLOBAL lock_configuration = true");
  }

  /**
   * Holds a statement of somebody else against what may be asked: one, that reads.
   * @throws NotAQuestion; what the parser and the binder report
   */
  async checkQuestion(sql: string): Promise<void> {
    const connection = await this.#instance.connect();
    try {
      const statements = await connection.extractStatements(sql).catch((cause: unknown) => {
        // The parser's own errors say where; of a text without a statement there is nothing to say.
        if (cause instanceof Error && cause.message.includes("native callback"))
          throw new NotAQuestion("one statement is expected, and there is none", { cause });
        throw cause;
      });
      if (statements.count !== 1) throw new NotAQuestion(`one statement is expected, and there are ${statements.count}`);
      const { statementType } = await statements.prepare(0);
      if (statementType !== StatementType.SELECT) throw new NotAQuestion("only SELECT is answered");
    } finally {
      connection.closeSync();
    }
  }

  /** Rows of a statement that was checked, `rows_max` at most. @throws TooDear; what the engine reports */
  async question(sql: string, rows_max: number): Promise<{ columns: string[]; rows: unknown[][]; more: boolean }> {
    return this.#bounded(this.#options.query_ms_max, async (connection) => {
      const reader = await connection.streamAndReadUntil(sql, rows_max + 1);
      const rows = reader.getRowsJS();
      return { columns: reader.columnNames(), rows: rows.slice(0, rows_max), more: rows.length > rows_max };
    });
  }

  async #bounded<T>(query_ms_max: number, act: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = this.#idle.pop() ?? (await this.#instance.connect());
    const deadline = { passed: false };
    const cancel = systemTimers.after(query_ms_max, () => {
      deadline.passed = true;
      connection.interrupt();
    });
    try {
      return await act(connection);
    } catch (cause) {
      if (!deadline.passed && !(cause instanceof Error && /Out of Memory|INTERRUPT/.test(cause.message))) throw cause;
      throw new TooDear(deadline.passed ? `the query took longer than ${query_ms_max} ms` : "the query takes more memory than it may", {
        cause,
      });
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
