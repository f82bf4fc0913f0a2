// The thread that reads from PostgreSQL what the metrics show: a database that does not answer must not
// hold up the thread that answers Clickatell.
import { openBank } from "./bank.ts";
import { messageOf } from "./errors.ts";
import { type Glance, glanceAt } from "./overview.ts";

declare const self: Worker;

export type GlanceReply = { readonly glance: Glance } | { readonly failure: string };

self.onmessage = ({ data: dataDir }: MessageEvent<string>) => {
  let opened: ReturnType<typeof openBank> | null = null;
  function glance(): GlanceReply {
    try {
      // The keys are not needed, and nothing is written.
      opened ??= openBank(dataDir, { withoutPins: true, dryRun: true });
      return { glance: glanceAt(Date.now(), opened) };
    } catch (error) {
      opened?.close();
      opened = null;
      return { failure: messageOf(error) };
    }
  }
  self.onmessage = () => self.postMessage(glance());
  self.postMessage(glance());
};
