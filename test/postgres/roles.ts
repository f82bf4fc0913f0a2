// A server as the documentation sets one up for a bank: two roles with passwords, of which one owns
// the databases and the other one serves.
import { readFileSync, writeFileSync } from "node:fs";
import { startPrimary } from "./cluster.ts";
import type { Server, ServerOptions } from "./server.ts";

export const SERVING = { role: "transact_bank", password: "serving-secret" } as const;
export const OWNER = { role: "transact_bank_owner", password: "owner-secret" } as const;

export type BankServer = {
  readonly server: Server;
  /** Makes an empty database; gives its name. */
  newDatabase(owner?: string, encoding?: string): Promise<string>;
  url(role: string, database: string): string;
};

export async function startBankServer(options: ServerOptions = {}): Promise<BankServer> {
  const server = await startPrimary(options);
  await askPasswords(server);
  for (const { role, password } of [SERVING, OWNER]) {
    await server.sql(`create role ${role} login password '${password}'`);
  }
  let databases = 0;
  return {
    server,
    async newDatabase(owner = OWNER.role, encoding = "UTF8") {
      databases += 1;
      const name = `shared_${databases}`;
      const sorted = `encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`;
      await server.sql(`create database ${name} owner ${owner} template template0 ${sorted}`);
      return name;
    },
    url: (role, database) => `postgres://${role}@${server.address}:${server.port}/${database}`,
  };
}

/** What comes before the lines of initdb, which trust everybody here. */
async function askPasswords(server: Server): Promise<void> {
  const file = await server.sql("show hba_file");
  const lines = `host all ${SERVING.role},${OWNER.role},stranger all scram-sha-256\n`;
  writeFileSync(file, lines + readFileSync(file, "utf8"));
  await server.sql("select pg_reload_conf()");
}
