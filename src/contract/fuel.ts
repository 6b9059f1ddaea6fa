/**
 * Metering units that one evaluation of a policy may use, about 10,000 a microsecond of CPU. A decision of the
 * shipped policies uses about 300,000.
 */
export const EVALUATION_FUEL = { default: 30_000_000, minimum: 1_000_000, maximum: 10_000_000_000 } as const;
