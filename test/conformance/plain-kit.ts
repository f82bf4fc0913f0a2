// The kit before a bank that authenticates nobody.
import { createClient } from "../../src/conformance/client.ts";
import { createKit, type Kit } from "../../src/conformance/kit.ts";
import type { Profile } from "../../src/conformance/profile.ts";

export function plainKit(url: URL, profile: Profile): Kit {
  const client = createClient({
    url: url.href,
    paths: { reserveFunds: "/reserveFunds", transactResult: "/transactResult" },
    secret: null,
    basic: null,
    tls: { ca: null, client: null, insecure: false },
  });
  return createKit(client, profile, "test");
}
