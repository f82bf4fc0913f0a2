// What a running server shows of itself: its live state to `status`, its metrics to Prometheus.
import type { Config } from "./config.ts";
import type { Counters } from "./counters.ts";
import type { Engine } from "./engine/engine.ts";
import { messageOf } from "./errors.ts";
import { liveOf, serveLive } from "./live.ts";
import { serveMetrics } from "./metrics.ts";
import type { Glance } from "./overview.ts";

export type Observed = {
  readonly dataDir: string;
  readonly glance: () => Promise<Glance>;
  readonly risk: () => string | null;
  readonly config: Config;
  readonly url: string;
  readonly engine: Engine;
  readonly counters: Counters;
  readonly logLevel: string;
  readonly tlsExpiresAt: () => number | null;
};

/** Begins to show it. What cannot be shown becomes a warning: sales go on all the same. */
export function observe(observed: Observed, warnings: string[]): { close(): void } {
  const { dataDir, config } = observed;
  let metrics: ReturnType<typeof serveMetrics> | null = null;
  const metricsUrl = () => metrics?.url ?? null;
  const live = liveOf({
    ...observed,
    warnings: () => [...warnings, ...[observed.risk()].filter((risk) => risk !== null)],
    metricsUrl,
  });
  if (config.metrics_port !== undefined) {
    try {
      metrics = serveMetrics(config.metrics_port, { ...observed, live });
    } catch (error) {
      const why = messageOf(error);
      warnings.push(`metrics are not served on port ${config.metrics_port}: ${why}`);
    }
  }
  const socket = serveLive(dataDir, live);
  if (socket.warning !== null) warnings.push(socket.warning);
  return {
    close() {
      socket.close();
      metrics?.close();
    },
  };
}
